"""A step runs to an end within its time, once, and says how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rpd.adapters.pod.remote import PodRemote
from rpd.engine.errors import Ambiguous, Interrupted, Refused, RpdError
from rpd.journal.redact import Secret
from rpd.states.ports.world import Step
from tests.adapters.pod.local_shell import KEY, LocalShell, Requests, tool_folder, until


def step(command: str, seconds: float = 20.0, key: str = "setup-0", **env: str) -> Step:
    return Step(key, "setup 1", command, seconds, env)


def test_result_and_last_lines(pod: LocalShell, remote: PodRemote) -> None:
    noisy = (
        "printf 'a\\033[31mred\\033[0m\\n'; echo err >&2; printf '10%%\\r100%%\\n'; printf 'x\\tq\\007\\n'; pwd; exit 9"
    )
    result = remote.run_step(pod.target, step(noisy))
    assert result.exit_code == 9
    assert result.tail == ("ared", "err", "100%", "x\tq", str(pod.volume))


def test_only_the_end_of_a_long_output_is_kept(pod: LocalShell, remote: PodRemote) -> None:
    result = remote.run_step(pod.target, step("seq 1 2000000; head -c 100000 /dev/zero | tr '\\0' y; echo; seq 1 50"))
    assert result.tail == tuple(str(number) for number in range(11, 51))
    assert (pod.folder / "steps/setup-0/out").stat().st_size == 65536


def test_a_done_step_is_not_repeated(pod: LocalShell, remote: PodRemote) -> None:
    first = remote.run_step(pod.target, step(f"echo run >> {pod.volume}/runs; exit 5"))
    assert remote.run_step(pod.target, step(f"echo run >> {pod.volume}/runs; exit 5")) == first
    assert remote.run_step(pod.target, step("exit 6", key="setup-1")).exit_code == 6
    assert (pod.volume / "runs").read_text() == "run\n"


def test_environment(pod: LocalShell, remote: PodRemote) -> None:
    pod.start_container({"FROM_CONTAINER": "c"})
    result = remote.run_step(pod.target, step('echo "$FROM_CONTAINER $MINE [$RUNPOD_API_KEY]"', MINE="a'b $c"))
    assert result.tail == ("c a'b $c []",)
    assert KEY not in (pod.folder / "steps/setup-0/supervisor").read_text()


def test_it_is_killed_when_its_time_is_up(pod: LocalShell, remote: PodRemote) -> None:
    began = time.monotonic()
    result = remote.run_step(pod.target, step("echo begun; sleep 60 & sleep 60", 1.0))
    assert result.exit_code == 124 and result.tail == ("begun",) and time.monotonic() - began < 6.0
    until(lambda: not pod.processes())


@pytest.mark.slow
def test_one_that_ignores_term_is_killed(pod: LocalShell, remote: PodRemote) -> None:
    result = remote.run_step(pod.target, step("trap '' TERM; while :; do sleep 0.2; done", 1.0))
    assert result.exit_code == 124


def test_an_interruption_ends_it_and_does_not_count_as_done(
    pod: LocalShell, remote: PodRemote, requests: Requests
) -> None:
    command = f"echo run >> {pod.volume}/runs; [ -e {pod.volume}/quick ] || sleep 60"
    timer = threading.Timer(0.5, requests.ask)
    timer.start()
    with pytest.raises(Interrupted):
        remote.run_step(pod.target, step(command))
    timer.join()
    requests.take()
    # At once: nothing of the first run may be left to be waited for.
    (pod.volume / "quick").touch()
    assert remote.run_step(pod.target, step(command)).exit_code == 0
    assert (pod.volume / "runs").read_text() == "run\nrun\n"


def test_the_same_call_joins_a_step_under_way(pod: LocalShell, remote: PodRemote) -> None:
    command = f"echo run >> {pod.volume}/runs; sleep 0.7; exit 8"
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(remote.run_step(pod.target, step(command)).exit_code))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [8] * 5
    assert (pod.volume / "runs").read_text() == "run\n"


def test_a_step_whose_processes_were_killed_is_not_taken_for_done(pod: LocalShell, remote: PodRemote) -> None:
    timer = threading.Timer(0.6, pod.kill_all)
    timer.start()
    with pytest.raises(Ambiguous):
        remote.run_step(pod.target, step("sleep 60"))
    timer.join()
    assert remote.run_step(pod.target, step("exit 2")).exit_code == 2


def test_a_daemon_does_not_hold_a_step_up(pod: LocalShell, remote: PodRemote) -> None:
    began = time.monotonic()
    assert remote.run_step(pod.target, step("sleep 60 & echo up")).tail == ("up",)
    assert time.monotonic() - began < 3.0
    pod.kill_all()


def test_a_key_that_leaves_its_folder_is_refused(pod: LocalShell, remote: PodRemote) -> None:
    with pytest.raises(Refused):
        remote.run_step(pod.target, step("true", key="../x"))


@pytest.mark.parametrize("extra", [(), pytest.param(("python3",), marks=pytest.mark.slow)])
def test_a_small_tool_box_is_enough(
    extra: tuple[str, ...],
    tmp_path: Path,
    make_pod: Callable[..., LocalShell],
    remote_of: Callable[[LocalShell], PodRemote],
) -> None:
    minimal = ("sh", "mkdir", "mv", "cat", "date", "sleep", "tr", "chmod", "env", "grep", "rm", "tail", "wc")
    with tool_folder(tmp_path / "bin", *minimal, *extra) as path:
        pod = make_pod(path=path)
        remote = remote_of(pod)
        assert remote.run_step(pod.target, step("echo x; exit 4")).exit_code == 4
        assert remote.run_step(pod.target, step("sleep 60", 1.0, key="late")).exit_code == 124


SPOKEN = "hf_AbCdEfGhIjKlMnOpQrStUvWx"


def pieces(text: str) -> list[str]:
    return [SPOKEN[at : at + 6] for at in range(len(SPOKEN) - 5) if SPOKEN[at : at + 6] in text]


@pytest.mark.parametrize(
    "command",
    [
        "printf '%1978s%s\\n' '' $S",
        "printf '%1995s%s\\n' '' $S",
        "printf '%1978s%.9s\\033[1m%s\\n' '' $S ${S#?????????}",
        "printf '%.9s\\n%s\\n' $S ${S#?????????}",
        "printf '%s%65520s\\n' $S ''",
        "printf '%s\\n' $S; seq 1 39; printf '%.9s\\n%s\\n' $S ${S#?????????}",
    ],
    ids=["cut in it", "cut early in it", "in colour", "over two lines", "cut by the tail in bytes", "by that in lines"],
)
def test_a_secret_that_is_cut_is_masked_before(pod: LocalShell, remote: PodRemote, command: str) -> None:
    pod.redactor.add(Secret(SPOKEN))
    result = remote.run_step(pod.target, step(command, S=SPOKEN))
    assert pieces("".join(result.tail)) == []


def test_a_secret_in_what_a_script_says_is_masked_before_it_is_cut(pod: LocalShell, remote: PodRemote) -> None:
    pod.redactor.add(Secret(SPOKEN))
    for script in (f"printf '%290s{SPOKEN}' '' >&2; exit 3", f"printf 'fault=x\\nmessage=%1980s{SPOKEN}\\n' ''"):
        with pytest.raises(RpdError) as error:
            remote._answer(pod, script, 20.0)
        assert pieces(error.value.message) == []
