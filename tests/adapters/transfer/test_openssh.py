"""The same against OpenSSH's own server, where one is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpd.adapters.ssh.connection import Connection
from rpd.engine.errors import Refused
from rpd.states.ports.faults import Fault
from tests.adapters.ssh.ssh_server import Server, has_openssh
from tests.adapters.transfer.trees import ODD_NAMES, age, content, fetch, send, write

pytestmark = pytest.mark.skipif(not has_openssh(), reason="no OpenSSH server is installed")


@pytest.fixture(scope="module")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running sshd."""
    with Server(tmp_path_factory.mktemp("sshd"), kind="sshd") as running:
        yield running


@pytest.fixture
def link(openssh: Server) -> Iterator[Connection]:
    """A connection to it."""
    opened = openssh.connect()
    yield opened
    opened.close()


def test_a_script_runs_and_the_key_is_pinned(openssh: Server, link: Connection) -> None:
    done = link.run("cat; echo out; echo err >&2; exit 7", timeout_seconds=10)
    assert (done.exit_code, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    assert link.host_key == openssh.pin
    with pytest.raises(Refused) as caught:
        openssh.connect(host_key="SHA256:AAAA")
    assert caught.value.reason == Fault.HOST_KEY_CHANGED


def test_a_quiet_link_lives_on(openssh: Server) -> None:
    """sshd answers the pulse, too."""
    connection = openssh.connect()
    assert connection.run("sleep 3; echo done", timeout_seconds=10).stdout == b"done\n"
    connection.close()


def test_there_and_back(link: Connection, tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"odd/{name}": name for name in ODD_NAMES}
    source = write(tmp_path / "src", files | {"big": os.urandom(30_000_000), "l": "-> big"})
    age(source)
    send(link, source, tmp_path / "pod")
    assert send(link, source, tmp_path / "pod", delete=True).sent_files == 0
    fetch(link, tmp_path / "pod", tmp_path / "back")
    assert content(tmp_path / "back") == content(source)
