"""Who listens on a port of this machine. Pods share its network, and a forward must not leave its pod all the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"


def listens(port: int, pids: Iterable[int]) -> bool:
    """Whether one of these processes listens on this TCP port. Yes, where the system does not say."""
    if not any(table.exists() for table in _TABLES):
        return True
    sockets = set(_sockets_at(port))
    return bool(sockets) and any(sockets & _sockets_of(pid) for pid in pids)


def in_namespace_of(init_pid: int) -> list[int]:
    """The processes in the same PID namespace as this one, and itself."""
    namespace = _link(Path(f"/proc/{init_pid}/ns/pid"))
    folders = Path("/proc").iterdir() if namespace else ()
    return [int(each.name) for each in folders if each.name.isdigit() and _link(each / "ns/pid") == namespace]


def _sockets_at(port: int) -> Iterable[str]:
    """The inodes of the sockets that listen on this port."""
    for table in _TABLES:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _sockets_of(pid: int) -> set[str]:
    """The inodes of the sockets that this process has open."""
    try:
        links = [_link(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return set()
    return {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}


def _link(path: Path) -> str:
    """Where the link leads; empty where it cannot be read, as that of a process that has ended."""
    try:
        return str(path.readlink())
    except OSError:
        return ""
