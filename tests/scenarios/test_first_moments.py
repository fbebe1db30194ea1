"""Ctrl-C and TERM in the first moments of a run: either nothing is left, or the run is closed and said so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.scenarios.harness import CommandLine, config

PRESSED = """
import os, signal, sys
from rpd.adapters.cli import app
from rpd.adapters.runs import start as run
make = run._create

def pressed(*arguments):
    if "{when}" == "before":
        os.kill(os.getpid(), signal.SIG{name})
    journal = make(*arguments)
    if "{when}" == "after":
        os.kill(os.getpid(), signal.SIG{name})
    return journal

run._create = pressed
app.main()
"""


def pressed(cli: CommandLine, when: str, name: str) -> subprocess.CompletedProcess[str]:
    """`rpd run`, with a signal at the very moment at which the journal is made."""
    cli.job(config())
    script = PRESSED.format(when=when, name=name)
    words = [sys.executable, "-c", script, "run", "job.yaml", "--sandbox"]
    return subprocess.run(
        words, cwd=cli.folder, env={**os.environ, **cli.environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("when", "name", "code"),
    [("after", "INT", 130), pytest.param("before", "INT", 130, marks=pytest.mark.slow), ("after", "TERM", 143)],
)
def test_a_signal_at_the_first_moment_ends_the_run_in_words(cli: CommandLine, when: str, name: str, code: int) -> None:
    done = pressed(cli, when, name)
    assert done.returncode == code, done.stderr
    assert "cancelled (" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert cli.truth()["pods"] == []
    seen = cli.inspect()
    assert (seen["outcome"], seen["debts"], seen["verified"]) == ("cancelled", [], True)
    assert "there is no unfinished run" in cli.rpd("resume").stderr


MEANWHILE = """
import subprocess, sys
from rpd.adapters.cli import app
from rpd.adapters.checking.beside import Others
look = Others.mind

def mind(self):
    if not hasattr(self, "met"):
        look(self)
        self.met = subprocess.Popen([sys.executable, "-m", "rpd.adapters.cli", "run", "job.yaml", "--sandbox"])
        while not any(self._new()):
            pass
    else:
        look(self)

Others.mind = mind
app.main()
"""


def test_two_at_once_are_told_of_each_other(cli: CommandLine) -> None:
    """The other one begins after this one has looked, and before it has made its journal."""
    cli.job(config())
    done = subprocess.run(
        [sys.executable, "-c", MEANWHILE, "run", "job.yaml", "--sandbox"], cwd=cli.folder,
        env={**os.environ, **cli.environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "of this job is already running" in done.stderr and "rents a second pod" in done.stderr, done.stderr
    assert len(cli.journals()) == 2
