"""Signals of this process as requests to its runs.

The first SIGINT or SIGTERM asks. The second leaves at once. A signal within 0.3 s of the one before counts as the same
key press: a terminal signals the whole foreground group, and wrappers such as `uv run` or `timeout` pass the signal on
once more. After SIGHUP (the terminal is gone) the run goes on without a terminal. SIGPIPE is ignored, so that a closed
pipe is an error of that write alone.
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
"""After `LeaveNow` was raised, more presses are ignored for this long, so that the last words can be written."""


Handler = Callable[[int, FrameType | None], None] | signal.Handlers


class LeaveNow(BaseException):
    """Raised in the main thread by the second SIGINT or SIGTERM, and wherever a command has to end at once. `why` is
    for people. `exit_code` is 130 or 143 for a signal; something that may bill makes it 8."""

    def __init__(self, why: str, exit_code: int) -> None:
        super().__init__(why)
        self.why = why
        self.exit_code = exit_code

    @classmethod
    def on(cls, request: Request) -> LeaveNow:
        """For a command that one signal ends: the error for the request from `signal_requests`."""
        return cls(f"interrupted ({request.by})", 128 + signal.Signals[request.by])


def is_terminal() -> bool:
    """Whether a person can read and answer: stdin and stderr are both terminals."""
    return _is_tty(0) and _is_tty(2)


@contextlib.contextmanager
def signal_requests(
    ask: Callable[[Request], None],
    *,
    on_hangup: Callable[[], None] = lambda: None,
    terminal: bool | None = None,
    is_answered: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Turn signals into requests inside the block, and put the former handlers back after it.

    `ask` and `on_hangup` are called inside a signal handler, so they must not wait for a lock (`ProcessControl.ask`
    does not). `is_answered` says, once, that the presses so far were answered with "go on": the next one counts as the
    first. Outside the main thread Python delivers no signals, and this does nothing. It also does nothing if the
    caller is a program that handles its signals itself. An inherited "ignore" of SIGHUP (nohup) stays. An inherited
    "ignore" of SIGINT (a shell's background job) does not: a signal to the number of this process is meant for it.
    """
    caller = program()
    is_theirs = caller is not None and not caller.takes_signals
    if is_theirs or threading.current_thread() is not threading.main_thread():
        yield
        return
    presses = _Presses(ask, is_terminal() if terminal is None else terminal, is_answered)

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
    """Keeps signals that arrive before there is a receiver, so that none is lost."""

    def __init__(self) -> None:
        self.held: list[Request] = []
        self.is_answered: Callable[[], bool] = lambda: False
        self._ask: Callable[[Request], None] = self.held.append

    def signals(self) -> contextlib.AbstractContextManager[None]:
        """Take signals from now on, until the block ends."""
        return signal_requests(lambda request: self._ask(request), is_answered=lambda: self.is_answered())

    def hand_over(self, ask: Callable[[Request], None]) -> None:
        """From now on `ask` gets the signals, first those that came before."""
        self._ask = ask
        while self.held:
            ask(self.held.pop(0))


class _Presses:
    """Counts SIGINT and SIGTERM."""

    def __init__(self, ask: Callable[[Request], None], terminal: bool, is_answered: Callable[[], bool]) -> None:
        self.terminal = terminal
        self._is_answered = is_answered
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
        self._count = 1 if self._is_answered() else self._count + 1
        name = signal.Signals(number).name
        if self._count > 1:
            self._quiet_until = now + LEAVING_SECONDS
            raise LeaveNow("left at once on request", 128 + number)
        if number == signal.SIGINT:
            self._ask(Request("interrupt", name, {"terminal": self.terminal}))
        else:
            self._ask(Request("terminate", name))


def _silence_lost_streams() -> None:
    """Point the standard streams that died with the terminal at /dev/null. A plain file (`> log`) is kept."""
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
