"""The open connections of this process, at most one per pod."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rpd.adapters.local.own_log import logger
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.ssh.timeouts import Timeouts
from rpd.engine.errors import Interrupted, Refused, RpdError, Unavailable
from rpd.engine.ports import Clock, Control, Random
from rpd.journal.redact import Redactor
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import SshAddress

_log = logger("ssh")

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0

Locate = Callable[[str], SshAddress | None]
"""Gives the present address of a pod id, as the cloud reports it."""


class Pool:
    """Connections opened on demand and reused. Owned by one thread. `close` it in the end."""

    def __init__(
        self,
        *,
        locate: Locate,
        key_path: Path | None,
        clock: Clock,
        control: Control,
        random: Random,
        timeouts: Timeouts | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self._locate = locate
        self._key_path = key_path
        self._clock = clock
        self._control = control
        self._random = random
        self._timeouts = timeouts or Timeouts()
        self._redactor = redactor or Redactor()
        self._open: dict[str, Connection] = {}
        self._reached: dict[str, SshAddress] = {}  # where a pod was last reached; it lives no longer than a container
        self.logins: dict[str, int] = {}

    def connection(self, pod_id: str, *, host_key: str | None, deadline_seconds: float) -> Connection:
        """The pod's connection. It is a new one if there is none, if it broke or if the clocks jumped.

        Tries, at growing intervals, for `deadline_seconds`. Raises Unavailable (`ssh_unreachable`) after that, also if
        the cloud does not say where the pod is; Refused (`host_key_changed`, `auth_refused`) at once; and Interrupted.
        """
        known = self._open.get(pod_id)
        if known is not None:
            if known.is_usable(self._clock.now()) and host_key in (None, known.host_key):
                return known
            self.drop(pod_id)
        end = self._clock.now().up + deadline_seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._open_anew(pod_id, host_key)
            except Unavailable as error:
                wait = max(pause * (0.5 + self._random.random() / 2), error.retry_after or 0.0)
                if not error.retryable or self._clock.now().up + wait > end:
                    raise
            if self._control.pending():
                raise Interrupted(f"interrupted while connecting to pod {pod_id}", reason=Fault.INTERRUPTED)
            self._control.wait(wait)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _open_anew(self, pod_id: str, host_key: str | None) -> Connection:
        """Connect to the last address of the pod, if the pod shows its pinned key there: the cloud may be out of reach,
        and is asked only if this fails. Another pod may have that address by now."""
        known = self._reached.get(pod_id) if host_key is not None else None
        failure: RpdError | None = None
        if known is not None:
            try:
                return self.connect(pod_id, known, host_key=host_key)
            except (Unavailable, Refused) as error:
                failure = error
        address = self._where(pod_id)
        if address is None:
            raise Unavailable(f"pod {pod_id} has no SSH address now", reason=Fault.SSH_UNREACHABLE)
        if failure is not None and address == known:
            raise failure
        return self.connect(pod_id, address, host_key=host_key)

    def _where(self, pod_id: str) -> SshAddress | None:
        """The address from the cloud. If the cloud does not answer, this counts as a fault of the way to the pod."""
        try:
            return self._locate(pod_id)
        except Interrupted:
            raise
        except RpdError as error:
            if error.reason == Fault.SSH_UNREACHABLE:
                raise
            text = f"pod {pod_id} cannot be reached, and the cloud does not say where it is now: {error.message}"
            raise Unavailable(
                text, reason=Fault.SSH_UNREACHABLE, retryable=error.retryable, retry_after=error.retry_after
            ) from error

    def connect(self, pod_id: str, address: SshAddress, *, host_key: str | None) -> Connection:
        """One attempt at a fresh connection, which replaces the pod's old one. Raises as `Connection.open`."""
        self.drop(pod_id)
        what, started = f"pod {pod_id} at {address.username}@{address.host}:{address.port}", time.monotonic()
        try:
            connection = Connection.open(
                address,
                key_path=self._key_path,
                host_key=host_key,
                alias=f"rpd-pod-{pod_id}",
                timeouts=self._timeouts,
                interrupted=self._control.pending,
                now=self._clock.now(),
            )
        except RpdError as error:
            _log.warning("%s: %s after %.2f s: %s", what, error.reason, time.monotonic() - started, error.message)
            raise
        pinned = "pinned" if host_key is not None else "new"
        _log.info("%s: logged in after %.2f s, its host key is %s", what, time.monotonic() - started, pinned)
        connection.redactor = self._redactor
        self.logins[pod_id] = self.logins.get(pod_id, 0) + 1
        self._open[pod_id], self._reached[pod_id] = connection, address
        return connection

    def drop(self, pod_id: str) -> None:
        """Close the pod's connection, if there is one."""
        known = self._open.pop(pod_id, None)
        if known is not None:
            known.close()

    def close(self) -> None:
        """Close all connections."""
        for pod_id in tuple(self._open):
            self.drop(pod_id)
