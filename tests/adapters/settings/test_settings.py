"""Which value is in force, and where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpd.adapters.local.leaks import is_secret_name
from rpd.adapters.settings.keys import KEYS, key_named
from rpd.adapters.settings.settings import DEFAULT, Settings, load, load_one
from rpd.engine.errors import UserError
from rpd.states.ports.job import Ssh


def test_every_key_is_a_field_with_a_variable_and_a_default() -> None:
    assert [key.name for key in KEYS] == list(Settings.__struct_fields__)
    assert len({key.variable for key in KEYS}) == len(KEYS)
    assert not any(is_secret_name(key.variable) for key in KEYS), "their values would be masked in every record"
    assert key_named("Log-Level") is key_named("log_level") is not None
    assert Ssh().key_path is None


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('region = "Europe"\ncloud = "community"\ngpus = ["A", "B"]\ncolour = 1\n')
    loaded = load({"RPD_REGION": "Asia", "RPD_GPUS": ""}, file)
    assert loaded.settings == Settings(region="Asia", cloud="COMMUNITY", gpus=("A", "B"))
    assert loaded.origins["region"] == "the environment variable RPD_REGION"
    assert loaded.origins["gpus"] == loaded.origins["cloud"] == str(file)
    assert loaded.origins["log_level"] == DEFAULT and not loaded.is_said("log_level")
    assert loaded.unknown == ("colour",)


def test_without_any_file() -> None:
    assert load({}, Path("/nonexistent/config.toml")).settings == Settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('cloud = "moon"\n', "cloud in .* is none of secure, community"),
        ("hours = -1\n", "no number of hours above 0"),
        ("hours = true\n", "no number of hours"),
        ("gpus = 5\n", "no list"),
        ('region = ""\n', "is not text"),
        ("region = 5\n", "is not text"),
        ('image = "a\\nb"\n', "line break"),
        ('log_level = "loud"\n', "none of debug"),
        ('preset = "Comfy UI"\n', "no name of a preset"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        load({}, file)
    assert str(file) in caught.value.message and "rpd config set" in caught.value.hint
    assert load_one("ssh_key_path", {"RPD_CONFIG": str(file)}) == (None, False), "a job does not need it"


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="environment variable RPD_CLOUD") as caught:
        load({"RPD_CLOUD": "moon"}, tmp_path / "none")
    assert caught.value.hint == "unset RPD_CLOUD"


def test_the_ssh_key_and_who_names_it(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('ssh_key_path = "/of/the/file"\n')
    environ = {"RPD_CONFIG": str(file)}
    assert load_one("ssh_key_path", environ) == ("/of/the/file", False)
    assert load_one("ssh_key_path", {**environ, "RPD_SSH_KEY_PATH": "/of/the/variable"}) == ("/of/the/variable", True)
