"""A run's control that can ignore requests while a call cleans up after an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rpd.engine.ports import Control, Request


class Attention(Control):
    """The same control. The connections of a `PodRemote` listen through this one."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._is_deaf = False

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """Within this block nothing is pending. Requests are kept, not lost."""
        self._is_deaf = True
        try:
            yield
        finally:
            self._is_deaf = False

    def pending(self) -> bool:
        """Whether the control has a request, except within `unheard`."""
        return not self._is_deaf and self._control.pending()

    def take(self) -> Request | None:
        """The oldest waiting request, removed."""
        return self._control.take()

    def wait(self, seconds: float) -> None:
        """Sleep. Returns early when a request arrives."""
        self._control.wait(seconds)
