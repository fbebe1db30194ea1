"""The SSH keys that a person may choose from: those in files, those in the agent, and a pair of rpd's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from rpd.adapters.access.keys import MAX_KEY_BYTES, named_key
from rpd.adapters.local.files import read_regular, write_whole
from rpd.adapters.ssh.agent import AgentKey, agent_keys
from rpd.engine.errors import UserError

OWN = "own"
"""The word for a pair of rpd's own."""


class SshChoice(msgspec.Struct, frozen=True):
    """A key in a file (`path`), or one that only the agent holds. `problem` is empty for a usable key; `mend` is then
    what to type."""

    public_line: str
    path: Path | None
    title: str
    problem: str = ""
    mend: str = ""

    @property
    def value(self) -> str:
        """A word that names this key among the others."""
        return str(self.path) if self.path is not None else f"agent:{fingerprint(self.public_line)}"


def ssh_choices(environ: Mapping[str, str]) -> list[SshChoice]:
    """All keys of this person, the usable ones first. Reads only."""
    in_files = [_in_file(path) for path in _private_files(Path(environ.get("HOME") or "/nonexistent", ".ssh"))]
    known = {choice.public_line.split()[1] for choice in in_files if choice.public_line}
    in_agent = [_in_agent(key) for key in agent_keys() if key.line.split()[1] not in known]
    return sorted([*in_files, *in_agent], key=lambda choice: bool(choice.problem))


def fingerprint(public_line: str) -> str:
    """A short name of a public key."""
    return hashlib.sha256(public_line.split()[1].encode()).hexdigest()[:12]


def stand_in(choice: SshChoice, folder: Path) -> Path:
    """The path that names this key in settings. Effect: a key that only the agent holds gets a file with its public
    half in the folder, as `ssh` wants it too."""
    if choice.path is not None:
        return choice.path
    path = folder / f"agent-{fingerprint(choice.public_line)}.pub"
    write_whole(path, f"{choice.public_line}\n".encode())
    return path


def _private_files(folder: Path) -> list[Path]:
    """The files with private keys, by what they hold and not by name."""
    try:
        found = sorted(each for each in folder.iterdir() if each.is_file() and each.suffix != ".pub")
    except OSError:
        return []
    return [each for each in found if _is_private(each)]


def _is_private(path: Path) -> bool:
    try:
        return b"PRIVATE KEY-----" in read_regular(path, MAX_KEY_BYTES)
    except OSError:
        return path.name.startswith("id_")


def _in_file(path: Path) -> SshChoice:
    try:
        key = named_key(path)
    except UserError as error:
        return SshChoice("", path, f"{_short(path)}   (not usable yet)", error.message, error.hint)
    kind = key.public_line.split()[0].removeprefix("ssh-")
    where = ", unlocked by the agent" if key.is_in_agent else ""
    return SshChoice(key.public_line, path, f"{_short(path)}   ({kind}{where})")


def _in_agent(key: AgentKey) -> SshChoice:
    kind = key.line.split()[0].removeprefix("ssh-")
    return SshChoice(key.line, None, f"{key.comment or 'a key without a name'}   ({kind}, in the agent only)")


def _short(path: Path) -> str:
    return f"~/.ssh/{path.name}"
