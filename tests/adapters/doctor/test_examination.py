"""Checks side by side: one that hangs or fails hides no other, and the worst problem gives the exit code."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from rpd.adapters.doctor.check import Check, Status, note, ok, problem, unknown, warning
from rpd.adapters.doctor.examination import Examiner, exit_code, lines_of, looked
from rpd.adapters.doctor.machine import proxies
from rpd.engine.errors import UserError
from rpd.states.ports.exits import Exit


def test_one_that_hangs_has_a_deadline_of_its_own() -> None:
    for_ever = threading.Event()

    def hangs() -> Iterator[Check]:
        for_ever.wait()
        yield ok("never", "")

    began = time.monotonic()
    found = list(looked([Examiner("a", hangs, 0.2), Examiner("b", hangs, 0.2), Examiner("c", well, 5.0)]))
    assert time.monotonic() - began < 4.0, "the deadlines run side by side"
    assert [(each.name, each.status) for each in found] == [
        ("a", Status.WARNING),
        ("b", Status.WARNING),
        ("c", Status.OK),
    ]
    assert exit_code(found) == 0
    assert exit_code(list(looked([Examiner("account", hangs, 0.1)]))) == 1, "what bills there is not known"


def well() -> Iterator[Check]:
    yield ok("c", "is well")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("no key", hint="rpd config init"), "no key"),
        (OSError(28, "No space left on device", "/x"), "/x: No space left"),
        (ValueError("secret-text"), "this check failed: ValueError"),
    ],
)
def test_one_that_fails_keeps_what_it_found_before(error: Exception, words: str) -> None:
    def fails() -> Iterator[Check]:
        yield note("a", "seen")
        raise error

    first, second = looked([Examiner("a", fails, 5.0)])
    assert first.message == "seen" and second.status is Status.PROBLEM
    assert words in second.message and "secret-text" not in second.message


def test_the_worst_problem_that_is_left_gives_the_code() -> None:
    bills = problem("debts", "a pod", exit_code=Exit.STILL_BILLING)
    fixed = Check("debts", Status.PROBLEM, "a pod", exit_code=Exit.STILL_BILLING, is_fixed=True)
    key = problem("api key", "none", exit_code=Exit.KEY)
    disk = problem("disk", "full", exit_code=Exit.JOURNAL)
    other = problem("clock", "late")
    assert exit_code([ok("a", ""), note("n", ""), warning("b", "")]) == 0
    assert exit_code([ok("a", ""), unknown("account", "no answer")]) == 1
    assert exit_code([unknown("account", "no answer"), bills]) == 8
    assert exit_code([other, key, bills, disk]) == 8
    assert exit_code([other, disk, key, fixed]) == 4
    assert exit_code([other, disk]) == 9
    assert exit_code([other]) == 1


def test_a_line_and_what_to_type() -> None:
    assert lines_of(ok("a", "fine\x1b[2J")) == ["ok:      a           fine"]
    said = lines_of(problem("clock", "late", "timedatectl"))
    assert said == ["problem: clock       late", "                     timedatectl"]


def test_the_password_of_a_proxy_is_not_shown() -> None:
    (found,) = proxies({"HTTPS_PROXY": "http://me:hunter2hunter2@proxy:3128"})
    assert "proxy:3128" in found.message and "hunter2" not in found.message
    (none,) = proxies({"no_proxy": "localhost"})
    assert none.status is Status.OK
