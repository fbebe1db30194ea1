"""Whether an image, by what its registry says of it, fits the pod that a job orders: its size, the CUDA version it
needs, and which of its files a volume would hide. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

import msgspec

from rpd.adapters.checking.finding import Finding, error, warning
from rpd.states.ports.job import Job

CHECK = "image"
GB = 1e9
UNPACKED = 2.0
"""Bytes on disk for each pulled byte of an image: the usual minimum for CUDA images."""
KEEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"(?:docker\.io/)?(?:axolotlai|winglian)/axolotl", ("/workspace/axolotl",)),
    (r"nvcr\.io/nvidia/(?:pytorch|tensorflow|nemo|jax|modulus)", ("/workspace", "/opt")),
    (r"(?:quay\.io/|docker\.io/)?jupyter/", ("/home/jovyan", "/opt/conda")),
    (r"(?:docker\.io/)?tensorflow/tensorflow.*jupyter", ("/tf",)),
    (r"(?:docker\.io/)?vllm/vllm-openai", ("/vllm-workspace",)),
    (r"(?:docker\.io/)?pytorch/pytorch", ("/opt/conda",)),
    (r"(?:docker\.io/)?(?:continuumio/|mambaorg/|condaforge/)", ("/opt/conda",)),
    (r"(?:docker\.io/)?hiyouga/llamafactory", ("/app",)),
    (r"(?:docker\.io/)?rocm/pytorch", ("/var/lib/jenkins",)),
    (r"ghcr\.io/huggingface/text-generation-inference", ("/usr/src",)),
    (r"(?:ghcr\.io/)?ai-dock/", ("/opt",)),
)
"""Images, by the beginning of their names, and the folders in which they keep files of their own."""

_CUDA_OF_ENV = re.compile(r"cuda>=([0-9]{1,3}\.[0-9]{1,3})")
_CUDA_OF_TAG = re.compile(r"cuda-?([0-9]{2})\.([0-9]{1,2})|(?<![a-z0-9])cu([0-9]{2})([0-9])[0-9]?(?![0-9])")
_CUDA_ITSELF = re.compile(r"nvidia/cuda:([0-9]{2})\.([0-9]{1,2})")


class Contents(msgspec.Struct, frozen=True):
    """What a registry says of an image for linux/amd64: bytes to pull, environment, start command and folder. `others`
    are the platforms for which the image is built instead."""

    compressed_bytes: int = 0
    env: dict[str, str] = {}
    command: tuple[str, ...] = ()
    folder: str = ""
    others: tuple[str, ...] = ()


def judge(job: Job, contents: Contents | None) -> Iterator[Finding]:
    """What is wrong or doubtful. Without contents, only the image's name is checked."""
    if contents is not None and contents.others:
        platforms = ", ".join(contents.others[:5])
        yield error(CHECK, f"{job.pod.image} is built for {platforms}, but the hosts are linux/amd64")
        return
    if contents is not None:
        yield from _size(job, contents.compressed_bytes)
    yield from _cuda(job, contents)
    yield from _hidden(job, contents)


def cuda_needed(image: str, contents: Contents | None) -> str | None:
    """The lowest sufficient CUDA version of a driver: by the image's own word, else by its tag."""
    required = _CUDA_OF_ENV.search(contents.env.get("NVIDIA_REQUIRE_CUDA", "")) if contents is not None else None
    if required:
        return required[1]
    name = image.lower().partition("@")[0]
    if found := _CUDA_ITSELF.search(name):
        return f"{found[1]}.{found[2]}"
    tag = name.rpartition("/")[2].partition(":")[2]
    if found := _CUDA_OF_TAG.search(tag):
        return f"{found[1] or found[3]}.{found[2] or found[4]}"
    return None


def _size(job: Job, compressed: int) -> Iterator[Finding]:
    disk = job.pod.container_disk_gb
    pulled = compressed / GB
    if pulled > disk:
        text = f"{job.pod.image} is {pulled:.1f} GB before it is unpacked, and pod.container_disk_gb is {disk}"
        yield error(CHECK, f"{text}: it never starts")
    elif pulled * UNPACKED > disk:
        text = f"{job.pod.image} is {pulled:.1f} GB before it is unpacked, and about twice that after"
        yield warning(CHECK, f"{text}: pod.container_disk_gb is {disk}")


def _cuda(job: Job, contents: Contents | None) -> Iterator[Finding]:
    needed = cuda_needed(job.pod.image, contents)
    if needed is None or job.pod.cpu_order:
        return
    floor, exact = job.pod.min_cuda_version, job.pod.allowed_cuda_versions or ()
    older = [each for each in (*exact, *([floor] if floor else [])) if _version(each) < _version(needed)]
    if older:
        field = "min_cuda_version" if floor else "allowed_cuda_versions"
        text = f"it needs a driver for CUDA {needed}, and pod.{field} allows {', '.join(older)}"
        yield warning(CHECK, f"{job.pod.image}: {text}; such a host cannot start it")
    elif floor is None and not exact and contents is not None and "NVIDIA_REQUIRE_CUDA" in contents.env:
        text = f'it needs a driver for CUDA {needed}; pod.min_cuda_version: "{needed}" leaves out hosts without'
        yield warning(CHECK, f"{job.pod.image}: {text}")


def _hidden(job: Job, contents: Contents | None) -> Iterator[Finding]:
    """Folders of the image that the volume would hide."""
    mount = posixpath.normpath(job.storage.volume_mount)
    known = next((folders for name, folders in KEEPS if re.match(name, job.pod.image)), ())
    kept = [folder for folder in known if _is_below(folder, mount)]
    if contents is not None:
        kept += [contents.folder] if contents.folder != mount and _is_below(contents.folder, mount) else []
        kept += [word for word in contents.command if _is_below(word, mount) and not job.pod.args]
        kept += [part for part in contents.env.get("PATH", "").split(":") if _is_below(part, mount)]
    if kept:
        text = f"the volume at {mount} hides {', '.join(dict.fromkeys(kept[:5]))}, where the image keeps its own files"
        yield warning(CHECK, f"{text}: mount it elsewhere with storage.volume_mount")


def _is_below(path: str, folder: str) -> bool:
    return path.startswith("/") and f"{posixpath.normpath(path)}/".startswith(f"{folder}/")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
