"""Entries for OpenSSH: one small file for each pod under the state home, with its host key pinned beside it.

`ssh -F FILE` uses one of them, and a line in the person's own configuration includes all. An entry dies with its pod.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rpd.adapters.local.dirs import private_folder
from rpd.adapters.local.files import alone_in, write_whole
from rpd.engine.errors import UserError
from rpd.journal import tolerant

if TYPE_CHECKING:
    from rpd.adapters.reaching.pod_of_run import Reached

MARK = "# rpd "
_WORD = re.compile(r"[A-Za-z0-9._:-]{1,255}")
"""Hosts, users, ids. They come from the cloud and from journals, and must not become lines of a configuration."""


class SshEntry(msgspec.Struct, frozen=True):
    """What an entry was made from. `pin` is the fingerprint of the host key in it."""

    run_id: str
    pod_id: str
    journal: str
    host: str
    port: int
    user: str
    pin: str

    @property
    def name(self) -> str:
        """What a person types: `ssh NAME`."""
        return f"rpd-{self.run_id}"

    @property
    def alias(self) -> str:
        """The name of the host key."""
        return f"rpd-pod-{self.pod_id}"


def entries_folder(home: Path) -> Path:
    """Where the entries are."""
    return home / "ssh" / "pods"


def entry_file(home: Path, pod_id: str) -> Path:
    """The entry of one pod."""
    return entries_folder(home) / f"{_word(pod_id)}.conf"


def write_entry(home: Path, reached: Reached) -> SshEntry:
    """Effect: make the entry of this pod new. Its host key is read from the pod, and must be the pinned one.

    Raises Unavailable and Refused as `host_key_line`; UserError if something in it cannot stand in a configuration.
    """
    from rpd.adapters.ssh.host_key import host_key_line

    entry = SshEntry(
        run_id=_word(reached.facts.run_id),
        pod_id=_word(reached.target.pod_id),
        journal=str(reached.journal),
        host=_word(reached.address.host),
        port=reached.address.port,
        user=_word(reached.address.username),
        pin=reached.pin,
    )
    line = host_key_line(reached.address, pin=reached.pin, alias=reached.alias)
    private_folder(home / "ssh")
    folder = private_folder(entries_folder(home))
    known = folder / f"{entry.pod_id}.known_hosts"
    text = _text(entry, Path(reached.key.private_path).absolute(), known)
    with alone_in(folder):
        write_whole(known, f"{entry.alias} {line}\n".encode())
        write_whole(entry_file(home, entry.pod_id), text.encode())
    return entry


def entry_of(file: Path) -> SshEntry | None:
    """What this entry was made from. None if it is not readable as one."""
    try:
        first = file.read_bytes().partition(b"\n")[0]
    except OSError:
        return None
    return tolerant.decode(first.removeprefix(MARK.encode()), SshEntry)


def entries(home: Path) -> dict[Path, SshEntry | None]:
    """All entries by their files."""
    return {file: entry_of(file) for file in sorted(entries_folder(home).glob("*.conf"))}


def remove_entry(file: Path) -> None:
    """Effect: remove an entry and its host key. It may be gone already."""
    for each in (file, file.with_suffix(".known_hosts")):
        with contextlib.suppress(OSError):
            each.unlink(missing_ok=True)


def _text(entry: SshEntry, key: Path, known: Path) -> str:
    made_of = msgspec.json.encode(entry).decode()
    return "\n".join(
        [
            f"{MARK}{made_of}",
            f"Host {entry.name} {entry.alias}",
            f"    HostName {entry.host}",
            f"    Port {entry.port}",
            f"    User {entry.user}",
            f"    IdentityFile {_quoted(key)}",
            "    IdentitiesOnly yes",
            f"    UserKnownHostsFile {_quoted(known)}",
            "    GlobalKnownHostsFile /dev/null",
            f"    HostKeyAlias {entry.alias}",
            "    StrictHostKeyChecking yes",
            "    UpdateHostKeys no",
            "    PasswordAuthentication no",
            "    ServerAliveInterval 15",
            "    ServerAliveCountMax 4",
            "",
        ]
    )


def _quoted(path: Path) -> str:
    """A path in a configuration of OpenSSH, which replaces `%` there."""
    text = str(path)
    if any(sign in text for sign in '"\n\r\\') or "${" in text:
        raise UserError(f"the path {text} cannot stand in a configuration of ssh; use one without quotes")
    return '"' + text.replace("%", "%%") + '"'


def _word(text: str) -> str:
    if not _WORD.fullmatch(text) or text.startswith("-"):
        raise UserError(f"{text!r} cannot stand in a configuration of ssh", reason="strange_name")
    return text
