"""Signals of this process as requests to its runs.

The first SIGINT or SIGTERM asks; the second leaves at once. What arrives within 0.3 s of the one before counts as the
same key press: a terminal signals the whole foreground group, and wrappers such as `uv run` or `timeout` pass the
signal on once more. SIGHUP (the terminal is gone) carries on without one. SIGPIPE is ignored, so that a closed pipe is
an error of that write alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from rpd.adapters.local.caller import program
from rpd.engine.ports import Request

SAME_PRESS_SECONDS = 0.3
LEAVING_SECONDS = 3.0
"""After `LeaveNow` was raised, further presses are ignored this long, so that the last words can be written."""


Handler = Callable[[int, FrameType | None], None] | signal.Handlers


class LeaveNow(BaseException):
    """Raised in the main thread by the second SIGINT or SIGTERM, and wherever a command is to end at once; `why` is for
    people. `exit_code` is 130 or 143 for a signal; something that may bill makes it 8."""

    def __init__(self, why: str, exit_code: int) -> None:
        super().__init__(why)
        self.why = why
        self.exit_code = exit_code

    @classmethod
    def on(cls, request: Request) -> LeaveNow:
        """For a command that one signal ends: what `signal_requests` made of it."""
        return cls(f"interrupted ({request.by})", 128 + signal.Signals[request.by])


def is_terminal() -> bool:
    """Whether a person can be asked and told: stdin and stderr are both terminals."""
    return _is_tty(0) and _is_tty(2)


@contextlib.contextmanager
def signal_requests(
    ask: Callable[[Request], None], *, on_hangup: Callable[[], None] = lambda: None, terminal: bool | None = None
) -> Iterator[None]:
    """Turn signals into requests inside the block, and put the former handlers back after it.

    `ask` and `on_hangup` are called inside a signal handler: they must not wait for a lock (`ProcessControl.ask` does
    not). Outside the main thread Python delivers no signals, and this does nothing; nor where a program has called that
    keeps its signals to itself. An inherited "ignore" of SIGHUP
    (nohup) stays; one of SIGINT (a shell's background job) does not: who signals this process by its number means it.
    """
    caller = program()
    is_theirs = caller is not None and not caller.takes_signals
    if is_theirs or threading.current_thread() is not threading.main_thread():
        yield
        return
    presses = _Presses(ask, is_terminal() if terminal is None else terminal)

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        presses.terminal = False
        _silence_lost_streams()
        on_hangup()

    wanted: dict[signal.Signals, Handler] = {
        signal.SIGINT: presses.receive,
        signal.SIGTERM: presses.receive,
        signal.SIGPIPE: signal.SIG_IGN,
    }
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted[signal.SIGHUP] = hang_up
    former = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


class Early:
    """Signals that arrive before there is anybody to tell: they are kept until there is, and lost by nobody."""

    def __init__(self) -> None:
        self.held: list[Request] = []
        self._ask: Callable[[Request], None] = self.held.append

    def signals(self) -> contextlib.AbstractContextManager[None]:
        """Hear them from here on, for as long as the block lasts."""
        return signal_requests(lambda request: self._ask(request))

    def hand_over(self, ask: Callable[[Request], None]) -> None:
        """From now on `ask` is told, first of those that came before."""
        self._ask = ask
        while self.held:
            ask(self.held.pop(0))


class _Presses:
    """Counts SIGINT and SIGTERM."""

    def __init__(self, ask: Callable[[Request], None], terminal: bool) -> None:
        self.terminal = terminal
        self._ask = ask
        self._last = float("-inf")
        self._quiet_until = float("-inf")
        self._count = 0

    def receive(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        is_same = now - self._last < SAME_PRESS_SECONDS
        self._last = now
        if is_same or now < self._quiet_until:
            return
        self._count += 1
        name = signal.Signals(number).name
        if self._count > 1:
            self._quiet_until = now + LEAVING_SECONDS
            raise LeaveNow("left at once on request", 128 + number)
        if number == signal.SIGINT:
            self._ask(Request("interrupt", name, {"terminal": self.terminal}))
        else:
            self._ask(Request("terminate", name))


def _silence_lost_streams() -> None:
    """Point the standard streams that died with the terminal at /dev/null; a plain file (`> log`) is kept."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        for descriptor in (0, 1, 2):
            with contextlib.suppress(OSError):
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.dup2(null, descriptor)
    finally:
        os.close(null)


def _is_tty(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
