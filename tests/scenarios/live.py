"""A command left running, off a terminal or on one, and waiting for what it does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tests.scenarios.harness import CommandLine

T = TypeVar("T")

RPD = [sys.executable, "-m", "rpd.adapters.cli"]


def eventually(what: Callable[[], T], seconds: float = 120.0, tell: Callable[[], str] = str) -> T:
    """The first truthy answer of `what`; `tell` explains a wait in vain."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds} s in vain\n{tell()}"
        time.sleep(0.02)


class Live:
    """A running command; stdout and stderr go to files."""

    def __init__(self, cli: CommandLine, arguments: tuple[str, ...]) -> None:
        self.cli = cli
        number = len(list(cli.folder.glob("live-*")))
        self._out, self._err = cli.folder / f"live-{number}.out", cli.folder / f"live-{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*RPD, *arguments],
                cwd=cli.folder,
                env=cli.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        """Stdout so far."""
        return self._out.read_text(errors="replace")

    @property
    def text(self) -> str:
        """What a person saw so far."""
        return self._err.read_text(errors="replace")

    def until(self, state: str, seconds: float = 150.0) -> None:
        """Wait until the newest run has reached this state."""
        self._wait(lambda: self.cli.state() == state, seconds, f"state {state}")

    def until_begun(self, seconds: float = 150.0) -> None:
        """Wait until the newest run's job has said `begun`: it may not have when the run reaches `monitor`."""
        self.until("monitor", seconds)
        self._wait(self._has_begun, seconds, "the job's first words")

    def _has_begun(self) -> bool:
        logs = (self.cli.sandbox_home / "pods").glob(f"*/volume/.rpd/{self.cli.run_id}/run.log")
        return any("begun" in log.read_text(errors="replace") for log in logs)

    def until_text(self, words: str, seconds: float = 150.0) -> None:
        """Wait until a person saw these words."""
        self._wait(lambda: words in self.text, seconds, repr(words))

    def _wait(self, what: Callable[[], bool], seconds: float, name: str) -> None:
        def look() -> bool:
            ended = self.process.poll() is not None
            found = what()
            assert found or not ended, f"ended with {self.process.returncode} before {name}\n{self.text}"
            return found

        eventually(look, seconds, lambda: f"for {name} in state {self.cli.state()}\n{self.text}")

    def signal(self, number: signal.Signals) -> None:
        """To the whole process group, as a terminal or a shell does."""
        os.killpg(self.process.pid, number)

    def press(self) -> None:
        """Ctrl-C as it comes without a terminal: SIGINT to the group."""
        self.signal(signal.SIGINT)

    def end(self, seconds: float = 90.0) -> int:
        """Its exit code, waited for."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {seconds} s in state {self.cli.state()}\n{self.text}") from None

    def kill(self) -> None:
        """SIGKILL, and wait. Once it was waited for, its number may be somebody else's."""
        if self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Terminal(Live):
    """A running command on a terminal: session leader, controlling terminal, foreground."""

    def __init__(self, cli: CommandLine, arguments: tuple[str, ...]) -> None:
        self.cli = cli
        self._seen = bytearray()
        self._master, slave = os.openpty()
        self.process = subprocess.Popen(
            [*RPD, *arguments],
            cwd=cli.folder,
            env=cli.environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self._is_closed = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: the last process has let go of the terminal
            while not self._is_closed.is_set():
                if select.select([self._master], [], [], 0.05)[0]:
                    self._seen += os.read(self._master, 65536)

    @property
    def text(self) -> str:
        """What appeared on the screen."""
        return bytes(self._seen).decode(errors="replace")

    def press(self) -> None:
        """The key Ctrl-C: the terminal turns it into SIGINT for its foreground group."""
        os.write(self._master, b"\x03")

    def type(self, words: str) -> None:
        """Keys, as somebody types them."""
        os.write(self._master, words.encode())

    def hang_up(self) -> None:
        """The terminal goes away: SIGHUP to its session leader, EIO for whoever writes there."""
        self._is_closed.set()
        self._reader.join(2.0)
        os.close(self._master)

    def end(self, seconds: float = 90.0) -> int:
        """Its exit code; afterwards the screen is complete."""
        code = super().end(seconds)
        self._reader.join(2.0)
        return code

    def kill(self) -> None:
        """SIGKILL; the terminal is closed."""
        super().kill()
        if not self._is_closed.is_set():
            self.hang_up()
