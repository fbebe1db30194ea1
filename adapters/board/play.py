"""The live screen: redraw, keys, and the commands that they start."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator

import msgspec

from rpd.adapters.board.gathering import Gathering
from rpd.adapters.board.page import drawn
from rpd.adapters.board.poller import Poller
from rpd.adapters.board.row import Board, BoardRow
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.signals import LeaveNow, signal_requests
from rpd.adapters.pods.asking import Survey
from rpd.adapters.report.live import shows_unicode
from rpd.adapters.terminal.screen import Screen

REDRAW_SECONDS = 1.0
LOOK_SECONDS = 0.25
RPD = (sys.executable, "-m", "rpd.adapters.cli")


class Key(msgspec.Struct, frozen=True):
    """What a key does to the chosen row: the words of the command after `rpd`. `changes`: a person confirms it first,
    and it is refused where another machine drives, or where the pod is not ours."""

    name: str
    words: Callable[[BoardRow], tuple[str, ...] | None]
    changes: bool = False
    waits: bool = True


def _on_run(*words: str) -> Callable[[BoardRow], tuple[str, ...] | None]:
    return lambda row: (*words, row.run_id) if row.run_id is not None else None


def _release(row: BoardRow) -> tuple[str, ...] | None:
    """An unfinished run is released as its file says. The pod of a finished run is deleted, which asks once more."""
    if not row.is_over:
        return ("release", row.run_id) if row.run_id is not None else None
    return ("pod", "delete", row.pod_id) if row.pod_id is not None else None


KEYS = {
    "l": Key("logs", _on_run("logs", "--tail", "100", "-f"), waits=False),
    "i": Key("inspect", _on_run("inspect")),
    "s": Key("shell", _on_run("shell"), waits=False),
    "c": Key("cancel", lambda row: None if row.is_over else _on_run("cancel")(row), changes=True),
    "r": Key("release", _release, changes=True),
    "R": Key("resume", lambda row: None if row.is_over else _on_run("resume")(row), changes=True),
}


def play(first: Survey, commands: Collection[str]) -> int:
    """Show the board until `q`, Escape or a signal. `commands` are those that there are. Exit code 0."""
    command = Patience()

    def hang_up() -> None:
        command.leave(LeaveNow("the terminal is gone", 0))

    with (
        contextlib.suppress(LeaveNow),  # a second Ctrl-C before the first was heard
        signal_requests(command.leave_on, on_hangup=hang_up),
        Poller(first) as poller,
        Screen() as screen,
    ):
        _Player(poller, screen, commands, command).play()
    return 0


class _Player:
    def __init__(self, poller: Poller, screen: Screen, commands: Collection[str], command: Patience) -> None:
        self._poller, self._screen, self._commands = poller, screen, commands
        self._gathering = Gathering()
        self._is_unicode = shows_unicode(sys.stdout.encoding)
        self._command = command
        self._name: str | None = None
        self._message = ""

    def play(self) -> None:
        board, due = self._board(), time.monotonic() + REDRAW_SECONDS
        while self._command.leaving is None:
            self._draw(board)
            key = self._screen.key(LOOK_SECONDS)
            if key in ("q", "escape"):
                break
            if key is not None:
                self._message = ""
                self._take(key, board)
            if key is not None or time.monotonic() >= due:
                board, due = self._board(), time.monotonic() + REDRAW_SECONDS

    def _board(self) -> Board:
        return self._gathering.board(self._poller.survey, self._poller.history, self._poller.asked_at)

    def _draw(self, board: Board) -> None:
        size = self._screen.size
        self._screen.draw(
            drawn(
                board,
                self._chosen(board),
                (size.columns, size.lines),
                self._message,
                is_unicode=self._is_unicode,
                now=time.time(),
            )
        )

    def _chosen(self, board: Board) -> int:
        """The line of the chosen row. It stays with its row when others come and go."""
        names = [row.name for row in board.rows]
        return names.index(self._name) if self._name in names else 0

    def _take(self, key: str, board: Board) -> None:
        if not board.rows:
            return
        at = self._chosen(board)
        if key in ("up", "k", "down", "j"):
            step = -1 if key in ("up", "k") else 1
            self._name = board.rows[max(0, min(len(board.rows) - 1, at + step))].name
        elif key in KEYS:
            self._name = board.rows[at].name
            self._run(KEYS[key], board.rows[at], board)

    def _run(self, key: Key, row: BoardRow, board: Board) -> None:
        words = key.words(row)
        if key.changes and not row.may_act:
            self._message = f"{key.name}: nothing is done to this one from here ({row.owner or 'not ours'})"
        elif words is None:
            self._message = f"{key.name}: not for this one"
        elif words[0] not in self._commands:
            self._message = f"there is no rpd {words[0]}"
        elif not key.changes or self._agrees(key, words, board):
            self._message = self._call(words, waits=key.waits)
            self._poller.again()

    def _agrees(self, key: Key, words: tuple[str, ...], board: Board) -> bool:
        self._message = f"rpd {' '.join(words)}   y does it, any other key does not"
        self._draw(board)
        answer = None
        while answer is None and self._command.leaving is None:
            answer = self._screen.key(LOOK_SECONDS)
        self._message = "" if answer == "y" else f"{key.name}: nothing was done"
        return answer == "y"

    def _call(self, words: tuple[str, ...], *, waits: bool) -> str:
        """Run `rpd WORDS` on the whole terminal. Ctrl-C is meant for it alone. Returns how it ended."""
        with self._screen.lent(), _deaf():
            sys.stdout.write(f"$ rpd {' '.join(words)}\n")
            sys.stdout.flush()
            code = subprocess.run([*RPD, *words], check=False).returncode
            if waits:
                sys.stdout.write("-- Enter goes back --\n")
                sys.stdout.flush()
                with contextlib.suppress(OSError):
                    os.read(0, 1024)
        return f"rpd {words[0]} ended with {code}"


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """In this block Ctrl-C reaches the child only. A handler is not inherited, as an "ignore" would be."""
    former = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
