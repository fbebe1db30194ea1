"""The log arrives byte for byte, whatever happens to the link, and the end is known at once."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rpd.adapters.pod.remote import PodRemote
from rpd.engine.errors import Interrupted, Unavailable
from rpd.states.ports.world import JobRef, LaunchOrder
from tests.adapters.pod.local_shell import LocalShell, Requests, tool_folder, until


def start(remote: PodRemote, pod: LocalShell, script: str) -> JobRef:
    log = str(pod.volume / "run.log")
    remote.launch(pod.target, LaunchOrder(1, script, str(pod.volume / "run.sh"), log, {}, 1, "z"))
    return JobRef(1, log)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where the log is copied to."""
    return tmp_path / "here" / "remote.log"


def test_ends_with_the_job_and_its_last_byte(pod: LocalShell, remote: PodRemote, copy: Path) -> None:
    job = start(remote, pod, "echo one; sleep 0.4; date +%s.%N; exit 3")
    claim = remote.watch(pod.target, job, str(copy), 20.0)
    late = time.time() - float(copy.read_text().split()[1])
    assert (claim.phase, claim.exit_code, claim.log_bytes) == ("ended", 3, copy.stat().st_size)
    assert copy.read_bytes() == (pod.volume / "run.log").read_bytes()
    assert late < 1.0


def test_a_job_that_has_ended_is_copied_at_once(pod: LocalShell, remote: PodRemote, copy: Path) -> None:
    job = start(remote, pod, "head -c 3000000 /dev/urandom")
    until(lambda: remote.read_claim(pod.target, job).phase == "ended")
    began = time.monotonic()
    assert remote.watch(pod.target, job, str(copy), 20.0).exit_code == 0
    assert copy.read_bytes() == (pod.volume / "run.log").read_bytes() and time.monotonic() - began < 2.0


def test_returns_when_its_time_is_up_or_somebody_asks(
    pod: LocalShell, remote: PodRemote, requests: Requests, copy: Path
) -> None:
    job = start(remote, pod, "echo hello; sleep 60")
    began = time.monotonic()
    claim = remote.watch(pod.target, job, str(copy), 0.5)
    assert claim.phase == "running" and time.monotonic() - began < 2.0 and copy.read_bytes() == b"hello\n"
    timer = threading.Timer(0.5, requests.ask)
    timer.start()
    assert remote.watch(pod.target, job, str(copy), 30.0).phase == "running"
    assert time.monotonic() - began < 4.0
    timer.join()
    with pytest.raises(Interrupted):
        remote.watch(pod.target, job, str(copy), 30.0)
    requests.take()
    remote.stop_job(pod.target, job, 1.0)
    assert copy.read_bytes() == b"hello\n"


def test_nothing_is_lost_or_repeated_across_lost_links(pod: LocalShell, remote: PodRemote, copy: Path) -> None:
    job = start(remote, pod, 'i=0; while [ $i -lt 40000 ]; do echo "line $i \\0 x"; i=$((i+1)); done')
    cuts = 0
    while True:
        timer = threading.Timer(0.05 + 0.02 * cuts, setattr, (pod, "is_cut", True))
        timer.start()
        try:
            claim = remote.watch(pod.target, job, str(copy), 0.4)
        except Unavailable as error:
            assert error.reason == "link_lost"
            cuts += 1
        else:
            if claim.phase == "ended":
                break
        finally:
            timer.cancel()
            timer.join()
    assert cuts >= 1
    assert copy.read_bytes() == (pod.volume / "run.log").read_bytes()


@pytest.mark.slow
def test_a_large_log_does_not_grow_memory(pod: LocalShell, remote: PodRemote, copy: Path) -> None:
    job = start(remote, pod, "head -c 150000000 /dev/zero")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert remote.watch(pod.target, job, str(copy), 30.0).log_bytes == 150_000_000 == copy.stat().st_size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
    copy.unlink()


def test_a_replaced_log_is_noted_and_copied_from_its_beginning(pod: LocalShell, remote: PodRemote, copy: Path) -> None:
    remote_log = pod.volume / "run.log"
    job = start(remote, pod, "echo a long first log; sleep 60")
    until(lambda: remote_log.read_bytes() != b"")
    remote.watch(pod.target, job, str(copy), 0.3)
    os.truncate(remote_log, 0)
    with remote_log.open("ab") as file:
        file.write(b"second\n")
    remote.watch(pod.target, job, str(copy), 0.3)
    with remote_log.open("ab") as file:
        file.write(b"third\n")
    remote.watch(pod.target, job, str(copy), 0.3)
    assert copy.read_bytes() == b"a long first log\n\n--- log restarted ---\nsecond\nthird\n"
    assert remote.fetch_log(pod.target, job, str(copy)) == copy.stat().st_size
    remote.stop_job(pod.target, job, 1.0)


def test_a_log_cut_while_it_is_followed_is_noticed(
    pod: LocalShell, remote: PodRemote, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rpd.adapters.pod.follower.BEAT_SECONDS", 0.1)
    remote_log = pod.volume / "run.log"
    script = f"echo a long first log; until [ -e cut ]; do sleep 0.05; done; : >{remote_log}; echo new; sleep 0.6"
    job = start(remote, pod, script)
    threading.Timer(0.5, (pod.volume / "cut").touch).start()
    assert remote.watch(pod.target, job, str(copy), 20.0).exit_code == 0
    assert copy.read_bytes().endswith(b"--- log restarted ---\nnew\n")


def test_a_crash_between_note_and_line_of_a_restart_is_mended(pod: LocalShell, remote: PodRemote, copy: Path) -> None:
    job = start(remote, pod, "echo new")
    until(lambda: remote.read_claim(pod.target, job).phase == "ended")
    copy.parent.mkdir()
    copy.write_bytes(b"old\n\n---")
    copy.with_name(".remote.log.base").write_text(str(4 + len("\n--- log restarted ---\n")))
    remote.fetch_log(pod.target, job, str(copy))
    assert copy.read_bytes() == b"old\n\n--- log restarted ---\nnew\n"


def test_fetching_stops_at_the_size_of_a_growing_log(pod: LocalShell, remote: PodRemote, copy: Path) -> None:
    job = start(remote, pod, "while :; do echo more; sleep 0.02; done")
    until(lambda: (pod.volume / "run.log").stat().st_size > 50)
    began = time.monotonic()
    assert remote.fetch_log(pod.target, job, str(copy)) >= 50
    assert time.monotonic() - began < 3.0
    remote.stop_job(pod.target, job, 1.0)
    remote.fetch_log(pod.target, job, str(copy))
    assert copy.read_bytes() == (pod.volume / "run.log").read_bytes()


def test_the_heartbeat_is_renewed(pod: LocalShell, remote: PodRemote, copy: Path) -> None:
    job = start(remote, pod, "sleep 60")
    (pod.folder / "switch").mkdir(exist_ok=True)
    (pod.folder / "switch/owner").write_text("5\n")
    remote.watch(pod.target, job, str(copy), 0.3)
    assert abs(int((pod.folder / "switch/owner").read_text()) - time.time()) < 5
    remote.stop_job(pod.target, job, 1.0)


def test_a_lost_job_ends_the_watch(pod: LocalShell, remote: PodRemote, copy: Path) -> None:
    job = start(remote, pod, "echo x; exec sleep 60")
    until((pod.folder / "jobs/1/job").exists)
    wrapper, child = ((pod.folder / f"jobs/1/{name}").read_text().split()[0] for name in ("pid", "job"))
    os.kill(int(wrapper), signal.SIGKILL)
    threading.Timer(0.5, os.kill, (int(child), signal.SIGKILL)).start()
    claim = remote.watch(pod.target, job, str(copy), 20.0)
    assert claim.phase == "lost" and copy.read_bytes() == b"x\n"


def test_nothing_launched_is_told_at_once(pod: LocalShell, remote: PodRemote, copy: Path) -> None:
    assert remote.watch(pod.target, JobRef(1, str(pod.volume / "run.log")), str(copy), 20.0).phase == "none"


@pytest.mark.parametrize(
    "extra", [(), pytest.param(("python3",), marks=pytest.mark.slow), pytest.param(("perl",), marks=pytest.mark.slow)]
)
def test_a_small_tool_box_is_enough(
    extra: tuple[str, ...],
    tmp_path: Path,
    make_pod: Callable[..., LocalShell],
    remote_of: Callable[[LocalShell], PodRemote],
    copy: Path,
) -> None:
    minimal = ("sh", "mkdir", "mv", "cat", "date", "sleep", "tr", "chmod", "dirname", "env", "grep", "rm", "tail", "wc")
    with tool_folder(tmp_path / "bin", *minimal, *extra) as path:
        pod = make_pod(path=path)
        remote = remote_of(pod)
        job = start(remote, pod, "echo one; sleep 0.5; echo two")
        claim = remote.watch(pod.target, job, str(copy), 20.0)
        assert (claim.phase, claim.exit_code, copy.read_bytes()) == ("ended", 0, b"one\ntwo\n")
