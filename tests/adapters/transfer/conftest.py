"""One server for all tests of a process, and a connection to it for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rpd.adapters.ssh.connection import Connection
from tests.adapters.ssh.ssh_server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A healthy server."""
    with Server(tmp_path_factory.mktemp("ssh")) as running:
        yield running


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    """An open connection to it."""
    opened = server.connect()
    yield opened
    opened.close()
