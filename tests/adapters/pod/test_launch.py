"""A job is started exactly once, with the right environment, and how it ended stays known."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from rpd.adapters.pod.remote import PodRemote
from rpd.adapters.pod.scripts import launch_script
from rpd.engine.errors import Refused
from rpd.states.ports.world import Claim, JobRef, LaunchOrder
from tests.adapters.pod.local_shell import ADDRESS, KEY, POD_ID, LocalShell, tool_folder, until

MINIMAL = (
    "sh",
    "mkdir",
    "mv",
    "cat",
    "date",
    "sleep",
    "tr",
    "chmod",
    "dirname",
    "env",
    "grep",
    "sed",
    "rm",
    "head",
    "tail",
    "wc",
)


def order(pod: LocalShell, script: str, *, launch: int = 1, marker: str | None = None, **env: str) -> LaunchOrder:
    folder = str(pod.volume)
    return LaunchOrder(launch, script, f"{folder}/bin/run.sh", f"{folder}/logs/run.log", env, 41, "a" * 32, marker)


def ref(pod: LocalShell, launch: int = 1, marker: str | None = None) -> JobRef:
    return JobRef(launch, str(pod.volume / "logs/run.log"), marker)


def until_told(pod: LocalShell) -> str:
    """A line of a job that waits until `tell` is called."""
    return f"until [ -e {pod.volume}/told ]; do sleep 0.05; done"


def tell(pod: LocalShell) -> None:
    (pod.volume / "told").touch()


def log(pod: LocalShell) -> bytes:
    return (pod.volume / "logs/run.log").read_bytes()


def ended(remote: PodRemote, pod: LocalShell, seconds: float = 40.0, marker: str | None = None) -> Claim:
    """The claim once the job is no longer running."""
    seen: list[Claim] = []

    def is_over() -> bool:
        seen.append(remote.read_claim(pod.target, ref(pod, marker=marker)))
        return seen[-1].phase not in ("claimed", "running")

    until(is_over, seconds)
    return seen[-1]


def test_runs_and_keeps_the_exit_code(pod: LocalShell, remote: PodRemote) -> None:
    before = remote.read_claim(pod.target, ref(pod))
    claim = remote.launch(pod.target, order(pod, "echo out; echo err >&2; pwd; exit 7"))
    after = ended(remote, pod)
    assert before == Claim("none", 1)
    assert claim.phase in ("running", "ended") and claim.started_at is not None
    assert (after.phase, after.exit_code, after.has_marker) == ("ended", 7, None)
    assert log(pod) == f"out\nerr\n{pod.volume}\n".encode()
    assert after.log_bytes == len(log(pod))
    assert abs((after.ended_at or 0) - time.time()) < 20
    assert (pod.volume / "bin/run.sh").stat().st_mode & 0o777 == 0o700
    assert (pod.folder / "jobs/1/anchor").read_text() == f"41 {'a' * 32}\n"


def test_a_second_call_reads_the_claim(pod: LocalShell, remote: PodRemote) -> None:
    script = f"echo start >> {pod.volume}/starts; sleep 0.3"
    claims = [remote.launch(pod.target, order(pod, script)) for _ in range(3)]
    assert ended(remote, pod).exit_code == 0
    again = remote.launch(pod.target, order(pod, script))
    assert {claim.phase for claim in claims} <= {"running", "ended"} and again.phase == "ended"
    assert (pod.volume / "starts").read_text() == "start\n"


def test_launch_numbers_are_separate(pod: LocalShell, remote: PodRemote) -> None:
    for launch in (1, 2):
        remote.launch(pod.target, order(pod, f"echo {launch} >> {pod.volume}/starts", launch=launch))
        until(lambda launch=launch: remote.read_claim(pod.target, ref(pod, launch)).phase == "ended")
    assert (pod.volume / "starts").read_text().split() == ["1", "2"]


def test_fifty_at_once_have_one_winner(pod: LocalShell, remote: PodRemote) -> None:
    script = f"echo start >> {pod.volume}/starts; sleep 0.5"
    with ThreadPoolExecutor(50) as pool:
        claims = list(pool.map(lambda _: remote.launch(pod.target, order(pod, script)), range(50)))
    assert ended(remote, pod).exit_code == 0
    assert {claim.phase for claim in claims} <= {"claimed", "running", "ended"}
    assert (pod.volume / "starts").read_text() == "start\n"


@pytest.mark.weak_point(20)
@pytest.mark.parametrize("sh", ["dash", "bash"])
def test_any_body_arrives_as_it_is(
    sh: str, make_pod: Callable[..., LocalShell], remote_of: Callable[[LocalShell], PodRemote]
) -> None:
    pod = make_pod(sh=sh)
    odd = "EOF\nRPD\n'\"`$\\\t\x01\x7f\x81ÄÁ‐\udcff $(touch nope) ${HOME}\nRPD_ENVIRONMENT\n" + "x" * 5000
    script = f"cat <<'END'\n{odd}\nEND\n"
    remote = remote_of(pod)
    remote.launch(pod.target, order(pod, script))
    assert ended(remote, pod).exit_code == 0
    assert (pod.volume / "bin/run.sh").read_bytes() == script.encode("utf-8", "surrogateescape")
    assert log(pod) == (odd + "\n").encode("utf-8", "surrogateescape")
    assert not (pod.volume / "nope").exists()


def test_a_long_body_arrives_whole(pod: LocalShell, remote: PodRemote) -> None:
    script = "".join(f": {number}\n" for number in range(60_000)) + "echo end"
    remote.launch(pod.target, order(pod, script))
    assert ended(remote, pod).exit_code == 0
    assert log(pod) == b"end\n"


def test_a_nul_byte_is_refused(pod: LocalShell) -> None:
    with pytest.raises(Refused, match="NUL"):
        launch_script(pod.target, order(pod, "echo \0"))
    with pytest.raises(Refused, match="not the name"):
        launch_script(pod.target, order(pod, "true", **{"a b": "1"}))


def test_the_environment_is_the_containers_plus_exports_without_the_key(pod: LocalShell, remote: PodRemote) -> None:
    pod.start_container({"TWO": "a\nb 'c' \"d\" $e \\", "UID": "5", "rc": "9", "bad-name": "1", "EMPTY": ""})
    script = f"tr '\\0' '\\n' </proc/$$/environ >{pod.volume}/env; printf '%s|' \"$TWO\" \"$MINE\" \"${{EMPTY-unset}}\""
    remote.launch(pod.target, order(pod, script, MINE="it's\n$HOME", PATH=f"/nowhere:{os.environ['PATH']}"))
    assert ended(remote, pod).exit_code == 0
    seen = (pod.volume / "env").read_text()
    assert log(pod).decode() == "a\nb 'c' \"d\" $e \\|it's\n$HOME||"
    assert KEY not in seen and f"RUNPOD_POD_ID={POD_ID}\n" in seen and "PATH=/nowhere:" in seen
    assert f"RPD_RUN_ID={pod.run_id}\n" in seen and "RPD_LAUNCH=1\n" in seen
    assert f"RPD_SCRIPT={pod.volume}/bin/run.sh\n" in seen and "rc=9\n" in seen


@pytest.mark.parametrize(
    ("shell", "body", "code"),
    [
        ("", "false | cat", 1),
        ("", "echo $- $0; [ -o pipefail ]", 0),
        ("", "false | cat; echo on", 0),
        ("", "yes | head -n 1", 141),
        ("bash", "false | cat", 0),
        ("bash -eu -o pipefail", "false | cat; echo on", 1),
        ("dash", "false | cat", 0),
        ("bash --norc -c 'echo \"it is $0\"; exit 5'", "exit 3", 5),
        ("no-such-shell", "exit 3", 127),
        (f"{sys.executable} -u", "import sys; sys.exit(7)", 7),
    ],
)
def test_a_pipe_fails_with_its_first_part_unless_the_file_names_a_shell(
    shell: str, body: str, code: int, pod: LocalShell, remote: PodRemote
) -> None:
    remote.launch(pod.target, msgspec.structs.replace(order(pod, body), shell=shell))
    assert ended(remote, pod).exit_code == code, log(pod)


def test_a_shell_without_pipefail_goes_on_to_work(
    make_pod: Callable[..., LocalShell], remote_of: Callable[[LocalShell], PodRemote], tmp_path: Path
) -> None:
    if subprocess.run(["dash", "-o", "pipefail", "-c", ":"], capture_output=True, check=False).returncode == 0:
        pytest.skip("this dash knows pipefail")
    with tool_folder(tmp_path / "bin", *MINIMAL[1:], "setsid", "flock", "false") as path:
        (tmp_path / "bin/sh").symlink_to(shutil.which("dash") or "dash")
        pod = make_pod(sh="dash", path=path)
        remote = remote_of(pod)
        remote.launch(pod.target, order(pod, "false | cat; echo works", PATH=path))
        assert ended(remote, pod).exit_code == 0 and log(pod) == b"works\n"


def test_the_shells_own_start_files_are_read_once(pod: LocalShell, remote: PodRemote) -> None:
    (pod.volume / "start.sh").write_text(f"echo read >>{pod.volume}/reads\n")
    remote.launch(pod.target, order(pod, "true", BASH_ENV=str(pod.volume / "start.sh")))
    assert ended(remote, pod).exit_code == 0
    assert (pod.volume / "reads").read_text() == "read\n"


def test_a_useless_path_fails_the_job_and_not_the_wrapper(pod: LocalShell, remote: PodRemote) -> None:
    remote.launch(pod.target, order(pod, "ls", PATH="/nowhere"))
    assert ended(remote, pod).exit_code == 127


def test_the_job_has_its_own_session_and_no_lock(pod: LocalShell, remote: PodRemote) -> None:
    remote.launch(pod.target, order(pod, "ls -l /proc/$$/fd >fds; ps -o sid= -p $$ >sid; echo $$ >pid; sleep 0.2"))
    ended(remote, pod)
    wrapper = int((pod.folder / "jobs/1/pid").read_text().split()[0])
    assert (pod.volume / "sid").read_text().strip() == (pod.volume / "pid").read_text().strip() != str(wrapper)
    assert "/dev/shm" not in (pod.volume / "fds").read_text()


def test_markers_count_only_at_the_end(pod: LocalShell, remote: PodRemote) -> None:
    remote.launch(pod.target, order(pod, f"{until_told(pod)}; printf '\\377all is [well].*\\n'"))
    running = remote.read_claim(pod.target, ref(pod, marker="[well].*"))
    tell(pod)
    assert (running.phase, running.has_marker) == ("running", None)
    assert ended(remote, pod, marker="[well].*").has_marker is True
    assert remote.read_claim(pod.target, ref(pod, marker="well]x")).has_marker is False
    assert remote.read_claim(pod.target, ref(pod)).has_marker is None


def test_a_killed_job_has_137(pod: LocalShell, remote: PodRemote) -> None:
    remote.launch(pod.target, order(pod, "echo $$ >pid; exec sleep 60"))
    until(lambda: (pod.volume / "pid").exists() and (pod.volume / "pid").read_text())
    os.kill(int((pod.volume / "pid").read_text()), signal.SIGKILL)
    assert ended(remote, pod).exit_code == 137


def test_without_its_wrapper_a_job_is_lost_once_it_is_gone(pod: LocalShell, remote: PodRemote) -> None:
    remote.launch(pod.target, order(pod, "echo $$ >pid; exec sleep 60"))
    until(lambda: (pod.volume / "pid").exists() and (pod.volume / "pid").read_text())
    os.kill(int((pod.folder / "jobs/1/pid").read_text().split()[0]), signal.SIGKILL)
    until(lambda: remote.read_claim(pod.target, ref(pod)).note != "")
    orphaned = remote.read_claim(pod.target, ref(pod))
    os.kill(int((pod.volume / "pid").read_text()), signal.SIGKILL)
    lost = ended(remote, pod)
    assert (orphaned.phase, lost.phase, lost.exit_code) == ("running", "lost", None)
    assert remote.launch(pod.target, order(pod, "touch again")).phase == "lost"
    assert not (pod.volume / "again").exists()


def test_a_container_restart_loses_the_job(pod: LocalShell, remote: PodRemote) -> None:
    pod.start_container()
    remote.launch(pod.target, order(pod, "sleep 60"))
    pod.kill_all()
    pod.start_container()
    claim = remote.read_claim(pod.target, ref(pod))
    assert claim.phase == "lost" and "restarted" in claim.note


def test_a_daemon_left_behind_does_not_keep_the_job_alive(pod: LocalShell, remote: PodRemote) -> None:
    remote.launch(pod.target, order(pod, "setsid sleep 60 & sleep 60 & echo started"))
    assert ended(remote, pod).exit_code == 0
    pod.kill_all()


@pytest.mark.parametrize("body", ["exec sleep 60", "trap '' TERM; sleep 60 & while :; do sleep 1; done"])
def test_stopping_ends_all_of_the_job(body: str, pod: LocalShell, remote: PodRemote) -> None:
    remote.launch(pod.target, order(pod, f"sleep 60 & {body}"))
    until(lambda: len(pod.processes()) >= 3)
    claim = remote.stop_job(pod.target, ref(pod), 1.0)
    assert claim.phase == "ended" and claim.exit_code == (143 if "exec" in body else 137)
    assert remote.stop_job(pod.target, ref(pod), 1.0) == claim


def test_a_job_may_use_its_grace(pod: LocalShell, remote: PodRemote) -> None:
    script = "trap 'sleep 0.3; echo saved; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    remote.launch(pod.target, order(pod, script))
    until(lambda: log(pod) == b"ready\n")
    claim = remote.stop_job(pod.target, ref(pod), 10.0)
    assert (claim.phase, claim.exit_code) == ("ended", 3) and log(pod).endswith(b"saved\n")


def test_an_abandoned_claim_is_taken_over_by_one(pod: LocalShell, remote: PodRemote) -> None:
    folder = pod.folder / "jobs/1"
    folder.mkdir(parents=True)
    script = f"echo start >> {pod.volume}/starts; sleep 0.3"
    fresh = remote.read_claim(pod.target, ref(pod))
    old = time.time() - 60
    os.utime(folder, (old, old))
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: remote.launch(pod.target, order(pod, script)), range(10)))
    assert fresh.phase == "claimed"
    assert ended(remote, pod).exit_code == 0
    assert (pod.volume / "starts").read_text() == "start\n"


def test_stopping_an_abandoned_claim_closes_it(pod: LocalShell, remote: PodRemote) -> None:
    folder = pod.folder / "jobs/1"
    folder.mkdir(parents=True)
    old = time.time() - 60
    os.utime(folder, (old, old))
    assert remote.stop_job(pod.target, ref(pod), 1.0).exit_code == 143
    assert remote.launch(pod.target, order(pod, f"touch {pod.volume}/again")).phase == "ended"
    assert not (pod.volume / "again").exists()


def test_where_nothing_can_be_written_it_is_refused(pod: LocalShell, remote: PodRemote) -> None:
    (pod.volume / ".rpd").write_text("in the way")
    with pytest.raises(Refused) as caught:
        remote.launch(pod.target, order(pod, "true"))
    assert caught.value.reason == "path_refused"


def slow(*tools: str) -> object:
    return pytest.param(tools, marks=pytest.mark.slow)


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs root to become somebody else")
def test_an_ordinary_user_is_enough(
    make_pod: Callable[..., LocalShell], remote_of: Callable[[LocalShell], PodRemote]
) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    if subprocess.run([*nobody, "sh", "-c", "command -v mkdir"], capture_output=True, check=False).returncode != 0:
        pytest.skip("an ordinary user cannot reach the tools on this PATH")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        pod = make_pod(Path(folder), prefix=nobody)
        remote = remote_of(pod)
        assert remote.greet(pod.target, ADDRESS).pod_id == POD_ID
        remote.launch(pod.target, order(pod, "id -u; sleep 60"))
        until(lambda: log(pod) == b"65534\n")
        assert remote.stop_job(pod.target, ref(pod), 2.0).exit_code == 143
        assert remote.watch(pod.target, ref(pod), f"{folder}/copy.log", 5.0).phase == "ended"


@pytest.mark.parametrize(
    "extra", [(), ("flock", "setsid"), ("dd", "stat", "bash"), slow("python3"), slow("perl"), slow("nohup")]
)
def test_a_small_tool_box_is_enough(
    extra: tuple[str, ...],
    tmp_path: Path,
    make_pod: Callable[..., LocalShell],
    remote_of: Callable[[LocalShell], PodRemote],
) -> None:
    with tool_folder(tmp_path / "bin", *MINIMAL, *extra) as path:
        pod = make_pod(sh="dash", path=path)
        remote = remote_of(pod)
        remote.launch(pod.target, order(pod, f"echo one; {until_told(pod)}; exit 4"))
        assert remote.launch(pod.target, order(pod, "echo two")).phase == "running"
        tell(pod)
        after = ended(remote, pod)
        assert (after.phase, after.exit_code, log(pod)) == ("ended", 4, b"one\n")
        remote.launch(pod.target, order(pod, "sleep 60 & sleep 60", launch=2))
        assert remote.stop_job(pod.target, ref(pod, 2), 1.0).exit_code == 143
