"""A cloud that does not answer is left after a time, and a command that is to end does not wait for it. The time is
virtual: pauses between attempts, and what a test lets pass."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from rpd.adapters.local.patience import Patience
from rpd.adapters.local.signals import LeaveNow
from rpd.adapters.runpod.client import RunPodClient
from rpd.engine.errors import Ambiguous, NotSent, Refused, RpdError, Unavailable
from rpd.engine.ports import Request

LIST, POD = "/v2/pods", "/v2/pods/p1"


class Watched:
    """A client whose clock runs only while it waits, and when a test says so."""

    def __init__(self, bench: Any, url: str, seconds: float, **limits: Any) -> None:
        self.spent = 0.0
        self._bench = bench
        self.patience = Patience(seconds, lambda: sum(bench.waits) + self.spent)
        self.client: RunPodClient = bench.client(url, self.patience, **limits)

    def get(self, path: str) -> None:
        self.client.get(path, bytes)

    def fails(self, path: str, error: type[RpdError] = Unavailable) -> RpdError:
        with pytest.raises(error) as caught:
            self.get(path)
        return caught.value

    def left(self) -> LeaveNow:
        assert self.patience.leaving is not None
        return self.patience.leaving

    def until_it_leaves(self, ask: Callable[[], object]) -> float:
        """Ask every second until it leaves; how long that took."""
        begun = self.spent + sum(self._bench.waits)
        for _ in range(1000):
            ask()
            if self.patience.leaving is not None:
                return self.spent + sum(self._bench.waits) - begun
            self.spent += 1.0
        raise AssertionError("it never leaves")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_cloud_that_does_not_answer_is_left_in_time(api: Any, bench: Any, status: int) -> None:
    api.refuse(status, "later")
    watched = Watched(bench, api.url, 30.0)
    assert 30.0 <= watched.until_it_leaves(lambda: watched.fails(LIST)) <= 32.0
    assert watched.left().exit_code == 8
    assert f"{api.url} has not answered for 30 s" in watched.left().why
    assert "later" in watched.left().why


def test_a_storm_that_never_ends_is_no_answer(api: Any, bench: Any) -> None:
    api.refuse(429, "slow", {"Retry-After": "9"})
    watched = Watched(bench, api.url, 30.0)

    def delete() -> None:
        with pytest.raises(Refused):
            watched.client.delete(POD)

    assert 30.0 <= watched.until_it_leaves(delete) <= 32.0


def test_a_cloud_that_refuses_has_answered(api: Any, bench: Any) -> None:
    api.refuse(404, "no")
    watched = Watched(bench, api.url, 30.0)
    for _ in range(100):
        watched.fails(LIST, Refused)
        watched.spent += 1.0
    assert watched.patience.leaving is None


def test_one_question_that_fails_for_ever_is_enough(api: Any, bench: Any) -> None:
    """A delete was accepted, one pod can be read, and only the list fails: no proof ever comes."""
    watched = Watched(bench, api.url, 30.0, attempts=1)

    def survey() -> None:
        api.refuse(500, "later").answer(200, {})
        watched.fails(LIST)
        if watched.patience.leaving is None:
            watched.get(POD)

    assert 29.0 <= watched.until_it_leaves(survey) <= 32.0


def test_a_question_that_nobody_asks_again_ends_nothing(api: Any, bench: Any) -> None:
    watched = Watched(bench, api.url, 30.0, attempts=1)
    api.refuse(500, "later").answer(200, {})
    with pytest.raises(Ambiguous):
        watched.client.delete(POD)
    for _ in range(100):
        watched.get(POD)
        watched.spent += 1.0
    assert watched.patience.leaving is None


def test_an_answer_begins_anew(api: Any, bench: Any) -> None:
    watched = Watched(bench, api.url, 30.0, attempts=1)
    for _ in range(5):
        api.refuse(500, "later").answer(200, {})
        watched.fails(LIST)
        watched.spent += 20.0
        watched.get(LIST)
        watched.spent += 20.0
    assert watched.patience.leaving is None


def test_what_was_left_unasked_for_long_begins_anew(api: Any, bench: Any) -> None:
    api.refuse(500, "later")
    watched = Watched(bench, api.url, 100.0, attempts=1)
    watched.fails(LIST)
    watched.spent += 600.0
    watched.fails(LIST)
    assert watched.patience.leaving is None


def test_nothing_is_asked_by_a_command_that_leaves(api: Any, bench: Any) -> None:
    watched = Watched(bench, api.url, 30.0)
    watched.patience.leave_on(Request("interrupt", "SIGINT"))
    assert watched.left().exit_code == 130
    assert "interrupted" in watched.fails(LIST).message
    with pytest.raises(NotSent):
        watched.client.delete(POD)
    assert api.calls == []


def test_the_first_reason_to_leave_stays() -> None:
    patience = Patience()
    patience.leave_on(Request("terminate", "SIGTERM"))
    patience.leave_on(Request("interrupt", "SIGINT"))
    assert patience.leaving is not None
    assert patience.leaving.exit_code == 143


def test_an_attempt_takes_no_longer_than_what_is_left(raw: Any, bench: Any) -> None:
    server = raw(lambda _connection: server.pause(10.0))
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="no whole answer in time"):
        bench.client(server.url, Patience(0.3)).get(LIST, bytes)
    assert time.monotonic() - begun < 5.0


def test_an_effect_under_way_is_cut_short_and_in_doubt(raw: Any, bench: Any) -> None:
    patience = Patience()

    def serve(_connection: socket.socket) -> None:
        patience.leave_on(Request("interrupt", "SIGINT"))
        server.pause(10.0)

    server = raw(serve)
    begun = time.monotonic()
    with pytest.raises(Ambiguous):
        bench.client(server.url, patience).delete(POD)
    assert time.monotonic() - begun < 5.0
