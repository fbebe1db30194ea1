"""What rpd's own processes in the background leave in their logs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

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
