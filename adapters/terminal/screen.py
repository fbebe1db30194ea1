"""A full screen on a terminal, and single keys. The terminal gets its own state back on every way out: the end of the
block, an error, a signal that becomes an error, Ctrl-Z, and a child that has the terminal for a while."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any

from rpd.adapters.report.paint import has_colour, is_terminal
from rpd.adapters.report.words import clean, in_encoding
from rpd.adapters.terminal.streams import give_up

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_LOOK_SECONDS = 0.2
"""How long a change of the terminal's size may go unseen."""
_ESCAPES = {"[A": "up", "OA": "up", "[B": "down", "OB": "down", "": "escape"}
BOLD, DIM, RED, YELLOW, GREEN, CYAN, REVERSED = "1", "2", "31", "33", "32", "36", "7"


def can_show() -> bool:
    """Whether a person is at a terminal that can show a whole screen."""
    return is_terminal(sys.stdout) and sys.stdin.isatty()


class Row:
    """One line in one style (a code of the terminal; empty: plain)."""

    __slots__ = ("style", "text")

    def __init__(self, text: str, style: str = "") -> None:
        self.text = text
        self.style = style


def fitted(text: str, columns: int) -> str:
    """The beginning of the text that fits into so many columns. Some letters take two of them, and some none."""
    if text.isascii():
        return text[:columns]
    from unicodedata import combining, east_asian_width

    taken, used = [], 0
    for letter in text:
        used += 0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1
        if used > columns:
            break
        taken.append(letter)
    return "".join(taken)


class Screen:
    """The terminal behind stdin and stdout, inside a `with` block. Used by one thread."""

    def __init__(self) -> None:
        self._former: list[Any] | None = None
        self._former_stop: Any = None
        self._colour = has_colour()
        self._drawn: tuple[object, ...] = ()
        self._is_gone = False
        self._is_lent = False

    def __enter__(self) -> Screen:
        self._former = termios.tcgetattr(0)
        self._former_stop = signal.signal(signal.SIGTSTP, self._suspend)
        self._begin()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGTSTP, self._former_stop)
        self._end()

    @property
    def size(self) -> os.terminal_size:
        """Columns and rows now."""
        with contextlib.suppress(OSError):
            found = os.get_terminal_size(1)
            if found.columns and found.lines:
                return found
        return os.terminal_size((80, 24))

    def draw(self, rows: Sequence[Row]) -> None:
        """Show these rows from the top. What does not fit is cut. A terminal that went away is no error."""
        size = self.size
        shown = tuple(self._painted(row, size.columns) for row in rows[: size.lines])
        if (now := (size, shown)) != self._drawn:
            self._drawn = now
            # A line is cleared before it is written: after it, the cursor may stand on its last letter.
            self._write("\x1b[H" + "\r\n".join(f"\x1b[K{row}" for row in shown) + ("\x1b[J" if not shown else ""))
            self._write(f"\x1b[{len(shown) + 1};1H\x1b[J" if 0 < len(shown) < size.lines else "")

    def key(self, seconds: float) -> str | None:
        """The next key: a character, or "up", "down", "enter", "escape". None if none came in time, or if the size has
        changed. "q" if the terminal went away."""
        end, size = time.monotonic() + seconds, self.size
        while (left := end - time.monotonic()) > 0.0 and self.size == size:
            if not select.select([0], [], [], min(left, _LOOK_SECONDS))[0]:
                continue
            try:
                typed = os.read(0, 1)
            except OSError:
                typed = b""
            if not typed or self._is_gone:
                return "q"
            return self._escape() if typed == b"\x1b" else "enter" if typed in b"\r\n" else typed.decode("latin-1")
        return None

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """In this block the terminal is as it was: a child may have it."""
        self._end()
        self._is_lent = True
        try:
            yield
        finally:
            self._is_lent = False
            self._begin()

    def _escape(self) -> str:
        """The key of an escape sequence, or the key Escape itself: nothing follows it."""
        more = b""
        while len(more) < 8 and select.select([0], [], [], 0.05)[0] and (byte := os.read(0, 1)):
            more += byte
            if byte.isalpha() and byte != b"O":
                break
        return _ESCAPES.get(more.decode("latin-1"), "")

    def _painted(self, row: Row, columns: int) -> str:
        text = fitted(in_encoding(clean(row.text).replace("\n", " ").replace("\t", " "), sys.stdout.encoding), columns)
        # Reversed video is no colour: it shows where the cursor is.
        is_shown = row.style and (self._colour or row.style == REVERSED)
        return f"\x1b[{row.style}m{text}\x1b[0m" if is_shown else text

    def _begin(self) -> None:
        self._drawn = ()
        with contextlib.suppress(termios.error, OSError):
            tty.setcbreak(0)
            now = termios.tcgetattr(0)
            now[6][termios.VQUIT] = os.fpathconf(0, "PC_VDISABLE").to_bytes(1, "big")  # Ctrl-\ would leave all this
            termios.tcsetattr(0, termios.TCSADRAIN, now)
        self._write(_ENTER)

    def _end(self) -> None:
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(0, termios.TCSADRAIN, self._former or [])
        self._write(_LEAVE)

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-Z: give the terminal back, stop, and take it again when somebody says `fg`. While a child has the
        terminal, it stays the child's."""
        if not self._is_lent:
            self._end()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._suspend)
        if not self._is_lent:
            self._begin()

    def _write(self, text: str) -> None:
        """Past the buffer of stdout: Ctrl-Z may come while it is being written, and writes as well."""
        left = text.encode(sys.stdout.encoding, "replace")
        try:
            while left:
                left = left[os.write(1, left) :]
        except OSError:
            self._is_gone = True
            give_up(sys.stdout)
