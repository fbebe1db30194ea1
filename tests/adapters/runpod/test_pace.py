"""Rate headers and pauses."""

from __future__ import annotations

import pytest

from rpd.adapters.runpod import pace

FULL = '"minute";r=176;t=12, "hour";r=7193;t=1800, "day";r=49000;t=40000'


def test_windows() -> None:
    assert pace.windows(FULL) == (("minute", 176, 12.0), ("hour", 7193, 1800.0), ("day", 49000, 40000.0))
    assert pace.windows('"minute"; t = 3 ; r = 1') == (("minute", 1, 3.0),)


@pytest.mark.parametrize("header", [None, "", "minute", '"minute"', '"minute";t=5', '"minute";r=x;t=1', ",,;=", "\x00"])
def test_headers_that_say_nothing(header: str | None) -> None:
    assert pace.windows(header) == ()


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "12", "ratelimit": '"minute";r=0;t=30,"hour";r=0;t=20'}, 30.0),
        ({"retry-after": "12", "ratelimit": '"minute";r=1;t=30'}, 12.0),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "9" * 40}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 -0000"}, None),
    ],
)
def test_what_a_refusal_asks_for(headers: dict[str, str], wait: float | None) -> None:
    assert pace.asked_wait(headers) == wait


@pytest.mark.parametrize(("remaining", "pause"), [(176, 0.0), (5, 0.0), (4, 4.0), (1, 10.0), (0, 10.0)])
def test_breath(remaining: int, pause: float) -> None:
    assert pace.breath({"ratelimit": f'"hour";r=0;t=900,"minute";r={remaining};t=20'}) == pause


def test_backoff_grows_to_a_cap_and_is_spread() -> None:
    assert [pace.backoff(n, 0.0) for n in (1, 2, 3, 4, 5, 6, 60)] == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert pace.backoff(1, 0.999) == pytest.approx(0.5, abs=0.01)
