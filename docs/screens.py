"""`make screens`: plays the main screens in a real terminal against a sandbox, and keeps what it shows in docs/screens.

Each screen is there at two widths and in two themes as SVG, and as text without colour. The person in the pictures has
a home, a prompt and a host name of their own, so that nothing of this machine is in them.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from docs.pictures import write
from tests.scenarios import sandbox_launcher
from tests.scenarios.harness import CommandLine, config, eventually, staged
from tests.scenarios.tmux import Screen, screen

FOLDER = Path(__file__).parent / "screens"
WIDTHS = (80, 200)
LINES, TOP_LINES = 30, 14
TRAINING = (
    'echo "epoch 1, loss 2.31"; echo "epoch 2, loss 1.87"; mkdir -p /workspace/out; '
    "until [ -e /workspace/go ]; do sleep 0.2; done"
)
ADA = Path("/tmp/ada")
"""Where the person of the pictures lives, on any machine."""
RPD = f'#!/bin/sh\nexec {ADA}/venv/bin/python -m rpd.adapters.cli "$@"\n'
FAVOURITES = ("NVIDIA A40", "NVIDIA L40S", "NVIDIA GeForce RTX 4090")


def play(columns: int, *, is_plain: bool) -> dict[str, str]:
    """Every screen at this width: its name and what stands on it, with colours unless `is_plain`."""
    ADA.mkdir(mode=0o700)
    try:
        with staged(ADA, boot_seconds=2.0) as person:
            _set_up(person, is_plain=is_plain)
            with _desk(person, columns) as first, _desk(person, columns) as second:
                shown = _connect(first, is_plain=is_plain)
                shown |= _look(second, columns, is_plain=is_plain)
                _leave(first)
                person.go()
                eventually(lambda: set(person.statuses()) == {"TERMINATED"})
        return {name: _neutral(text) for name, text in shown.items()}
    finally:
        shutil.rmtree(ADA)


def _neutral(text: str) -> str:
    """The screen without the name of this machine and the version of its kernel."""
    here = os.uname()
    return text.replace(f" on {here.nodename}", " on laptop").replace(here.release, "6.8.0")


def _set_up(person: CommandLine, *, is_plain: bool) -> None:
    """A key, settings, a job that trains, and a pod of somebody else."""
    (ADA / "venv").symlink_to(sys.prefix)
    (ADA / "bin").mkdir()
    (ADA / "bin" / "rpd").write_text(RPD)
    (ADA / "bin" / "rpd").chmod(0o755)
    path = f"{ADA / 'bin'}:/usr/bin:/bin"
    person.variables = {"RPD_API_URL": person.sandbox_url(), "LANG": "en_US.UTF-8", "LC_ALL": "", "PATH": path}
    person.variables |= {"USER": "ada", "LOGNAME": "ada", "PYTHONPATH": ""} | ({"NO_COLOR": "1"} if is_plain else {})
    key = ADA / "key"
    key.write_text(person.api_key())
    words = [word for gpu in FAVOURITES for word in ("--gpu", gpu)]
    done = person.rpd(
        "config",
        "init",
        "--api-key-file",
        str(key),
        "--ssh-key",
        "own",
        "--cloud",
        "secure",
        "--region",
        "North America",
        *words,
    )
    key.unlink()
    assert done.returncode == 0, done.stderr
    live = person.begin(config(TRAINING, name="train"))
    live.until_text("epoch 2")


def _desk(person: CommandLine, columns: int) -> AbstractContextManager[Screen]:
    return screen(person.folder, person.environment, columns=columns, lines=LINES)


def _connect(desk: Screen, *, is_plain: bool) -> dict[str, str]:
    """The list of GPUs, and the pod that it leads to."""
    desk.type("rpd connect")
    desk.until("another cloud")
    listed = _seen(desk, is_plain=is_plain)
    for question in ("How many GPUs", "What runs in it:", "after how many hours", "rent it?"):
        desk.press("Enter")
        desk.until(question)
    desk.type("y")
    desk.until("Connected: ", "Ctrl-C leaves")
    return {"connect-picker": listed, "connect": _seen(desk, is_plain=is_plain)}


def _look(desk: Screen, columns: int, *, is_plain: bool) -> dict[str, str]:
    """What the commands show that only look."""
    commands = {"top": ("rpd top --plain", "2 pods up") if is_plain else ("rpd top", "q quit", "attend", "%")}
    commands |= {
        "pods": ("rpd pods", "pods up"),
        "doctor": ("rpd doctor", " warnings"),
        "config": ("rpd config show", "log-level"),
    }
    shown = {}
    for name, (command, *words) in commands.items():
        desk.clear()
        desk.resize(columns, TOP_LINES if name == "top" else LINES)
        desk.type(command)
        desk.until(*words)
        if command == "rpd top":
            shown[name] = _seen(desk, is_plain=is_plain)
            desk.press("q")
        desk.until("\n$")
        shown.setdefault(name, _seen(desk, is_plain=is_plain))
    return shown


def _seen(desk: Screen, *, is_plain: bool) -> str:
    return desk.text() if is_plain else desk.ansi()


def _leave(desk: Screen) -> None:
    """Delete the pod, as the question offers."""
    desk.press("C-c")
    desk.until("keep it up")
    desk.type("d")
    desk.until("nothing of this session bills")


def main() -> None:
    """Write all files anew."""
    played = {(columns, is_plain): play(columns, is_plain=is_plain) for columns in WIDTHS for is_plain in (False, True)}
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for (columns, is_plain), shown in played.items():
        for name, text in shown.items():
            if is_plain:
                lines = map(str.rstrip, text.rstrip().splitlines())
                (FOLDER / f"{name}-{columns}.txt").write_text("\n".join(lines) + "\n")
            else:
                write(FOLDER, f"{name}-{columns}", text, columns=columns, title=f"rpd {name.replace('-', ' ')}")
    sandbox_launcher.close()


if __name__ == "__main__":
    main()
