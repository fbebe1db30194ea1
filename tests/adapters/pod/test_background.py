"""What a script leaves in the background: found whatever it did to hide, waited for where it is work, else ended."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rpd.adapters.pod import scripts
from rpd.adapters.pod.remote import PodRemote
from rpd.adapters.pod.scripts import launch_script
from rpd.states.ports.world import Claim, LaunchOrder
from tests.adapters.pod.local_shell import LocalShell, tool_folder, until
from tests.adapters.pod.test_launch import MINIMAL, ended, order, ref, tell, until_told


@pytest.fixture(autouse=True)
def is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Just long enough for a busy machine to turn a forked shell into `nohup`."""
    monkeypatch.setattr(scripts, "SETTLE_SECONDS", 1)


HOLD = f"{sys.executable} -S -c"
FULL = (*MINIMAL, "setsid", "ls", "readlink", "bash", "nohup")


def leaving(pod: LocalShell, script: str, *, background: str = "auto", **fields: Any) -> LaunchOrder:
    results = (f"{pod.volume}/out",)
    (pod.volume / "out").mkdir(exist_ok=True)
    return msgspec.structs.replace(order(pod, script), background=background, results=results, **fields)


def waiting(remote: PodRemote, pod: LocalShell) -> Claim:
    """The claim once the script has ended and something of it is waited for."""
    seen: list[Claim] = []

    def is_waited_for() -> bool:
        seen.append(remote.read_claim(pod.target, ref(pod)))
        assert seen[-1].phase != "ended", seen[-1]
        return bool(seen[-1].waits_for)

    until(is_waited_for)
    return seen[-1]


def work(pod: LocalShell) -> str:
    """Work of a shell that ends when it is told to, and leaves a result."""
    return f"bash -c '{until_told(pod)}; echo model >{pod.volume}/out/model'"


CLEAN = "env -i PATH=$PATH RPD_TEST_POD=$RPD_TEST_POD"
HELD = """import os, sys, time
f = open(sys.argv[1], sys.argv[2])
while not os.path.exists(sys.argv[3]): time.sleep(0.05)"""

LEFT_TO_WORK = {
    "nohup": ("nohup {work} >{volume}/train.log 2>&1 &", "was told to outlive"),
    "nohup, its words thrown away": ("nohup {work} >/dev/null 2>&1 &", "was told to outlive"),
    "setsid": ("setsid {work} >{volume}/train.log 2>&1 </dev/null &", "was told to outlive"),
    "disown": ("{work} >{volume}/train.log 2>&1 & disown", "was told to outlive"),
    "a daemon with a clean environment": ("( {clean} setsid {work} & ) & wait", "was told to outlive"),
    "it writes a result": ("{hold} '{held}' {volume}/out/part wb {volume}/told &", "writes below {volume}/out"),
    "it writes a log there, and serves nobody": (
        "{hold} '{held}' {volume}/out/train.log wb {volume}/told &",
        "writes below {volume}/out",
    ),
    "a GPU": ("mkdir {volume}/dev; {hold} '{held}' {volume}/dev/nvidia0 w+b {volume}/told &", "uses a GPU"),
    "a child of a shell": ("bash -c '{work_quoted}' & disown", "was told to outlive"),
}


@pytest.mark.parametrize("kind", LEFT_TO_WORK)
def test_work_is_waited_for(kind: str, pod: LocalShell, remote: PodRemote) -> None:
    script, why = LEFT_TO_WORK[kind]
    words = {
        "work": work(pod),
        "work_quoted": until_told(pod),
        "volume": pod.volume,
        "hold": HOLD,
        "held": HELD,
        "clean": CLEAN,
    }
    remote.launch(pod.target, leaving(pod, script.format(**words)))
    seen = waiting(remote, pod)
    assert (seen.phase, seen.exit_code, seen.body_code) == ("running", None, 0)
    assert why.format(**words) in seen.waits_for, seen
    tell(pod)
    after = ended(remote, pod)
    assert (after.phase, after.exit_code, after.left) == ("ended", 0, ""), after
    assert "model" in work(pod) and (not script.startswith("nohup") or (pod.volume / "out/model").exists())


SERVER = "import socket, time; s = socket.create_server((str(), 0)); time.sleep(600)"
LOGGING = SERVER.replace("s =", "f = open(sys.argv[1], 'w'); s =").replace("import", "import sys,").replace("'", '"')
LEFT_TO_SERVE = {
    "a server": "{hold} '{server}' >/dev/null 2>&1 &",
    "a server that outlives": "nohup {hold} '{server}' >{volume}/server.log 2>&1 &",
    "its log is a result": "setsid {hold} '{server}' >{volume}/out/server.log 2>&1 &",
    "it keeps its log among the results": "nohup {hold} '{logging}' {volume}/out/server.log >/dev/null 2>&1 &",
    "started by a shell": "nohup bash -c \"{hold} '{server}'; true\" >{volume}/server.log 2>&1 &",
    "a helper": "sleep 600 &",
    "it says what the job says": "sleep 600 >>{volume}/logs/run.log &",
}


@pytest.mark.parametrize("kind", LEFT_TO_SERVE)
def test_a_server_or_a_helper_is_ended_and_told(kind: str, pod: LocalShell, remote: PodRemote) -> None:
    script = LEFT_TO_SERVE[kind].format(hold=HOLD, server=SERVER, logging=LOGGING, volume=pod.volume)
    remote.launch(pod.target, leaving(pod, script + "\nsleep 0.4"))
    after = ended(remote, pod)
    assert (after.phase, after.exit_code, after.waits_for, after.body_code) == ("ended", 0, "", None), after
    assert after.left.split()[0] in ("1", "2"), after
    until(lambda: not pod.processes())


HOOK = """    for rpd_dir in /proc/[0-9]*; do
        if [ ! -e {volume}/listed ]; then
            : >{volume}/listed
            until [ -s {volume}/hopped ] && ! rpd_stat "$(cat {volume}/hopped)"; do rpd_nap 0.02; done
        fi
        rpd_one="""
LOOP = HOOK.split("\n", maxsplit=1)[0] + "\n        rpd_one="
"""Where the processes are looked at: the test acts when they are listed and none has been looked at."""
HOPS = {
    "nothing else is left": ("", "auto"),
    "a server is left": ("{hold} '{server}' >/dev/null 2>&1 &", "auto"),
    "nothing is waited for": ("", "never"),
}


@pytest.mark.parametrize("kind", HOPS)
def test_a_launcher_that_goes_while_it_is_looked_at_hides_nothing(
    kind: str, pod: LocalShell, remote: PodRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed, starts the work and ends before anybody reads its state: neither it nor the work is seen then."""
    read, (beside, background) = scripts._file, HOPS[kind]

    def hooked(name: str) -> str:
        text = read(name)
        assert name != "left" or LOOP in text
        return text.replace(LOOP, HOOK.format(volume=pod.volume)) if name == "left" else text

    monkeypatch.setattr(scripts, "_file", hooked)
    listed = f"until [ -e {pod.volume}/listed ]; do sleep 0.01; done"
    # Until it has become nohup it was told nothing.
    become = "while grep -q start.sh /proc/$!/cmdline; do sleep 0.01; done"
    start = f"{listed}\nnohup {work(pod)} >/dev/null 2>&1 &\n{become}\necho $$ >{pod.volume}/hopped\n"
    (pod.volume / "start.sh").write_text(start)
    script = f"nohup bash {pod.volume}/start.sh >/dev/null 2>&1 &\n{beside.format(hold=HOLD, server=SERVER)}"
    remote.launch(pod.target, leaving(pod, script, background=background))
    if background == "auto":
        assert "was told to outlive" in waiting(remote, pod).waits_for
        tell(pod)
        assert ended(remote, pod).exit_code == 0
        assert (pod.volume / "out/model").exists()
    else:
        assert ended(remote, pod).exit_code == 0
        until(lambda: not pod.processes())


DECIDING = [("never", 0, False), ("always", 3, True), ("auto", 3, False)]


@pytest.mark.parametrize(("background", "code", "is_waited_for"), DECIDING)
def test_the_config_and_the_exit_code_decide(
    background: str, code: int, is_waited_for: bool, pod: LocalShell, remote: PodRemote
) -> None:
    script = f"nohup {work(pod)} >/dev/null 2>&1 &\nexit {code}"
    remote.launch(pod.target, leaving(pod, script, background=background))
    if is_waited_for:
        assert waiting(remote, pod).body_code == code
        tell(pod)
    after = ended(remote, pod)
    assert (after.exit_code, after.left != "") == (code, not is_waited_for)
    until(lambda: not pod.processes())


@pytest.mark.parametrize(("kind", "is_vain"), [("nohup", True), ("it writes a result", False)])
def test_a_claim_says_whether_what_is_waited_for_works(
    kind: str, is_vain: bool, pod: LocalShell, remote: PodRemote
) -> None:
    words = {"work": work(pod), "volume": pod.volume, "hold": HOLD, "held": HELD}
    remote.launch(pod.target, leaving(pod, LEFT_TO_WORK[kind][0].format(**words)))
    waiting(remote, pod)
    until((pod.folder / "jobs/1/works").exists)
    assert remote.read_claim(pod.target, ref(pod)).is_vain is is_vain
    tell(pod)
    assert ended(remote, pod).exit_code == 0


def test_work_that_shows_later_is_no_vain_wait(pod: LocalShell, remote: PodRemote) -> None:
    """It was told to outlive its script, and begins to write a result while it is waited for."""
    until_go = f"until [ -e {pod.volume}/go ]; do sleep 0.05; done"
    script = f"nohup bash -c '{until_go}; exec 7>{pod.volume}/out/part; {until_told(pod)}' >/dev/null 2>&1 &"
    remote.launch(pod.target, leaving(pod, script))
    waiting(remote, pod)
    until(lambda: remote.read_claim(pod.target, ref(pod)).is_vain)
    (pod.volume / "go").touch()
    until(lambda: not remote.read_claim(pod.target, ref(pod)).is_vain)
    tell(pod)
    assert ended(remote, pod).exit_code == 0


def test_what_ends_by_itself_at_once_is_nobodys_business(
    pod: LocalShell, remote: PodRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts, "SETTLE_SECONDS", 2)
    remote.launch(pod.target, leaving(pod, "nohup sleep 0.3 >/dev/null 2>&1 &"))
    after = ended(remote, pod)
    assert (after.exit_code, after.waits_for, after.left) == (0, "", "")


def test_a_pod_that_is_kept_up_keeps_its_servers(pod: LocalShell, remote: PodRemote) -> None:
    remote.launch(pod.target, leaving(pod, "sleep 600 &", keeps_left=True))
    assert ended(remote, pod).left.startswith("1 sleep (")
    until(lambda: len(pod.processes()) == 1)
    pod.kill_all()


def test_a_wait_that_is_cut_off_is_no_good_end(pod: LocalShell, remote: PodRemote) -> None:
    remote.launch(pod.target, leaving(pod, f"nohup {work(pod)} >/dev/null 2>&1 &"))
    waiting(remote, pod)
    claim = remote.stop_job(pod.target, ref(pod), 2.0)
    assert (claim.phase, claim.exit_code, claim.body_code) == ("ended", 143, 0)
    until(lambda: not pod.processes())
    assert not (pod.volume / "out/model").exists()
    assert remote.stop_job(pod.target, ref(pod), 1.0) == claim


@pytest.mark.parametrize("tool", ["perl", "python3"])
def test_each_tool_makes_the_wrapper_take_the_orphans_in(
    tool: str, tmp_path: Path, make_pod: Callable[..., LocalShell], remote_of: Callable[[LocalShell], PodRemote]
) -> None:
    with tool_folder(tmp_path / "bin", *FULL, "uname", tool) as path:
        pod = make_pod(sh="dash", path=path)
        remote = remote_of(pod)
        remote.launch(pod.target, leaving(pod, f"env >{pod.volume}/env; ( {CLEAN} setsid {work(pod)} & ) & wait"))
        waiting(remote, pod)
        assert (pod.folder / "jobs/1/reaps").read_text() == "reaps\n"
        assert "LC_CTYPE" not in (pod.volume / "env").read_text()
        tell(pod)
        assert ended(remote, pod).exit_code == 0


@pytest.mark.parametrize("tools", [(), ("setsid",)])
def test_python_leaves_no_signal_ignored(
    tools: tuple[str, ...],
    tmp_path: Path,
    make_pod: Callable[..., LocalShell],
    remote_of: Callable[[LocalShell], PodRemote],
) -> None:
    """Python ignores SIGPIPE and SIGXFSZ; a job with them ignored writes on into a pipe that nobody reads."""
    with tool_folder(tmp_path / "bin", *MINIMAL, "uname", "bash", "python3", *tools) as path:
        pod = make_pod(sh="dash", path=path)
        remote = remote_of(pod)
        remote.launch(
            pod.target, leaving(pod, "grep SigIgn /proc/self/status\nwhile :; do echo x; done | head -n 1 || :\n")
        )
        after = ended(remote, pod)
        assert after.phase == "ended", after
        told = (pod.volume / "logs/run.log").read_text().split()
        assert not int(told[1], 16) & (1 << 12 | 1 << 24) and told[2] == "x", told


def test_stopping_reaches_a_daemon_with_a_clean_environment(pod: LocalShell, remote: PodRemote) -> None:
    remote.launch(pod.target, leaving(pod, f"( {CLEAN} setsid {work(pod)} & ) & {until_told(pod)}"))
    until(lambda: len(pod.processes()) >= 4)
    assert remote.stop_job(pod.target, ref(pod), 2.0).exit_code == 143
    until(lambda: not pod.processes())


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_a_terminal_session_is_waited_for(pod: LocalShell, remote: PodRemote) -> None:
    tmux = f"tmux -S {pod.volume}/socket"
    remote.launch(pod.target, leaving(pod, f'{tmux} new -d "{until_told(pod)}"'))
    assert "keeps a terminal session" in waiting(remote, pod).waits_for
    tell(pod)
    assert ended(remote, pod).exit_code == 0


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_a_session_in_which_nothing_runs_any_more_is_ended(pod: LocalShell, remote: PodRemote) -> None:
    """What was typed into its shell is done; the shell would wait for ever."""
    tmux = f"tmux -f /dev/null -S {pod.volume}/socket"
    (pod.volume / "work").write_text(f"touch {pod.volume}/begun\n{until_told(pod)}\n")
    typed = f"sh {pod.volume}/work"
    until_begun = f"until [ -e {pod.volume}/begun ]; do sleep 0.05; done"
    script = f"{tmux} new -d 'exec bash --norc -i'\n{tmux} send-keys '{typed}' Enter\n{until_begun}"
    remote.launch(pod.target, leaving(pod, script))
    assert "keeps a terminal session" in waiting(remote, pod).waits_for
    tell(pod)
    after = ended(remote, pod)
    assert (after.exit_code, after.left[:2]) == (0, "2 "), after


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_a_session_of_a_server_that_was_there_before_is_waited_for(pod: LocalShell, remote: PodRemote) -> None:
    """It is a child of that server, and has its environment."""
    pod.start_container()
    tmux = f"tmux -S {pod.volume}/socket"
    assert pod.run(f"{tmux} new -d 'sleep 600'", timeout_seconds=10.0).exit_code == 0
    remote.launch(pod.target, leaving(pod, f'{tmux} new -d "{until_told(pod)}"'))
    assert "was told to outlive" in waiting(remote, pod).waits_for
    tell(pod)
    assert ended(remote, pod).exit_code == 0
    pod.run(f"{tmux} kill-server", timeout_seconds=10.0)


SMALL_GREP = """#!/bin/sh
case "$1 $*" in
    -lF*) exit 1 ;;
    -*F*) tr '\\000' '\\n' | head -n 1 | {grep} "$@" ;;
    *) exec {grep} "$@" ;;
esac
"""
"""One that ends at a zero byte, as busybox's does: it sees the first variable of an environment alone."""


@pytest.mark.parametrize("sh", ["dash", "bash", "dash, and a small grep"])
def test_without_a_tool_that_takes_orphans_the_environment_tells(
    sh: str, tmp_path: Path, make_pod: Callable[..., LocalShell], remote_of: Callable[[LocalShell], PodRemote]
) -> None:
    with tool_folder(tmp_path / "bin", *FULL) as path:
        if "grep" in sh:
            (tmp_path / "bin/grep").unlink()
            (tmp_path / "bin/grep").write_text(SMALL_GREP.format(grep=shutil.which("grep")))
            (tmp_path / "bin/grep").chmod(0o755)
        pod = make_pod(sh=sh.partition(",")[0], path=path)
        remote = remote_of(pod)
        remote.launch(pod.target, leaving(pod, f"( setsid {work(pod)} </dev/null >/dev/null 2>&1 & )"))
        assert "was told to outlive" in waiting(remote, pod).waits_for
        tell(pod)
        assert ended(remote, pod).exit_code == 0


def test_an_sshd_that_the_job_has_started_is_our_way_in(pod: LocalShell, remote: PodRemote, tmp_path: Path) -> None:
    """Nothing below it is the job's: our own scripts are."""
    sshd = tmp_path / "sshd"
    sshd.symlink_to(shutil.which("bash") or "bash")
    held = f"until [ -e {pod.volume}/told ]; do sleep 0.05; done"
    remote.launch(
        pod.target, leaving(pod, f"nohup {sshd} -c '{held} & wait' >/dev/null 2>&1 &\nsleep 0.3", background="never")
    )
    after = ended(remote, pod)
    assert (after.exit_code, after.left) == (0, "")
    assert len(pod.processes()) >= 2
    tell(pod)


INIT = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
env = {**os.environ, "RPD_INIT_PID": str(os.getpid())}
subprocess.run([sys.argv[1]], stdin=open(sys.argv[2]), env=env)
print("launched", flush=True)
sys.stdin.read()
"""
"""The first process of a container: it gets the orphans."""


def test_what_may_be_of_the_job_is_told_where_nobody_can_know(
    tmp_path: Path, make_pod: Callable[..., LocalShell], remote_of: Callable[[LocalShell], PodRemote]
) -> None:
    with tool_folder(tmp_path / "bin", *FULL) as path:
        pod = make_pod(sh="dash", path=path)
        daemon = f"( env -i RPD_TEST_POD={pod.tag} PATH={path} setsid sleep 300 </dev/null >/dev/null 2>&1 & )"
        (tmp_path / "launch").write_text(launch_script(pod.target, leaving(pod, daemon, background="never")))
        words = (sys.executable, "-c", INIT, shutil.which("dash") or "sh", str(tmp_path / "launch"))
        with subprocess.Popen(words, env=pod.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as init:
            assert init.stdout is not None and init.stdin is not None
            assert b"phase=" in init.stdout.readline()
            pod.env["RPD_INIT_PID"] = str(init.pid)
            after = ended(remote_of(pod), pod)
            init.stdin.close()
        assert after.exit_code == 0 and "sleep (" in after.unknown, after
        pod.kill_all()
