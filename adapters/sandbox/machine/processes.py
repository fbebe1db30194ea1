"""Processes of this machine told apart for certain, by number, start and boot: nothing foreign is ever signalled."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec

_PROC = Path("/proc")


class ProcessId(msgspec.Struct, frozen=True):
    """One process for all time: its number, its start in clock ticks since boot, and the boot."""

    pid: int
    started: str
    boot: str


def identify(pid: int) -> ProcessId | None:
    """The identity of a running process; None when there is none with that number, or only its zombie."""
    fields = _stat(pid)
    if fields is None or fields[0] in ("Z", "X"):
        return None
    return ProcessId(pid, fields[19], _boot())


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs."""
    return identify(process.pid) == process


def end(process: ProcessId, signum: int = signal.SIGKILL) -> bool:
    """Signal exactly this process; false when it is gone (or is not ours)."""
    if not hasattr(os, "pidfd_open"):
        return is_alive(process) and _kill(process.pid, signum)
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        # Gone, or a kernel without pidfd.
        return is_alive(process) and _kill(process.pid, signum)
    try:
        # The descriptor pins the process: its identity cannot change between this look and the signal.
        if not is_alive(process):
            return False
        signal.pidfd_send_signal(fd, signum)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(fd)
    return True


def children_of(pid: int) -> list[int]:
    """The direct children of a process, oldest first."""
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child, parent, _, _ in _table() if parent == pid]


def marked(marker: str, roots: Iterable[int] = ()) -> list[ProcessId]:
    """Processes with the entry `marker` (`NAME=value`) in their environment and those of `roots`, with all their kin.

    Kin are descendants and members of the sessions they lead.
    A process that cleared its environment is found through its parent or its session. The caller is never among them.
    """
    table = _table()
    own = os.getpid()
    found = {pid for pid, _, _, _ in table if pid != own and marker in _environment(pid)}
    found |= {pid for pid in roots if pid != own}
    while True:
        sessions = {session for pid, _, session, _ in table if pid in found and session in found}
        kin = {pid for pid, parent, session, _ in table if parent in found or session in sessions}
        if kin - {own} <= found:
            break
        found |= kin - {own}
    states = {pid: state for pid, _, _, state in table}
    identities = (identify(pid) for pid in sorted(found) if states.get(pid, "Z") not in ("Z", "X"))
    return [identity for identity in identities if identity is not None]


def _table() -> list[tuple[int, int, int, str]]:
    """Every process as (pid, parent, session, state)."""
    if not (_PROC / "self/stat").exists():
        return _table_of_ps()
    rows = []
    for pid in (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()):
        if (fields := _stat(pid)) is not None:
            rows.append((pid, int(fields[1]), int(fields[3]), fields[0]))
    return rows


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the state on (index 0), or what `ps` knows in the same places."""
    if not (_PROC / "self/stat").exists():
        return _stat_of_ps(pid)
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name stands in parentheses and may hold blanks and parentheses itself.
    return text[text.rindex(")") + 2 :].split()


def _environment(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return _environment_of_ps(pid) if not _PROC.exists() else []


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _kill(pid: int, signum: int) -> bool:
    try:
        os.kill(pid, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _table_of_ps() -> list[tuple[int, int, int, str]]:
    lines = _ps("-axo", "pid=,ppid=,pgid=,state=").splitlines()
    rows = (line.split() for line in lines)
    return [(int(row[0]), int(row[1]), int(row[2]), row[3][0]) for row in rows if len(row) >= 4]


def _stat_of_ps(pid: int) -> list[str] | None:
    words = _ps("-o", "state=,ppid=,pgid=,lstart=", "-p", str(pid)).split(None, 3)
    if len(words) < 4:
        return None
    fields = [words[0][0], words[1], words[2], words[2]] + [""] * 16
    fields[19] = words[3].strip()
    return fields


def _environment_of_ps(pid: int) -> list[str]:
    return _ps("-Eww", "-o", "command=", "-p", str(pid)).split(" ")


def _ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False).stdout
