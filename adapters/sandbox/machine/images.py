"""The images the sandbox knows, by a marker in their name: what they start and which files they bring.

official-like            any other name; CMD is `/start.sh`, which starts sshd when PUBLIC_KEY is not empty
sandbox/bare             no start script, no sshd; CMD ends at once: the container restarts for ever, unless `args` stay
sandbox/own-entrypoint   an entrypoint that ignores every argument and starts sshd itself
sandbox/no-sshd          `/start.sh` exists and waits, but knows no SSH

An official-like image also brings a web service if its name says so (`SERVICES`), or if JUPYTER_PASSWORD is set.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import shlex

import msgspec

from rpd.adapters.sandbox.machine.container import ContainerNotStarted, ContainerSpec

SSHD_PID_FILE = "run/sshd.pid"
"""Below the container disk: sshd is taken to listen while this file exists. `service ssh start` writes it."""

AUTHORIZED_KEYS = "root/.ssh/authorized_keys"
"""Below the container disk: the keys that may log in."""

STARTS_PATH = "/.rpd/starts"
"""Inside the container: where an execution of the user's script leaves one line."""

BASH_ENV_PATH = "/.rpd/bash_env"
"""Inside the container: what bash reads before a script, to count the start."""

SERVICES_PATH = "/run/services"
"""Inside the container: where a service of the image writes on which port of this machine it listens."""

SERVICE_FAULT_FILE = "run/services/fault"
"""Below the container disk: how the services of the image are to fail."""

_BASHRC = '# Only for interactive shells.\n[ -z "$PS1" ] && return\n'

_MEMORY_MIB = (
    ("B300", 275040),
    ("B200", 183359),
    ("MI300X", 196608),
    ("H200", 143771),
    ("H100 NVL", 95830),
    ("H100", 81559),
    ("RTX PRO 6000", 97887),
    ("A100", 81920),
    ("L40", 46068),
    ("A40", 46068),
    ("6000 Ada", 49140),
    ("A6000", 49140),
    ("5090", 32607),
    ("A5000", 24564),
    ("4090", 24564),
    ("3090", 24576),
    ("L4", 23034),
    ("A4500", 20470),
    ("4000", 20475),
    ("A4000", 16376),
    ("A2000", 6138),
    ("4080", 16376),
    ("5080", 16303),
    ("3080", 10240),
    ("3070", 8192),
    ("V100", 16384),
)
"""Memory of a GPU whose name contains the text, in MiB; the first match counts, otherwise 24 GiB."""


class ImageService(msgspec.Struct, frozen=True):
    """A web service that an image brings. `marks` are texts in the names of such images."""

    kind: str
    port: int
    marks: tuple[str, ...]


SERVICES = (
    ImageService("comfyui", 8188, ("comfyui",)),
    ImageService("notebook", 8888, ("jupyter", "notebook")),
    ImageService("code-server", 8080, ("code-server", "vscode")),
)


class ImageFile(msgspec.Struct, frozen=True):
    """A file that the image brings, with its text and its mode."""

    text: str
    mode: int = 0o644


def argv_of(spec: ContainerSpec) -> tuple[str, ...]:
    """The words of the container's first process.

    `args` replaces CMD and is split into words as a POSIX shell does (quotes and backslashes), but nothing is expanded
    and no operator is known: whoever wants a shell says `sh -c '...'`. The words of an image with an entrypoint of its
    own are handed to that. Raises ContainerNotStarted when a quote is not closed.
    """
    try:
        words = tuple(shlex.split(spec.args or ""))
    except ValueError as error:
        raise ContainerNotStarted(f"args cannot be split into words: {error}") from error
    if _is(spec.image, "own-entrypoint"):
        return ("/entrypoint.sh", *words)
    if words:
        return words
    return ("/bin/true",) if _is(spec.image, "bare") else ("/start.sh",)


def files_of(spec: ContainerSpec) -> dict[str, ImageFile]:
    """What the image brings, by absolute path inside the container."""
    files = {
        "/root/.bashrc": ImageFile(_BASHRC),
        "/usr/local/bin/nvidia-smi": ImageFile(_nvidia_smi(spec), 0o755),
        BASH_ENV_PATH: ImageFile(_text("image_bash_env.sh")),
    }
    if _is(spec.image, "own-entrypoint"):
        files["/entrypoint.sh"] = ImageFile(_text("image_entrypoint.sh"), 0o755)
    elif _is(spec.image, "no-sshd"):
        files["/start.sh"] = ImageFile(_text("image_start_nossh.sh"), 0o755)
    elif not _is(spec.image, "bare"):
        files["/start.sh"] = ImageFile(_text("image_start.sh"), 0o755)
        if services := services_of(spec):
            files["/usr/local/bin/image-service"] = ImageFile("#!/usr/bin/env python3\n" + _text("image_web.py"), 0o755)
            words = (f"image-service {each.kind} {each.port} {SERVICES_PATH} &\n" for each in services)
            files["/post_start.sh"] = ImageFile("".join(words))
    if not _is(spec.image, "bare") and not _is(spec.image, "no-sshd"):
        files["/usr/local/bin/service"] = ImageFile(_text("image_service.sh"), 0o755)
    return files


def services_of(spec: ContainerSpec) -> tuple[ImageService, ...]:
    """The web services of an official-like image. They start after sshd, from `/post_start.sh`."""
    name = spec.image.lower()
    if any(_is(spec.image, kind) for kind in ("bare", "own-entrypoint", "no-sshd")):
        return ()
    has_notebook = bool(spec.env.get("JUPYTER_PASSWORD"))
    return tuple(
        each
        for each in SERVICES
        if any(mark in name for mark in each.marks) or (each.kind == "notebook" and has_notebook)
    )


def _is(image: str, kind: str) -> bool:
    """Whether the image's name carries the marker, in any registry and with any tag."""
    return f"sandbox/{kind}" in image


def _nvidia_smi(spec: ContainerSpec) -> str:
    mib = next((mib for marker, mib in _MEMORY_MIB if marker in spec.gpu_name), 24576)
    facts = {
        "@GPU_NAME@": spec.gpu_name.replace("'", ""),
        "@GPU_COUNT@": str(spec.gpu_count),
        "@GPU_MIB@": str(mib),
        "@GPU_TOKEN@": hashlib.sha256(spec.pod_id.encode()).hexdigest()[:8],
    }
    text = _text("image_nvidia_smi.sh")
    for placeholder, fact in facts.items():
        text = text.replace(placeholder, fact)
    return text


def _text(name: str) -> str:
    return importlib.resources.files("rpd.adapters.sandbox.machine").joinpath(name).read_text(encoding="utf-8")
