"""`rpd connect`: a person in a pod, as real processes, on a terminal and off it. The sandbox's own truth judges."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from rpd.journal.lock import holder
from rpd.journal.records import Intent
from tests.scenarios.harness import IMAGE, CommandLine, Live, eventually, staged

URL = re.compile(r"http://127\.0\.0\.1:\d+")


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    with staged(tmp_path) as made:
        yield made


SERVICE = (
    r"import http.server as h,sys,time;port,after=int(sys.argv[1]),time.time()+float(sys.argv[2]);"
    r"answer=lambda s:(s.send_response(200 if time.time()>after else 503),s.end_headers());"
    r"H=type(str(),(h.BaseHTTPRequestHandler,),dict(do_GET=answer));"
    r"h.HTTPServer((str(),port),H).serve_forever()"
)
"""A web service that listens at once, because pods of the sandbox share the ports of this machine, and is ready some
seconds later."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def words(*more: str, port: int | None = None, after: float = 0.0, yes: bool = True) -> list[str]:
    """The command for a pod with a small web service, which comes up so many seconds later."""
    port = free_port() if port is None else port
    start = f"sh -c '/start.sh & exec python3 -c \"{SERVICE}\" {port} {after}'"
    wanted = ["--gpu", "L4", "--image", IMAGE, "--port", str(port), "--start-command", start, "--hours", "1"]
    return ["connect", *wanted, *(["--yes"] if yes else []), "--sandbox", *more]


def connected(live: Live) -> str:
    """The address that the person is told, once it is told."""
    live.until_text("Connected")
    return eventually(lambda: URL.findall(live.text.partition("Connected")[2]))[0]  # type: ignore[no-any-return]


def is_served(url: str) -> bool:
    return requests.get(url, timeout=10).ok


@pytest.mark.row(49, 212, 213, 219)
def test_connected_is_said_when_the_service_answers_and_not_before(cli: CommandLine) -> None:
    live = cli.start(*words(after=2.0))
    live.until("tunnel")
    assert "Connected" not in live.text
    assert is_served(connected(live))
    stages = ["Requesting pod", "Waiting for pod to start", "Pod running, waiting for SSH", "SSH ready, establishing"]
    assert [live.text.index(each) for each in stages] == sorted(live.text.index(each) for each in stages)
    live.press()
    assert live.end() == 130, "off a terminal, Ctrl-C stops the pod"
    cli.judge("EXITED", starts=0)


@pytest.mark.parametrize(("key", "code", "status"), [("s", 0, "EXITED"), ("d", 0, "TERMINATED")])
def test_ctrl_c_on_a_terminal_asks_what_becomes_of_the_pod(cli: CommandLine, key: str, code: int, status: str) -> None:
    live = cli.start_on_terminal(*words())
    connected(live)
    live.press()
    live.until_text("no answer in 60 s: stop")
    assert "a month" in live.text and "keep it up at $" in live.text and "at most $" in live.text
    live.type("\n")  # go on
    eventually(lambda: cli.state() == "attend" and cli.live_pod())
    time.sleep(0.4)  # a key press within 0.3 s counts as the same
    live.press()
    eventually(lambda: live.text.count("no answer in 60 s: stop") == 2)
    live.type(f"{key}\n")
    assert live.end() == code, live.text
    cli.judge(status, starts=0)


def leave_it_up(cli: CommandLine) -> None:
    """A person leaves a session, and keeps its pod."""
    live = cli.start_on_terminal(*words())
    connected(live)
    live.press()
    live.until_text("no answer in 60 s: stop")
    live.type("k\n")
    assert live.end() == 0, live.text


@pytest.mark.slow
def test_a_kept_pod_stays_up_under_its_switch_and_is_attached_to_again(cli: CommandLine) -> None:
    leave_it_up(cli)
    cli.judge("RUNNING", starts=0)
    seen = cli.inspect()
    assert seen["kept_until"] is not None and seen["released_by"]["who"] == "the switch in the pod"
    assert cli.rpd("gc", "--yes").returncode == 0
    cli.judge("RUNNING", starts=0)
    again = cli.start("resume")
    assert is_served(connected(again))
    assert cli.rpd("release", cli.run_id, "--delete", "--yes").returncode == 0
    assert again.end() == 0
    cli.judge("TERMINATED", starts=0)


def test_a_killed_session_is_attached_to_again_and_a_stopped_one_starts_again(cli: CommandLine) -> None:
    live = cli.start(*words())
    connected(live)
    live.kill()
    cli.judge("RUNNING", starts=0)
    assert cli.run_id in cli.rpd("runs").stdout
    again = cli.start("resume")
    assert is_served(connected(again))
    assert cli.rpd("release", cli.run_id, "--stop").returncode == 0
    assert again.end() == 0
    cli.judge("EXITED", starts=0)
    third = cli.start("resume")
    assert is_served(connected(third))
    assert cli.rpd("cancel", cli.run_id).returncode == 0
    assert third.end() == 130
    cli.judge("EXITED", starts=0)
    assert cli.inspect()["outcome"] == "cancelled"


def test_gc_stops_the_pod_of_a_dead_session_and_deletes_nothing_in_it(cli: CommandLine) -> None:
    live = cli.start(*words())
    connected(live)
    live.kill()
    (cli.sandbox_home / "pods" / cli.live_pod()["id"] / "volume" / "mine.txt").write_text("work")
    assert cli.rpd("gc", "--yes").returncode == 0
    cli.judge("EXITED", starts=0)
    assert cli.inspect()["next"] == "the pod is stopped; rpd resume starts it again"


@pytest.mark.slow
def test_a_closed_terminal_leaves_a_session_that_goes_on_and_is_listed(cli: CommandLine) -> None:
    live = cli.start_on_terminal(*words())
    url = connected(live)
    live.hang_up()
    time.sleep(0.5)
    assert is_served(url) and live.process.poll() is None
    assert cli.run_id in cli.rpd("runs").stdout
    assert cli.rpd("release", cli.run_id, "--delete", "--yes").returncode == 0
    assert live.process.wait(60) == 0
    cli.judge("TERMINATED", starts=0)


@pytest.mark.slow
def test_a_suspended_session_goes_on_where_it_was(cli: CommandLine) -> None:
    live = cli.start(*words())
    url = connected(live)
    live.signal(signal.SIGSTOP)
    time.sleep(1.0)
    cli.judge("RUNNING", starts=0)
    live.signal(signal.SIGCONT)
    assert is_served(url)
    live.press()
    assert live.end() == 130


@pytest.mark.slow
@pytest.mark.row(220)
def test_a_detached_session_is_known_by_its_journal(cli: CommandLine) -> None:
    done = cli.rpd(*words("--detach", "--json"))
    assert done.returncode == 0, done.stderr
    seen = cli.inspect()
    assert (seen["state"], seen["lifecycle"]) == ("attend", "session")
    (service,) = seen["services"]
    assert service["ready"] and is_served(service["url"])
    owner = holder(cli.journal)
    assert owner is not None and Path(f"/proc/{owner.pid}").exists()
    assert cli.rpd("release", cli.run_id, "--delete", "--yes").returncode == 0
    cli.judge("TERMINATED", starts=0)


@pytest.mark.row(210)
def test_nothing_is_rented_without_a_yes(cli: CommandLine) -> None:
    done = cli.rpd(*words(yes=False))
    assert done.returncode == 2 and "--yes" in done.stderr and cli.journals() == []
    typed = cli.start_on_terminal(*words(yes=False))
    typed.until_text("rent it?")
    assert "/h with disks" in typed.text
    typed.type("n\n")
    assert typed.end() == 3
    cli.judge(starts=0)


@pytest.mark.row(236)
def test_ctrl_c_before_the_connection_gives_the_pod_back(cli: CommandLine) -> None:
    live = cli.start(*words(after=600.0))
    live.until("tunnel")
    live.press()
    assert live.end() == 130
    cli.judge("TERMINATED", starts=0)


@pytest.mark.slow
def test_a_taken_local_port_is_passed_over(cli: CommandLine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        live = cli.start(*words(after=0.0, port=free_port()))
        assert not connected(live).endswith(f":{port}")
        live.press()
        live.end()


@pytest.mark.slow
@pytest.mark.row(211)
def test_names_count_the_sessions_of_the_day(cli: CommandLine) -> None:
    both = [cli.start(*words()), cli.start(*words())]
    for live in both:
        connected(live)
    names = sorted(journal.parent.name for journal in cli.journals())
    assert [name[-4:] for name in names] == ["-001", "-002"]
    pods = {pod["name"][4:18] for pod in cli.truth()["pods"]}
    assert pods == set(names)
    for live in both:
        live.press()
    assert [live.end() for live in both] == [130, 130]


def test_no_effect_on_the_pod_is_without_an_intent(cli: CommandLine) -> None:
    live = cli.start(*words())
    connected(live)
    live.press()
    live.end()
    ops = [record.body.op for record in cli.records() if isinstance(record.body, Intent)]
    assert ops == ["create_pod", "arm_switch", "stop_pod"]


@pytest.mark.slow
def test_a_broken_link_is_told_and_comes_back(cli: CommandLine) -> None:
    live = cli.start(*words())
    url = connected(live)
    cli.fault("F40", seconds=30)
    live.until_text("the connection to the pod is lost")
    live.until_text("Connected again after")
    assert is_served(url)
    live.press()
    assert live.end() == 130
    cli.judge("EXITED", starts=0)


def test_a_detached_session_that_dies_before_it_is_connected_does_not_go_on(cli: CommandLine) -> None:
    live = cli.start(*words("--detach", after=600.0))
    live.until("tunnel")
    owner = holder(cli.journal)
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    assert live.end() == 8, live.text
    assert "goes on in the background" not in live.text and f"rpd resume {cli.run_id}" in live.text
    assert cli.rpd("gc", "--yes").returncode == 0
    cli.judge("TERMINATED", starts=0)


def test_ctrl_c_before_a_detached_session_is_connected_gives_the_pod_back(cli: CommandLine) -> None:
    live = cli.start(*words("--detach", after=600.0))
    live.until("tunnel")
    live.press()
    time.sleep(0.4)  # a key press within 0.3 s counts as the same
    live.press()
    assert live.end() in (8, 130), live.text
    assert "Traceback" not in live.text
    eventually(lambda: holder(cli.journal) is None)
    cli.judge("TERMINATED", starts=0)


@pytest.mark.slow
def test_a_kept_pod_that_somebody_stopped_waits_for_its_person(cli: CommandLine) -> None:
    leave_it_up(cli)
    cli.somebody("stop")
    again = cli.start("resume")
    again.end()
    cli.judge("EXITED", starts=0)
    third = cli.start("resume")
    assert is_served(connected(third))
    both = cli.rpd("resume", cli.run_id)
    assert both.returncode not in (0, 1), both.stderr
    assert cli.rpd("release", cli.run_id, "--delete", "--yes").returncode == 0
    cli.judge("TERMINATED", starts=0)


def test_nobody_works_in_a_pod_that_may_still_be_deleted(cli: CommandLine) -> None:
    """Before the session is connected its pod counts as one without anything to lose."""
    live = cli.start(*words(after=600.0))
    live.until("tunnel")
    for command in (["exec", cli.run_id, "--", "true"], ["push", cli.run_id, "/etc/hostname"]):
        refused = cli.rpd(*command)
        assert refused.returncode == 2 and "is not connected yet" in refused.stderr, refused.stderr
    live.press()
    live.end()
    cli.judge("TERMINATED", starts=0)
