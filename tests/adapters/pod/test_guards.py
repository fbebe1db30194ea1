"""What keeps money, results and secrets in a pod, each guard by itself."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from rpd.adapters.pod import remote as remotes
from rpd.adapters.pod.answers import armed_of, fields_of
from rpd.adapters.pod.attention import Attention
from rpd.adapters.pod.follower import follow
from rpd.adapters.pod.heartbeat import Heartbeat
from rpd.adapters.pod.local_log import RESTARTED, LocalLog
from rpd.adapters.pod.markers import MarkerScan
from rpd.adapters.pod.remote import PodRemote
from rpd.engine.errors import Ambiguous, NotSent, Refused, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import SecretFile
from rpd.states.ports.world import JobRef, LaunchOrder, Step, SwitchOrder
from tests.adapters.pod.cloud import Cloud
from tests.adapters.pod.conftest import Requests
from tests.adapters.pod.local_shell import ADDRESS, POD_ID, LocalShell, until
from tests.adapters.pod.test_switch import NEVER, armed_pod, cloud, launch, stays  # noqa: F401
from tests.fakes.link import Link, Said

SECRET = b"top secret\n" * 40


def order(generation: int = 1, launch: int = 1, silence: float = 600.0) -> SwitchOrder:
    return SwitchOrder(generation, NEVER, "stop", silence, launch)


def in_front(pod: LocalShell, folder: Path, **tools: str) -> None:
    """Programs of these names that do this instead."""
    for name, text in tools.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    pod.env["PATH"] = f"{folder}:{pod.env['PATH']}"


# The switch.


@pytest.mark.parametrize("generation", [1, 3, 0])
def test_orders_of_another_generation_are_none(generation: int) -> None:
    text = f"generation={generation}\nlimit_at=4000000000\nprobe=ok\nkind=ssh\npid=7\n"
    with pytest.raises(ValueError):
        armed_of(fields_of(text), order(generation=2))
    remote = PodRemote(Link(Said([text.encode()])), attention=Attention(Requests()))  # type: ignore[arg-type]
    with pytest.raises(Ambiguous):
        remote.arm(LocalShell(Path("/tmp")).target, order(generation=2))


def test_the_switch_watches_the_launch_in_hand(armed_pod: LocalShell, remote: PodRemote, cloud: Cloud) -> None:  # noqa: F811
    done = armed_pod.folder / "jobs/1"
    done.mkdir(parents=True)
    (done / "rc").write_text("0\n")
    remote.arm(armed_pod.target, order(launch=2, silence=0.0))
    orders = (armed_pod.volume / f".rpd/pod-{POD_ID}/orders").read_text().splitlines()
    assert orders == ["1 4000000000 stop 0", str(armed_pod.folder / "jobs/2"), str(armed_pod.folder / "switch/owner")]
    assert stays(armed_pod, cloud, 0.7)
    (armed_pod.folder / "jobs/2").mkdir()
    (armed_pod.folder / "jobs/2/rc").write_text("0\n")
    until(lambda: cloud.calls)


def test_a_switch_that_is_gone_is_started_anew(armed_pod: LocalShell, remote: PodRemote) -> None:  # noqa: F811
    first = remote.arm(armed_pod.target, order())
    armed_pod.kill_all()
    again = remote.arm(armed_pod.target, order(generation=2))
    assert again.probe == "ok" and first.pid != again.pid
    os.kill(again.pid or 0, 0)


def test_a_switch_that_cannot_be_started_is_no_switch(armed_pod: LocalShell, remote: PodRemote, tmp_path: Path) -> None:  # noqa: F811
    in_front(armed_pod, tmp_path, setsid="exit 1", sleep="exit 0")
    assert remote.arm(armed_pod.target, order()).probe == "the switch could not be started"


def test_a_job_that_was_only_claimed_is_not_over(armed_pod: LocalShell, remote: PodRemote, cloud: Cloud) -> None:  # noqa: F811
    (armed_pod.folder / "jobs/1").mkdir(parents=True)
    remote.arm(armed_pod.target, order(silence=0.0))
    assert stays(armed_pod, cloud, 0.7)


# The claim.


def test_a_script_that_is_not_whole_does_not_start(pod: LocalShell, remote: PodRemote, tmp_path: Path) -> None:
    in_front(pod, tmp_path, wc="cat >/dev/null; echo 7")
    with pytest.raises(Refused, match="whole"):
        launch(remote, pod, "touch started")
    assert not (pod.folder / "jobs/1").exists() and not (pod.volume / "started").exists()


def test_a_job_that_wiped_its_claim_is_not_started_again(pod: LocalShell, remote: PodRemote) -> None:
    launch(remote, pod, f"echo x >>{pod.volume}/starts; rm -rf {pod.folder}; sleep 60")
    until((pod.volume / "starts").exists)
    until(lambda: not (pod.folder / "jobs").exists())
    claim = remote.launch(
        pod.target, LaunchOrder(1, "echo y >>starts", str(pod.volume / "run.sh"), str(pod.volume / "log"), {}, 1, "z")
    )
    assert claim.phase == "running" and (pod.volume / "starts").read_text() == "x\n"
    pod.kill_all()


def test_a_wrapper_that_comes_second_runs_nothing(pod: LocalShell, remote: PodRemote) -> None:
    launch(remote, pod, f"echo x >>{pod.volume}/starts")
    until(lambda: remote.read_claim(pod.target, JobRef(1, str(pod.volume / "log"))).phase == "ended")
    wrapper, lock = pod.folder / "jobs/1/wrapper", (pod.folder / "jobs/1/lock").read_text().strip()
    again = subprocess.run([*pod.words, str(wrapper), pod.env["PATH"], str(wrapper), lock], env=pod.env, check=False)
    assert again.returncode == 97 and (pod.volume / "starts").read_text() == "x\n"


def test_an_exit_code_that_the_volume_does_not_take_is_kept(pod: LocalShell, remote: PodRemote) -> None:
    launch(remote, pod, f"rm -rf {pod.folder}/jobs/1; touch {pod.folder}/jobs/1; exit 7")
    job = JobRef(1, str(pod.volume / "log"))
    until(lambda: remote.read_claim(pod.target, job).phase == "ended")
    assert remote.read_claim(pod.target, job).exit_code == 7


def test_a_young_claim_is_not_taken_over(pod: LocalShell, remote: PodRemote, tmp_path: Path) -> None:
    """Whoever made it may be about to start its script."""
    (pod.folder / "jobs/1").mkdir(parents=True)
    in_front(pod, tmp_path, sleep="exit 0")  # nobody waits for its start
    launch(remote, pod, f"touch {pod.volume}/started")
    claim = remote.read_claim(pod.target, JobRef(1, str(pod.volume / "log")))
    assert claim.phase == "claimed" and not (pod.volume / "started").exists()
    assert not (pod.folder / "jobs/1/take-1").exists()


def test_an_old_claim_with_somebody_alive_behind_it_is_not_taken_over(
    pod: LocalShell, remote: PodRemote, tmp_path: Path
) -> None:
    claim, lock = pod.folder / "jobs/1", tmp_path / "lock"
    claim.mkdir(parents=True)
    (claim / "lock").write_text(f"{lock}\n")
    os.utime(claim, (1.0, 1.0))
    in_front(pod, tmp_path, sleep="exit 0")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        launch(remote, pod, f"touch {pod.volume}/started")
    assert not (claim / "take-1").exists() and not (pod.volume / "started").exists()


def test_a_marker_is_a_fixed_word(pod: LocalShell, remote: PodRemote) -> None:
    launch(remote, pod, "echo ALLxDONE; echo -e x")
    log = str(pod.volume / "log")
    until(lambda: remote.read_claim(pod.target, JobRef(1, log)).phase == "ended")
    for marker, failure in (("ALL.DONE", "-e y"), ("A*DONE", "LLx.")):
        claim = remote.read_claim(pod.target, JobRef(1, log, marker, (failure,)))
        assert (claim.has_marker, claim.failure_marker) == (False, None)
    claim = remote.read_claim(pod.target, JobRef(1, log, "ALLxDONE", ("nothing", "LLx")))
    assert (claim.has_marker, claim.failure_marker) == (True, "LLx")


def test_a_step_of_another_round_is_run_again(pod: LocalShell, remote: PodRemote) -> None:
    step = Step("setup-1", "x", f"echo x >>{pod.volume}/runs", 20.0)
    for number, runs in ((0, 1), (0, 1), (3, 2), (3, 2), (4, 3)):
        remote.run_step(pod.target, msgspec.structs.replace(step, round=number))
        assert (pod.volume / "runs").read_text() == "x\n" * runs


@pytest.mark.parametrize("name", ["a b", "x;touch y", "1a", "", "a=b", "a\nb"])
def test_a_variable_that_is_no_name_is_refused(pod: LocalShell, remote: PodRemote, name: str) -> None:
    with pytest.raises(Refused):
        remote.run_step(pod.target, Step("setup-1", "x", "true", 20.0, {name: "1"}))


# Secrets.


@pytest.fixture
def keeper(pod: LocalShell, requests: Requests) -> PodRemote:
    return PodRemote(pod, attention=Attention(requests), secret=lambda file: SECRET)  # type: ignore[arg-type]


def secret_file(pod: LocalShell, name: str = "keys/key", mode: str = "0600") -> SecretFile:
    return SecretFile(name="key", destination=str(pod.volume / name), mode=mode)


def kept_in_memory(pod: LocalShell) -> list[Path]:
    return sorted(Path("/dev/shm").glob(f"rpd-{pod.run_id}-secret-*"))


def test_a_secret_is_whole_for_one_user_and_ends_with_its_run(pod: LocalShell, keeper: PodRemote) -> None:
    files = (secret_file(pod),)
    in_memory = keeper.place_secrets(pod.target, files)
    place = Path(files[0].destination)
    assert place.read_bytes() == SECRET and stat.S_IMODE(place.stat().st_mode) == 0o600
    assert in_memory is bool(kept_in_memory(pod)) is place.is_symlink()
    keeper.remove_secrets(pod.target, files)
    assert not os.path.lexists(place) and not kept_in_memory(pod)
    assert SECRET[:10] not in b"".join(each.read_bytes() for each in pod.folder.rglob("*") if each.is_file())


def test_a_half_secret_is_none(pod: LocalShell, keeper: PodRemote, tmp_path: Path) -> None:
    in_front(pod, tmp_path, base64="cat >/dev/null; echo half")
    files = (secret_file(pod),)
    with pytest.raises(Refused, match="whole"):
        keeper.place_secrets(pod.target, files)
    assert not Path(files[0].destination).exists()
    keeper.remove_secrets(pod.target, files)


def test_a_secret_that_stays_is_told(pod: LocalShell, keeper: PodRemote) -> None:
    files = (secret_file(pod),)
    (Path(files[0].destination) / "mine").mkdir(parents=True)
    with pytest.raises(Refused, match="still there"):
        keeper.remove_secrets(pod.target, files)
    with pytest.raises(Refused, match="folder"):
        keeper.place_secrets(pod.target, files)


def test_half_written_secrets_are_removed_too(pod: LocalShell, keeper: PodRemote) -> None:
    files = (secret_file(pod),)
    place = Path(files[0].destination)
    keeper.place_secrets(pod.target, files)
    left = [place.with_name("key.rpd-tmp"), *(each.with_name(f"{each.name}.rpd-tmp") for each in kept_in_memory(pod))]
    for each in left:
        each.write_bytes(SECRET)
    keeper.remove_secrets(pod.target, files)
    assert not any(each.exists() for each in left)


def test_whoever_was_taken_over_places_no_secret(pod: LocalShell, keeper: PodRemote) -> None:
    files = (secret_file(pod),)
    keeper.greet(msgspec.structs.replace(pod.target, epoch=2), ADDRESS)
    with pytest.raises(Refused) as caught:
        keeper.place_secrets(pod.target, files)
    assert caught.value.reason == Fault.TAKEN_OVER and not os.path.lexists(files[0].destination)
    with pytest.raises(Refused):
        keeper.remove_secrets(pod.target, files)


def test_the_key_of_a_session_is_not_a_jobs(pod: LocalShell, remote: PodRemote) -> None:
    step = Step("setup-1", "x", 'echo "$RUNPOD_POD_ID/${RUNPOD_API_KEY-none}"', 20.0)
    assert remote.run_step(pod.target, step).tail == (f"{POD_ID}/none",)


def test_the_pods_key_is_not_a_jobs(pod: LocalShell, remote: PodRemote) -> None:
    pod.start_container({"OTHER": "seen"})
    done = remote.run_step(pod.target, Step("setup-1", "x", 'echo "$OTHER/${RUNPOD_API_KEY-none}"', 20.0))
    assert done.tail == ("seen/none",)


# What a failure means.


class Broken(Link):
    """Every call fails like this."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def run(self, script: str, **_: object):  # type: ignore[no-untyped-def, override]
        raise self._error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unavailable("x", reason=Fault.SSH_UNREACHABLE), NotSent),
        (Unavailable("x", reason=Fault.LINK_LOST, detail={"sent": False}), NotSent),
        (Unavailable("x", reason=Fault.LINK_LOST, detail={"sent": True}), Ambiguous),
        (Unavailable("x", reason=Fault.TIMEOUT), Ambiguous),
        (Unavailable("x", reason=Fault.LINK_LOST), Ambiguous),
    ],
)
def test_a_launch_that_may_have_been_sent_is_not_told_as_unsent(
    error: Unavailable, kind: type[Exception], pod: LocalShell
) -> None:
    remote = PodRemote(Broken(error), attention=Attention(Requests()))  # type: ignore[arg-type]
    with pytest.raises(kind):
        remote.launch(pod.target, LaunchOrder(1, "x", "/s", "/l", {}, 1, "z"))


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (b"fault=taken_over\nmessage=a newer owner\n", 3, Fault.TAKEN_OVER),
        (b"fault=wrong_pod\nmessage=x\n", 3, Fault.WRONG_POD),
        (b"fault=no_tool\nmessage=x\n", 3, Fault.NO_TOOL),
        (b"fault=path_refused\nmessage=write: No space left on device\n", 3, Fault.DISK_FULL),
        (b"fault=path_refused\nmessage=Disk quota exceeded\n", 3, Fault.DISK_FULL),
        (b"fault=path_refused\nmessage=mkdir: /v: Read-only file system\n", 3, Fault.READ_ONLY),
        (b"fault=job_succeeded\nmessage=x\n", 3, Fault.PATH_REFUSED),
        (b"", 127, Fault.NO_TOOL),
        (b"phase=ended\nlaunch=1\nexit_code=0\n", 1, Fault.UNREADABLE),
    ],
)
def test_what_a_script_refuses(text: bytes, code: int, reason: Fault, pod: LocalShell) -> None:
    remote = PodRemote(Link(Said([text], (), code)), attention=Attention(Requests()))  # type: ignore[arg-type]
    with pytest.raises((Refused, Unavailable)) as caught:
        remote.read_claim(pod.target, JobRef(1, "/l"))
    assert caught.value.reason == reason


def test_a_step_of_which_nothing_is_left_is_not_done(pod: LocalShell) -> None:
    remote = PodRemote(Link(Said([b"gone=1\n"])), attention=Attention(Requests()))  # type: ignore[arg-type]
    with pytest.raises(Ambiguous):
        remote.run_step(pod.target, Step("setup-1", "x", "true", 20.0))


@pytest.mark.parametrize("text", [b"", b"x=1\n", b"busy=1\nearlier=1\n"])
def test_a_step_that_is_never_done_has_its_time(text: bytes, pod: LocalShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remotes, "ANSWER_SECONDS", 0.1)
    remote = PodRemote(Link(*[Said([text])] * 100_000), attention=Attention(Requests()))  # type: ignore[arg-type]
    began = time.monotonic()
    with pytest.raises(Ambiguous) as caught:
        remote.run_step(pod.target, Step("setup-1", "x", "true", 0.1))
    assert caught.value.reason in (Fault.UNREADABLE, Fault.STEP_TIMEOUT) and time.monotonic() - began < 10.0


def test_a_greeting_of_another_pod_is_refused(pod: LocalShell, remote: PodRemote) -> None:
    pod.env["RUNPOD_POD_ID"] = "another"
    with pytest.raises(Refused) as caught:
        remote.greet(pod.target, ADDRESS)
    assert caught.value.reason == Fault.WRONG_POD and not pod.folder.exists(), "it is left untouched"


# The near end.


def test_an_ended_job_is_followed_to_its_last_byte(tmp_path: Path) -> None:
    end = b"phase=ended\nlaunch=1\nexit_code=0\nlog_bytes=9\n"
    link = Link(Said([b"123", b"456", b"789"], [end + b"\n#start\n", end + b"\n#end\n"]))
    with LocalLog(str(tmp_path / "run.log")) as log:
        claim = follow(link, str, log, seconds=20.0, to_size_only=False)  # type: ignore[arg-type]
    assert claim.phase == "ended" and (tmp_path / "run.log").read_bytes() == b"123456789"


def test_the_heartbeat_is_renewed_and_ends_with_its_call() -> None:
    link = Link(Said())
    sent: list[float] = []
    channel = link.channel("x")
    channel.send = lambda data: not sent.append(time.monotonic())  # type: ignore[method-assign, func-returns-value, assignment]
    with Heartbeat(channel) as heartbeat:  # type: ignore[arg-type]
        until(lambda: sent)
    assert not heartbeat._thread.is_alive()


@pytest.mark.parametrize("step", [1, 2, 3, 50])
def test_a_marker_in_pieces_is_heard(step: int) -> None:
    text, scan = b"xx ALL DONE\n ERR", MarkerScan(["ALL DONE", "ERR", "x" * 30])
    for at in range(0, len(text), step):
        scan.feed(text[at : at + step])
    assert scan.heard == ("ALL DONE", "ERR")


def test_the_size_of_the_copy_is_its_cursor_across_restarts_of_the_log(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    with LocalLog(str(path)) as log:
        log.append(b"12345")
        log.restart()
        log.append(b"67")
        assert (log.offset, log.size) == (2, 7 + len(RESTARTED))
    with LocalLog(str(path)) as log:
        assert (log.offset, log.base) == (2, 5 + len(RESTARTED))


def test_requests_are_unheard_for_a_moment_and_not_lost() -> None:
    requests = Requests()
    attention = Attention(requests)
    requests.ask()
    with attention.unheard():
        assert not attention.pending()
    assert attention.pending() and attention.take() is not None


def test_a_newer_epoch_counts_as_a_number(pod: LocalShell, remote: PodRemote) -> None:
    remote.greet(msgspec.structs.replace(pod.target, epoch=10), ADDRESS)
    with pytest.raises(Refused):
        remote.greet(msgspec.structs.replace(pod.target, epoch=9), ADDRESS)
    assert remote.greet(msgspec.structs.replace(pod.target, epoch=11), ADDRESS).epoch == 11
