"""What rpd's own processes in the background leave in their logs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from rpd.adapters.access.background_log import in_background
from rpd.adapters.local.own_log import log_path
from rpd.adapters.reaching import background as tunnel
from rpd.adapters.reaching.tunnelling import Wishes
from rpd.adapters.sessions import background as session
from rpd.adapters.sessions.opening import Begun
from tests.journal.samples import RUN, opened

SECRET = "unguessable-word-of-a-token"


@pytest.mark.parametrize(
    ("module", "order"),
    [
        (session, session.Order(Begun(opened(), RUN), use_sandbox=False)),
        (tunnel, tunnel.Order("t", f"/nowhere/{SECRET}/j.jsonl", Wishes(()))),
    ],
    ids=["session", "tunnel"],
)
def test_an_error_that_quotes_a_secret_is_masked_in_the_log(tmp_path: Path, module: object, order: object) -> None:
    environ = {
        **os.environ,
        "RPD_HOME": str(tmp_path),
        "MY_TOKEN": SECRET,
        "RPD_API_URL": f"http://far.example/{SECRET}",
    }
    done = subprocess.run(
        [sys.executable, "-m", str(vars(module)["__name__"])],
        input=msgspec.json.encode(order),
        capture_output=True,
        env=environ,
        timeout=30,
        check=False,
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode != 0 and "***" in said
    assert SECRET not in said and "Traceback" not in said


def test_a_fault_of_rpd_itself_is_one_masked_line_and_its_traceback_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RPD_HOME", str(tmp_path))
    monkeypatch.setenv("MY_TOKEN", SECRET)

    def live() -> int:
        raise ValueError(f"no such thing: {SECRET}")

    assert in_background("a session in the background", live) == 1
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "ValueError: no such thing: ***" in said
    kept = log_path(tmp_path).read_text()
    assert "in live" in kept and "***" in kept and SECRET not in kept
