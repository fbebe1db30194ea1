"""A field that does nothing is accepted and named: a person who sets it believes that it does something."""

from __future__ import annotations

import json

import pytest

from tests.adapters.cli.conftest import JOB, Typist


@pytest.mark.parametrize(("seconds", "is_warned"), [(None, False), (5, True)])
def test_a_poll_interval_has_no_effect_and_validate_says_so(rpd: Typist, seconds: int | None, is_warned: bool) -> None:
    rpd.write("job.yaml", JOB if seconds is None else f"{JOB}budget: {{poll_interval_sec: {seconds}}}\n")
    done = rpd("validate", "job.yaml", "--json")
    assert done.returncode == 0, done.stderr
    found = [each for each in json.loads(done.stdout)["findings"] if "poll_interval_sec" in each["message"]]
    assert [(each["level"], each["check"]) for each in found] == ([("warning", "budget")] if is_warned else [])


def test_the_schema_marks_it(rpd: Typist) -> None:
    fields = json.loads(rpd("schema", "job").stdout)["$defs"]["Budget"]["properties"]
    assert [name for name, field in fields.items() if field.get("deprecated")] == ["poll_interval_sec"]
