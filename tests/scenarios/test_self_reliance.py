"""What a run needs of its surroundings, what it leaves alone there, and what it tells meanwhile."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path

import pytest

from rpd.journal.records import Outcome
from tests.scenarios.harness import GATED, CommandLine, artifact, config, eventually
from tests.scenarios.test_network import cut_link

TRAP = '#!/bin/sh\necho "$0 $*" >> "{log}"\nexit 97\n'
STAGES = [
    "renting",
    "pod",
    "container",
    "connected",
    "protected",
    "setup",
    "sending",
    "sent",
    "job",
    "collected",
    "delete",
]
"""The first word of what a person is told of each."""

MAKE_RESULT = "mkdir -p /workspace/out; cp /workspace/src/data.txt /workspace/out/result.txt\n"


@pytest.mark.weak_point(30)
@pytest.mark.row(71, 135)
def test_no_tool_is_called_here_and_none_that_a_pod_may_lack_there(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither runpodctl, ssh nor rsync on this machine, and neither rsync nor uv in the pod: whoever calls one is
    caught."""
    programs, called = cli.folder.parent / "programs", cli.folder.parent / "called"
    programs.mkdir()
    for name in ("runpodctl", "ssh", "scp", "sftp", "rsync", "uv", "curl", "tar", "bash", "sh"):
        (programs / name).write_text(TRAP.format(log=called))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    (cli.folder / "src").mkdir()
    (cli.folder / "src" / "data.txt").write_text("42\n")
    there = TRAP.format(log="/workspace/called")
    traps = "; ".join(
        f"printf '%s' '{there}' > /usr/local/bin/{name}; chmod 755 /usr/local/bin/{name}" for name in ("rsync", "uv")
    )
    done = cli.run(
        config(
            MAKE_RESULT + "test ! -e /workspace/called",
            setup=[{"command": f"mkdir -p /usr/local/bin; {traps}"}],
            staging=[{"source": "src", "destination": "/workspace/src"}],
            artifacts=artifact(),
        )
    )
    assert done.returncode == 0, done.stderr
    assert cli.result() == "42\n"
    assert not called.exists(), called.read_text()
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.row(73)
def test_host_keys_are_pinned_for_each_pod_in_its_journal_and_nowhere_else(cli: CommandLine) -> None:
    """Pods come and go on the same few addresses: what a user's ssh knows and is told to do must not matter, and must
    not change."""
    ssh = cli.user / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "known_hosts").write_text("127.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJZ9v1Yp0D0nS0m3b0dysK3y\n")
    (ssh / "config").write_text("Host *\n  ProxyCommand false\n  StrictHostKeyChecking yes\n")
    before = {path: path.read_bytes() for path in cli.user.rglob("*") if path.is_file()}
    job = config(lifecycle={"on_success": "recycle"})
    pinned = []
    for more in ((), (), ("--fresh",)):
        done = cli.run(job, *more)
        assert done.returncode == 0, done.stderr
        pinned.append({key for record in cli.records() if (key := _greeted(record.body))})
    assert [len(keys) for keys in pinned] == [1, 1, 1], "one pod each, and one key"
    assert len(set.union(*pinned)) == 3, "a pod that was started again has another, and a fresh pod has its own"
    assert {path: path.read_bytes() for path in cli.user.rglob("*") if path.is_file()} == before


def _greeted(body: object) -> str | None:
    data = getattr(body, "data", None)
    greeting = data.get("greeting") if isinstance(data, dict) else None
    return greeting["host_key"] if isinstance(greeting, dict) else None


@pytest.mark.weak_point(16)
@pytest.mark.row(77)
@pytest.mark.slow
def test_a_job_whose_processes_are_gone_is_not_waited_for(cli: CommandLine) -> None:
    """No exit code was left, and the pod is well: only the lock, which ends with its process, says that it is over."""
    body = "mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt; kill -9 $PPID $$"
    live = cli.begin(config(body, artifacts=artifact()))
    assert live.end() == 10, live.text
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"], seen["exit_code"]) == ("lost", "job_lost", None)
    assert cli.result() == "42\n", "what it had done is here"
    cli.judge("EXITED", starts=1)


@pytest.mark.row(59)
@pytest.mark.parametrize("terminal", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["pipe", "terminal"])
def test_every_stage_is_told_when_it_comes(cli: CommandLine, terminal: bool) -> None:
    (cli.folder / "src").mkdir()
    cli.job(
        config(
            "mkdir -p /workspace/out; echo at work | tee /workspace/out/log",
            setup=[{"command": "true"}],
            staging=[{"source": "src", "destination": "/workspace/src"}],
            artifacts=artifact(),
        )
    )
    words = ("run", "job.yaml", "--sandbox")
    live = cli.start_on_terminal(*words) if terminal else cli.start(*words)
    assert live.end() == 0, live.text
    placed = re.sub(r"\x1b\[\d*[AK]|\r", "\n", live.text)  # a live display draws over its own lines
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", placed)
    lines = re.findall(r"^\[? *(\d+\.\d) s\]? +(\w+)", shown, re.MULTILINE)
    told = {word: float(seconds) for seconds, word in lines}
    assert list(told) == [*STAGES, "released"], shown
    assert list(told.values()) == sorted(told.values())
    if terminal:
        assert re.search(r"[⠀-⣿] boot +\d+\.\d s ", shown), "and what it waits for at the moment"
        assert "so far (est.), $0.39/h, cap $1.00" in shown


@pytest.mark.slow
@pytest.mark.row(66)
@pytest.mark.skipif(sys.platform != "linux", reason="cuts connections with pidfd_getfd")
def test_a_pull_that_was_cut_goes_on_with_what_is_missing(cli: CommandLine) -> None:
    part = "head -c 6000000 /dev/urandom > /workspace/out/$part"
    make = f"mkdir -p /workspace/out; for part in 1 2 3 4 5 6 7 8; do {part}; done\n"
    live = cli.begin(config(f"{make}{GATED}", artifacts=artifact()))
    live.until_text("begun")
    made = cli.sandbox_home / "pods" / cli.live_pod()["id"] / "volume" / "out"
    sums = {path.name: _sum(path) for path in made.iterdir()}
    cli.go()

    def arrived() -> list[Path]:
        return sorted(cli.folder.glob("artifacts/runpod/*/out.partial-*/*"), key=lambda path: path.stat().st_ctime)

    eventually(lambda: len(arrived()) >= 3, tell=lambda: live.text)
    cut_link(cli, live)
    whole = {path.name: path.stat().st_ino for path in arrived() if _sum(path) == sums[path.name]}
    assert live.end() == 0, live.text
    assert "the SSH link was lost" in live.text
    results = {path.name: path for path in (cli.run_folder() / "out").iterdir()}
    assert {name: _sum(path) for name, path in results.items()} == sums
    assert whole and whole.items() <= {name: path.stat().st_ino for name, path in results.items()}.items()
    outcomes = [each.body for each in cli.records() if isinstance(each.body, Outcome)]
    pulls = [each for each in outcomes if each.op == "pull_artifact"]
    assert [pull.status for pull in pulls][-1] == "ok" and len(pulls) > 1
    cli.judge("TERMINATED", starts=1)


def _sum(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


@pytest.mark.weak_point(29)
@pytest.mark.slow
@pytest.mark.row(130)
def test_each_run_has_a_log_of_its_own_without_secrets(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is the program's log: a file for each run, so none grows without end; and `logs` is the job's."""
    token = "t0k3n-0123456789"
    monkeypatch.setenv("API_TOKEN", token)
    done = cli.run(config("echo one; echo two; echo three"))
    assert done.returncode == 0, done.stderr
    assert cli.rpd("logs", "--tail", "2").stdout == "two\nthree\n"
    first = cli.run_id
    exports = {"exports": {"API_TOKEN": "{API_TOKEN}"}}
    setup = [{"command": 'echo "the token is $API_TOKEN"; exit 4', "with_env": True}]
    cli.job(config("true", remote_env=exports, setup=setup))
    failed = cli.rpd("run", "job.yaml", "--sandbox", "--var", "API_TOKEN")
    assert failed.returncode == 5, failed.stderr
    assert len(cli.journals()) == 2 and cli.run_id != first
    events = cli.rpd("events", cli.run_id).stdout
    told = cli.journal.read_text() + cli.rpd("inspect").stdout + events
    assert "the token is ***" in cli.journal.read_text()
    assert token not in told and token not in failed.stderr
    assert not [path for path in cli.home.glob("**/*.jsonl") if token.encode() in path.read_bytes()]
    assert os.environ["API_TOKEN"] == token
