"""All of the port once over a real SSH server, with the product's own connection and transfer."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rpd.adapters.local.clock import SystemClock
from rpd.adapters.pod.attention import Attention
from rpd.adapters.pod.remote import PodRemote
from rpd.adapters.ssh.pool import Pool
from rpd.engine.errors import Ambiguous, Interrupted, Unavailable
from rpd.states.ports.world import JobRef, LaunchOrder, Pull, Step, Target, Tree
from tests.adapters.pod.local_shell import POD_ID, Requests, until
from tests.adapters.ssh.ssh_server import QUICK, Server

CONNECTIONS = "rpd.adapters.ssh.connection.SIBLINGS_MAX"


class SshPod:
    """A server that says it is a pod, and the port to it."""

    def __init__(self, server: Server, requests: Requests) -> None:
        self.server = server
        self.requests = requests
        attention = Attention(requests)
        pool = Pool(
            locate=lambda pod_id: server.address,
            key_path=server.key,
            clock=SystemClock(),
            control=attention,
            random=random.Random(1),
            timeouts=QUICK,
        )
        self.remote = PodRemote(pool, attention=attention)
        self.run_id = f"run-{uuid.uuid4().hex[:12]}"
        self.volume = server.home / self.run_id
        self.volume.mkdir()
        self.target = Target(POD_ID, "rpd-test", self.run_id, 1, str(self.volume / ".rpd" / self.run_id))

    def commands(self) -> list[bytes]:
        """Their command lines; one that ends meanwhile has none."""
        lines = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                lines.append(Path(f"/proc/{pid}/cmdline").read_bytes())
        return lines

    def processes(self) -> list[int]:
        """Those that work in this run's folder."""
        mark = str(self.volume).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if mark in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found


@pytest.fixture
def options() -> dict[str, object]:
    """Of the server."""
    return {}


@pytest.fixture
def stage(
    tmp_path: Path, requests: Requests, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> Iterator[SshPod]:
    """A fresh server per test, since some are hurt."""
    monkeypatch.setenv("RUNPOD_POD_ID", POD_ID)
    server = Server(tmp_path / "ssh", **options).start()
    stage = SshPod(server, requests)
    try:
        yield stage
        until(lambda: not stage.processes())
    finally:
        stage.remote.close()
        server.stop()
        for left in Path("/dev/shm").glob(f"rpd-{stage.run_id}-*"):
            left.unlink()


def job(stage: SshPod, script: str) -> JobRef:
    log = str(stage.volume / "run.log")
    order = LaunchOrder(1, script, str(stage.volume / "run.sh"), log, {"MINE": "1"}, 5, "z")
    stage.remote.launch(stage.target, order)
    return JobRef(1, log)


def test_a_whole_run(stage: SshPod, tmp_path: Path) -> None:
    remote = stage.remote
    greeting = remote.greet(stage.target, stage.server.address)
    target = msgspec.structs.replace(stage.target, host_key=greeting.host_key)
    assert greeting.host_key == stage.server.pin and greeting.pod_id == POD_ID
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("a")
    assert remote.run_step(target, Step("one", "setup", "echo ready; exit 3", 20)).tail == ("ready",)
    assert remote.push(target, Tree("source", str(source), str(stage.volume / "in"))).files == 1
    ref = job(stage, "cp in/a.txt in/b.txt; head -c 2000000 /dev/zero; echo end")
    claim = remote.watch(target, ref, str(tmp_path / "copy.log"), 30.0)
    assert (claim.phase, claim.exit_code, claim.log_bytes) == ("ended", 0, 2_000_004)
    assert (tmp_path / "copy.log").read_bytes() == Path(ref.log_path).read_bytes()
    pulled = remote.pull(target, Pull("out", str(stage.volume / "in"), str(tmp_path / "out"), True))
    assert pulled.files == 2 and (tmp_path / "out/b.txt").read_text() == "a"
    assert (Path(target.folder) / "switch/owner").exists()


@pytest.mark.parametrize("options", [{"MaxSessions": 1}])
@pytest.mark.parametrize("others", [pytest.param(4, id="more connections"), pytest.param(0, id="one alone")])
def test_results_come_through_one_session_at_a_time(
    stage: SshPod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    monkeypatch.setattr(CONNECTIONS, others)
    monkeypatch.setattr("rpd.adapters.ssh.connection._FREE_SECONDS", 2.0)
    remote, target = stage.remote, stage.target
    remote.greet(target, stage.server.address)
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("a")
    assert remote.push(target, Tree("source", str(source), str(stage.volume / "in"))).sent_files == 1
    ref = job(stage, "cp in/a.txt in/b.txt; echo end")
    assert remote.watch(target, ref, str(tmp_path / "copy.log"), 30.0).exit_code == 0
    pulled = remote.pull(target, Pull("out", str(stage.volume / "in"), str(tmp_path / "out"), True))
    assert pulled.files == 2 and (tmp_path / "out/b.txt").read_text() == "a"


@pytest.mark.slow
def test_a_server_that_goes_away_costs_no_byte(stage: SshPod, tmp_path: Path) -> None:
    ref = job(stage, "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); sleep 0.01; done")
    copy = str(tmp_path / "copy.log")
    timer = threading.Timer(0.7, stage.server.stop)
    timer.start()
    with pytest.raises(Unavailable) as caught:
        stage.remote.watch(stage.target, ref, copy, 30.0)
    timer.join()
    assert caught.value.reason == "link_lost"
    stage.server.start()
    assert stage.remote.watch(stage.target, ref, copy, 30.0).exit_code == 0
    assert Path(copy).read_text() == "".join(f"line {number}\n" for number in range(300))


def test_leaving_a_watch_leaves_only_the_job(stage: SshPod, tmp_path: Path) -> None:
    ref = job(stage, "sleep 60")
    assert stage.remote.watch(stage.target, ref, str(tmp_path / "copy.log"), 0.5).phase == "running"
    until(lambda: not any(b"rpd_offset" in command for command in stage.commands()))
    assert stage.remote.stop_job(stage.target, ref, 2.0).exit_code == 143


def test_an_interrupted_step_is_ended(stage: SshPod) -> None:
    stage.remote.greet(stage.target, stage.server.address)
    timer = threading.Timer(1.0, stage.requests.ask)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        stage.remote.run_step(stage.target, Step("one", "setup", "sleep 60", 50))
    timer.join()
    assert time.monotonic() - began < 10
    until(lambda: not stage.processes())


@pytest.mark.slow
def test_a_step_survives_a_lost_link(stage: SshPod) -> None:
    stage.remote.greet(stage.target, stage.server.address)
    step = Step("one", "setup", f"echo run >>{stage.volume}/runs; sleep 2; exit 6", 50)
    timer = threading.Timer(0.8, stage.server.stop)
    timer.start()
    with pytest.raises(Ambiguous) as caught:
        stage.remote.run_step(stage.target, step)
    timer.join()
    assert caught.value.reason == "link_lost"
    stage.server.start()
    assert stage.remote.run_step(stage.target, step).exit_code == 6
    assert (stage.volume / "runs").read_text() == "run\n"
