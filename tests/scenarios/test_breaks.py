"""Ways in which a promise was once broken: each test is a life that must not end as it then did."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.sandbox import daemon
from rpd.journal.lock import holder
from tests.scenarios.harness import COMPUTING, GATED, ON_A_FULL_DISK, CommandLine, artifact, config, eventually
from tests.scenarios.live import RPD

RESULT = "mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt\n"


def killed_in(cli: CommandLine, state: str, document: dict[str, Any]) -> None:
    """A run whose engine was killed in this state."""
    live = cli.begin(document)
    live.until(state)
    live.kill()


def collected(cli: CommandLine) -> dict[str, Any]:
    """What `rpd gc --yes` says; it has to end by itself."""
    done = cli.rpd("gc", "--yes", "--json")
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.slow
def test_a_state_file_that_is_something_else_does_not_strand_the_pod(cli: CommandLine) -> None:
    (cli.folder / "state.json").write_text("not a pointer\n")
    done = cli.run(config(state_file="state.json"))
    assert done.returncode in (0, 2), done.stderr
    cli.nothing_computes()
    assert (cli.folder / "state.json").read_text() == "not a pointer\n"


@pytest.mark.slow
@pytest.mark.weak_point(5)
def test_gc_releases_where_the_run_folder_cannot_be_made(cli: CommandLine) -> None:
    cli.play(boot_seconds=60)
    killed_in(cli, "boot", config())
    shutil.rmtree(cli.folder / "artifacts")
    (cli.folder / "artifacts").write_text("in the way\n")
    seen = collected(cli)
    assert seen["exit_code"] == 0, seen
    cli.judge("TERMINATED", starts=0)


@pytest.mark.slow
def test_gc_releases_without_the_secrets_of_the_job(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.play(boot_seconds=60)
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnop")
    killed_in(cli, "boot", config(remote_env={"exports": {"LABEL": "hf_abcdefghijklmnop"}}))
    monkeypatch.delenv("HF_TOKEN")
    seen = collected(cli)
    assert seen["exit_code"] == 0, seen
    cli.judge("TERMINATED", starts=0)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["first line", "emptied", "removed", "cut at a border"])
def test_gc_finds_the_pod_of_a_journal_in_ruins(cli: CommandLine, damage: str) -> None:
    cli.play(boot_seconds=60)
    killed_in(cli, "boot", config())
    cli.rpd("inspect", cli.run_id)
    path = cli.journal
    content = path.read_bytes()
    if damage == "first line":
        at = content.index(b'"workflow"')
        path.write_bytes(content[: at + 1] + b"W" + content[at + 2 :])
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "removed":
        path.unlink()
    else:
        lines = content.splitlines(keepends=True)
        keep = next(number for number, line in enumerate(lines) if b'"create_pod"' in line)
        path.write_bytes(b"".join(lines[:keep]))
    seen = collected(cli)
    assert seen["exit_code"] == 0, seen
    cli.judge("EXITED", starts=0)  # stopped, not deleted: nobody can say what was in it


def cut(journal: Path, words: bytes) -> bytes:
    """Cut the journal before the first record that holds these words; what is left."""
    lines = journal.read_bytes().splitlines(keepends=True)
    keep = next(number for number, line in enumerate(lines) if words in line)
    journal.write_bytes(b"".join(lines[:keep]))
    return journal.read_bytes()


@pytest.mark.parametrize("words", [pytest.param(b'"create_pod"', marks=pytest.mark.slow), b'"launch_job"'])
def test_nothing_goes_on_from_a_journal_that_lost_records(cli: CommandLine, words: bytes) -> None:
    """Cut at the border of two records it is intact; the index has seen one that is not there any more."""
    killed_in(cli, "monitor", config(GATED))
    left = cut(cli.journal, words)
    for command in ("resume", "cancel", "release"):
        done = cli.rpd(command, str(cli.journal))
        assert done.returncode == 9, (command, done.stderr)
        assert "records are lost" in done.stderr
        assert "rpd gc" in done.stderr
    assert (cli.journal.read_bytes(), cli.starts()) == (left, 1)
    assert cli.live_pod()["status"] == "RUNNING"
    assert collected(cli)["exit_code"] == 0
    cli.judge("EXITED", starts=1)


@pytest.mark.slow
def test_the_end_of_a_stopped_pod_is_not_written_twice(cli: CommandLine) -> None:
    assert cli.run(config("exit 3", artifacts=artifact())).returncode == 5
    assert cli.rpd("release", "--delete").returncode == 0
    left = cut(cli.journal, b'"late-')
    done = cli.rpd("release", "--delete", str(cli.journal))
    assert done.returncode == 9, done.stderr
    assert cli.journal.read_bytes() == left


def test_an_intent_is_anchored_before_it_costs_anything(cli: CommandLine) -> None:
    cli.fault("F12", how="timeout")
    live = cli.begin(config())
    eventually(lambda: cli.state() == "create" and cli.truth()["pods"])
    live.kill()
    cut(cli.journal, b'"create_pod"')
    done = cli.rpd("resume", str(cli.journal))
    assert done.returncode == 9, done.stderr
    collected(cli)
    cli.nothing_computes()


@pytest.mark.slow
def test_gc_never_deletes_a_pod_that_its_run_kept(cli: CommandLine) -> None:
    done = cli.run(config(RESULT + "exit 3", lifecycle={"on_failure": "stop"}))
    assert done.returncode == 5, done.stderr
    cli.judge("EXITED", starts=1)
    info = daemon.find(cli.sandbox_home)
    assert info is not None
    pod = cli.truth()["pods"][0]["id"]
    call(cli, "POST", f"/v2/pods/{pod}/action", {"action": "start"})
    eventually(lambda: cli.statuses() == ["RUNNING"])
    collected(cli)
    assert cli.statuses() == ["EXITED"]


def call(cli: CommandLine, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The API itself, as a console uses it."""
    info = daemon.find(cli.sandbox_home)
    assert info is not None, "the sandbox is up"
    request = urllib.request.Request(
        info.url.removesuffix("/v2") + path,
        data=json.dumps(body).encode() if body is not None else None,
        headers={
            "Authorization": f"Bearer {info.api_key}",
            "Content-Type": "application/json",
            "User-Agent": "console",
        },
        method=method,
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


@pytest.mark.slow
def test_gc_finds_a_late_pod_of_a_run_that_is_not_over_and_owes_nothing(cli: CommandLine) -> None:
    killed_in(cli, "monitor", config(RESULT + GATED, artifacts=artifact()))
    cli.go()
    eventually(lambda: collected(cli)["exit_code"] == 0)
    assert cli.statuses() == ["EXITED"]
    shown = call(cli, "GET", "/v2/pods")["pods"][0]
    body = {
        "name": shown["name"],
        "image": shown["image"],
        "gpu": {"id": "NVIDIA L4", "count": 1},
        "disk": 20,
        "env": {"RPD_RUN_ID": cli.run_id},
    }
    call(cli, "POST", "/v2/pods", body)
    seen = collected(cli)
    assert [pod["status"] in COMPUTING for pod in cli.truth()["pods"]] == [False, False], seen
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr
    assert cli.result() == "42\n"


@pytest.mark.slow
def test_a_claim_that_vanished_is_no_leave_to_start_again(cli: CommandLine) -> None:
    # Once is not enough: what still writes there at the start of a job may win against it.
    live = cli.begin(config("echo begun; until [ -e /workspace/go ]; do rm -rf /workspace/.rpd; sleep 0.05; done"))
    live.until("monitor")
    eventually(lambda: not list((cli.sandbox_home / "pods").glob("*/volume/.rpd/*/jobs")))
    cli.somebody("stop")
    live.end(60)
    cli.nothing_computes()
    assert cli.starts() == 1


@pytest.mark.slow
def test_a_job_that_wipes_the_volume_still_ends_as_it_ends(cli: CommandLine) -> None:
    body = "rm -rf /workspace/.rpd; sleep 1; mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt"
    done = cli.run(config(body, artifacts=artifact()))
    assert done.returncode == 0, done.stderr
    assert cli.result() == "42\n"
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_a_container_that_restarts_by_itself_does_not_hang_the_run(cli: CommandLine) -> None:
    live = cli.begin(config(RESULT + GATED, artifacts=artifact()))
    live.until_begun()
    call(cli, "POST", f"/v2/pods/{cli.live_pod()['id']}/action", {"action": "restart"})
    assert live.end(90) in (10, 75), live.text
    cli.nothing_computes()
    assert Path(cli.inspect()["run_dir"], "out/result.txt").exists()


@pytest.mark.slow
def test_gc_releases_without_the_ssh_key(cli: CommandLine) -> None:
    key = cli.folder / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    cli.play(boot_seconds=60)
    killed_in(cli, "boot", config(ssh={"key_path": str(key)}))
    key.unlink()
    assert collected(cli)["exit_code"] == 0
    cli.judge("TERMINATED", starts=0)


@pytest.mark.slow
@pytest.mark.weak_point(5)
def test_the_run_folder_vanishes_while_the_job_runs(cli: CommandLine) -> None:
    live = cli.begin(config(RESULT + GATED, artifacts=artifact()))
    live.until("monitor")
    gone = (cli.folder / "artifacts").rename(cli.folder / "gone")  # at once: the run writes into it meanwhile
    shutil.rmtree(gone)
    cli.go()
    assert live.end() == 0, live.text
    cli.judge("TERMINATED", starts=1)
    assert cli.result() == "42\n"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("state", ["boot", "monitor", "collect", "release"])
def test_all_commands_at_once(cli: CommandLine, state: str, seed: int) -> None:
    live = cli.begin(config(RESULT + ("echo done" if state != "monitor" else GATED), artifacts=artifact()))
    live.until(state)
    if seed % 2:
        live.kill()
    if state == "monitor" and seed >= 2:
        with contextlib.suppress(AssertionError):
            cli.go()
    kinds = [("gc", "--yes"), ("resume",), ("gc", "--yes"), ("cancel", cli.run_id), ("release", cli.run_id)]
    kinds = kinds[seed:] + kinds[:seed]
    all_of_them = [cli.start(*words) for words in kinds]
    codes = [each.end(60) for each in all_of_them]
    if not seed % 2:
        live.end(60)
    assert "Traceback" not in "".join(each.text for each in all_of_them)
    cli.rpd("resume", cli.run_id)
    collected(cli)
    cli.nothing_computes()
    assert cli.inspect()["verified"], codes


@pytest.mark.slow
@pytest.mark.parametrize("state", ["boot", "connect", "monitor", "collect", "release"])
def test_two_presses_leave_a_debt_that_gc_closes(cli: CommandLine, state: str) -> None:
    if state == "boot":
        cli.play(boot_seconds=5)
    if state == "release":
        cli.fault("F29", times=2, how="linger", seconds=3)
    live = cli.begin(config(RESULT + ("" if state in ("collect", "release") else GATED), artifacts=artifact()))
    live.until(state)
    with contextlib.suppress(ProcessLookupError):
        live.press()
        pressed = time.monotonic()
        eventually(lambda: time.monotonic() - pressed > 0.35)
        live.press()
    code = live.end(30)
    computing = [pod for pod in cli.truth()["pods"] if pod["status"] in COMPUTING]
    assert code == 8 or not computing, (code, live.text)
    assert "Traceback" not in live.text
    collected(cli)
    cli.nothing_computes()
    assert cli.inspect()["verified"]


@pytest.mark.slow
def test_a_request_that_makes_no_sense_is_dropped(cli: CommandLine) -> None:
    killed_in(cli, "monitor", config(RESULT + GATED, artifacts=artifact()))
    cli.journal.with_name(cli.journal.name + ".request").write_text("garbage")
    cli.go()
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr


ODD_REQUESTS = {
    "unknown word": b'{"epoch":1,"request":{"what":"pause","by":"rpd of next year"}}',
    "unknown way": b'{"epoch":1,"request":{"what":"release","by":"x","detail":{"how":"burn"}}}',
    "not UTF-8": b'{"epoch":1,"request":{"what":"\xff\xfe","by":"x"}}',
    "deep": b'{"epoch":1,"request":{"what":"cancel","by":"x","detail":' + b'{"a":' * 5000 + b"1" + b"}" * 5001 + b"}",
}


@pytest.mark.slow
@pytest.mark.parametrize("content", ODD_REQUESTS.values(), ids=ODD_REQUESTS)
def test_a_request_of_no_known_kind_does_not_end_a_live_run(cli: CommandLine, content: bytes) -> None:
    live = cli.begin(config(GATED))
    live.until("monitor")
    request = cli.journal.with_name(cli.journal.name + ".request")
    draft = request.with_suffix(".draft")
    draft.write_bytes(content)
    draft.rename(request)
    eventually(lambda: not request.exists())
    cli.go()
    assert live.end() == 0, live.text
    assert "Traceback" not in live.text
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_term_to_gc_in_its_proof(cli: CommandLine) -> None:
    cli.play(boot_seconds=60)
    killed_in(cli, "boot", config())
    cli.fault("F29", times=1, how="linger", seconds=3)
    live = cli.start("gc", "--yes", "--json")
    live.until("release")
    live.signal(signal.SIGTERM)
    code = live.end(30)
    assert code in (0, 8), live.text
    assert json.loads(live.out)
    collected(cli)
    cli.judge("TERMINATED", starts=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hand", "words"),
    [("stop", "somebody stopped the pod"), ("delete", "not there any more")],
)
def test_resume_sees_at_once_that_its_pod_does_not_run(cli: CommandLine, hand: str, words: str) -> None:
    """No address comes to a pod that is stopped or gone, however long one waits for it."""
    killed_in(cli, "monitor", config(GATED))
    cli.somebody(hand)
    live = cli.start("resume")
    live.until_text(words)
    assert live.end() == 10, live.text


@pytest.mark.slow
def test_a_find_that_babbles_costs_the_results_of_this_run_and_nothing_more(cli: CommandLine) -> None:
    babble = "printf '#!/bin/sh\\necho noise\\n' > /usr/local/bin/find; chmod 755 /usr/local/bin/find\n"
    done = cli.run(config(f"{RESULT}mkdir -p /usr/local/bin; {babble}", artifacts=artifact()))
    assert done.returncode == 75, done.stderr
    assert "makes no sense" in done.stderr
    cli.judge("EXITED", starts=1)


@pytest.mark.slow
@pytest.mark.parametrize("words", [("resume",), ("gc", "--yes"), ()], ids=["resume", "gc", "alive"])
def test_a_pod_whose_env_somebody_edited_is_still_owed(cli: CommandLine, words: tuple[str, ...]) -> None:
    """Its id, and the 26 random letters in its name, are those of the journal; its env lost the run's id."""
    live = cli.begin(config(GATED))
    live.until("monitor")
    if words:
        live.kill()
    info = daemon.find(cli.sandbox_home)
    assert info is not None, "the sandbox is up"
    url = f"{info.url.removesuffix('/v2')}/v2/pods/{cli.live_pod()['id']}"
    headers = {"Authorization": f"Bearer {info.api_key}", "Content-Type": "application/json", "User-Agent": "me"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        env = json.loads(answer.read())["env"]
    del env["RPD_RUN_ID"]
    urllib.request.urlopen(
        urllib.request.Request(url, json.dumps({"env": env}).encode(), headers, method="PATCH")
    ).close()
    cli.go()
    if words:
        cli.rpd(*words)
    else:
        live.end()
    cli.nothing_computes()
    assert not [debt for debt in cli.inspect()["debts"] if debt["kind"] == "compute"]


def rc_file(line: str) -> list[dict[str, Any]]:
    """A set-up that lets the login shell print something before each of our commands."""
    return [{"command": f"echo {shlex.quote(line)} >/root/.bashrc", "timeout_sec": 30}]


@pytest.mark.slow
def test_what_a_login_shell_prints_does_not_turn_a_file_into_nothing(cli: CommandLine) -> None:
    one = [{"label": "result", "remote_path": "/workspace/result.txt", "local_path": "{run_dir}/result.txt"}]
    done = cli.run(config("echo 42 >/workspace/result.txt", setup=rc_file("echo welcome"), artifacts=one))
    assert done.returncode == 0, done.stderr
    assert cli.result("result.txt") == "42\n"


@pytest.mark.slow
def test_what_a_login_shell_prints_is_no_part_of_the_log(cli: CommandLine) -> None:
    """Beyond one beat of the follower, which compares the length of the log with what is here."""
    words = "echo; echo welcome; echo; echo oops >&2"
    done = cli.run(config("for i in 1 2; do echo line $i; sleep 6; done", setup=rc_file(words)))
    assert done.returncode == 0, done.stderr
    assert cli.result("run.log") == "line 1\nline 2\n"


def broken(cli: CommandLine, patch: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of a program in which one line was changed."""
    script = f"import os, signal, sys\n{patch}\nsys.argv[0] = 'rpd'\nfrom rpd.adapters.cli.app import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=cli.folder,
        env=cli.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )


FETCH_IS_BROKEN = (
    "from rpd.adapters.pod.remote import PodRemote\nPodRemote.pull = lambda self, *a: [][0]"  # an IndexError
)
KILLED_AT_LAUNCH = (
    "from rpd.adapters.pod.remote import PodRemote\nPodRemote.launch = lambda *a: os.kill(os.getpid(), signal.SIGKILL)"
)
LOOP_CANNOT_RELEASE = """from rpd.engine.runner import Runner
do = Runner._do
Runner._do = lambda self, each: [][0] if each.op in ('stop_pod', 'delete_pod') else do(self, each)"""


NOBODY = """import pwd
def unknown(*_): raise KeyError('getpwuid(): uid not found: 54321')
pwd.getpwuid = pwd.getpwnam = unknown
for name in ('HOME', 'USER', 'LOGNAME', 'LNAME', 'USERNAME'): os.environ.pop(name, None)"""
NOBODY_AT_HOME = f"{NOBODY}\nos.environ['HOME'] = os.path.realpath('../user')"


@pytest.mark.slow
@pytest.mark.parametrize("patch", [NOBODY, NOBODY_AT_HOME], ids=["no home", "home"])
def test_a_user_without_an_entry_in_passwd(cli: CommandLine, patch: str) -> None:
    """As in `docker run --user 54321`."""
    cli.job(config())
    done = broken(cli, patch, "run", "job.yaml", "--sandbox")
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)
    cli.job(config(artifacts=artifact(local_path="~/out")), "home.yaml")
    told = broken(cli, patch, "validate", "home.yaml")
    assert told.returncode == (2 if patch == NOBODY else 0), told.stderr
    assert ("this user has none" in told.stderr) == (patch == NOBODY), told.stderr
    xdg = "for name in ('RPD_HOME', 'XDG_STATE_HOME', 'XDG_CONFIG_HOME'): os.environ.pop(name, None)"
    told = broken(cli, f"{patch}\n{xdg}", "inspect")
    assert told.returncode == 2, told.stderr
    assert ("export RPD_HOME=" in told.stderr) == (patch == NOBODY), told.stderr
    told = broken(cli, f"{patch}\nos.environ.pop('XDG_CONFIG_HOME', None)", "run", "--new", "job.yaml")
    assert (told.returncode, "RUNPOD_API_KEY is not set" in told.stderr) == (4, True), told.stderr
    assert not (cli.folder / "~").exists()


@pytest.mark.parametrize("patch", [FETCH_IS_BROKEN, LOOP_CANNOT_RELEASE])
@pytest.mark.slow
def test_a_fault_of_the_program_itself_stops_the_pod(cli: CommandLine, patch: str) -> None:
    cli.job(config(RESULT, artifacts=artifact()))
    done = broken(cli, patch, "run", "job.yaml", "--sandbox")
    assert done.returncode == 1, done.stderr
    assert "BILLING" not in done.stderr
    cli.judge("EXITED", starts=1)
    assert [debt["kind"] for debt in cli.inspect()["debts"]] == ["storage"]
    done = cli.rpd("resume")
    assert done.returncode in (0, 5), done.stderr
    cli.nothing_computes()
    assert cli.inspect()["debts"] == []


@pytest.mark.slow
def test_a_launch_cut_off_before_its_effect_gets_its_secret_again(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "tok_4567890abcdefXYZ")
    body = "case $MY_TOKEN in tok_*) ;; *) exit 9 ;; esac"
    cli.job(config(body, remote_env={"exports": {"MY_TOKEN": "{MY_TOKEN}"}}))
    broken(cli, KILLED_AT_LAUNCH, "run", "job.yaml", "--sandbox", "--var", "MY_TOKEN")
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.row(69)
def test_a_launch_cut_off_that_lacks_its_secret_now_gives_the_pod_back(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "tok_4567890abcdefXYZ")
    cli.job(config("echo ok", remote_env={"exports": {"MY_TOKEN": "{MY_TOKEN}"}}))
    broken(cli, KILLED_AT_LAUNCH, "run", "job.yaml", "--sandbox", "--var", "MY_TOKEN")
    monkeypatch.delenv("MY_TOKEN")
    done = cli.rpd("resume")
    assert done.returncode == 130, done.stderr
    assert "the secret $MY_TOKEN" in done.stderr and "giving the pod back" in done.stderr
    cli.judge("TERMINATED", starts=0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits another process's files")
@pytest.mark.parametrize("room", ["beside the journal", "nowhere"])
def test_the_last_words_of_a_run_whose_journal_could_not_be_kept_are_true(cli: CommandLine, room: str) -> None:
    """The pod was given back all the same; so nothing bills, whatever the journal still says."""
    cli.job(config(GATED))
    live = cli.start_on_terminal("run", "job.yaml", "--sandbox")
    live.until("monitor")
    limit = cli.journal.stat().st_size if room == "beside the journal" else 100
    resource.prlimit(live.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    cli.go()
    assert live.end() == 9, live.text
    cli.nothing_computes()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", live.text)
    words = " ".join(shown[shown.rindex("failed (storage_error)") :].split())
    assert "BILLING" not in live.text
    assert f"rpd resume {cli.run_id}" in words
    log = cli.home / f"emergency-{cli.run_id}.jsonl"
    assert (str(log) in words) == (room == "beside the journal"), words
    seen = cli.rpd("inspect", cli.run_id).stdout
    assert ("it says that the pod was given back" in seen) == (room == "beside the journal"), seen
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr
    assert cli.inspect()["debts"] == []
    assert "beware" not in cli.rpd("inspect", cli.run_id).stdout
    cli.nothing_computes()


@pytest.mark.slow
def test_what_died_before_the_launch_is_stopped_on_a_full_disk(cli: CommandLine) -> None:
    cli.play(boot_seconds=60)
    killed_in(cli, "boot", config())
    done = cli.rpd_on_a_full_disk("resume")
    assert (done.returncode, "BILLING" in done.stderr) == (8, True), done.stderr
    assert f"then   rpd resume {cli.run_id}; or   rpd cancel {cli.run_id}" in done.stderr, done.stderr
    done = cli.rpd_on_a_full_disk("gc", "--yes")
    assert (done.returncode, "no record of it was written" in done.stdout) == (8, True), done.stdout
    assert "EXITED\n" in done.stdout, done.stdout
    cli.judge("EXITED", starts=0)
    assert collected(cli)["exit_code"] == 0
    cli.judge("TERMINATED", starts=0)
    assert cli.inspect()["debts"] == []


@pytest.mark.slow
def test_a_job_is_ended_on_a_full_disk_when_a_person_says_so(cli: CommandLine) -> None:
    killed_in(cli, "monitor", config(GATED))
    done = cli.rpd_on_a_full_disk("gc", "--yes")
    assert (done.returncode, f"rpd cancel {cli.run_id}" in done.stdout) == (8, True), done.stdout
    done = cli.rpd_on_a_full_disk("release", "--keep-until", "1h")
    assert (done.returncode, "BILLING" in done.stderr) == (8, True), done.stderr
    assert f"rpd release {cli.run_id} --keep-until 2" in done.stderr, done.stderr
    cli.judge("RUNNING", starts=1)
    cli.fault("F33", on="stop")
    done = cli.rpd_on_a_full_disk("cancel")
    assert (done.returncode, "stopped by id" in done.stderr) == (9, True), done.stderr
    cli.judge("EXITED", starts=1)
    assert [debt["kind"] for debt in cli.inspect()["debts"]] == ["compute"]
    done = cli.rpd("cancel")
    assert done.returncode == 0, done.stderr
    assert "compute" not in [debt["kind"] for debt in cli.inspect()["debts"]]
    cli.nothing_computes()


@pytest.mark.slow
def test_nobody_drives_a_run_while_it_is_stopped_without_a_record(cli: CommandLine) -> None:
    killed_in(cli, "monitor", config(GATED))
    cli.fault("F29", times=100, how="ignored", on="stop")
    cancel = subprocess.Popen(
        [*ON_A_FULL_DISK, *RPD, "cancel"],
        cwd=cli.folder,
        env=cli.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    with cancel:
        assert cancel.stderr is not None
        assert any("stopping what the run rented" in line for line in cancel.stderr)
        eventually(lambda: holder(cli.journal) is not None)
        done = cli.rpd("resume")
        assert (done.returncode, "journal in use" in done.stderr) == (9, True), done.stderr
        cancel.send_signal(signal.SIGINT)
        told = cancel.stderr.read()
    assert cancel.returncode == 8, told
    assert "BILLING" in told and "interrupted before it was proved" in told, told
    cli.clear_faults()
    assert cli.rpd("cancel").returncode == 0
    cli.nothing_computes()


@pytest.mark.slow
def test_a_pod_that_may_yet_appear_is_named_on_a_full_disk(cli: CommandLine) -> None:
    cli.fault("F13", how="drop", delay=6)
    cli.fault("F14", times=100, lag=2, what="list")
    live = cli.begin(config())
    live.until("create")
    eventually(lambda: "create_pod" in cli.journal.read_text())
    live.kill()
    done = cli.rpd_on_a_full_disk("cancel")
    assert (done.returncode, "one may still appear" in done.stderr) == (8, True), done.stderr
    assert "BILLING: a pod named" in done.stderr, done.stderr
    cli.clear_faults()
    assert cli.rpd("cancel").returncode == 0
    cli.nothing_computes()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits another process's files")
def test_an_engine_that_cannot_be_asked_is_named_with_what_bills(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until("monitor")
    done = cli.rpd_on_a_full_disk("cancel")
    assert (done.returncode, "BILLING" in done.stderr) == (8, True), done.stderr
    assert f"kill -TERM {live.process.pid}" in done.stderr, done.stderr
    resource.prlimit(live.process.pid, resource.RLIMIT_FSIZE, (100, 100))
    live.process.send_signal(signal.SIGTERM)
    assert live.end() == 9, live.text
    cli.nothing_computes()


@pytest.mark.slow
def test_a_pod_that_is_kept_up_is_no_debt_on_a_full_disk(cli: CommandLine) -> None:
    done = cli.run(config("exit 0", lifecycle={"on_success": "preserve", "preserve_minutes": 30}))
    assert done.returncode == 0, done.stderr
    done = cli.rpd_on_a_full_disk("resume")
    assert (done.returncode, "kept up" in done.stderr) == (9, True), done.stderr
    done = cli.rpd_on_a_full_disk("release", "--delete", "--yes")
    assert (done.returncode, f"{cli.run_id} --delete   writes it down" in done.stderr) == (9, True), done.stderr
    cli.judge("EXITED", starts=1)
    done = cli.rpd("gc", "--yes")
    assert (done.returncode, "spared" in done.stdout) == (0, False), done.stdout
    assert "compute" not in [debt["kind"] for debt in cli.inspect()["debts"]]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not say who is suspended")
def test_a_suspended_engine_is_not_waited_for(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until("monitor")
    live.process.send_signal(signal.SIGSTOP)
    done = cli.rpd("cancel")
    assert (done.returncode, "BILLING" in done.stderr) == (8, True), done.stderr
    assert f"kill -CONT {live.process.pid}" in done.stderr and f"rpd cancel {cli.run_id}" in done.stderr, done.stderr
    live.process.send_signal(signal.SIGCONT)
    assert live.end() == 130, live.text
    cli.nothing_computes()


@pytest.mark.slow
def test_a_pod_that_starts_again_is_not_listed_as_stopped(cli: CommandLine) -> None:
    document = config(lifecycle={"on_success": "recycle"})
    assert cli.run(document).returncode == 0
    cli.play(boot_seconds=60)
    live = cli.begin(document)
    live.until("boot")
    eventually(lambda: "STARTING" in cli.statuses())
    live.kill()
    seen = json.loads(cli.rpd("gc", "--json").stdout)
    assert ([row["state"] for row in seen["runs"]], seen["stopped"]) == (["boot"], []), seen
    seen = json.loads(cli.rpd("gc", "--yes", "--stopped", "--json").stdout)
    assert [row["is_released"] for row in seen["stopped"]] == [True], seen
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_a_run_is_found_by_a_name_that_was_too_long_for_it(cli: CommandLine) -> None:
    name = "a-name-of-more-than-forty-one-letters-which-is-cut"
    assert cli.run(config(name=name)).returncode == 0
    assert cli.rpd("inspect", name).returncode == 0
