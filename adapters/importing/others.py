"""Files that people hand to rpd by mistake, and that it cannot translate: their kinds, and what to use instead."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

import msgspec

_NEW = "rpd init   makes a job file to fill in"
_VOLUMES = ("k8s-pvc", "k8s-hostpath", "runpod-network-volume")
_BATCH = re.compile(r"^#(SBATCH|PBS|BSUB|\$)[ \t]+-", re.MULTILINE)
_PYTHON = re.compile(r"^(?:import|from)[ \t]+(\w+)", re.MULTILINE)
_SHELL_ENDING = re.compile(r"\.(ba|z|da)?sh\Z|\.(sbatch|slurm|pbs)\Z")
_SHELL_LINE = re.compile(r"#![^\n]*\b(ba|z|da|k)?sh\b")
_SCHEDULERS = {"SBATCH": "a Slurm script", "PBS": "a PBS script", "BSUB": "an LSF script", "$": "a Grid Engine script"}


class Other(msgspec.Struct, frozen=True):
    """The kind of a file, with its article, and a hint at what to do."""

    what: str
    hint: str = _NEW


def other_data(data: dict[str, Any]) -> Other | None:
    """The kind of a YAML or JSON document. None if it may be meant for rpd, or is unknown."""
    if "pod" in data:
        return None
    checks: tuple[tuple[Callable[[dict[str, Any]], bool], str, str], ...] = (
        (_is_kubernetes, f"a Kubernetes {_word(data.get('kind')) or 'object'}", _NEW),
        (_is_compose, "a docker-compose file", "rpd init   makes a job file to fill in; a pod runs one container"),
        (lambda each: {"on", "jobs"} <= each.keys(), "a GitHub workflow", _NEW),
        (lambda each: isinstance(each.get("runs"), dict) and "using" in each["runs"], "a GitHub action", _NEW),
        (_is_azure, "an Azure pipeline", _NEW),
        (_is_gitlab, "a GitLab pipeline", _NEW),
        (lambda each: {"cluster_name", "provider"} <= each.keys(), "a Ray cluster", _NEW),
        (lambda each: "entrypoint" in each and "runtime_env" in each, "a Ray job", _NEW),
        (lambda each: "nbformat" in each, "a notebook", "jupyter nbconvert --to script FILE   makes a program of it"),
        (lambda each: {"channels", "dependencies"} <= each.keys(), "a conda environment", _NEW),
        (lambda each: each.get("type") in _VOLUMES, "a SkyPilot volume", "rpd volumes create   makes network volumes"),
    )
    return next((Other(what, hint) for is_it, what, hint in checks if is_it(data)), None)


def other_text(text: str, file: str) -> Other | None:
    """The kind of a text that holds no YAML mapping."""
    name = shlex.quote(file)
    if (match := _BATCH.search(text)) is not None:
        return Other(_SCHEDULERS[match[1]], f"rpd run --image IMAGE --gpu GPU -- bash {name}   ignores its #-lines")
    if _SHELL_LINE.match(text) or _SHELL_ENDING.search(file):
        return Other("a shell script", f"rpd run --image IMAGE --gpu GPU -- bash {name}")
    imports = set(_PYTHON.findall(text))
    if "modal" in imports:
        return Other("a Modal program", "rpd init   makes a job file to fill in; without Modal's calls it is a program")
    if file.endswith(".py") or imports:
        return Other("a Python program", f"rpd run --image IMAGE --gpu GPU -- python {name}")
    return None


def _is_kubernetes(data: dict[str, Any]) -> bool:
    return {"apiVersion", "kind"} <= data.keys()


def _is_compose(data: dict[str, Any]) -> bool:
    services = data.get("services")
    each = services.values() if isinstance(services, dict) else ()
    return any(isinstance(one, dict) and one.keys() & {"image", "build"} for one in each)


def _is_azure(data: dict[str, Any]) -> bool:
    is_head = data.keys() & {"trigger", "pool"}
    return bool(is_head) and any(isinstance(data.get(key), list) for key in ("steps", "stages", "jobs"))


def _is_gitlab(data: dict[str, Any]) -> bool:
    jobs = [each for each in data.values() if isinstance(each, dict) and isinstance(each.get("script"), list | str)]
    return bool(jobs) and data.keys().isdisjoint({"run", "commands", "resources"})


def _word(value: Any) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z]{1,40}", value) else ""
