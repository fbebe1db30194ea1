"""The SSH connection under the forwards: watched, and opened again when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

from rpd.adapters.local.control import ProcessControl
from rpd.adapters.ssh.connection import Connection
from rpd.engine.errors import Interrupted, Refused, RpdError, Unavailable
from rpd.states.ports.faults import Fault

LOOK_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
GONE_LOOKS = 3
"""How many looks in a row must say that waiting is useless (the pod is stopped) before the link ends."""

LinkState = Literal["connecting", "up", "down", "over"]


class Link:
    """A thread that keeps one connection. Any thread may ask for it.

    `connect` gives the present connection, or a new one; it is called on the link's thread alone, as `hang_up` is in
    the end. The state is "over" once no wait can bring the link back: `error` says why. A refusal ends it at once,
    because the other side is not who it was, or does not let us in.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        hang_up: Callable[[], None],
        control: ProcessControl,
        tell: Callable[[str], object],
    ) -> None:
        self._connect = connect
        self._hang_up = hang_up
        self._control = control
        self._tell = tell
        self._turned = threading.Condition()
        self._connection: Connection | None = None
        self.state: LinkState = "connecting"
        self.error: RpdError | None = None
        self.losses = 0
        self._thread = threading.Thread(target=self._keep, name="rpd-link", daemon=True)
        self._thread.start()

    def connection(self, seconds: float) -> Connection:
        """The connection, once it is up. Raises the link's error if it is over, or Unavailable (`link_lost`) after
        `seconds`."""
        deadline = time.monotonic() + seconds
        with self._turned:
            while self.state != "up" or self._connection is None:
                if self.state == "over":
                    raise self.error or Unavailable("the tunnel is closed", reason=Fault.LINK_LOST, retryable=False)
                left = deadline - time.monotonic()
                if left <= 0:
                    why = f": {self.error.message}" if self.error is not None else ""
                    raise Unavailable(f"the SSH link is down{why}", reason=Fault.LINK_LOST)
                self._turned.wait(left)
            return self._connection

    def wait_over(self, seconds: float) -> bool:
        """Wait until the link is over, at most `seconds`. Returns whether it is."""
        with self._turned:
            return self._turned.wait_for(lambda: self.state == "over", seconds)

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread. Somebody must have asked the control to end it."""
        self._thread.join(seconds)

    def _keep(self) -> None:
        try:
            self._reconnect()
        except Exception as error:
            self._turn("over", RpdError(f"the SSH link ended with {type(error).__name__}: {error}", reason="internal"))
        finally:
            if self.state != "over":
                self._turn("over", None)
            self._hang_up()

    def _reconnect(self) -> None:
        pause, useless = FIRST_PAUSE_SECONDS, 0
        while not self._control.pending():
            try:
                connection = self._connect()
            except Interrupted:
                return
            except RpdError as error:
                useless = useless + 1 if isinstance(error, Unavailable) and not error.retryable else 0
                if isinstance(error, Refused) or useless >= GONE_LOOKS:
                    self._turn("over", error)
                    return
                self._down(error)
                self._control.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                continue
            pause, useless = FIRST_PAUSE_SECONDS, 0
            self._up(connection)
            self._control.wait(LOOK_SECONDS)

    def _down(self, error: RpdError) -> None:
        if self.state == "up":
            self._tell(f"the link to the pod is lost, and rpd connects again ({error.message})")
        self._turn("connecting" if self.state == "connecting" else "down", error)

    def _up(self, connection: Connection) -> None:
        is_new = connection is not self._connection
        if self._connection is not None and is_new:
            self.losses += 1
            self._tell("the link to the pod was lost, and is up again")
        with self._turned:
            self._connection = connection
        self._turn("up", None)

    def _turn(self, state: LinkState, error: RpdError | None) -> None:
        with self._turned:
            self.state, self.error = state, error
            self._turned.notify_all()
