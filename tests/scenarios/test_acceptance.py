"""What the interactive side was asked to do, line by line, as a person does it: commands typed at a real terminal, a
browser's requests to the local address, and the sandbox's own truth as the judge."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from rpd.journal.lock import holder
from tests.scenarios.harness import CommandLine, eventually
from tests.scenarios.tmux import Screen, needs_tmux, screen

pytestmark = [pytest.mark.sandbox, needs_tmux]

KEYS_PER_MINUTE = 200
"""Forty words of five letters: somebody who types slowly."""
URL = re.compile(r"Connected: (http://127\.0\.0\.1:\d+)")
ALTERED = """
import sys
if {command!r} in sys.orig_argv:
{lines}
"""
"""A `sitecustomize` that changes rpd in one command alone."""


@pytest.fixture
def person(cli: CommandLine) -> CommandLine:
    """Somebody whose account is this sandbox, who has `rpd` and nothing else yet."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    cli.variables = {"RPD_API_URL": cli.sandbox_url(), "LANG": "en_US.UTF-8", "LC_ALL": "", "PATH": path}
    return cli


@pytest.fixture
def desk(person: CommandLine) -> Iterator[Screen]:
    """The terminal of that person."""
    with screen(person.folder, person.environment, columns=110, lines=50) as opened:
        yield opened


def is_set_up(person: CommandLine) -> None:
    """What `rpd config init` leaves behind."""
    key = person.folder / "key"
    key.write_text(person.api_key())
    done = person.rpd("config", "init", "--api-key-file", str(key), "--ssh-key", "own", "--region", "Europe")
    key.unlink()
    assert done.returncode == 0, done.stderr


def altered(person: CommandLine, command: str, *lines: str) -> None:
    """From now on this command has a fault of its own."""
    folder = person.folder.parent / "altered"
    folder.mkdir(exist_ok=True)
    text = ALTERED.format(command=command, lines="\n".join(f"    {line}" for line in lines))
    (folder / "sitecustomize.py").write_text(text)
    person.variables["PYTHONPATH"] = str(folder)


def connected(person: CommandLine, *more: str) -> str:
    """The name of a session that goes on in the background."""
    done = person.rpd("connect", "--gpu", "L4", "--hours", "1", "--yes", "--detach", "--json", *more)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["run_id"])


def is_comfyui(url: str) -> bool:
    """What a browser sees at this address, and what a program reads there."""
    page, stats = requests.get(url, timeout=10), requests.get(f"{url}/system_stats", timeout=10)
    return page.ok and "ComfyUI" in page.text and "system" in stats.json()


@pytest.mark.row(1, 2, 3, 43, 49, 83, 201, 202, 203, 204, 207, 208, 209, 210, 212, 217, 218, 219)
def test_from_nothing_to_an_open_page_within_a_minute_of_typing(person: CommandLine, desk: Screen) -> None:
    desk.type("rpd config init")
    desk.until("API key (it is not shown):")
    desk.paste(person.api_key())
    for question in ("SSH key that opens", "Region of", "Cloud:", "What rpd connect starts:", "Image for it"):
        desk.until(question)
        desk.press("Enter")
    desk.until("Favourite GPUs")
    desk.press("Enter")
    desk.until("after how many hours")
    desk.press("Enter")
    desk.until("Log level:")
    desk.press("Enter")
    desk.until("saved in")
    settings = person.user / ".config" / "rpd" / "config.toml"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600 and person.api_key() in settings.read_text()
    desk.clear()

    desk.type("rpd connect")
    shown = desk.until("GPU: (arrows", "VRAM", "PRICE", "STOCK", "CUDA")
    assert "secure cloud, North America" in shown and "more (" in shown and shown.count("GB ") <= 5
    desk.type("more")
    desk.until("L40S", "B300", "another cloud")
    desk.type("L40S", enter=False)
    desk.until("/ L40S")
    desk.press("Enter")
    for question in ("How many GPUs", "What runs in it:", "after how many hours", "rent it? [y/N]"):
        shown = desk.until(question)
        assert person.statuses() == [], "nothing is rented before a yes"
        desk.press(*(["y"] if "rent it" in question else []), "Enter")
    assert re.search(r"NVIDIA L40S: \$\d\.\d\d/h", shown)
    url = URL.findall(desk.until("Connected: "))[0]
    assert is_comfyui(url)
    assert desk.keys < KEYS_PER_MINUTE, "less than a minute of typing"
    assert person.api_key() not in desk.history()

    desk.press("C-c")
    desk.until("delete", "keep", "stop")
    desk.type("d")
    desk.until("nothing of this session bills")
    person.judge("TERMINATED", starts=0)


@pytest.mark.slow
@pytest.mark.row(82, 103, 105, 110, 211, 216, 220, 221, 223, 224, 225, 226, 227, 228, 229, 230)
def test_a_pod_is_entered_stopped_and_deleted(person: CommandLine, desk: Screen) -> None:
    is_set_up(person)
    run = connected(person)
    pod = person.live_pod()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-001-.*", run)

    desk.type(f"rpd shell {pod['id']}")
    desk.until(f"root@{pod['id']}")
    desk.type("echo $((6 * 7)) > /workspace/answer; tty; exit")
    desk.until("/dev/pts/", "Connection to")
    assert (person.sandbox_home / "pods" / pod["id"] / "volume" / "answer").read_text() == "42\n"

    desk.clear()
    desk.type("rpd pods")
    shown = desk.until("1 pod up")
    assert all(word in shown for word in (pod["id"], "RUNNING", "L4", "session", "$"))
    desk.type(f"rpd pod info {pod['id']}")
    desk.until("ssh root@127.0.0.1 -p", "the switch in the pod", "runpod/comfyui:latest", pod["name"])

    desk.clear()
    desk.type(f"rpd pod stop {pod['id']}")
    assert "a month" in desk.until("saves", "stop it? [y/N]")
    desk.type("y")
    desk.until("stopped: pod")
    eventually(lambda: person.statuses() == ["EXITED"])
    url = person.inspect(run)["services"][0]["url"]
    eventually(lambda: not is_open(url))

    desk.clear()
    desk.type("rpd pods")
    desk.until(pod["id"], "EXITED", "0 pods up")
    spent, truth = person.inspect(run)["cost_usd"], person.truth()
    assert spent == pytest.approx(truth["spent_usd"], rel=0.3, abs=0.0002)

    desk.clear()
    desk.type(f"rpd pod delete {pod['id']}")
    assert "cost" in desk.until("type the pod's name")
    desk.type("y")
    desk.until("nothing was done")
    assert person.statuses() == ["EXITED"], "a mere yes deletes nothing that nobody has collected"
    desk.clear()
    desk.type(f"rpd pod delete {pod['id']}")
    desk.until("type the pod's name")
    desk.type(pod["name"])
    eventually(lambda: person.statuses() == ["TERMINATED"], tell=desk.text)
    desk.until("$")
    desk.clear()
    desk.type("rpd pods")
    desk.until("no pods")


def is_open(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


@pytest.mark.slow
@pytest.mark.row(18, 205, 216, 225, 230)
def test_what_was_rented_is_known_after_everything_here_has_ended(person: CommandLine) -> None:
    """The engine is killed, as by a restart of this machine; and what a hand elsewhere does to a pod is seen."""
    is_set_up(person)
    run = connected(person)
    pod, owner = person.live_pod()["id"], holder(person.journal)
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    eventually(lambda: holder(person.journal) is None)
    shown = json.loads(person.rpd("pods", "--json").stdout)["pods"]
    assert [(row["id"], row["status"], row["owner"]["run_id"]) for row in shown] == [(pod, "RUNNING", run)]
    person.somebody("stop")
    shown = json.loads(person.rpd("pods", "--json").stdout)["pods"]
    assert [(row["id"], row["status"]) for row in shown] == [(pod, "EXITED")]
    assert "***" in person.rpd("config", "show").stdout
    assert person.rpd("pod", "delete", "--yes").returncode == 0
    person.judge("TERMINATED", starts=0)


REFUSED = {
    "an API key that the cloud refuses": (("F9", {}), (), 4, "rpd config set api-key"),
    "no credit": (("F8", {}), (), 4, "credit"),
    "no stock": (("F1", {}), ("--datacenter", "EUR-IS-1"), 6, "no longer any instances"),
    "no GPU under the price": (None, ("--max-price", "0.01"), 6, "costs more than"),
    "no such SSH key": (None, ("--key", "/nonexistent/key"), 2, "/nonexistent/key"),
}


@pytest.mark.slow
@pytest.mark.row(18, 235, 236)
@pytest.mark.parametrize("case", list(REFUSED))
def test_a_common_failure_is_told_in_one_sentence_and_costs_nothing(person: CommandLine, case: str) -> None:
    is_set_up(person)
    fault, more, code, word = REFUSED[case]
    if fault is not None:
        person.fault(fault[0], times=0, **fault[1])
    done = person.rpd("connect", "--gpu", "L4", "--hours", "1", "--yes", *more)
    person.clear_faults()
    assert (done.returncode, word in done.stderr, "Traceback" in done.stderr) == (code, True, False), done
    assert re.search("^(hint|try): ", done.stderr, re.MULTILINE), "what to type next"
    person.nothing_computes()


@pytest.mark.slow
@pytest.mark.row(60, 214)
def test_calls_that_fail_are_tried_again_and_the_log_says_when(person: CommandLine) -> None:
    is_set_up(person)
    person.fault("F33", times=2, on="get")
    run = connected(person)
    told = person.rpd("logs", "--rpd", run).stdout
    assert person.struck("F33") == 2 and re.search(r"^\d{4}-\d\d-\d\dT\S+Z .* 502", told, re.MULTILINE), told
    assert person.rpd("release", run, "--delete", "--yes").returncode == 0
    person.judge("TERMINATED", starts=0)


@pytest.mark.slow
@pytest.mark.row(214)
def test_a_link_that_stays_away_is_tried_again_until_the_pod_is_stopped(person: CommandLine) -> None:
    """What the person left there is kept, and computes no longer."""
    is_set_up(person)
    live = person.start("connect", "--gpu", "L4", "--hours", "0.008", "--yes")
    live.until_text("Connected: ")
    person.fault("F40", times=0)
    assert live.end() == 7, live.text
    told = person.rpd("logs", "--rpd", person.run_id).stdout
    assert told.count("warning ssh pod") >= 2, told
    person.judge("EXITED", starts=0)


@pytest.mark.slow
@pytest.mark.row(58, 215, 236)
def test_a_pod_that_never_answers_is_given_back_after_ten_minutes(person: CommandLine) -> None:
    """The ten minutes stand in the record; nobody waits for them here, but for three seconds."""
    is_set_up(person)
    person.fault("F44", times=0)
    live = person.start("connect", "--gpu", "L4", "--hours", "1", "--yes")
    live.until("tunnel")
    opened = json.loads(person.journal.read_text().splitlines()[0])
    assert "600" in json.dumps(opened)
    live.press()
    assert live.end() == 130
    done = person.rpd("connect", "--gpu", "L4", "--hours", "1", "--yes", "--ready-minutes", "0.05")
    assert done.returncode not in (0, 1) and "did not answer" in done.stderr, done.stderr
    person.judge("TERMINATED", "TERMINATED", starts=0)


@pytest.mark.slow
@pytest.mark.row(130, 231, 232, 233, 234)
def test_the_log_has_calls_costs_and_tracebacks_and_no_key(person: CommandLine) -> None:
    is_set_up(person)
    run = connected(person)
    lines = ["from requests import Session", "def broken(_, request, **options):"]
    lines += ["    raise ZeroDivisionError(f'in {dict(request.headers)}')", "Session.send = broken"]
    altered(person, "gpus", *lines)
    crashed = person.rpd("gpus")
    assert crashed.returncode == 1 and "Traceback" not in crashed.stderr, crashed.stderr
    assert person.rpd("release", run, "--delete", "--yes").returncode == 0
    told = person.rpd("logs", "--full").stdout
    for word in (
        "POST /v2/pods: 201",
        "logged in",
        "so far (est.)",
        "create_pod_ok",
        "Traceback (most recent call last)",
    ):
        assert word in told, word
    assert "ZeroDivisionError: in {" in told and "***" in told and person.api_key() not in told
    assert all(
        re.match(r"\d{4}-\d\d-\d\dT", line) or line[0].isspace() or "Error" in line for line in told.split("\n")[:3]
    )
    assert len(person.rpd("logs", "--rpd", "--tail", "5").stdout.splitlines()) == 5


@pytest.mark.slow
@pytest.mark.row(237)
def test_the_log_begins_anew_at_ten_megabytes_and_five_files_stay(person: CommandLine) -> None:
    is_set_up(person)
    log = person.home / "log" / "rpd.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    for number in range(7):
        with log.open("a") as file:
            file.write(f"filled-{number} {'x' * 10_000_000}\n")
        assert person.rpd("gpus").returncode == 0
    names = sorted(each.name for each in log.parent.iterdir() if "lock" not in each.name)
    assert names == ["rpd.log", *(f"rpd.log.{number}" for number in range(1, 5))]
    assert sum(each.stat().st_size for each in log.parent.iterdir()) < 51_000_000
