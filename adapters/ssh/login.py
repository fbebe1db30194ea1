"""From a connected socket to an authenticated transport: key exchange, the host's key, our key."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import paramiko

from rpd.adapters.local.own_log import logger
from rpd.adapters.report.words import clean
from rpd.adapters.ssh.breakage import LINK_BROKE
from rpd.adapters.ssh.key_login import KeyLogin
from rpd.adapters.ssh.timeouts import POLL_SECONDS, Timeouts
from rpd.adapters.ssh.wire import Wire
from rpd.engine.errors import Interrupted, Refused, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import SshAddress

_LOG = logger("paramiko").name
"""Paramiko's errors (each of them is also raised) must not reach the terminal through logging's last resort."""

_CIPHERS_FIRST = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_SAID_CHARACTERS = 300
_NO_COMMON = "no acceptable"  # else the version makes no sense: a server that sends garbage may still speak SSH
_HOST_KEYS_FIRST = ("ssh-ed25519",)


def log_in(
    wire: Wire,
    address: SshAddress,
    *,
    key_path: Path | None,
    pin: str | None,
    alias: str,
    timeouts: Timeouts,
    interrupted: Callable[[], bool],
) -> tuple[paramiko.Transport, str]:
    """The transport and the host key's fingerprint. After any error the transport is closed and joined.

    Raises Unavailable (`ssh_unreachable`, with `closed` if the other side hung up before a word), Refused
    (`host_key_changed`, `auth_refused`, `barred`) or Interrupted.
    """
    keys = _keys(key_path)
    transport = transport_over(wire, timeouts)
    try:
        try:
            fingerprint = greet(transport, pin, address, alias, timeouts, interrupted)
            _authenticate(transport, keys, address, alias, timeouts, interrupted)
        except LINK_BROKE as error:
            raise _no_session(transport, address, alias, error) from error
    except BaseException:
        wire.hang_up()
        transport.close()
        transport.join(timeouts.connect)
        # The timer of the key exchange is a thread that only the exchange's end stops.
        transport.packetizer.complete_handshake()
        raise
    return transport, fingerprint


def greet(
    transport: paramiko.Transport,
    pin: str | None,
    address: SshAddress,
    alias: str,
    timeouts: Timeouts,
    interrupted: Callable[[], bool],
) -> str:
    """Exchange keys. Returns the fingerprint of the host's key, which must be the pinned one. Raises as `log_in`, or as
    paramiko does."""
    greeted, begun = threading.Event(), time.monotonic()
    transport.start_client(event=greeted)
    _await(transport, greeted, timeouts.banner, interrupted)
    if not transport.is_active() or not greeted.is_set():
        failure = _no_session(transport, address, alias)
        if not transport.remote_version and time.monotonic() - begun < timeouts.banner / 2.0:
            failure.detail["closed"] = True  # a port of a container without an sshd behind it hangs up like this
        raise failure
    fingerprint = transport.get_remote_server_key().fingerprint
    if pin is not None and not hmac.compare_digest(pin, fingerprint):
        raise Refused(
            f"{alias} shows the host key {fingerprint}, not the pinned one ({pin})",
            reason=Fault.HOST_KEY_CHANGED,
            detail={"expected": pin, "found": fingerprint},
        )
    return fingerprint


def transport_over(wire: Wire, timeouts: Timeouts) -> paramiko.Transport:
    """A transport that has not begun to talk."""
    transport = paramiko.Transport(wire)
    transport.set_log_channel(_LOG)
    transport.banner_timeout = timeouts.banner
    transport.handshake_timeout = timeouts.banner
    transport.auth_timeout = timeouts.auth
    transport.channel_timeout = timeouts.channel
    options = transport.get_security_options()
    options.ciphers = _first(_CIPHERS_FIRST, options.ciphers)
    options.key_types = _first(_HOST_KEYS_FIRST, options.key_types)
    return transport


def _first(wanted: Sequence[str], offered: Sequence[str]) -> tuple[str, ...]:
    return (*(name for name in wanted if name in offered), *(name for name in offered if name not in wanted))


def _keys(key_path: Path | None) -> list[paramiko.PKey]:
    """The configured key alone, so that a full agent does not use up the server's patience; without one, the agent's
    keys.

    A configured key behind a passphrase is looked for in the agent.
    """
    if key_path is None:
        return _agent_keys()
    path = key_path.expanduser()
    if path.suffix == ".pub":  # it stands for a key that only the agent holds
        return _agent_keys(matching=path.with_suffix(""))
    try:
        return [paramiko.PKey.from_path(path)]
    except (paramiko.PasswordRequiredException, TypeError):
        return _agent_keys(matching=path)
    except (OSError, ValueError, paramiko.pkey.UnknownKeyType, paramiko.SSHException) as error:
        raise Refused(
            f"the SSH key {path} cannot be read: {error}", reason=Fault.AUTH_REFUSED, hint=f"ssh-keygen -y -f {path}"
        ) from error


def _agent_keys(matching: Path | None = None) -> list[paramiko.PKey]:
    try:
        # Each key signs over the agent's own socket, which stays open as long as the key lives.
        found: list[paramiko.PKey] = [*paramiko.Agent().get_keys()]
    except (OSError, paramiko.SSHException) as error:
        raise Refused(f"the SSH agent does not answer: {error}", reason=Fault.AUTH_REFUSED) from error
    if matching is not None:
        public = _public_blob(matching)
        found = [key for key in found if public and key.get_base64() == public]
        problem = f"the SSH key {matching} has a passphrase and is not in the agent"
        hint = f"ssh-add {matching}"
    else:
        problem, hint = "no SSH key is configured and the agent holds none", "ssh-add -l"
    if not found:
        raise Refused(problem, reason=Fault.AUTH_REFUSED, hint=hint)
    return found


def _public_blob(path: Path) -> str:
    """The base64 part of the `.pub` file beside a private key. Empty if there is none."""
    try:
        words = path.with_name(path.name + ".pub").read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return ""
    return words[1] if len(words) > 1 else ""


def _authenticate(
    transport: paramiko.Transport,
    keys: list[paramiko.PKey],
    address: SshAddress,
    alias: str,
    timeouts: Timeouts,
    interrupted: Callable[[], bool],
) -> None:
    for key in keys:
        answered = threading.Event()
        login = KeyLogin(transport)
        login.auth_publickey(address.username, key, answered)
        _await(transport, answered, timeouts.auth, interrupted)
        if transport.is_authenticated():
            return
        if not transport.is_active() or not answered.is_set():
            raise _no_session(transport, address, alias)
        if (bars := _bars(transport.get_exception(), address, is_known=login.is_known)) is not None:
            hint = "use an image whose sshd lets root log in with a key"
            raise Refused(f"{alias} {bars}", reason=Fault.BARRED, hint=hint)
    raise Refused(
        f"{alias} does not accept our SSH key for user {address.username}",
        reason=Fault.AUTH_REFUSED,
        hint="rpd doctor   checks the key; without ssh.key_path and ssh-key-path, a key of rpd's own is used",
    )


def _bars(cause: Exception | None, address: SshAddress, *, is_known: bool) -> str | None:
    """Why no key can log in, by the way in which one was refused. None if another key may, or this key later."""
    if isinstance(cause, paramiko.ssh_exception.PartialAuthentication):
        return f"requires more than a key for user {address.username}: {_methods(cause.allowed_types)}"
    if isinstance(cause, paramiko.BadAuthenticationType):
        return f"accepts no key; it accepts {_methods(cause.allowed_types)}"
    if is_known:
        return f"knows our SSH key and does not let user {address.username} in: see its PermitRootLogin"
    return None


def _methods(names: Sequence[str]) -> str:
    return clean(", ".join(names))[:_SAID_CHARACTERS] or "nothing at all"


def _await(
    transport: paramiko.Transport, event: threading.Event, seconds: float, interrupted: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + seconds
    while not event.wait(POLL_SECONDS) and transport.is_active() and time.monotonic() < deadline:
        if interrupted():
            raise Interrupted("interrupted while logging in", reason=Fault.INTERRUPTED)


def _no_session(
    transport: paramiko.Transport, address: SshAddress, alias: str, met: Exception | None = None
) -> Unavailable | Refused:
    """Why there is no session: the error of paramiko's thread or of our call, or that nothing came in time."""
    cause = transport.get_exception() or met
    cause_text = clean(str(cause))[:_SAID_CHARACTERS]  # it may quote the server
    where = f"{alias} at {address.host} port {address.port}"
    if isinstance(cause, paramiko.ssh_exception.IncompatiblePeer) and _NO_COMMON in cause_text:
        return Refused(
            f"the SSH server of {where} shares no algorithm with rpd ({cause_text}); OpenSSH 7.4 or newer does",
            reason=Fault.BARRED,
            hint="use an image with OpenSSH 7.4 or newer",
        )
    if isinstance(cause, paramiko.AuthenticationException):
        return Refused(f"{alias} refused the login: {cause_text}", reason=Fault.AUTH_REFUSED)
    why = cause_text or "the link broke off" if cause is not None or not transport.is_active() else "no answer in time"
    return Unavailable(f"{where} does not talk SSH yet: {why}", reason=Fault.SSH_UNREACHABLE)
