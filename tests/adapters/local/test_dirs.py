"""Folders, labels and names."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpd.adapters.local.dirs import (
    label_of,
    new_run_id,
    new_token,
    private_folder,
    run_folder,
    state_home,
)
from rpd.engine.errors import UserError


@given(st.text(max_size=80))
def test_a_label_is_empty_or_fits_everywhere(name: str) -> None:
    label = label_of(name)
    assert label == "" or re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", label)
    assert label_of(label) == label


@pytest.mark.weak_point(27)
def test_run_ids_and_tokens() -> None:
    assert new_run_id("My Bench_2", 0.0, bytes) == "my-bench-2-19700101T000000Z-000000"
    assert re.fullmatch(r"a-\d{8}T\d{6}Z-[0-9a-hjkmnp-tv-z]{6}", new_run_id("a", 1.8e9))
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100 and all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{26}", token) for token in tokens)
    assert run_folder(Path("/p"), "r") == Path("/p/artifacts/runpod/r")


def test_the_state_home_is_named_without_links(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "home")
    assert state_home({"RPD_HOME": str(tmp_path / "link")}) == (tmp_path / "home").resolve()


def test_the_state_home_is_private(tmp_path: Path) -> None:
    home = state_home({"RPD_HOME": str(tmp_path / "deep" / "home")})
    assert home == tmp_path / "deep" / "home" and stat.S_IMODE(home.stat().st_mode) == 0o700


def test_without_rpd_home_it_is_the_platform_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_home({}) == tmp_path / "rpd"


def test_a_folder_others_may_write_to_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(UserError, match="others may write") as caught:
        private_folder(shared)
    assert caught.value.hint == f"chmod 700 {shared}"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    os.chown(other, 12345, 12345)
    with pytest.raises(UserError, match="belongs to another user"):
        private_folder(other)


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the folder"):
        private_folder(tmp_path / "file" / "below")
