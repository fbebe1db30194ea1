"""A terminal as a person has it: tmux, with keys typed into it and the screen read from it."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.features import used
from tests.scenarios.live import eventually

_NUMBERS = itertools.count(1)
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Screen:
    """One tmux server with one window, in this folder and with exactly this environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, columns: int = 80, lines: int = 24) -> None:
        self._socket = folder / f"tmux-{next(_NUMBERS)}"
        self._environment = {**environment, "TERM": "xterm-256color"}
        self.keys = 0
        """How many keys were pressed so far."""
        size = ["-x", str(columns), "-y", str(lines)]
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(folder), "env", "PS1=$ ", "bash", "--norc")
        self._tmux("set-option", "-g", "default-terminal", "tmux-256color")
        self._tmux("set-option", "-g", "status", "off")
        self.until("$")

    def type(self, text: str, *, enter: bool = True) -> None:
        """Type this text, letter by letter, and press Enter."""
        if text.startswith("rpd "):
            used.add(text.split()[1])
        self.keys += len(text)
        self._tmux("send-keys", "-l", text)
        if enter:
            self.press("Enter")

    def paste(self, text: str) -> None:
        """Paste this text, which is one key, and press Enter."""
        self._tmux("send-keys", "-l", text)
        self.keys += 1
        self.press("Enter")

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Enter, Down, C-c."""
        self.keys += len(keys)
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def until(self, *words: str, seconds: float = 120.0) -> str:
        """Wait until all these words stand on the screen; the screen."""

        def look() -> str | None:
            shown = self.text()
            return shown if all(each in shown for each in words) else None

        return eventually(look, seconds, lambda: f"{words} on the screen:\n{self.text()}") or ""

    def until_gone(self, words: str, seconds: float = 120.0) -> str:
        """Wait until these words do not stand on the screen any more; the screen."""
        eventually(lambda: words not in self.text(), seconds, self.text)
        return self.text()

    def clear(self) -> None:
        """Clear screen and history; a prompt is left."""
        self.type("clear")
        self.until_gone("clear")
        self._tmux("clear-history")

    def text(self) -> str:
        """What the screen shows."""
        return self._tmux("capture-pane", "-p")

    def ansi(self) -> str:
        """The same with its colours."""
        return self._tmux("capture-pane", "-p", "-e")

    def history(self) -> str:
        """All lines since the screen was cleared, the unbroken ones whole."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    def close(self) -> None:
        """Hang up, as a closed window does."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-S", str(self._socket), *words]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout


@contextlib.contextmanager
def screen(folder: Path, environment: Mapping[str, str], *, columns: int = 80, lines: int = 24) -> Iterator[Screen]:
    """A terminal that is closed afterwards."""
    opened = Screen(folder, environment, columns=columns, lines=lines)
    try:
        yield opened
    finally:
        opened.close()
