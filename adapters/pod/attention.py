"""A run's control that can be left unheard for the moment it takes to clean up after an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rpd.engine.ports import Control, Request


class Attention(Control):
    """The same control; the connections of a `PodRemote` listen through this one."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._is_deaf = False

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """Within, nothing is pending; requests are kept, not lost."""
        self._is_deaf = True
        try:
            yield
        finally:
            self._is_deaf = False

    def pending(self) -> bool:
        """As the control says, unless it is unheard."""
        return not self._is_deaf and self._control.pending()

    def take(self) -> Request | None:
        """The oldest waiting request, removed."""
        return self._control.take()

    def wait(self, seconds: float) -> None:
        """Sleep; returns early when a request arrives."""
        self._control.wait(seconds)
