"""A job that fills the disk of its log: its last words are there all the same, and so is what became of the disk."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rpd.adapters.pod.remote import PodRemote
from rpd.states.ports.world import Claim, JobRef, LaunchOrder
from tests.adapters.pod.local_shell import LocalShell, until

MEGABYTES = 4
PAGE = "echo begun; head -c 4090 /dev/zero | tr '\\0' '\\n'\n"
"""A log that ends where a block of the disk does."""
FILL = """cat > fill.py <<'END'
import sys
with open("data", "wb", buffering=0) as file:
    for size in (65536, 4096, 1):
        try:
            while file.write(b"x" * size) == size:
                pass
        except OSError:
            if size == 1:
                raise
END
"""
LAST = "OSError: [Errno 28] No space left on device\n"


@pytest.fixture
def small(tmp_path: Path, make_pod: Callable[..., LocalShell]) -> Iterator[LocalShell]:
    """A pod whose volume is full after a few megabytes, in a mount namespace of its own."""
    volume = tmp_path / "volume"
    volume.mkdir()
    mount = f"mount -t tmpfs -o size={MEGABYTES}m tmpfs {volume} && echo mounted && exec sleep 600"
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("this machine has no tools for namespaces")
    holder = subprocess.Popen(["unshare", "-rm", "sh", "-c", mount], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != b"mounted\n":
            pytest.skip("this machine lets nobody mount anything")
        enter = ("nsenter", f"--target={holder.pid}", "--user", "--mount", "--preserve-credentials")
        pod = make_pod(volume, sh="dash", prefix=enter)
        pod.inside = Path(f"/proc/{holder.pid}/root{volume}")
        yield pod
        pod.kill_all()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()  # type: ignore[union-attr]


def run(pod: LocalShell, remote: PodRemote, script: str, log: str = "logs/run.log") -> Claim:
    """The claim of a job that has ended."""
    ref = JobRef(1, f"{pod.volume}/{log}")
    remote.launch(pod.target, LaunchOrder(1, script, f"{pod.volume}/run.sh", ref.log_path, {}, 1, "a" * 32))
    seen: list[Claim] = []
    until(lambda: (seen.append(remote.read_claim(pod.target, ref)), seen[-1].phase == "ended")[1])
    return seen[-1]


def said(pod: LocalShell) -> str:
    return (pod.inside / "logs/run.log").read_text()


def test_the_last_words_of_a_job_that_filled_its_disk_are_kept(
    small: LocalShell, remote_of: Callable[..., PodRemote]
) -> None:
    claim = run(small, remote_of(small), f"{PAGE}{FILL}python3 fill.py\n")
    assert (claim.exit_code, claim.disk_was_full) == (1, True)
    assert said(small).startswith("begun\n") and said(small).endswith(LAST)


def test_a_log_that_has_grown_has_its_reserve_behind_it(small: LocalShell, remote_of: Callable[..., PodRemote]) -> None:
    grow = "head -c 1200000 /dev/zero | tr '\\0' '\\n'; echo grown; until [ -e go ]; do sleep 0.1; done\n"
    remote = remote_of(small)
    ref = JobRef(1, f"{small.volume}/logs/run.log")
    script = f"{FILL}{grow}python3 fill.py\n"
    remote.launch(small.target, LaunchOrder(1, script, f"{small.volume}/run.sh", ref.log_path, {}, 1, "a" * 32))
    log = small.inside / "logs/run.log"
    until(lambda: log.read_text().endswith("grown\n"))
    until(lambda: log.stat().st_blocks * 512 > log.stat().st_size + 200_000)
    (small.inside / "go").touch()
    until(lambda: remote.read_claim(small.target, ref).phase == "ended")
    assert said(small).endswith(LAST)


def test_a_disk_with_room_was_not_full(pod: LocalShell, remote: PodRemote) -> None:
    began = time.monotonic()
    claim = run(pod, remote, "echo hello; exit 3")
    assert (claim.exit_code, claim.disk_was_full, claim.log_bytes) == (3, False, 6)
    assert sorted(path.name for path in (pod.volume / "logs").iterdir()) == ["run.log"]
    until(lambda: not pod.processes())
    assert time.monotonic() - began < 15.0


def test_a_log_that_is_gone_is_no_full_disk(pod: LocalShell, remote: PodRemote) -> None:
    claim = run(pod, remote, f"rm -rf {pod.volume}/logs; exit 3")
    assert (claim.exit_code, claim.disk_was_full) == (3, False)


def test_where_nothing_can_be_reserved_the_cause_is_known(
    small: LocalShell, remote_of: Callable[..., PodRemote]
) -> None:
    (small.inside / "bin").mkdir()
    fake = small.inside / "bin/fallocate"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    small.env["PATH"] = f"{small.volume}/bin:{small.env['PATH']}"
    claim = run(small, remote_of(small), f"{PAGE}{FILL}python3 fill.py\n")
    assert claim.exit_code != 0 and claim.disk_was_full
    assert LAST not in said(small)
