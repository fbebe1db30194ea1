"""A command in the pod with the streams of this process: bytes both ways, its end, its signals, its window."""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import signal
from collections import deque
from collections.abc import Iterator
from types import FrameType

from rpd.adapters.report.words import clean
from rpd.adapters.ssh.channel import Channel
from rpd.adapters.ssh.timeouts import POLL_SECONDS
from rpd.engine.errors import Unavailable, UserError

_CHUNK = 64 * 1024
_BLOCKED_SECONDS = 0.02
"""The look at a channel whose window is full: no descriptor tells that it opens."""
_PASSED_ON = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2")
_ENDING = ("HUP", "INT", "TERM")
KILLED = 255
"""The exit code for a command that a signal of others has ended: nobody says which one, as with `ssh`."""


class Streams:
    """The three streams. `is_raw`: the pod's terminal draws on ours, so output stays as it is. Otherwise a terminal
    here gets the text without control characters, and files and pipes get every byte."""

    def __init__(self, *, is_raw: bool) -> None:
        self._is_clean = {fd: not is_raw and os.isatty(fd) for fd in (1, 2)}
        self._decoders = {fd: codecs.getincrementaldecoder("utf-8")("replace") for fd in (1, 2)}

    def write(self, fd: int, data: bytes) -> None:
        """All of it. Raises BrokenPipeError if nobody reads any more, UserError if it cannot be written."""
        if self._is_clean[fd]:
            data = clean(self._decoders[fd].decode(data)).encode("utf-8", "replace")
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(fd, rest) :]
            except BlockingIOError:  # whoever shares the descriptor has made it so
                select.select([], [fd], [], POLL_SECONDS)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise UserError(f"cannot write the output of the command: {error.strerror}") from error


class _Signals:
    """Signals of this process on their way to the command. The second that ends a program ends this one."""

    def __init__(self) -> None:
        self.waiting: deque[str] = deque()
        self.sent: list[str] = []
        self.is_resized = False

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Take signals inside the block. Outside the main thread there are none."""
        former = {}
        try:
            for name in _PASSED_ON:
                former[name] = signal.signal(signal.Signals[f"SIG{name}"], self._take)
            former["WINCH"] = signal.signal(signal.SIGWINCH, self._resize)
        except ValueError:
            pass
        try:
            yield
        finally:
            for name, handler in former.items():
                signal.signal(signal.Signals[f"SIG{name}"], handler if handler is not None else signal.SIG_DFL)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.waiting.append(signal.Signals(number).name.removeprefix("SIG"))

    def _resize(self, _number: int, _frame: FrameType | None) -> None:
        self.is_resized = True

    @property
    def code(self) -> int:
        """The exit code for the last signal that was passed on."""
        return 128 + signal.Signals[f"SIG{self.sent[-1]}"] if self.sent else KILLED


def carry(channel: Channel, *, is_terminal: bool = False) -> int:
    """Join the command's streams with ours until it ends. Returns its exit code: 128 + N if a signal that was passed on
    ended it, 141 if nobody reads its output any more.

    Raises Unavailable (`link_lost`): the command may go on in the pod.
    """
    passing = _Carrying(channel, is_terminal=is_terminal)
    try:
        with passing.signals.caught():
            return passing.run()
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    finally:
        channel.close()


class _Carrying:
    def __init__(self, channel: Channel, *, is_terminal: bool) -> None:
        self.signals = _Signals()
        self._channel = channel
        self._streams = Streams(is_raw=is_terminal)
        self._is_terminal = is_terminal
        self._input = b""
        self._is_input_over = False
        self._is_output_open = [True, True]

    def run(self) -> int:
        while True:
            if (left := self._pass_signals()) is not None:
                return left
            is_moved = self._take_output()
            is_moved = self._send_input() or is_moved
            if not any(self._is_output_open):
                if (code := self._exit_code()) is not None:
                    return code
            elif not is_moved:
                self._wait()

    def _exit_code(self) -> int | None:
        """The exit code, or None while a command goes on that has closed its outputs. Raises Unavailable."""
        try:
            return self._channel.exit_status(POLL_SECONDS)
        except Unavailable:
            if self._channel.is_killed:
                return self.signals.code
            raise

    def _pass_signals(self) -> int | None:
        """Pass waiting signals on. An exit code if this process was told twice to end."""
        while self.signals.waiting:
            name = self.signals.waiting.popleft()
            if name in _ENDING and any(each in _ENDING for each in self.signals.sent):
                return 128 + signal.Signals[f"SIG{name}"]
            self._channel.signal(name)
            self.signals.sent.append(name)
        if self.signals.is_resized and self._is_terminal:
            self.signals.is_resized = False
            self._channel.resize(*os.get_terminal_size(0))
        return None

    def _take_output(self) -> bool:
        is_moved = False
        for number, receive in ((0, self._channel.recv), (1, self._channel.recv_stderr)):
            if not self._is_output_open[number]:
                continue
            data = receive(0.0)
            if data:
                self._streams.write(number + 1, data)
                is_moved = True
            elif data == b"":
                self._is_output_open[number] = False
                is_moved = True
        return is_moved

    def _send_input(self) -> bool:
        if self._is_input_over:
            return False
        if not self._input:
            if not select.select([0], [], [], 0.0)[0]:
                return False
            try:
                self._input = os.read(0, _CHUNK)
            except BlockingIOError:
                return False
            if not self._input:
                self._is_input_over = True
                self._channel.send_eof()
                return True
        count = self._channel.send_some(memoryview(self._input), 0.0)
        if count == 0:
            self._is_input_over = True  # the command reads no more; what it prints still counts
        self._input = self._input[count:] if count else self._input
        return bool(count)

    def _wait(self) -> None:
        """Until something moves. A signal ends the wait."""
        if self._input and not self._is_input_over:
            select.select([self._channel], [], [], _BLOCKED_SECONDS)
            return
        awaited: list[Channel | int] = [self._channel] if self._is_input_over else [self._channel, 0]
        select.select(awaited, [], [], POLL_SECONDS)
