"""The common parts of the files of several tools: GPUs, environment, folders to send."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rpd.adapters.importing.document import Path as Place
from rpd.adapters.importing.draft import IMAGE, Draft, literal
from rpd.adapters.importing.gpus import ANY, by_price, memory_elsewhere, types_named
from rpd.adapters.local.git_listing import git_refusal
from rpd.adapters.local.leaks import SHORTEST_SECRET, has_login, is_secret_name, leak_in
from rpd.adapters.local.person import expanded

OWN_EXCLUDES = ["/artifacts/runpod/"]
"""Results of earlier runs are never sent."""
SETUP_SECONDS = 3600
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SET_BY_RPD = re.compile(r"RPD_|RUNPOD_|PUBLIC_KEY\Z")
_CREDENTIALS = re.compile(
    r"(^|/)(\.netrc|\.npmrc|\.pypirc|\.git-credentials|id_[a-z0-9]+|token|credentials[^/]*|[^/]+\.pem)\Z"
)
_CALLED = re.compile(r"(?:^|[;&|(!]|\b(?:sudo|then|do|else|if)\b)[ \t]*(conda|docker|uv)(?=\s)", re.MULTILINE)
SECRETS = "secrets"
"""The section in which another tool keeps secret values."""
_BUILT_IN = frozenset({"config_dir", "project_root", "run_dir", "run_id", "job_name", "volume_mount"})
DATACENTER = re.compile(r"[A-Z]{2,3}(-[A-Z]{2,3}(-[0-9]+)?)?\Z")
"""A data center of RunPod's, or a country or region that stands for its data centers."""


class Sources:
    """The folder from which local paths of the other file count, and the folder from which those of the job file
    will."""

    def __init__(self, base: Path, out: Path) -> None:
        self._base = base
        self._out = out

    def local(self, text: str) -> Path:
        """A path of this machine."""
        return Path(os.path.normpath(self._base / expanded(text)))

    def is_here(self, text: str) -> bool:
        """Whether there is such a file or folder. A name that no file can have does not exist."""
        try:
            return self.local(text).exists()
        except OSError:
            return False

    def written(self, text: str) -> str:
        """The same path as the job file names it."""
        if text.startswith("~"):
            return text
        found = self.local(text)
        return str(found) if Path(text).is_absolute() else os.path.relpath(found, self._out)


def put_name(draft: Draft, name: str | None, stem: str) -> None:
    """The name of the job, or of the file."""
    cleaned = (name or "").strip()
    draft.put(literal(cleaned) if re.search(r"[A-Za-z0-9]", cleaned) else stem, "name")


def put_image(draft: Draft, image: str, *place: str | int) -> None:
    """The container of the job."""
    if image.split() == [image]:
        draft.document.take(*place)
        draft.put(literal(image), "pod", "image", why="it has to start sshd")


def put_gpus(draft: Draft, asked: Iterable[tuple[str, Place]], count: int | None, *, in_order: bool = True) -> None:
    """GPU types by name, as they can be rented. Each type that cannot be rented is reported."""
    order: list[object] = []
    for name, place in asked:
        types = types_named(name)
        order += [each for each in types if each not in order]
        if types:
            continue
        memory = memory_elsewhere(name)
        if memory is None:
            draft.lack(place, f"RunPod rents no {name}; see rpd gpus", "pod")
        else:
            draft.lack(place, f"RunPod rents no {name}; the cheapest with its {memory} GB or more is taken", "pod")
            wish = {"min_vram_gb": memory, "order": "cheapest"}
            order += [wish] if wish not in order else []
    if not in_order and len(order) > 1:
        draft.say("the file leaves the choice open: the cheapest first, by list price", "pod", "gpu_order")
        named = [each for each in order if isinstance(each, str)]
        order = [*by_price(named), *(each for each in order if not isinstance(each, str))]
    if order:
        draft.put(order, "pod", "gpu_order")
        draft.put(count if count and count > 1 else None, "pod", "gpu_count")


def put_defaults(draft: Draft, body: str) -> None:
    """Required fields of a job file that the other file does not set."""
    if draft.get("pod", "image") is None and draft.get("pod", "template_id") is None:
        draft.put(IMAGE, "pod", "image", why="the file names no container image; this one has PyTorch and sshd")
    if not draft.get("pod", "gpu_order"):
        why = "the file names no GPU that RunPod has; a pod without one needs a network volume (pod.cpu_order)"
        draft.put(list(ANY), "pod", "gpu_order", why=why)
    pod = draft.get("pod")
    draft.put({key: pod[key] for key in ("image", "gpu_order") if key in pod} | pod, "pod")
    if draft.get("budget", "cost_cap_usd") is None:
        draft.put(
            10, "budget", "cost_cap_usd", why="the run is ended, collected and released there; raise it as needed"
        )
    draft.put(body, "run", "body")
    draft.say("what comes back; nothing does until you name it here:", "artifacts")
    draft.say('artifacts: [{label: out, remote_path: "{volume_mount}/out", local_path: "{run_dir}/out"}]', "artifacts")
    why = "delete once artifacts names what you need: a stopped volume costs $0.20 per GB and month"
    draft.put("stop", "lifecycle", "on_success", why=why)
    draft.put("stop", "lifecycle", "on_failure")


def put_environment(draft: Draft, found: Mapping[str, tuple[str | None, Place]], *, by_name: bool) -> None:
    """Variables of the job. A variable without a value takes it from this machine (`by_name`, or a secret's name), or
    else becomes a variable that the command line has to give. A secret's value is not copied. Every value in a section
    of secrets is a secret, whatever its name."""
    names: list[str] = []
    for name, (value, place) in found.items():
        draft.document.take(*place)
        if not _NAME.match(name) or _SET_BY_RPD.match(name):
            draft.lack(place, "the name cannot be set in the pod", "remote_env")
        elif value is not None and not is_secret(name, value, place):
            draft.put(literal(value), "remote_env", "exports", name)
        elif value is not None:
            draft.lack(place, "a secret is not copied; export it on this machine before rpd run", "env")
            names.append(name)
        elif by_name or place[0] == SECRETS or is_secret_name(name) or name in _BUILT_IN:
            names.append(name)
        else:
            draft.document.take(*place)
            fields = draft.get("variables") or {}
            draft.put({**fields, name: None}, "variables")
            draft.say(f"{name} has no default: rpd run FILE --var {name}=VALUE", "variables")
            draft.put(f"{{{name}}}", "remote_env", "exports", name)
    if names:
        why = "taken from this machine's environment, into a file of secrets in the pod: export them before rpd run"
        draft.put(names, "env", why=why)


def is_secret(name: str, value: str, place: Place) -> bool:
    """Whether a value is a secret, and so not copied: by its place, its name or its form."""
    is_secret_by_name = place[0] == SECRETS or (is_secret_name(name) and len(value) >= SHORTEST_SECRET)
    return bool(value) and (is_secret_by_name or has_login(value) or leak_in(value, {}) is not None)


def put_volume(draft: Draft, name: str, path: str) -> bool:
    """One network volume, where another tool mounts it. False for a name or a path that cannot be one."""
    is_named = bool(name) and not name.startswith(("/", "~")) and set("{$").isdisjoint(name)
    if not (is_named and path.startswith("/") and path.strip("/")):
        return False
    draft.put("network_volume", "storage", "mode", why="rpd volumes create makes one; it bills while it exists")
    draft.put(literal(name), "storage", "volume_name")
    draft.put(path.rstrip("/"), "storage", "volume_mount")
    return True


def work_folder(draft: Draft, name: str) -> str:
    """The working folder of the job: on the volume of its pod, or in a separate folder on a volume that other runs may
    use."""
    own = "" if draft.get("storage", "mode") is None else "runs/{run_id}/"
    return f"{{volume_mount}}/{own}{name}"


def tell_tools(draft: Draft, texts: Iterable[str]) -> None:
    """Programs that the commands call, and that the pod lacks."""
    called = set(_CALLED.findall("\n".join(texts)))
    if "docker" in called:
        draft.miss("docker: none runs in RunPod's pods; pod.image is the container of the job", "run")
    if draft.get("pod", "image") == IMAGE and "conda" in called:
        draft.miss("conda: the image put in for none has no conda; name one that has, or use its python", "run")
    if draft.get("pod", "image") == IMAGE and "uv" in called and draft.get("pod", "python_version") is None:
        draft.miss('uv: the image put in for none may have no uv; pod.python_version: "3.12" brings it', "run")


def put_own_variables(draft: Draft, values: Mapping[str, str], texts: Iterable[str]) -> None:
    """Variables that the other tool sets, if a text uses them."""
    whole = "\n".join(texts)
    used = {name: value for name, value in values.items() if re.search(rf"\b{name}\b", whole)}
    for name, value in used.items():
        draft.put(value, "remote_env", "exports", name)
    if used:
        draft.say("what the other tool sets by itself, for one machine", "remote_env", "exports", next(iter(used)))


def put_tree(draft: Draft, sources: Sources, place: Place, source: str, destination: str) -> None:
    """A local folder or file to send. A missing one becomes a comment, and credentials become a secret."""
    draft.document.take(*place)
    written = literal(sources.written(source))
    here = sources.local(source)
    if not sources.is_here(source):
        draft.lack(place, f"{source} is not on this machine; it would be sent to {destination}", "staging")
    elif here.is_file() and _CREDENTIALS.search(source):
        name = posixpath.basename(source).lstrip(".") or "credentials"
        draft.add({"name": name, "destination": destination, "file": written}, "secrets")
    else:
        tree: dict[str, object] = {"source": written, "destination": destination}
        if here.is_dir():
            tree["excludes_default"] = True
            tree["excludes"] = OWN_EXCLUDES
            tree |= {"gitignore": True} if git_refusal(here) is None else {}
        draft.add({**tree, "delete": False}, "staging")


def in_pod(path: str, base: str) -> str:
    """A path in the pod, absolute. `~` is root's home, and a relative path is in `base`, whose placeholders stay
    valid."""
    if path in ("~", "$HOME") or path.startswith(("~/", "$HOME/")):
        return posixpath.normpath("/root/" + path.partition("/")[2])
    found = posixpath.normpath(literal(path))
    if not found.startswith("/"):
        found = posixpath.normpath(f"{base}/{found}")
    # The volume's mount is a folder in the root, so a path that climbs above it is in the root.
    return found if found.startswith(("/", "{")) else posixpath.normpath(f"/{found}")
