"""Containers without namespaces: paths of the container are rewritten to the pod's folder wherever they go in as text.

That reaches commands, arguments, environment, and scripts on a command's standard input; never binary data or tar
streams, and never what a program makes up itself. Processes are marked in their environment, so that all can be ended.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from rpd.adapters.sandbox.machine.container import CONTAINER_PATH, ContainerSpec, Launch, PodFolder, sftp_words
from rpd.adapters.sandbox.machine.images import STARTS_PATH, ImageFile, files_of

MARKER = "RPD_SANDBOX_POD"
"""Environment entry of every process of a pod: the pod's folder."""

_UNTOUCHED_ENV = frozenset({"PUBLIC_KEY", "SSH_PUBLIC_KEY", "RUNPOD_API_KEY"})

_DISK_PATHS = (
    "/root",
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/.rpd",
    "/run/sshd.pid",
    "/run/services",
    "/start.sh",
    "/entrypoint.sh",
    "/pre_start.sh",
    "/post_start.sh",
    "/proc/1/environ",
    "/etc/rp_environment",
    "/usr/local/bin/nvidia-smi",
    "/usr/local/bin/service",
    "/usr/local/bin/image-service",
)
"""Paths that belong to the pod's container disk; every other path is this machine's."""

_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class PathRewriter:
    """Replaces whole paths in text. A path that is already one of the replacements stays as it is."""

    def __init__(self, paths: dict[str, str], kept: tuple[str, ...] = ()) -> None:
        self._paths = paths
        # Longest first, so that a path below another one wins; kept prefixes win over all.
        names = sorted(paths, key=len, reverse=True)
        keep = "|".join(re.escape(prefix) for prefix in kept)
        move = "|".join(re.escape(name) for name in names)
        self._pattern = re.compile(rf"(?P<keep>{keep or '(?!)'})|(?<![\w.~*+)}}/-])(?P<path>{move})(?![\w-]|\.\w)")

    def text(self, text: str) -> str:
        """The text with every path replaced."""
        return self._pattern.sub(lambda found: found[0] if found["keep"] else self._paths[found["path"]], text)


class StdinRewriter:
    """Rewrites a stream line by line until something in it is not text; from there on it passes unchanged."""

    def __init__(self, rewriter: PathRewriter) -> None:
        self._rewriter = rewriter
        self._rest = b""
        self._is_text = True

    def __call__(self, data: bytes) -> bytes:
        """What to hand on now; empty data marks the end of the stream."""
        if not self._is_text:
            return data
        lines, newline, rest = (self._rest + data).rpartition(b"\n")
        if not data:
            lines, newline, rest = self._rest, b"", b""
        self._rest = rest
        try:
            if b"\0" in lines or b"\0" in rest:
                raise ValueError
            return self._rewriter.text(lines.decode()).encode() + newline
        except ValueError:
            self._is_text, self._rest = False, b""
            return lines + newline + rest


class Rewritten:
    """The isolation named "rewritten". `starts_file` is where starts are counted."""

    name = "rewritten"

    def __init__(self, home: Path, starts_file: Path) -> None:
        self._home = home
        self._starts_file = starts_file

    def refusal(self) -> str | None:
        """It works wherever there is a bash."""
        return None if shutil.which("bash") else "not on this machine: bash"

    def first(self, folder: PodFolder, spec: ContainerSpec, argv: tuple[str, ...], env: dict[str, str]) -> Launch:
        """See Isolation."""
        rewriter = self._rewriter(folder, spec)
        own = ("root", "tmp", "var/tmp", "dev/shm", "run", "etc", "usr/local/bin", "proc/1", ".rpd")
        for name in own:
            (folder.disk / name).mkdir(parents=True, exist_ok=True)
        if not spec.has_volume:
            Path(rewriter.text(os.path.normpath(spec.volume_path))).mkdir(parents=True, exist_ok=True)
        for path, file in files_of(spec).items():
            _place(folder.disk / path.lstrip("/"), file, rewriter)
        own_bin = folder.disk / "usr/local/bin"
        if not any(Path(f"/usr/{where}/python3").exists() for where in ("bin", "local/bin")):
            (own_bin / "python3").symlink_to(f"{sys.base_prefix}/bin/python3")
        given = {key: value if key in _UNTOUCHED_ENV else rewriter.text(value) for key, value in env.items()}
        full = {**self._base_env(folder), "HOSTNAME": spec.pod_id, **given}
        shown = "".join(f"{key}={value}\0" for key, value in full.items())
        (folder.disk / "proc/1/environ").write_text(shown)
        (folder.control / "paths.json").write_bytes(msgspec.json.encode(self._paths(folder, spec)))
        words = [rewriter.text(word) for word in argv]
        # As in a namespace, a command that cannot be executed is a container that ends, told in its log.
        return Launch(("/bin/sh", "-c", 'exec "$@"', "sh", *words), full, str(folder.disk / "root"))

    def session(self, folder: PodFolder, init_pid: int, command: str | None, env: dict[str, str], pty: bool) -> Launch:
        """See Isolation. The process started leads the session itself."""
        rewriter = self._stored_rewriter(folder)
        full = {**self._base_env(folder), **{key: rewriter.text(value) for key, value in env.items()}}
        bash = shutil.which("bash") or "/bin/bash"
        words = [bash, "--noprofile", "-i"] if command is None else [bash, "-c", rewriter.text(command)]
        if pty:
            words = [sys.executable, "-I", "-S", "-c", _TAKE_TERMINAL, *words]
        return Launch(tuple(words), full, str(folder.disk / "root"))

    def sftp(self, folder: PodFolder, init_pid: int) -> Launch:
        """See Isolation."""
        paths = msgspec.json.decode((folder.control / "paths.json").read_bytes(), type=dict[str, str])
        marked = {"PATH": os.environ.get("PATH", CONTAINER_PATH), MARKER: str(folder.path)}
        return Launch(sftp_words({"paths": paths}), marked, str(folder.disk / "root"))

    def inside(self, folder: PodFolder, init_pid: int, path: str) -> Path:
        """See Isolation."""
        return Path(self._stored_rewriter(folder).text(path))

    def stdin_filter(self, folder: PodFolder, command: str | None) -> Callable[[bytes], bytes] | None:
        """Rewrite what a command reads, but for a terminal's input and for archives."""
        if command is None or re.search(r"\b(tar|rsync|scp|sftp-server|cpio|gzip|base64)\b", command):
            return None
        return StdinRewriter(self._stored_rewriter(folder))

    def _base_env(self, folder: PodFolder) -> dict[str, str]:
        return {
            "PATH": f"{folder.disk}/usr/local/bin:{CONTAINER_PATH}",
            "HOME": f"{folder.disk}/root",
            "TMPDIR": f"{folder.disk}/tmp",
            MARKER: str(folder.path),
        }

    def _paths(self, folder: PodFolder, spec: ContainerSpec) -> dict[str, str]:
        volume_path = os.path.normpath(spec.volume_path)
        paths = {path: f"{folder.disk}{path}" for path in _DISK_PATHS}
        paths[volume_path] = str(folder.volume) if spec.has_volume else f"{folder.disk}{volume_path}"
        paths[STARTS_PATH] = str(self._starts_file)
        return paths

    def _rewriter(self, folder: PodFolder, spec: ContainerSpec) -> PathRewriter:
        return PathRewriter(self._paths(folder, spec), self._kept())

    def _stored_rewriter(self, folder: PodFolder) -> PathRewriter:
        paths = msgspec.json.decode((folder.control / "paths.json").read_bytes(), type=dict[str, str])
        return PathRewriter(paths, self._kept())

    def _kept(self) -> tuple[str, ...]:
        return (f"{self._home}/", f"{sys.base_prefix}/")


def _place(path: Path, file: ImageFile, rewriter: PathRewriter) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rewriter.text(file.text), encoding="utf-8")
    path.chmod(file.mode)
