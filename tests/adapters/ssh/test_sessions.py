"""A server that allows few sessions on a connection: more connections carry the rest, and the cause is named."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from rpd.adapters.ssh import connection as connections
from rpd.adapters.ssh.connection import Connection
from rpd.engine.errors import Interrupted, Unavailable
from rpd.states.ports.faults import Fault
from tests.adapters.ssh.ssh_server import Server, has_openssh

needs_sshd = pytest.mark.skipif(not has_openssh(), reason="no OpenSSH server is installed")
KINDS = ["asyncssh", pytest.param("sshd", marks=needs_sshd)]


@contextlib.contextmanager
def linked(folder: Path, sessions: int, kind: str = "asyncssh") -> Iterator[Connection]:
    with Server(folder, kind=kind, MaxSessions=sessions) as server:
        opened = server.connect()
        try:
            yield opened
        finally:
            opened.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sessions", [1, 2])
def test_more_sessions_than_allowed_run_side_by_side(tmp_path: Path, sessions: int, kind: str) -> None:
    with linked(tmp_path, sessions, kind) as link:
        held = [link.channel("cat") for _ in range(3)]
        assert link.run("echo beside", timeout_seconds=10).stdout == b"beside\n"
        for number, each in enumerate(held):
            each.send(str(number).encode())
            assert each.recv(5.0) == str(number).encode()
            each.close()


@pytest.mark.parametrize("kind", KINDS)
def test_one_after_the_other_needs_few_connections(tmp_path: Path, kind: str) -> None:
    with linked(tmp_path, 1, kind) as link:
        for number in range(5):
            assert link.run(f"echo {number}", timeout_seconds=10).stdout == f"{number}\n".encode()
        assert len(link._siblings) <= 1  # a session may end a moment after its last word


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_without_sessions_is_named_at_once(tmp_path: Path, kind: str) -> None:
    with linked(tmp_path, 0, kind) as link:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="MaxSessions") as caught:
            link.run("true", timeout_seconds=10)
        assert time.monotonic() - began < 4.0
        assert caught.value.reason == Fault.NO_SESSION and caught.value.detail == {"sent": False}


def test_a_session_is_awaited_where_there_is_no_other_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "SIBLINGS_MAX", 0)
    with linked(tmp_path, 1) as link:
        ending = link.channel("sleep 0.4")
        assert link.run("echo next", timeout_seconds=10).stdout == b"next\n"
        ending.close()


def test_without_any_room_the_wait_ends_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_FREE_SECONDS", 0.3)
    with Server(tmp_path, MaxSessions=1) as server:
        link = server.connect()
        server.forget_keys()
        held = link.channel("cat")
        with pytest.raises(Unavailable, match=r"MaxSessions.*does not accept our SSH key") as caught:
            link.channel("cat")
        assert caught.value.reason == Fault.NO_SESSION and caught.value.detail == {"sent": False}
        held.send(b"lives on")
        assert held.recv(5.0) == b"lives on"
        link.close()


def test_the_wait_for_a_session_can_be_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SIBLINGS_MAX", 0)
    monkeypatch.setattr(connections, "_FREE_SECONDS", 30.0)
    asked_at = time.monotonic() + 1.0
    with Server(tmp_path, MaxSessions=1) as server:
        link = server.connect(interrupted=lambda: time.monotonic() > asked_at)
        held = link.channel("sleep 60")
        with pytest.raises(Interrupted):
            link.channel("true")
        held.close()
        link.close()


def test_a_command_that_may_have_begun_is_not_sent_over_another_connection(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with linked(tmp_path / "s", 1) as link:
        first = link.channel("cat")
        link.channel("cat").close()  # over a connection of its own

        def breaks(command: str, window: int | None) -> NoReturn:
            raise Unavailable("it broke", reason=Fault.LINK_LOST, detail={"sent": True})

        link._siblings[0]._start = breaks  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="it broke"):
            link.channel(f"echo begun >{mark}").recv(5.0)
        assert not mark.exists()
        first.close()
