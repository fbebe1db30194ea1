"""What stands behind an SSH door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import asyncssh

from rpd.adapters.sandbox.machine.container import Launch


class Guest(Protocol):
    """What the door asks about the container behind it."""

    def has_sshd(self) -> bool:
        """Whether the container's sshd runs now."""
        ...

    def host_key(self) -> asyncssh.SSHKey:
        """The key made with the container disk."""
        ...

    def authorized_keys(self) -> str:
        """The container's authorized_keys file, as text."""
        ...

    def session(self, command: str | None, env: dict[str, str], pty: bool) -> Launch:
        """How to start a session; raises OSError when the container is gone."""
        ...

    def open_terminal(self) -> tuple[int, int]:
        """A new terminal of the container: master and slave descriptors. Raises OSError."""
        ...

    def sftp(self) -> Launch:
        """How to start an SFTP server; raises OSError when the container is gone."""
        ...

    def inside(self, path: str) -> Path | None:
        """Where this machine sees a path of the container; None when there is no container."""
        ...

    def port_of(self, port: int) -> int | None:
        """On which port of this machine the container listens as `port`; None when nothing of it listens there."""
        ...

    def stdin_filter(self, command: str | None) -> Callable[[bytes], bytes] | None:
        """What a session's standard input must pass through; None: nothing."""
        ...
