"""What a program makes of the published schema is answered by it: no fault of the server, no hang, no other shape."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

SPEC = Path(__file__).parents[1] / "data" / "runpod-openapi.json"
UNSERVED = "delegations|/billing/(clusters|endpoints|serverless)"
"""Answered with 501, which is no fault."""
EVENT = {"type": "object", "required": ["id", "data"]}
"""An event of the log stream. The schema calls the stream one string, and schemathesis holds each event to that."""
MEANING = "positive_data_acceptance,negative_data_rejection"
"""Left out: the API refuses what contradicts its state, and lets queries pass that it does not know."""
METHODS = ("get", "put", "post", "patch", "delete")
HANG_SECONDS = 2
SECONDS = 480
PROGRAM = shutil.which("schemathesis", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.skipif(PROGRAM is None, reason="schemathesis is not installed here: pip install schemathesis")
def test_drawn_calls_find_no_fault(sandbox: Any, tmp_path: Path) -> None:
    sandbox.fault("F31", times=0, options={"how": "cut"})  # else a log stream has no end
    schema, events = tmp_path / "openapi.json", tmp_path / "events.ndjson"
    schema.write_text(json.dumps(described()), encoding="utf-8")
    done = subprocess.run(
        [
            *(str(PROGRAM), "run", str(schema), "--url", sandbox.info.url),
            *("-H", f"Authorization: Bearer {sandbox.info.api_key}", "-H", "User-Agent: rpd-tests"),
            *("--checks", "all", "--exclude-checks", MEANING),
            *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "20", "--seed", "1"),
            *("--exclude-path-regex", UNSERVED, "--continue-on-failure", "--no-color"),
            *("--max-response-time", str(HANG_SECONDS), "--request-timeout", "10"),
            *("--report", "ndjson", "--report-ndjson-path", str(events)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sandbox("GET", "/v2/pods").status_code == 200, "it answers as before"
    statuses = answers(events)
    assert all(any(status < 300 for status in statuses[operation]) for operation in served()), statuses


def described() -> Any:
    """The published schema, with the events of its one stream."""
    schema = json.loads(SPEC.read_text(encoding="utf-8"))
    stream = schema["paths"]["/v2/pods/{id}/logs"]["get"]["responses"]["200"]["content"]["text/event-stream"]
    stream["schema"] = EVENT
    return schema


def served() -> set[str]:
    """The operations of the schema that the sandbox serves, as `GET /v2/pods`."""
    kept = {path: item for path, item in described()["paths"].items() if not re.search(UNSERVED, path)}
    return {f"{method.upper()} {path}" for path, item in kept.items() for method in METHODS if method in item}


def answers(events: Path) -> dict[str, set[int]]:
    """The statuses with which each operation was answered."""
    found: dict[str, set[int]] = defaultdict(set)
    for line in events.read_text(encoding="utf-8").splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for number, interaction in recorder.get("interactions", {}).items():
            case, answer = recorder["cases"][number]["value"], interaction["response"]
            if answer is not None:
                found[f"{case['method']} {case['path']}"].add(answer["status_code"])
    return found
