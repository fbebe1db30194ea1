"""A whole run on a real terminal, with output that means it ill."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rpd.adapters.sandbox import daemon
from tests.adapters.cli.conftest import JOB, RPD

if TYPE_CHECKING:
    from tests.adapters.cli.conftest import Typist

pytestmark = pytest.mark.sandbox

BODY = r"""
run:
  body: |
    printf '\033[2J\033[?25l\033]0;stolen\007plain \377\n'
    for i in 1 2 3; do printf '\rprogress %s' $i; sleep 0.3; done; echo
    head -c 3000 /dev/zero | tr '\0' 'x'; echo
    sleep 0.6
"""


def on_terminal(rpd: Typist, *words: str, **variables: str) -> tuple[int, str]:
    """Type it on a terminal of 80 columns; the exit code and everything that was written there."""
    master, slave = os.openpty()
    environ = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [*RPD, *words],
        cwd=rpd.folder,
        env={**environ, "RPD_HOME": str(rpd.home), "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **variables},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    seen = bytearray()
    with contextlib.suppress(OSError):  # EIO: the last one who had it open is gone
        while piece := os.read(master, 65536):
            seen += piece
    os.close(master)
    return process.wait(30), seen.decode(errors="replace")


@pytest.mark.slow
def test_a_run_on_a_terminal_and_its_json(rpd: Typist, tmp_path: Path) -> None:
    rpd.write("job.yaml", JOB[: JOB.index("run:")].replace("variables: {word: hello}\n", "") + BODY.lstrip())
    try:
        code, seen = on_terminal(rpd, "run", "job.yaml", "--sandbox")
        assert code == 0, seen
        for words in ("the job runs", "progress 3", "so far (est.)", "if this machine never returns", "succeeded in"):
            assert words in seen.replace("\x1b[32m", "").replace("\x1b[0m", ""), words
        for words in ("\x1b[2J", "stolen", "\x1b[?1049", "Traceback"):
            assert words not in seen, words
        assert seen.rfind("\x1b[?25h") > seen.rfind("\x1b[?25l")
        assert "\x1b[32msucceeded\x1b[0m in" in seen, "the verdict has colour"
        ending = seen[seen.index("succeeded\x1b[0m in") :].replace("\x1b[0m", "", 1)
        assert "\x1b[" not in ending, "nothing is drawn over the last words"
        code, seen = on_terminal(rpd, "run", "job.yaml", "--sandbox", NO_COLOR="1")
        assert "if this machine never returns" in seen and "\x1b[?25l" in seen, "the live view stays"
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]", seen), "and nothing has colour"
        done = rpd("run", "job.yaml", "--sandbox", "--json", TERM="xterm")
        assert done.returncode == 0
        assert '"ended_with": 0' in done.stdout
        assert "job started" in done.stderr
        assert "\x1b" not in done.stdout + done.stderr
    finally:
        daemon.down(rpd.home / "sandbox")


def test_an_error_on_a_terminal_has_colour_and_whole_words(rpd: Typist) -> None:
    code, seen = on_terminal(rpd, "run", "job-with-a-long-name.yaml", "--plan", "--offline")
    assert code == 2 and "\x1b[1;31merror:\x1b[0m" in seen, seen
    code, plain = on_terminal(rpd, "run", "job-with-a-long-name.yaml", "--plan", "--offline", NO_COLOR="1")
    assert "\x1b" not in plain and "error: there is no job file" in plain
    assert all(len(line) <= 80 for line in plain.splitlines())
