"""Numbers as people read them."""

from __future__ import annotations

import time

import pytest

from rpd.adapters.report.live import shows_unicode
from rpd.adapters.report.words import clean, clock, duration, local_minute, money, one_line, size, utc


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1 m 00 s"), (3600, "1 h 00 m"), (90_000, "1 d 1 h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_money_and_size() -> None:
    assert [money(usd) for usd in (0, 0.00043, 0.39, 1234.5)] == ["$0.00", "$0.0004", "$0.39", "$1,234.50"]
    assert [money(usd) for usd in (-2.5, -0.001)] == ["-$2.50", "-$0.0010"]
    assert [size(count) for count in (0, 999, 1_500, 2_000_000_000_000)] == ["0 B", "999 B", "1.5 kB", "2000.0 GB"]


def test_ascii_where_the_terminal_may_not_know_more() -> None:
    assert shows_unicode("utf-8", {"LANG": "en_US.UTF-8"})
    assert shows_unicode("utf-8", {})
    assert not shows_unicode("utf-8", {"LANG": "C"})
    assert not shows_unicode("utf-8", {"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"})
    assert not shows_unicode("latin-1", {"LANG": "de_DE"})


HOSTILE = "a\x1b]0;title\x07b\x1b[31mc\x9b31md\x08\x7f\u202ee\u2066f\u200fg\r"


def test_nothing_that_steers_a_terminal_passes() -> None:
    assert clean(HOSTILE) == "abc31mdefg"
    assert clean("\x1b\x00]52;c;QUFB\x07 \x1bP1$r\x1b\\") == "]52;c;QUFB P1$r\\"
    assert clean("two\tcells\nand a line") == "two\tcells\nand a line"
    assert one_line("released\nreleased: absent\x85\u2028by id") == "released released: absent by id"


@pytest.mark.parametrize("wall", [1e300, -1e300, 1e18, float("inf"), float("nan")])
def test_moments_and_spans_out_of_this_world(wall: float) -> None:
    for tell in (utc, clock, duration, money):
        assert tell(wall)


def test_a_moment_in_the_readers_own_time_names_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {"UTC0": "2026-11-30 23:30 UTC", "CET-1": "2026-12-01 00:30 CET", "EST5": "2026-11-30 18:30 EST"}
    for zone, words in shown.items():
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert local_minute("2026-11-30T23:30:59Z") == words
    monkeypatch.undo()
    time.tzset()
    assert [local_minute(text) for text in (None, "", "soon")] == ["?", "?", "?"]
