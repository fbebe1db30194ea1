"""What a program makes of the published schema is answered by it: no fault of the server, no hang, no other shape."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPEC = Path(__file__).parents[1] / "data" / "runpod-openapi.json"
UNSERVED = "delegations|/clusters|/serverless|/endpoints"
"""Answered with 501, which is no fault."""
STREAM = "/logs"
"""Events, which the schema calls one string."""
HANG_SECONDS = 2
SECONDS = 120
PROGRAM = shutil.which("schemathesis", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(PROGRAM is None, reason="schemathesis is not installed here: pip install schemathesis")
def test_drawn_calls_find_no_fault(sandbox: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(str(PROGRAM), "run", str(SPEC), "--url", sandbox.info.url),
            *("-H", f"Authorization: Bearer {sandbox.info.api_key}", "-H", "User-Agent: rpd-tests"),
            *("--checks", "not_a_server_error,response_schema_conformance,content_type_conformance"),
            *("--phases", "examples,coverage,fuzzing", "--max-time", str(SECONDS), "--max-examples", "20"),
            *("--exclude-path-regex", f"{UNSERVED}|{STREAM}", "--continue-on-failure", "--no-color", "--seed", "1"),
            *("--max-response-time", str(HANG_SECONDS), "--request-timeout", "10"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS + 180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sandbox("GET", "/v2/pods").status_code == 200, "it answers as before"
