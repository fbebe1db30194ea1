"""The owner heartbeat, kept fresh while a long call has no time for it."""

from __future__ import annotations

import threading
from types import TracebackType

from rpd.adapters.ssh.channel import Channel
from rpd.engine.errors import RpdError

BEAT_SECONDS = 20.0


class Heartbeat:
    """Renews the owner heartbeat in the pod within its `with` block, in a separate thread, which is joined at the end.

    Only that thread uses the channel. If the heartbeat can no longer be renewed, the thread ends quietly: the call
    beside it finds out about the link by itself.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="rpd-heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._channel.close()

    def _renew(self) -> None:
        try:
            while self._channel.send(b"\n") and not self._over.wait(BEAT_SECONDS):
                pass
        except RpdError:
            return
