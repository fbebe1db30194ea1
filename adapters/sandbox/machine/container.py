"""What a container is made of: its order, its folders on this machine, and how a process is put into it."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

CONTAINER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of the first process and of SSH sessions, as in the official images."""


class ContainerSpec(msgspec.Struct, frozen=True):
    """What to run. `args` replaces the image's CMD; None leaves it alone.

    `env` is the environment of the container's first process. `volume_path` is where the pod's volume is seen inside;
    with `has_volume` false that folder is a plain one on the container disk.
    """

    pod_id: str
    image: str
    args: str | None
    env: dict[str, str]
    volume_path: str
    has_volume: bool
    gpu_name: str
    gpu_count: int
    is_read_only: bool = False  # the volume; in a namespace alone


class ContainerNotStarted(RuntimeError):
    """The container could not be brought up; the text says why."""


class Launch(msgspec.Struct, frozen=True):
    """How to start one process of a container from outside: words, environment and working folder on this machine.

    With `is_stand_in` the process started only stands in for its single child, which leads the session. With `reports`
    the number of an inherited pipe is to be added to the words, on which it says "ready" or why it failed.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    is_stand_in: bool = False
    reports: bool = False


def sftp_words(plan: dict[str, object]) -> tuple[str, ...]:
    """The command of an SFTP server that finds its way by this plan."""
    return (sys.executable, "-m", "rpd.adapters.sandbox.machine.sftp", msgspec.json.encode(plan).decode())


class PodFolder(msgspec.Struct, frozen=True):
    """The files of one pod below `<home>/pods/<pod_id>`.

    `disk` is the container disk and, in a namespace, the root the container sees; `layers` holds those parts of the
    container disk that must not be seen twice; `control` belongs to the runtime and is never visible inside.
    """

    path: Path

    @property
    def pod_id(self) -> str:
        """The pod's id, which names the folder."""
        return self.path.name

    @property
    def volume(self) -> Path:
        """What outlives a stop."""
        return self.path / "volume"

    @property
    def disk(self) -> Path:
        """What a stop wipes."""
        return self.path / "disk"

    @property
    def layers(self) -> Path:
        """What a stop wipes as well."""
        return self.path / "layers"

    @property
    def control(self) -> Path:
        """State, plan and log of the runtime."""
        return self.path / "control"

    @property
    def state_file(self) -> Path:
        """The processes that a later runtime may have to end."""
        return self.control / "state.json"

    @property
    def log_file(self) -> Path:
        """Output of the container's first process."""
        return self.control / "container.log"

    def create(self) -> None:
        """Make the folders that are missing."""
        for folder in (self.path, self.volume, self.disk, self.layers, self.control):
            folder.mkdir(parents=True, exist_ok=True)

    def wipe_disk(self) -> None:
        """Remove the container disk, whatever modes its folders have; the volume stays."""
        for folder in (self.disk, self.layers):
            remove_tree(folder)

    def remove(self) -> None:
        """Remove everything, the volume included."""
        remove_tree(self.path)


class Isolation(Protocol):
    """How the processes of a container are kept apart from those of this machine."""

    name: str

    def refusal(self) -> str | None:
        """Why it does not work on this machine; None when it does."""
        ...

    def first(self, folder: PodFolder, spec: ContainerSpec, argv: tuple[str, ...], env: dict[str, str]) -> Launch:
        """The container's first process. Prepares the container disk, which must be empty."""
        ...

    def session(self, folder: PodFolder, init_pid: int, command: str | None, env: dict[str, str], pty: bool) -> Launch:
        """One SSH session: `command` by the login shell, or the login shell itself when it is None."""
        ...

    def sftp(self, folder: PodFolder, init_pid: int) -> Launch:
        """An SFTP server for one session."""
        ...

    def inside(self, folder: PodFolder, init_pid: int, path: str) -> Path:
        """Where this machine sees an absolute path of the container."""
        ...

    def stdin_filter(self, folder: PodFolder, command: str | None) -> Callable[[bytes], bytes] | None:
        """What a session's standard input must pass through; empty input marks its end. None: nothing."""
        ...


def remove_tree(path: Path) -> None:
    """Remove a folder tree without following links; folders that forbid it are made writable first."""

    def unlock(function: Callable[..., Any], name: str, error: tuple[type[BaseException], BaseException, Any]) -> None:
        if isinstance(error[1], FileNotFoundError):
            return
        failed = Path(name)
        for folder in (failed.parent, failed):
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(stat.S_IRWXU)
        if failed.is_dir() and not failed.is_symlink():
            shutil.rmtree(failed)
        else:
            failed.unlink(missing_ok=True)

    if path.is_symlink() or not path.exists():
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, onerror=unlock)
