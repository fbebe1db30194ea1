"""Real signals to real processes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpd.adapters.local.signals import SAME_PRESS_SECONDS, signal_requests

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.signals import LeaveNow, signal_requests

said = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
def say(line):  # a handler may come in the middle of it, which a buffered file would not bear
    os.write(said, (line + "\\n").encode())

control = ProcessControl()
try:
    with signal_requests(control.ask, on_hangup=lambda: say("hangup")):
        say("ready")
        end = time.monotonic() + 30
        while time.monotonic() < end:
            control.wait(5)
            while (request := control.take()) is not None:
                say(f"{request.what} {request.by} {request.detail}")
                print("heard on stdout", flush=True)
                if request.what == "cancel":
                    sys.exit(0)
except LeaveNow as leaving:
    say(f"leave {leaving.exit_code}")
    sys.exit(leaving.exit_code)
"""


class Child:
    """A process that tells what it heard in a file."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.said = folder / "said"
        self.said.touch()
        command = [sys.executable, "-c", PROGRAM, str(self.said)]
        self.process = subprocess.Popen(command, **options)  # type: ignore[call-overload]

    def hears(self, *lines: str) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.said.read_text().splitlines() == list(lines):
                return
            time.sleep(0.01)
        raise AssertionError(self.said.read_text())

    def send(self, number: signal.Signals) -> float:
        self.process.send_signal(number)
        return time.monotonic()


@pytest.fixture
def children() -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    for child in made:
        child.process.kill()
        child.process.wait()


def quiet(folder: Path) -> dict[str, object]:
    return {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}


INTERRUPT = "interrupt SIGINT {'terminal': False}"


def test_one_interrupt_asks_and_a_second_leaves_at_once(tmp_path: Path, children: list[Child]) -> None:
    children.append(child := Child(tmp_path, **quiet(tmp_path)))
    child.hears("ready")
    sent_at = child.send(signal.SIGINT)
    child.hears("ready", INTERRUPT)
    child.send(signal.SIGINT)  # the wrapper's copy of the same press
    child.send(signal.SIGTERM)
    pause = SAME_PRESS_SECONDS - (time.monotonic() - sent_at) + 0.35
    threading.Event().wait(max(pause, 0.35))
    child.hears("ready", INTERRUPT)
    child.send(signal.SIGINT)
    child.hears("ready", INTERRUPT, "leave 130")
    assert child.process.wait(10) == 130


def test_terminate_then_terminate(tmp_path: Path, children: list[Child]) -> None:
    children.append(child := Child(tmp_path, **quiet(tmp_path)))
    child.hears("ready")
    child.send(signal.SIGTERM)
    child.hears("ready", "terminate SIGTERM {}")
    threading.Event().wait(SAME_PRESS_SECONDS + 0.1)
    child.send(signal.SIGTERM)
    assert child.process.wait(10) == 143


def test_hangup_and_broken_pipe_carry_on(tmp_path: Path, children: list[Child]) -> None:
    children.append(child := Child(tmp_path, **quiet(tmp_path)))
    child.hears("ready")
    child.send(signal.SIGPIPE)
    child.send(signal.SIGHUP)
    child.hears("ready", "hangup")
    assert child.process.stdout is not None
    child.process.stdout.close()  # nobody reads any more: printing must not end the run
    child.send(signal.SIGTERM)
    child.hears("ready", "hangup", "terminate SIGTERM {}")
    assert child.process.poll() is None


def test_after_a_hangup_a_log_file_is_still_written(tmp_path: Path, children: list[Child]) -> None:
    log = tmp_path / "log"
    with log.open("wb") as stdout:
        children.append(child := Child(tmp_path, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.DEVNULL))
    child.hears("ready")
    child.send(signal.SIGHUP)
    child.hears("ready", "hangup")
    child.send(signal.SIGTERM)
    child.hears("ready", "hangup", "terminate SIGTERM {}")
    end = time.monotonic() + 10
    while log.read_text() != "heard on stdout\n" and time.monotonic() < end:
        time.sleep(0.01)
    assert log.read_text() == "heard on stdout\n"


def test_nohup_is_honoured(tmp_path: Path, children: list[Child]) -> None:
    children.append(
        child := Child(tmp_path, **quiet(tmp_path), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    )
    child.hears("ready")
    child.send(signal.SIGHUP)
    child.send(signal.SIGTERM)
    child.hears("ready", "terminate SIGTERM {}")  # and no hangup
    assert child.process.poll() is None


def test_control_c_on_a_terminal_and_the_terminal_going_away(tmp_path: Path, children: list[Child]) -> None:
    leader, follower = pty.openpty()
    children.append(
        child := Child(
            tmp_path,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
        )
    )
    os.close(follower)
    child.hears("ready")
    os.write(leader, b"\x03")
    child.hears("ready", "interrupt SIGINT {'terminal': True}")
    os.close(leader)
    child.hears("ready", "interrupt SIGINT {'terminal': True}", "hangup")
    assert child.process.poll() is None


def test_wakes_a_wait_within_50_ms(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import os, signal, threading, time
        from rpd.adapters.local.control import ProcessControl
        from rpd.adapters.local.signals import signal_requests
        control = ProcessControl()
        sent = []
        def send():
            sent.append(time.monotonic()); os.kill(os.getpid(), signal.SIGTERM)
        with signal_requests(control.ask):
            threading.Timer(0.1, send).start()
            control.wait(20)
            print(time.monotonic() - sent[0])
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert float(done.stdout) < 0.05


def test_former_handlers_come_back() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
    before = [signal.getsignal(number) for number in numbers]
    with signal_requests(lambda request: None):
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in numbers] == before


def test_outside_the_main_thread_nothing_is_installed() -> None:
    seen: list[object] = []

    def body() -> None:
        with signal_requests(lambda request: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
