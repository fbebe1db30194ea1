"""Where the key comes from and which cloud is meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rpd.adapters.access.config import (
    CloudProfile,
    cloud_profile,
    find_api_key,
    profile_of,
    require_api_key,
    runpodctl_file,
    runpodctl_key,
)
from rpd.engine.errors import UserError


def settings_with(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "config.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_the_environment_comes_first_and_the_source_is_told(tmp_path: Path) -> None:
    file = settings_with(tmp_path, 'api_key = "from-file"\n')
    key = find_api_key({"RUNPOD_API_KEY": " from-env\n"}, file)
    assert key is not None and key.secret.reveal() == "from-env"
    assert key.source == "the environment variable RUNPOD_API_KEY" and "from-env" not in repr(key)
    key = find_api_key({"RUNPOD_API_KEY": ""}, file)
    assert key is not None and key.secret.reveal() == "from-file" and key.source == str(file)


def test_no_key(tmp_path: Path) -> None:
    assert find_api_key({}, tmp_path / "none") is None
    assert find_api_key({}, settings_with(tmp_path, 'color = "never"\n', 0o644)) is None
    with pytest.raises(UserError, match="no API key") as caught:
        require_api_key({}, tmp_path / "none")
    assert caught.value.exit_code == 4 and caught.value.reason == "key_missing"


@pytest.mark.parametrize(
    ("text", "mode", "exit_code", "words"),
    [
        ('api_key = "secret-value"\n', 0o644, 4, "others may read it"),
        ("api_key = 5\n", 0o600, 4, "is not text"),
        ('api_key = "a b"\n', 0o600, 4, "holds a space"),
        ("api_key = \"'secret-value'\"\n", 0o600, 4, "is in quotes"),
        ("api_key = \n", 0o600, 2, "is not TOML"),
    ],
)
def test_unusable_settings(tmp_path: Path, text: str, mode: int, exit_code: int, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        find_api_key({}, settings_with(tmp_path, text, mode))
    assert caught.value.exit_code == exit_code and "secret-value" not in caught.value.message


@pytest.mark.parametrize("key", ['"secret-value"', "'secret-value'", '"secret-value'])
def test_a_key_in_quotes_is_refused_here_and_not_later(key: str) -> None:
    with pytest.raises(UserError, match="is in quotes") as caught:
        find_api_key({"RUNPOD_API_KEY": key})
    assert caught.value.exit_code == 4 and "secret-value" not in caught.value.message


@pytest.mark.parametrize(
    "text", ["apikey = 'theirs'\napiurl = 'https://api.runpod.io/graphql'\n", '[default]\napi_key = "theirs"\n']
)
def test_the_key_of_runpods_own_tools_is_named_and_read_on_a_word(tmp_path: Path, text: str) -> None:
    (tmp_path / ".runpod").mkdir()
    (tmp_path / ".runpod" / "config.toml").write_text(text)
    environ = {"HOME": str(tmp_path)}
    file = tmp_path / "config.toml"
    with pytest.raises(UserError) as caught:
        require_api_key(environ, file)
    assert str(tmp_path / ".runpod" / "config.toml") in caught.value.hint
    assert "rpd config set api-key-from runpodctl" in caught.value.hint and "theirs" not in caught.value.hint
    settings_with(tmp_path, 'api_key_from = "runpodctl"\n')
    key = require_api_key(environ, file)
    assert (key.secret.reveal(), key.source) == ("theirs", str(tmp_path / ".runpod" / "config.toml"))


def test_without_a_key_anywhere_none_is_promised(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        require_api_key({"HOME": str(tmp_path)}, tmp_path / "config.toml")
    assert ".runpod" not in caught.value.hint


def test_profiles() -> None:
    assert cloud_profile({}) == CloudProfile("runpod", "https://api.runpod.io/v2", 180.0, 30.0)
    assert cloud_profile({"RPD_API_URL": "http://127.0.0.1:99/v2/"}) == CloudProfile(
        "sandbox", "http://127.0.0.1:99/v2", 2.0, 0.5
    )
    assert cloud_profile({"RPD_API_URL": "https://x/v2"}, sandbox_url="http://localhost:1/v2").name == "sandbox"
    assert profile_of("https://proxy.example/v2").quiet_window_seconds == 180.0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://api.runpod.io/v2", "unencrypted"),
        ("ftp://x/v2", "must look like"),
        ("nonsense", "must look like"),
        ("https://user:pass@x/v2", "user or password"),
        ("https://x/v2?api_key=abc", "must look like"),
        ("http://[::1", "not an address"),
        ("http://127.0.0.1:99999/v2", "not an address"),
    ],
)
def test_addresses_that_would_leak_or_fail_are_refused(url: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        cloud_profile({"RPD_API_URL": url})
    assert "pass@" not in caught.value.message and "abc" not in caught.value.message


def test_a_pipe_in_the_place_of_the_other_tools_file_holds_no_key_and_nobody_up(tmp_path: Path) -> None:
    (tmp_path / ".runpod").mkdir()
    os.mkfifo(tmp_path / ".runpod" / "config.toml")
    assert runpodctl_key(runpodctl_file({"HOME": str(tmp_path)})) is None
