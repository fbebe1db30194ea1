"""An error as it is told: in words, and without a secret, whoever quotes one."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.cli.errors import keep, problem_of, say, show_trace
from rpd.adapters.local.own_log import LEVELS, ROOT, log_path
from rpd.engine.errors import Unavailable, UserError

KEY, TOKEN = "rpa_" + "K3y" * 9, "hf_" + "T0k" * 9


@pytest.fixture(autouse=True)
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in the environment, one in the settings."""
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "rpd"
    folder.mkdir()
    (folder / "config.toml").write_text(f'api_key = "{KEY}"\n')
    (folder / "config.toml").chmod(0o600)


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("kind", [UserError, Unavailable, KeyError, OSError])
def test_no_error_shows_a_secret(kind: Any, as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    error = kind(f"bad: {TOKEN} and {KEY}")
    if isinstance(error, UserError | Unavailable):
        error.hint = f"curl -H {TOKEN}"
    try:
        raise error
    except Exception as raised:
        show_trace(raised)
        say(problem_of(raised), as_json=as_json)
    told = capsys.readouterr()
    assert told.out == ""
    assert TOKEN not in told.err and KEY not in told.err
    assert "bad: *** and ***" in told.err and "Traceback" in told.err
    if as_json:
        assert json.loads(told.err.splitlines()[-1])["schema"] == "rpd.error/1"


def test_settings_that_cannot_be_read_hide_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rpd" / "config.toml").write_text("api_key = [")
    assert say(problem_of(UserError(f"x {TOKEN}"))) == 2
    assert capsys.readouterr().err == "error: x ***\n"


@pytest.mark.parametrize("level", ["off", "info"])
def test_an_internal_error_is_logged_at_the_level_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    (tmp_path / "config.toml").write_text(f'log_level = "{level}"\n')
    monkeypatch.setenv("RPD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RPD_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.delenv("RPD_LOG_LEVEL", raising=False)
    error = ValueError("a fault of ours")
    keep(error, problem_of(error), ["inspect"])
    logging.getLogger(ROOT).setLevel(LEVELS["off"])
    assert log_path(tmp_path / "home").exists() is (level == "info")
