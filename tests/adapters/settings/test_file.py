"""The settings file: whole or untouched, private from its first byte, and a person's own lines stay."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.local.dirs import private_folder
from rpd.adapters.settings.file import change_settings, changed, read_settings, settings_file, settings_folder
from rpd.engine.errors import UserError
from tests.scenarios.live import eventually

WRITER = """
import os, pathlib, sys
from rpd.adapters.settings.file import change_settings
os.umask(0)
at = 0
while True:
    at += 1
    change_settings(pathlib.Path(sys.argv[1]), {"api_key": "k" * 200_000, "region": f"round {at}"})
"""


@pytest.mark.parametrize(
    ("text", "changes", "wanted"),
    [
        ("", {"region": "Europe"}, 'region = "Europe"\n'),
        ('# mine\nregion = "a" # why\nx = 1\n', {"region": "b"}, '# mine\nregion = "b" # why\nx = 1\n'),
        ('region = "a#1"  # why # so\n', {"region": "b"}, 'region = "b"  # why # so\n'),
        ('region = "a#1"\n', {"region": "b"}, 'region = "b"\n'),
        ('gpus = [\n  "A",\n  "B",\n]\nx = 1\n', {"gpus": ["C"]}, 'gpus = ["C"]\nx = 1\n'),
        ("x = 1\n[work]\nregion = 'theirs'\n", {"region": "b"}, "x = 1\nregion = \"b\"\n[work]\nregion = 'theirs'\n"),
        ("x = 1", {"hours": 2.0}, "x = 1\nhours = 2\n"),
        ('"region" = "a"\nx = 1\n', {"region": None}, "x = 1\n"),
        ("x = 1\n", {"region": None}, "x = 1\n"),
        ("", {"image": 'a"b\\c\u00e9'}, 'image = "a\\"b\\\\c\u00e9"\n'),
    ],
)
def test_one_key_changes_and_the_rest_stays(text: str, changes: dict[str, Any], wanted: str) -> None:
    new = changed(text, changes, Path("x"))
    assert new.removeprefix("# The settings of rpd. `rpd config show --origin` lists them.\n") == wanted


def test_what_cannot_be_changed_line_by_line_is_left_to_the_person() -> None:
    with pytest.raises(UserError, match="by hand"):
        changed('note = """\n[not a table]\n"""\n[t]\n', {"region": "b"}, Path("x"))


@pytest.mark.parametrize("make", [settings_folder, lambda file: private_folder(file.parent)], ids=["settings", "state"])
def test_folders_made_for_it_are_private_whatever_the_umask(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """Whoever may write in `~/.config` may put another folder in the place of ours."""
    before = os.umask(0)
    try:
        make(tmp_path / ".config" / "more" / "rpd" / "config.toml")
    finally:
        os.umask(before)
    made = [each for each in tmp_path.rglob("*") if each.is_dir()]
    assert len(made) == 3 and {stat.S_IMODE(each.stat().st_mode) for each in made} == {0o700}


def test_the_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        change_settings(tmp_path / "new" / "rpd" / "config.toml", {"api_key": "k"})
    finally:
        os.umask(before)
    file = tmp_path / "new" / "rpd" / "config.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [each.name for each in file.parent.iterdir()] == ["config.toml"], "no lock and no draft is left"


def test_a_file_that_others_could_read_becomes_private_with_the_next_change(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("x = 1\n")
    file.chmod(0o644)
    change_settings(file, {"api_key": "k"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_settings_are_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    target = tmp_path / "public" / "theirs"
    target.write_text("")
    (tmp_path / "config.toml").symlink_to(target)
    with pytest.raises(UserError, match="is a link to"):
        change_settings(tmp_path / "config.toml", {"api_key": "k"})
    assert target.read_text() == ""


def test_no_settings_are_written_where_others_may_swap_them(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UserError, match="others may write to the folder"):
        change_settings(tmp_path / "open" / "config.toml", {"api_key": "k"})


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    change_settings(file, {"region": "a"})
    code = (
        "import sys, pathlib; from rpd.adapters.settings.file import change_settings\n"
        "change_settings(pathlib.Path(sys.argv[1]), {'api_key': 'k' * 3000})"
    )
    command = ["bash", "-c", 'ulimit -f 1; trap "" XFSZ; exec "$@"', "-", sys.executable, "-c", code, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 and "cannot write" in done.stderr, done.stderr
    assert read_settings(file).data == {"region": "a"}
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]


def test_killed_at_any_moment_the_file_is_whole_and_private(tmp_path: Path) -> None:
    """With umask 0 and a value of many blocks. Every file that is ever there is private, the drafts as well."""
    file, seen = tmp_path / "rpd" / "config.toml", set()
    for _ in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)])
        try:
            first = file.read_text() if file.exists() else ""
            eventually(lambda first=first: file.exists() and file.read_text() != first)
            for _ in range(300):
                for each in file.parent.iterdir():
                    try:
                        seen.add(stat.S_IMODE(each.stat().st_mode))
                    except FileNotFoundError:
                        continue
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        assert tomllib.loads(file.read_text())["api_key"] == "k" * 200_000
    assert seen == {0o600}


def test_two_commands_at_once_lose_no_change(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from rpd.adapters.settings.file import change_settings\n"
        "[change_settings(pathlib.Path(sys.argv[1]), {f'{sys.argv[2]}{n}': 'x'}) for n in range(30)]"
    )
    file = tmp_path / "config.toml"
    children = [subprocess.Popen([sys.executable, "-c", code, str(file), name]) for name in "abc"]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert len(read_settings(file).data) == 90


def test_the_place_of_the_file(tmp_path: Path) -> None:
    assert settings_file({"RPD_CONFIG": str(tmp_path / "mine.toml")}) == tmp_path / "mine.toml"


def test_a_file_that_is_too_large_to_be_read_whole_is_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'region = "a"\n# {"x" * 1_000_000}\nhours = 3\n')
    before = file.read_bytes()
    with pytest.raises(UserError, match="larger"):
        change_settings(file, {"region": "b"})
    assert file.read_bytes() == before
