"""A pod with nothing but busybox, where that is installed here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.adapters.ssh.ssh_server import Server
from tests.adapters.transfer.trees import age, content, fetch, send, write

_APPLETS = "cat find mkdir mktemp printf readlink rm rmdir sh sha256sum stat tar xargs"


@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")
def test_there_and_back(server: Server, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in _APPLETS.split():
        (tools / name).symlink_to(shutil.which("busybox") or "")
    source = write(
        tmp_path / "src",
        {
            "a/b": os.urandom(300_000),
            "l": "-> a/b",
            "ü -x/'q": "1",
            "n" * 180: "2",
            "old": "3",
            "a/" + "d/" * 70 + "f": "4",
        },
    )
    age(source)
    connection = server.connect()
    with server.fault(path=str(tools)):
        send(connection, source, tmp_path / "pod")
        (source / "old").unlink()
        (source / "a/b").write_bytes(b"changed")
        again = send(connection, source, tmp_path / "pod", delete=True)
        fetch(connection, tmp_path / "pod", tmp_path / "back")
    assert again.sent_files == 1
    assert content(tmp_path / "pod") == content(source) == content(tmp_path / "back")
    connection.close()
