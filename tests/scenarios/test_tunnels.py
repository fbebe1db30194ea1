"""Ports of a pod here: in the foreground, for scripts, in the background; and what ends with the pod."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from rpd.adapters.sandbox import daemon
from rpd.adapters.tunnels.detached import Tunnel, tunnels_of
from tests.scenarios.cutting import cut
from tests.scenarios.harness import GATED, CommandLine, config, eventually

SERVICE = (
    "import http.server, sys; http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), "
    "http.server.SimpleHTTPRequestHandler).serve_forever()"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def waiting(cli: CommandLine) -> CommandLine:
    """A run whose job waits, without an engine."""
    done = cli.run(config(GATED), "--detach")
    assert done.returncode == 75, done.stderr
    return cli


def serve(cli: CommandLine, port: int) -> None:
    """Start a web service in the pod, and leave it there."""
    line = f'cd /workspace; echo page > index.html; setsid python3 -c "{SERVICE}" {port} >/dev/null 2>&1 </dev/null &'
    done = cli.rpd("exec", cli.run_id, "--", "sh", "-c", line)
    assert done.returncode == 0, done.stderr


def page(port: int) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return str(answer.read().decode())


def live(cli: CommandLine) -> list[Tunnel]:
    return tunnels_of(cli.home)


@pytest.mark.row(49, 83, 217, 219)
def test_a_tunnel_waits_for_its_service_verifies_it_and_prints_its_url(waiting: CommandLine) -> None:
    port, local = free_port(), free_port()
    tunnel = waiting.start("tunnel", waiting.run_id, f"{port}:{local}")
    eventually(lambda: f"nothing listens on port {port} of the pod yet" in tunnel.text, tell=lambda: tunnel.text)
    assert tunnel.out == "", "not said to be up before it is"
    serve(waiting, port)
    eventually(lambda: f"http://127.0.0.1:{local}\n" in tunnel.out, tell=lambda: tunnel.text)
    assert "verified: status 200 for /" in tunnel.text and "released by" in tunnel.text
    assert page(local) == "page\n"
    before = len(waiting.records())
    tunnel.process.send_signal(signal.SIGINT)
    assert tunnel.end(20) == 0
    assert "the tunnel is closed; the pod goes on" in tunnel.text
    with pytest.raises(OSError):
        page(local)
    assert len(waiting.records()) == before and waiting.live_pod()["status"] == "RUNNING"


@pytest.mark.slow
def test_a_tunnel_comes_back_after_its_link_was_cut(waiting: CommandLine) -> None:
    port, local = free_port(), free_port()
    serve(waiting, port)
    tunnel = waiting.start("tunnel", waiting.run_id, f"{port}:{local}")
    eventually(lambda: tunnel.out, tell=lambda: tunnel.text)
    info = daemon.find(waiting.sandbox_home)
    assert info is not None
    try:
        assert cut(tunnel.process.pid, spare_port=int(info.url.rpartition(":")[2].partition("/")[0])) == 1
    except OSError:
        pytest.skip("the kernel forbids to cut connections of another process")
    eventually(lambda: "and is up again" in tunnel.text, 30, lambda: tunnel.text)
    assert page(local) == "page\n"
    os.kill(tunnel.process.pid, signal.SIGHUP)  # its terminal is gone
    assert tunnel.end(20) == 0
    once = waiting.start("tunnel", waiting.run_id, f"{port}:{local}", "--once")
    eventually(lambda: once.out, tell=lambda: once.text)
    cut(once.process.pid, spare_port=int(info.url.rpartition(":")[2].partition("/")[0]))
    assert once.end(30) == 1, once.text


@pytest.mark.slow
def test_a_browser_is_opened_once_the_port_is_verified(
    waiting: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened.part; mv {tmp_path}/opened.part {tmp_path}/opened\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    port, local = free_port(), free_port()
    tunnel = waiting.start("tunnel", waiting.run_id, f"{port}:{local}", "--open")
    eventually(lambda: "nothing listens" in tunnel.text, tell=lambda: tunnel.text)
    assert not (tmp_path / "opened").exists()
    serve(waiting, port)
    eventually((tmp_path / "opened").exists, tell=lambda: tunnel.text)
    assert (tmp_path / "opened").read_text() == f"http://127.0.0.1:{local}\n"
    tunnel.process.send_signal(signal.SIGTERM)
    assert tunnel.end(20) == 0


@pytest.mark.slow
def test_for_scripts_it_waits_for_nothing(waiting: CommandLine) -> None:
    port = free_port()
    done = waiting.rpd("tunnel", waiting.run_id, f"{port}:{free_port()}", "--once")
    assert done.returncode == 1 and "nothing listens" in done.stderr and done.stdout == ""
    assert f"rpd exec {waiting.run_id} -- ss -ltn" in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        local = taken.getsockname()[1]
        done = waiting.rpd("tunnel", waiting.run_id, f"{port}:{local}")
    assert done.returncode == 2 and f"port {local} of this machine is taken" in done.stderr
    assert f"{port}:" in done.stderr.partition("hint:")[2]
    for words in (("0",), ("x",), ("1:2:3",), ("70000",), ("8188", "--path", "no slash")):
        assert waiting.rpd("tunnel", waiting.run_id, *words).returncode == 2


@pytest.mark.row(83, 220, 223)
def test_a_tunnel_in_the_background_dies_with_its_pod(waiting: CommandLine) -> None:
    port = free_port()
    serve(waiting, port)
    done = waiting.rpd("tunnel", waiting.run_id, str(port), "--detach")
    assert done.returncode == 0, done.stderr
    (tunnel,) = live(waiting)
    (pair,) = tunnel.ports
    assert (pair.remote, pair.url) == (port, done.stdout.strip()) and pair.local != port  # the host has it already
    assert (tunnel.run_id, tunnel.pod_id) == (waiting.run_id, waiting.live_pod()["id"])
    assert page(pair.local) == "page\n"
    assert os.getsid(tunnel.pid) == tunnel.pid, "it has no terminal that could take it along"
    (listed,) = json.loads(waiting.rpd("pods", "--json").stdout)["pods"]
    assert listed["ways"]["tunnels"] == [f"{pair.local} -> {port}"]
    assert waiting.rpd("ssh-config", waiting.run_id, "--print").returncode == 0
    assert list((waiting.home / "ssh" / "pods").glob("*.conf"))
    assert waiting.rpd("cancel", waiting.run_id).returncode in (0, 130)
    eventually(lambda: not live(waiting), 60)
    eventually(lambda: not is_running(tunnel.pid), 60)
    assert not list((waiting.home / "ssh" / "pods").glob("*")), "its ssh entry goes with it"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_tunnel_in_the_background_ends_by_itself_when_somebody_stops_the_pod(waiting: CommandLine) -> None:
    port = free_port()
    serve(waiting, port)
    assert waiting.rpd("tunnel", waiting.run_id, str(port), "--detach").returncode == 0
    (tunnel,) = live(waiting)
    waiting.somebody("stop")
    eventually(lambda: not live(waiting), 90)
    said = next((waiting.home / "tunnels").glob("*.log")).read_text()
    assert f"pod {tunnel.pod_id} is stopped" in said


@pytest.mark.slow
def test_tunnels_are_closed_by_hand_and_by_gc(waiting: CommandLine) -> None:
    port = free_port()
    serve(waiting, port)
    for _ in range(2):
        assert waiting.rpd("tunnel", waiting.run_id, str(port), "--detach").returncode == 0
    assert len(live(waiting)) == 2
    assert "leads nowhere" not in waiting.rpd("gc").stdout, "its pod is in use"
    assert "closed: 2" in waiting.rpd("tunnel", waiting.run_id, "--close").stderr
    assert live(waiting) == []
    assert waiting.rpd("tunnel", waiting.run_id, str(port), "--detach").returncode == 0
    (tunnel,) = live(waiting)
    journal = waiting.journal
    os.kill(tunnel.pid, signal.SIGSTOP)  # it hears nothing of its pod's end
    try:
        journal.rename(journal.with_suffix(".away"))
        done = waiting.rpd("gc")
        assert f"the tunnel to pod {tunnel.pod_id} (pid {tunnel.pid}) leads nowhere" in done.stdout
        assert "closed the tunnel to pod" in waiting.rpd("gc", "--yes").stdout
        assert live(waiting) == []
    finally:
        journal.with_suffix(".away").rename(journal)


@pytest.mark.slow
def test_a_tunnel_that_was_killed_leaves_nothing_that_counts(waiting: CommandLine) -> None:
    port = free_port()
    serve(waiting, port)
    assert waiting.rpd("tunnel", waiting.run_id, str(port), "--detach").returncode == 0
    (tunnel,) = live(waiting)
    os.kill(tunnel.pid, signal.SIGKILL)
    eventually(lambda: not live(waiting), 20)
    assert not list((waiting.home / "tunnels").glob("*.json"))


def test_no_key_stands_in_the_argv_or_the_files_of_a_tunnel(waiting: CommandLine) -> None:
    port = free_port()
    serve(waiting, port)
    assert waiting.rpd("tunnel", waiting.run_id, str(port), "--detach").returncode == 0
    (tunnel,) = live(waiting)
    info = daemon.find(waiting.sandbox_home)
    assert info is not None
    assert info.api_key.encode() not in Path(f"/proc/{tunnel.pid}/cmdline").read_bytes()
    for file in (waiting.home / "tunnels").iterdir():
        assert info.api_key not in file.read_text()
    assert json.loads(next((waiting.home / "tunnels").glob("*.json")).read_text())["state"] == "up"
    assert waiting.rpd("tunnel", waiting.run_id, "--close").returncode == 0
