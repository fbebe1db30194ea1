"""One connection per pod: reused, found anew, given up in time."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rpd.adapters.ssh.pool import Pool
from rpd.engine.errors import Interrupted, Refused, RpdError, Unavailable
from rpd.engine.ports import Request
from rpd.journal.records import Stamp
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import SshAddress
from tests.adapters.ssh.ssh_server import QUICK, Proxy, Server, eventually


class Time:
    """The real clock, which can be made to jump as after sleep."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> Stamp:
        return Stamp(wall=time.time() + self.slept, up=time.monotonic() + self.slept, boot="b")


class Quiet:
    """A control nobody uses, until `request` is set."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.waits: list[float] = []

    def ask(self) -> None:
        self._asked.set()

    def pending(self) -> bool:
        return self._asked.is_set()

    def take(self) -> Request | None:
        return None

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._asked.wait(seconds)


class Setting:
    """A pool with what surrounds it."""

    def __init__(self, server: Server, locate: Callable[[str], SshAddress | None]) -> None:
        self.clock = Time()
        self.control = Quiet()
        self.pool = Pool(
            locate=locate,
            key_path=server.key,
            clock=self.clock,
            control=self.control,
            random=random.Random(1),
            timeouts=QUICK,
        )

    def call(self, deadline_seconds: float = 5.0, host_key: str | None = None) -> bytes:
        connection = self.pool.connection("p1", host_key=host_key, deadline_seconds=deadline_seconds)
        return connection.run("echo hi", timeout_seconds=5).stdout


def _closed_port() -> SshAddress:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return SshAddress("127.0.0.1", probe.getsockname()[1])


def test_a_connection_is_opened_once_and_reused(server: Server) -> None:
    setting = Setting(server, lambda pod_id: server.address)
    assert [setting.call() for _ in range(3)] == [b"hi\n"] * 3
    assert setting.pool.logins == {"p1": 1}
    setting.pool.close()


def test_a_jump_of_the_clock_opens_a_new_one(server: Server) -> None:
    setting = Setting(server, lambda pod_id: server.address)
    setting.call()
    setting.clock.slept = 3600.0
    setting.call()
    setting.call()
    assert setting.pool.logins == {"p1": 2}
    setting.pool.close()


def test_the_address_is_asked_for_before_every_attempt(server: Server) -> None:
    answers = [None, _closed_port(), server.address]
    setting = Setting(server, lambda pod_id: answers.pop(0))
    assert setting.call(deadline_seconds=20) == b"hi\n"
    assert answers == [] and setting.pool.logins == {"p1": 1}
    first, second = setting.control.waits
    assert 0.25 <= first <= 0.5 <= second <= 1.0
    setting.pool.close()


def test_a_lost_link_is_opened_anew(server: Server) -> None:
    proxies = [Proxy(server.port), Proxy(server.port)]
    addresses = [proxy.address for proxy in proxies]
    setting = Setting(server, lambda pod_id: addresses.pop(0))
    setting.call()
    known = setting.pool.connection("p1", host_key=None, deadline_seconds=1)
    proxies[0].close()
    eventually(lambda: not known.is_usable(setting.clock.now()), "the broken link is noticed")
    assert setting.call() == b"hi\n"
    assert setting.pool.logins == {"p1": 2}
    setting.pool.close()
    proxies[1].close()


def test_a_pod_that_was_reached_is_reached_again_while_the_cloud_is_silent(server: Server) -> None:
    """An SSH call does not need the API where the address is known."""
    proxy = Proxy(server.port)
    answers: list[SshAddress] = [proxy.address]

    def locate(pod_id: str) -> SshAddress:
        if not answers:
            raise Unavailable("no route to the API", reason=Fault.NOT_SENT)
        return answers.pop()

    setting = Setting(server, locate)
    with contextlib.closing(proxy), contextlib.closing(setting.pool):
        setting.call(host_key=server.pin)
        setting.clock.slept = 3600.0
        assert setting.call(deadline_seconds=0.1, host_key=server.pin) == b"hi\n"
        assert setting.pool.logins == {"p1": 2}


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("no answer", reason=Fault.TIMEOUT),
        Unavailable("no route", reason=Fault.NOT_SENT),
        Unavailable("cut off", reason=Fault.CONNECTION_LOST),
        Refused("401", reason=Fault.KEY_REFUSED),
    ],
    ids=lambda error: error.reason,
)
def test_that_the_cloud_does_not_say_where_the_pod_is_is_a_fault_of_the_link(server: Server, error: RpdError) -> None:
    def locate(pod_id: str) -> SshAddress:
        raise error

    setting = Setting(server, locate)
    with pytest.raises(Unavailable) as caught:
        setting.call(deadline_seconds=0.1, host_key=server.pin)
    assert caught.value.reason == Fault.SSH_UNREACHABLE
    assert error.message in caught.value.message
    assert setting.pool.logins == {}


def test_an_address_that_is_somebody_else_s_by_now_is_asked_for_anew(server: Server, tmp_path: Path) -> None:
    with Server(tmp_path) as other:
        places = [server.address, other.address]
        (other.folder / "authorized_keys").write_bytes((server.folder / "authorized_keys").read_bytes())
        setting = Setting(server, lambda pod_id: places.pop(0))
        with contextlib.closing(setting.pool):
            setting.call(host_key=server.pin)
            setting.clock.slept = 3600.0
            assert setting.call(host_key=other.pin) == b"hi\n"
            assert places == [] and setting.pool.logins == {"p1": 2}


def test_it_gives_up_at_its_deadline(server: Server) -> None:
    setting = Setting(server, lambda pod_id: None)
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        setting.call(deadline_seconds=1.0)
    assert caught.value.reason == Fault.SSH_UNREACHABLE
    assert time.monotonic() - began < 15


def test_a_request_ends_the_waiting(server: Server) -> None:
    setting = Setting(server, lambda pod_id: None)
    setting.control.ask()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        setting.call(deadline_seconds=30.0)
    assert time.monotonic() - began < 15, "nobody waits for the deadline"


def test_a_wrong_host_key_is_refused_at_once_and_drops_what_was_open(server: Server) -> None:
    setting = Setting(server, lambda pod_id: server.address)
    setting.call()
    with pytest.raises(Refused) as caught:
        setting.call(deadline_seconds=30.0, host_key="SHA256:AAAA")
    assert caught.value.reason == Fault.HOST_KEY_CHANGED and setting.control.waits == []
    setting.pool.close()


def test_no_thread_outlives_a_closed_pool(server: Server) -> None:
    before = threading.active_count()
    setting = Setting(server, lambda pod_id: server.address)
    setting.call()
    setting.pool.close()
    eventually(lambda: threading.active_count() <= before, "all threads of the connection ended")
