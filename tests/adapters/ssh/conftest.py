"""One server for all tests of a process; tests that hurt a server start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.ssh.ssh_server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A healthy server."""
    with Server(tmp_path_factory.mktemp("ssh")) as running:
        yield running
