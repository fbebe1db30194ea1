"""Trees for the transfer tests, and how two are compared."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer.pull import pull
from rpd.adapters.transfer.push import push
from rpd.states.ports.world import Pull, Pulled, Pushed, Tree

ODD_NAMES = (
    "ü €",
    "new\nline",
    "-rf",
    "back\\slash",
    "no\\nl\\101",
    " lead",
    "quote'\"$(x)",
    "n" * 200,
    "[a]*?",
    "#",
    "tab\t.",
)


def write(root: Path, files: dict[str, bytes | str]) -> Path:
    """Create files below `root`; a value of text "-> x" makes a link to x."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str) and content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def age(root: Path, seconds: int = 1000) -> None:
    """Date all files back, so that their age leaves no doubt."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            moment = int(path.stat().st_mtime) - seconds
            os.utime(path, (moment, moment))


def content(root: Path) -> dict[str, object]:
    """Everything below `root`: bytes with mode, link targets, None for folders."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name] = None
        else:
            found[name] = (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
    return found


def send(connection: Connection, source: Path | str, destination: Path | str, **options: object) -> Pushed:
    """Push with nobody watching."""
    tree = Tree("tree", str(source), str(destination), **options)  # type: ignore[arg-type]
    return push(connection, tree, progress=lambda done, total: None, interrupted=lambda: False)


def fetch(connection: Connection, remote: Path | str, local: Path | str, **options: object) -> Pulled:
    """Pull with nobody watching."""
    order = Pull("artifact", str(remote), str(local), True, **options)  # type: ignore[arg-type]
    return pull(connection, order, progress=lambda done, total: None, interrupted=lambda: False)
