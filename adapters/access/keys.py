"""The SSH key that opens pods: the key that the job file names, else rpd's own pair under the state home."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rpd.adapters.local.dirs import own_key_path, private_folder
from rpd.adapters.local.files import read_regular
from rpd.engine.errors import UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

MAX_KEY_BYTES = 64 * 1024
PUBLIC_SUFFIX = ".pub"
OWN_INSTEAD = "rpd config unset ssh-key-path, and name no key (ssh.key_path, --key), for a key of rpd's own"


class SshKey(msgspec.Struct, frozen=True):
    """A usable key. `public_line` belongs into authorized_keys. `is_in_agent`: the file is locked, or is
    the public half."""

    private_path: str
    public_line: str
    is_in_agent: bool = False


def ssh_key(key_path: str | None, home: Path) -> SshKey:
    """The key for a job: `key_path` if given, else rpd's own, made if absent.

    Raises UserError if a named key is missing, unreadable, no private key, or locked while no agent holds it.
    """
    if key_path is not None:
        return named_key(Path(os.path.expanduser(key_path)))  # noqa: PTH111 - pathlib raises on ~nobody
    return own_key(home)


def named_key(path: Path) -> SshKey:
    """Read the user's key. Never changes anything. The public half stands for a key that only the agent holds, as it
    does for `ssh`."""
    content = _read(path)
    if path.suffix == PUBLIC_SUFFIX:
        return _agent_key(path)
    try:
        key = SshKey(str(path), _public_line(_parse(content, path)))
    except _Locked:
        key = _unlocked(path)
    _refuse_exposed(path)
    return key


def own_key(home: Path) -> SshKey:
    """rpd's own ed25519 pair, `<home>/ssh/id_ed25519`, made on first use. If two processes make it at once, one of them
    wins."""
    path = own_key_path(home)
    private_folder(path.parent)
    if not path.exists():
        _create(path)
    key = SshKey(str(path), _public_line(_parse(_read(path), path)))
    public = path.with_suffix(".pub")
    if not public.exists():  # for people; rpd itself always derives it
        with contextlib.suppress(OSError):
            public.write_text(f"{key.public_line}\n")
    return key


def _agent_key(path: Path) -> SshKey:
    from rpd.adapters.ssh.agent import agent_holds

    public = _public_half(path.with_suffix(""))
    if public is None or not agent_holds(public):
        raise UserError(
            f"{path} is the public half of an SSH key, and no agent holds the private one",
            reason="ssh_key",
            hint=f"ssh-add {path.with_suffix('')}   (or name the private key)",
        )
    return SshKey(str(path), public, is_in_agent=True)


def _unlocked(path: Path) -> SshKey:
    """A key in a locked file, which the agent holds too."""
    from rpd.adapters.ssh.agent import agent_holds

    public = _public_half(path)
    if public is not None and agent_holds(public):
        return SshKey(str(path), public, is_in_agent=True)
    raise UserError(
        f"the SSH key {path} is locked with a passphrase and no agent holds it",
        reason="ssh_key",
        hint=f"ssh-add {path}   (or name no key, for a key of rpd's own)",
    )


def _refuse_exposed(path: Path) -> None:
    """`ssh` uses no private key that others may read, so rpd's own commands could not all use it."""
    status = path.stat()
    if status.st_uid == os.geteuid() and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UserError(
            f"others may read the SSH key {path}; ssh refuses to use it",
            reason="ssh_key",
            hint=f"chmod 600 {path}",
        )


class _Locked(Exception):
    """The private key needs a passphrase."""


def _create(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # unlike a rename, this fails if another process was first
    except OSError as error:
        raise UserError(f"cannot make an SSH key at {path}: {error.strerror}", reason="ssh_key") from error
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_KEY_BYTES)
    except FileNotFoundError:
        raise UserError(
            f"there is no SSH key {path}",
            reason="ssh_key",
            hint=OWN_INSTEAD,
        ) from None
    except OSError as error:
        raise UserError(f"cannot read the SSH key {path}: {error.strerror}", reason="ssh_key") from error


def _parse(content: bytes, path: Path) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    if content.startswith((b"ssh-", b"ecdsa-", b"sk-")):
        raise UserError(f"{path} is the public half of an SSH key; name the private one", reason="ssh_key")
    is_openssh = b"BEGIN OPENSSH PRIVATE KEY" in content
    load = serialization.load_ssh_private_key if is_openssh else serialization.load_pem_private_key
    try:
        return load(content, password=None)
    except TypeError:
        raise _Locked from None
    except (ValueError, UnsupportedAlgorithm) as error:
        if "password" in str(error).lower():
            raise _Locked from None
        is_strange = isinstance(error, UnsupportedAlgorithm)  # the library's own words do not help a person
        what = "is an SSH key of a kind that is not supported" if is_strange else "is not a private SSH key"
        raise UserError(f"{path} {what}", reason="ssh_key") from error


def _public_line(key: PrivateKeyTypes) -> str:
    from cryptography.hazmat.primitives import serialization

    public = key.public_key()
    line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return line.decode("ascii") + " rpd"


def _public_half(path: Path) -> str | None:
    try:
        line = path.with_name(f"{path.name}.pub").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return line if len(line.split()) >= 2 else None
