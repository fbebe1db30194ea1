"""A terminal that was used as a screen is given back as it was, whatever ends it."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from rpd.adapters.terminal.screen import fitted

PROGRAM = """
import sys, time
from rpd.adapters.terminal.screen import Row, Screen
with Screen() as screen:
    while True:
        screen.draw([Row(f"{screen.size.columns}x{screen.size.lines}", "31"), Row("ready")])
        key = screen.key(0.5)
        if key == "q":
            break
        if key == "x":
            raise ValueError("on purpose")
        if key == "l":
            with screen.lent():
                sys.stdout.write("a child has it\\n"); sys.stdout.flush()
                sys.stdin.readline()
        if key:
            screen.draw([Row(f"key {key}")])
            time.sleep(0.1)
"""
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-c", PROGRAM), **environ: str) -> None:
        self.master, self.slave = os.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.process = subprocess.Popen(
            command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**os.environ, "TERM": "xterm", **environ},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def until(self, what: Callable[[], bool], tell: str) -> None:
        end = time.monotonic() + 20.0
        while not what():
            assert time.monotonic() < end, (tell, self.seen)
            if select.select([self.master], [], [], 0.05)[0]:
                self.seen += os.read(self.master, 65536)

    def shows(self, words: bytes) -> None:
        self.until(lambda: words in self.seen, repr(words))

    def ends(self) -> int:
        self.until(lambda: self.process.poll() is not None and LEAVE in self.seen, "its end")
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def is_as_before(self) -> bool:
        return termios.tcgetattr(self.slave)[:6] == self.before[:6]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


@pytest.mark.parametrize("how", ["q", "x", "int", "quit"])
def test_it_is_given_back(terminal: Terminal, how: str) -> None:
    terminal.shows(b"ready")
    assert ENTER in terminal.seen and not terminal.is_as_before()
    if how == "int":
        terminal.type(b"\x03")
    else:
        if how == "quit":  # Ctrl-\\ would end it without a word
            terminal.type(b"\x1c")
        terminal.type(how[:1].encode())
    assert (terminal.ends() == 0) is (how in ("q", "quit"))
    assert terminal.is_as_before() and terminal.seen.count(ENTER) == terminal.seen.count(LEAVE) == 1
    assert terminal.seen.index(b"\x1b[?25h") < terminal.seen.index(LEAVE), "the cursor is shown again"


def test_it_follows_the_size(terminal: Terminal) -> None:
    terminal.shows(b"80x24")
    terminal.resize(132, 50)
    terminal.shows(b"132x50")
    terminal.type(b"q")
    assert terminal.ends() == 0


def test_arrows_and_escape_are_keys(terminal: Terminal) -> None:
    terminal.shows(b"ready")
    for keys, name in (
        (b"\x1b[A", b"key up"),
        (b"\x1bOB", b"key down"),
        (b"\x1b", b"key escape"),
        (b"\r", b"key enter"),
    ):
        terminal.type(keys)
        terminal.shows(name)
    terminal.type(b"q")
    assert terminal.ends() == 0


def test_ctrl_z_gives_it_back_until_it_goes_on(tmp_path: Path) -> None:
    """A real shell has the job control."""
    (tmp_path / "program.py").write_text(PROGRAM)
    shell = Terminal(["bash", "--norc", "--noprofile", "-i"], PS1="prompt> ")
    shell.shows(b"prompt>")
    shell.type(f"{sys.executable} {tmp_path}/program.py\n".encode())
    shell.shows(b"ready")
    shell.type(b"\x1a")
    shell.shows(b"Stopped")
    assert shell.seen.index(LEAVE) < shell.seen.index(b"Stopped")
    shell.type(b"fg\n")
    shell.until(lambda: shell.seen.count(ENTER) == 2, "its return")
    shell.type(b"q")
    shell.until(lambda: shell.seen.count(LEAVE) == 2, "its end")
    shell.close()


def test_ctrl_z_while_a_child_has_it_leaves_it_to_the_child(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    shell = Terminal(["bash", "--norc", "--noprofile", "-i"], PS1="prompt> ")
    shell.shows(b"prompt>")
    shell.type(f"{sys.executable} {tmp_path}/program.py\n".encode())
    shell.shows(b"ready")
    shell.type(b"l")
    shell.shows(b"a child has it")
    shell.type(b"\x1a")
    shell.shows(b"Stopped")
    shell.type(b"fg\n")
    shell.until(lambda: b"program.py" in shell.seen[shell.seen.index(b"Stopped") + 100 :], "its return")
    shell.type(b"\n")
    shell.until(lambda: shell.seen.count(ENTER) >= 2, "the end of the child")
    shell.type(b"q")
    shell.until(lambda: shell.seen.count(b"prompt> ") >= 3, "its end")
    shell.close()
    assert (shell.seen.count(ENTER), shell.seen.count(LEAVE)) == (2, 2)


def test_a_child_gets_it_as_it_was(terminal: Terminal) -> None:
    terminal.shows(b"ready")
    terminal.type(b"l")
    terminal.shows(b"a child has it")
    assert terminal.is_as_before()
    terminal.type(b"\n")
    terminal.until(lambda: terminal.seen.count(ENTER) == 2, "its return")
    terminal.type(b"q")
    assert terminal.ends() == 0


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("abcdef", 3, "abc"),
        ("日本語", 4, "日本"),
        ("日本語", 5, "日本"),
        ("e\u0301e\u0301e", 2, "e\u0301e\u0301"),
        ("▁▂▃", 2, "▁▂"),
    ],
)
def test_a_line_takes_no_more_columns_than_there_are(text: str, columns: int, shown: str) -> None:
    assert fitted(text, columns) == shown


def test_without_colour_there_is_none() -> None:
    made = Terminal(NO_COLOR="1")
    made.shows(b"ready")
    made.type(b"q")
    assert made.ends() == 0 and b"\x1b[31m" not in made.seen
    made.close()
