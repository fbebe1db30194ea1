"""Requests from this process, from other threads and from other processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rpd.adapters.local.control import ProcessControl, leave_request, request_file
from rpd.engine.errors import UserError
from rpd.engine.ports import Request


def test_requests_come_out_in_order() -> None:
    control = ProcessControl()
    assert not control.pending() and control.take() is None
    control.ask(Request("interrupt", "a"))
    control.ask(Request("cancel", "b"))
    assert control.pending()
    assert [control.take(), control.take(), control.take()] == [Request("interrupt", "a"), Request("cancel", "b"), None]
    assert not control.pending()


def test_wait_sleeps_and_wakes_at_once_when_asked() -> None:
    control = ProcessControl()
    began = time.monotonic()
    control.wait(0.05)
    assert 0.05 <= time.monotonic() - began < 1
    asked_at: list[float] = []

    def ask() -> None:
        asked_at.append(time.monotonic())
        control.ask(Request("cancel", "thread"))

    timer = threading.Timer(0.1, ask)
    timer.start()
    control.wait(30)
    woke_at = time.monotonic()
    timer.join()
    assert woke_at - asked_at[0] < 0.05
    control.wait(30)  # a request still waits
    assert control.take() == Request("cancel", "thread")


def test_a_request_of_another_process_is_taken_once(tmp_path: Path) -> None:
    journal = tmp_path / "r.jsonl"
    control, rival = ProcessControl(journal, epoch=2), ProcessControl(journal, epoch=2)
    code = (
        "import sys, pathlib; from rpd.adapters.local.control import leave_request\n"
        "from rpd.engine.ports import Request as R\n"
        "leave_request(pathlib.Path(sys.argv[1]), R('cancel', 'other', {'n': 1}), epoch=2)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(journal)])
    began = time.monotonic()
    control.wait(30)
    assert time.monotonic() - began < 29
    assert child.wait(30) == 0
    assert request_file(journal).exists(), "looking does not consume"
    assert control.pending()
    assert control.take() == Request("cancel", "other", {"n": 1})
    assert rival.take() is None and control.take() is None and not control.pending()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("meant_for", [1, 3])
def test_a_request_for_another_owner_is_dropped(tmp_path: Path, meant_for: int) -> None:
    journal = tmp_path / "r.jsonl"
    leave_request(journal, Request("cancel", "asked the one before"), epoch=meant_for)
    control = ProcessControl(journal, epoch=2)
    assert control.take() is None and not control.pending()
    assert list(tmp_path.iterdir()) == []


def test_of_two_requests_left_before_the_start_the_later_is_found(tmp_path: Path) -> None:
    journal = tmp_path / "r.jsonl"
    leave_request(journal, Request("cancel", "earlier"), epoch=1)
    leave_request(journal, Request("release", "later"), epoch=1)
    assert request_file(journal).stat().st_mode & 0o777 == 0o600
    control = ProcessControl(journal, epoch=1)
    control.wait(30)
    assert control.take() == Request("release", "later")


@pytest.mark.parametrize("content", [b"", b"{", b'{"what": 5, "by": "x"}', b"[]", b"\xff" * 100_000])
def test_a_foreign_file_is_dropped(tmp_path: Path, content: bytes) -> None:
    journal = tmp_path / "r.jsonl"
    request_file(journal).write_bytes(content)
    control = ProcessControl(journal)
    assert control.pending()
    assert control.take() is None and not control.pending()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        leave_request(tmp_path / "file" / "r.jsonl", Request("cancel", "x"), epoch=1)


def test_many_askers_lose_nothing() -> None:
    control = ProcessControl()
    threads = [
        threading.Thread(target=lambda n=n: [control.ask(Request("cancel", f"{n}-{i}")) for i in range(200)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    taken: list[str] = []
    end = time.monotonic() + 20
    while len(taken) < 800 and time.monotonic() < end:
        control.wait(1)
        while (request := control.take()) is not None:
            taken.append(request.by)
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 800


def test_several_sleepers_all_wake() -> None:
    control = ProcessControl()
    woken: list[float] = []
    threads = [threading.Thread(target=lambda: (control.wait(20), woken.append(time.monotonic()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    asked_at = time.monotonic()
    control.ask(Request("cancel", "x"))
    for thread in threads:
        thread.join(20)
    assert len(woken) == 3 and max(woken) - asked_at < 5
