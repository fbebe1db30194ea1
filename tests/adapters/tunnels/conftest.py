"""Forwards over real SSH, to services of the test."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator

import pytest

from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.ssh.pool import Pool
from rpd.adapters.tunnels.forwards import Forwards
from rpd.states.ports.world import SshAddress
from tests.adapters.ssh.ssh_server import QUICK, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A healthy server."""
    with Server(tmp_path_factory.mktemp("ssh")) as running:
        yield running


@contextlib.contextmanager
def forwards_over(
    server: Server,
    *,
    said: list[str] | None = None,
    locate: Callable[[str], SshAddress | None] | None = None,
) -> Iterator[Forwards]:
    """Forwards to where this server is now, with its host key pinned."""
    control, pin = ProcessControl(), server.pin
    pool = Pool(
        locate=locate or (lambda pod_id: server.address),
        key_path=server.key,
        clock=SystemClock(),
        control=control,
        random=random.Random(),
        timeouts=QUICK,
    )
    tell = said.append if said is not None else lambda text: None
    with Forwards(
        lambda: pool.connection("p1", host_key=pin, deadline_seconds=0.0),
        hang_up=pool.close,
        control=control,
        tell=tell,
    ) as forwards:
        yield forwards
