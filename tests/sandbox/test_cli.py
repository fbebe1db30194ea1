"""`rpd sandbox`: exactly one JSON document on stdout, or what was asked for in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rpd.adapters.cli.commands.sandbox import app
from rpd.adapters.sandbox import daemon
from rpd.engine.errors import UserError

pytestmark = pytest.mark.sandbox


@pytest.fixture
def rpd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    monkeypatch.setenv("RPD_HOME", str(tmp_path / "state"))
    yield lambda *words: CliRunner().invoke(app, list(words))
    daemon.down(tmp_path / "state" / "sandbox")


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def test_a_whole_session(rpd: Callable[..., Result], tmp_path: Path) -> None:
    info = said(rpd("up", "--boot-seconds", "0.2", "--json"))
    assert set(info) == {"url", "api_key", "home", "pid", "isolation"}
    assert info["home"] == str(tmp_path / "state" / "sandbox")
    status = said(rpd("status", "--json"))
    assert (status["running"], status["boot_seconds"]) == (True, 0.2)
    armed = said(rpd("fault", "f12", "--times", "2", "--after", "1", "--set", "how=502", "--set", "delay=1", "--json"))
    assert armed["armed"][0] | {"seen": 0} == {
        "id": "F12",
        "times": 2,
        "after": 1,
        "pod": None,
        "options": {"how": "502", "delay": "1"},
        "seen": 0,
        "struck": 0,
    }
    assert said(rpd("fault", "all", "--clear", "--json"))["armed"] == []
    assert said(rpd("truth", "--json")) == {"pods": [], "jobs": {}, "volumes": [], "spent_usd": 0}
    moved = said(rpd("set", "--balance", "7", "--stock", "*=NONE", "--stock", "NVIDIA L4@EU-RO-1=LOW", "--json"))
    assert moved["balance_usd"] == 7
    assert said(rpd("reset", "--json")) == {"reset": True}
    assert said(rpd("down", "--json")) == {"was_running": True}
    assert said(rpd("status", "--json"))["running"] is False


def test_what_was_asked_for_is_on_stdout_and_what_was_done_on_stderr(rpd: Callable[..., Result]) -> None:
    for words in (("faults",), ("status",), ("up",), ("status",), ("truth",), ("fault", "F1"), ("down",)):
        result = rpd(*words)
        assert result.exit_code == 0, result.output
        is_asked = words[0] in ("faults", "status", "truth")
        assert (bool(result.stdout), bool(result.stderr)) == (is_asked, not is_asked), words


def test_faults_are_listed(rpd: Callable[..., Result]) -> None:
    listed = said(rpd("faults", "--json"))["faults"]
    by_id = {item["id"]: item for item in listed}
    assert "truncated" in by_id["F12"]["options"]["how"]
    assert set(by_id["F1"]) == {"id", "occasion", "description", "options"}


def test_wrong_words_are_user_errors(rpd: Callable[..., Result]) -> None:
    for words in (("fault", "F12", "--set", "how"), ("fault", "F999")):
        result = rpd(*words)
        assert isinstance(result.exception, UserError), result.exception
