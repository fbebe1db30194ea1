"""A folder without one file is there, and has brought nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpd.adapters.ssh.connection import Connection
from tests.adapters.transfer.trees import fetch, write


@pytest.mark.parametrize(
    ("files", "excludes", "is_empty"),
    [
        ({}, (), True),
        ({"a/b": "1"}, (), False),
        ({"zero": ""}, (), False),
        ({"a.tmp": "1"}, ("*.tmp",), True),
        ({"dangling": "-> nothing"}, (), True),
    ],
    ids=["folders", "a file", "a file of no bytes", "excluded", "a link to nothing"],
)
def test_a_folder_without_a_file_is_empty(
    connection: Connection, tmp_path: Path, files: dict[str, bytes | str], excludes: tuple[str, ...], is_empty: bool
) -> None:
    there = write(tmp_path / "pod", files)
    (there / "hollow/deep").mkdir(parents=True)
    pulled = fetch(connection, there, tmp_path / "here", excludes=excludes)
    assert (pulled.is_missing, pulled.is_empty) == (False, is_empty)
    assert (tmp_path / "here/hollow/deep").is_dir()
