"""Connections to a real server: opening, running, streaming, and every way a peer can fail."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.ssh.breakage import LINK_BROKE
from rpd.adapters.ssh.connection import PULL_WINDOW, Connection
from rpd.adapters.ssh.timeouts import Timeouts
from rpd.adapters.ssh.wire import dial
from rpd.engine.errors import Interrupted, Refused, Unavailable
from rpd.journal.records import Stamp
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import SshAddress
from tests.adapters.ssh.ssh_server import QUICK, Proxy, Server, eventually


def _now(sleep: float = 0.0, boot: str = "b") -> Stamp:
    return Stamp(wall=time.time() + sleep, up=time.monotonic() + sleep, boot=boot)


def test_a_port_at_which_nobody_listens_is_told_from_silence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = SshAddress("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(Unavailable) as met:
            dial(address, 5.0, 5.0, lambda: False)
    assert met.value.detail == {"closed": True}
    with pytest.raises(Unavailable) as met:
        dial(SshAddress("no-such-host.invalid", 22), 5.0, 5.0, lambda: False)
    assert met.value.detail == {}


def test_a_script_runs_with_its_own_output_and_exit_code(server: Server) -> None:
    connection = server.connect()
    done = connection.run("echo out; echo err >&2; exit 7", timeout_seconds=10)
    assert (done.exit_code, done.stdout, done.stderr, done.is_cut) == (7, b"out\n", b"err\n", False)
    connection.close()


@pytest.mark.parametrize(
    "script",
    ["cat; read line; sh; echo whole", "# only\necho whole", "cat <<'X' >/dev/null\nbody\nX\necho whole # end"],
    ids=["readers", "comment", "heredoc"],
)
def test_no_command_eats_the_rest_of_the_script(server: Server, script: str) -> None:
    connection = server.connect()
    assert connection.run(script, timeout_seconds=10).stdout == b"whole\n"
    connection.close()


def test_an_empty_script_succeeds_and_a_broken_one_does_not(server: Server) -> None:
    connection = server.connect()
    assert connection.run("", timeout_seconds=10).exit_code == 0
    assert connection.run("if", timeout_seconds=10).exit_code != 0
    connection.close()


def test_both_streams_are_drained_and_cut_to_what_is_kept(server: Server) -> None:
    connection = server.connect()
    noisy = "head -c 9000000 /dev/zero >&2; head -c 9000000 /dev/zero"
    done = connection.run(noisy, timeout_seconds=30, max_bytes=1000)
    assert (done.exit_code, len(done.stdout), len(done.stderr), done.is_cut) == (0, 1000, 1000, True)
    connection.close()


def test_a_slow_script_is_given_up_in_time(server: Server) -> None:
    connection = server.connect()
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        connection.run("sleep 30", timeout_seconds=0.3)
    assert caught.value.reason == Fault.TIMEOUT and caught.value.detail == {"sent": True}
    assert time.monotonic() - began < 15
    connection.close()


def test_an_interrupt_is_noticed_at_once(server: Server) -> None:
    asked_at = time.monotonic() + 0.3
    connection = server.connect(interrupted=lambda: time.monotonic() > asked_at)
    with pytest.raises(Interrupted):
        connection.run("sleep 30", timeout_seconds=20)
    assert time.monotonic() - asked_at < 1
    connection.close()


def test_a_stream_goes_both_ways_with_binary_data(server: Server) -> None:
    connection = server.connect()
    payload = os.urandom(3_000_000)
    channel = connection.channel("cat; echo bye >&2; exit 3", window=PULL_WINDOW)
    received, sent = bytearray(), memoryview(payload)
    while sent:
        sent = sent[channel.send_some(sent, 0.1) or 0 :]
        while channel.has_output():
            received += channel.recv(0.1) or b""
    channel.send_eof()
    while (data := channel.recv(5.0)) != b"":
        assert data is not None
        received += data
    assert bytes(received) == payload
    assert channel.recv_stderr(5.0) == b"bye\n"
    assert channel.exit_status(5.0) == 3
    connection.close()


def test_a_silent_stream_gives_none_and_an_ended_one_takes_no_more(server: Server) -> None:
    connection = server.connect()
    waiting = connection.channel("sleep 5")
    assert waiting.recv(0.05) is None and waiting.exit_status(0.05) is None
    waiting.close()
    ended = connection.channel("exec true")
    assert ended.recv(5.0) == b""
    eventually(lambda: not ended.send(b"x" * 1000), "the ended command refuses input")
    connection.close()


def test_the_host_key_is_reported_then_pinned(server: Server) -> None:
    first = server.connect()
    assert first.host_key == server.connect(host_key=first.host_key).host_key
    with pytest.raises(Refused) as caught:
        server.connect(host_key="SHA256:AAAA")
    assert caught.value.reason == Fault.HOST_KEY_CHANGED and caught.value.detail["found"] == first.host_key
    first.close()


def test_a_host_key_that_changed_with_a_restart_is_refused(tmp_path: Path) -> None:
    server = Server(tmp_path)
    with server:
        connection = server.connect()
        pinned = connection.host_key
        connection.close()
    changed = server.change_host_key()
    with server, pytest.raises(Refused) as caught:
        server.connect(host_key=pinned)
    assert caught.value.detail == {"expected": pinned, "found": changed}


def test_a_stranger_key_is_refused(server: Server, tmp_path: Path) -> None:
    stranger = Server(tmp_path)
    with pytest.raises(Refused) as caught:
        Connection.open(server.address, key_path=stranger.key, host_key=None, alias="rpd-pod-x", timeouts=QUICK)
    assert caught.value.reason == Fault.AUTH_REFUSED


@pytest.mark.parametrize("content", [None, "no key at all"], ids=["missing", "garbage"])
def test_an_unreadable_key_is_named(server: Server, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "id"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Refused, match="cannot be read") as caught:
        Connection.open(server.address, key_path=path, host_key=None, alias="rpd-pod-x", timeouts=QUICK)
    assert caught.value.reason == Fault.AUTH_REFUSED


def test_no_key_and_no_agent_is_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(Refused, match="agent") as caught:
        Connection.open(server.address, key_path=None, host_key=None, alias="rpd-pod-x", timeouts=QUICK)
    assert caught.value.reason == Fault.AUTH_REFUSED


@pytest.mark.skipif(not shutil.which("ssh-agent"), reason="ssh-agent is not installed")
def test_the_agent_serves_when_no_key_is_named_or_the_key_has_a_passphrase(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as short:  # a socket's path may not be long
        where = f"{short}/agent"
        with subprocess.Popen(["ssh-agent", "-D", "-a", where], stdout=subprocess.DEVNULL) as agent:
            try:
                monkeypatch.setenv("SSH_AUTH_SOCK", where)
                eventually(lambda: Path(where).exists(), "the agent listens")
                locked = tmp_path / "locked"
                shutil.copy(server.key, locked)
                (tmp_path / "locked.pub").write_bytes((server.folder / "authorized_keys").read_bytes())
                change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a passphrase", "-f", str(locked)]
                subprocess.run(change, check=True, stdout=subprocess.DEVNULL)
                with pytest.raises(Refused, match="agent"):
                    _open(server, locked)
                subprocess.run(["ssh-add", "-q", str(server.key)], check=True)
                for key in (None, locked):
                    _open(server, key).close()
            finally:
                agent.kill()


def _open(server: Server, key: Path | None) -> Connection:
    return Connection.open(server.address, key_path=key, host_key=None, alias="rpd-pod-x", timeouts=QUICK)


def test_a_server_of_old_algorithms_gets_a_hint(tmp_path: Path) -> None:
    with Server(tmp_path, kex="diffie-hellman-group1-sha1") as server, pytest.raises(Refused) as caught:
        server.connect()
    assert caught.value.reason == Fault.BARRED and not caught.value.retryable and "OpenSSH" in caught.value.hint


def test_a_refused_port_and_an_unknown_host_are_unreachable(server: Server) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = SshAddress("127.0.0.1", probe.getsockname()[1])
    for address in (closed, SshAddress("no-such-host.invalid", 22)):
        with pytest.raises(Unavailable) as caught:
            server.connect(address=address)
        assert caught.value.reason == Fault.SSH_UNREACHABLE and caught.value.retryable


def test_a_server_without_banner_is_given_up(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            server.connect(
                address=SshAddress("127.0.0.1", silent.getsockname()[1]), timeouts=Timeouts(connect=2, banner=0.5)
            )
    assert caught.value.reason == Fault.SSH_UNREACHABLE
    assert time.monotonic() - began < 15


def test_a_hanging_login_can_be_interrupted(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked_at = time.monotonic() + 0.2
        with pytest.raises(Interrupted):
            server.connect(
                address=SshAddress("127.0.0.1", silent.getsockname()[1]),
                interrupted=lambda: time.monotonic() > asked_at,
            )
    assert time.monotonic() - asked_at < 10, "it waited on"


def test_a_reset_in_mid_stream_is_a_lost_link(server: Server) -> None:
    with Proxy(server.port, reset_after=300_000) as proxy:
        connection = server.connect(address=proxy.address)
        with pytest.raises(Unavailable) as caught:
            connection.run("head -c 50000000 /dev/urandom", timeout_seconds=20, max_bytes=100_000_000)
        assert caught.value.reason == Fault.LINK_LOST and caught.value.detail == {"sent": True}
        assert not connection.is_usable(_now())
        with pytest.raises(Unavailable) as again:
            connection.run("true", timeout_seconds=5)
        assert again.value.detail == {"sent": False}
        connection.close()


def test_a_command_killed_by_a_signal_has_no_exit_code(server: Server) -> None:
    connection = server.connect()
    channel = connection.channel("kill -9 $$")
    with pytest.raises(Unavailable) as caught:
        channel.exit_status(10.0)
    assert caught.value.reason == Fault.LINK_LOST
    connection.close()


@pytest.mark.parametrize("activity", ["receiving", "sending", "opening"])
def test_a_frozen_server_is_found_within_seconds_and_close_returns(tmp_path: Path, activity: str) -> None:
    with Server(tmp_path) as server:
        connection = server.connect()
        channel = connection.channel("cat >/dev/null")
        server.freeze()
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            if activity == "receiving":
                channel.recv(30)
            elif activity == "sending":
                while channel.send(bytes(1_000_000)):
                    pass
            else:
                connection.run("true", timeout_seconds=30)
        assert caught.value.reason == Fault.LINK_LOST
        assert time.monotonic() - began < 20
        closing = time.monotonic()
        connection.close()
        assert time.monotonic() - closing < 3


def test_a_quiet_command_on_a_live_link_is_left_alone(server: Server) -> None:
    connection = server.connect(timeouts=Timeouts(pulse=0.1, silence=0.5))
    assert connection.run("sleep 1.5; echo done", timeout_seconds=10).stdout == b"done\n"
    connection.close()


def test_closing_twice_and_with_a_frozen_peer_never_hangs(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        connection = server.connect()
        server.freeze()
        began = time.monotonic()
        connection.close()
        connection.close()
        assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "jump",
    [{"sleep": 60}, {"sleep": -60}, {"boot": "another"}],
    ids=["slept", "clock-set-back", "rebooted"],
)
def test_a_clock_jump_makes_a_connection_unusable(server: Server, jump: dict[str, Any]) -> None:
    connection = server.connect()
    assert connection.is_usable(_now()) and connection.is_usable(_now())
    assert not connection.is_usable(_now(**jump))
    connection.close()


def test_a_distant_server_costs_few_round_trips(server: Server) -> None:
    with Proxy(server.port, delay=0.04) as proxy:
        connection = server.connect(address=proxy.address)
        began = time.monotonic()
        assert connection.run("echo hi", timeout_seconds=10).stdout == b"hi\n"
        assert time.monotonic() - began < 10
        connection.close()


def test_a_link_that_breaks_between_channel_and_command_is_noticed(server: Server) -> None:
    connection = server.connect()
    raw = connection._transport.open_session(timeout=5)
    connection._wire.hang_up()
    eventually(lambda: not connection._transport.is_active(), "the transport sees that its link is gone")
    with (
        connection._pulse.limit(60.0, wake=raw.event.set),
        pytest.raises(LINK_BROKE),
    ):
        raw.exec_command("true")
    connection.close()
