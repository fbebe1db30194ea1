"""The owner's lease, kept fresh while a long call has no time for it."""

from __future__ import annotations

import threading
from types import TracebackType

from rpd.adapters.ssh.channel import Channel
from rpd.engine.errors import RpdError

BEAT_SECONDS = 20.0


class Lease:
    """Within its `with` block the lease in the pod is renewed by a thread of its own, which is joined at the end.

    The channel is used by that thread alone. A lease that can no longer be renewed ends quietly: the call it
    accompanies finds out about the link by itself.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="rpd-lease", daemon=True)

    def __enter__(self) -> Lease:
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
