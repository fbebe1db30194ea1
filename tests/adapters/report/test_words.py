"""Numbers as people read them."""

from __future__ import annotations

import pytest

from rpd.adapters.report.live import shows_unicode
from rpd.adapters.report.words import duration, money, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1 m 00 s"), (3600, "1 h 00 m"), (90_000, "1 d 1 h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_money_and_size() -> None:
    assert [money(usd) for usd in (0, 0.00043, 0.39, 1234.5)] == ["$0.00", "$0.0004", "$0.39", "$1,234.50"]
    assert [size(count) for count in (0, 999, 1_500, 2_000_000_000_000)] == ["0 B", "999 B", "1.5 kB", "2000.0 GB"]


def test_ascii_where_the_terminal_may_not_know_more() -> None:
    assert shows_unicode("utf-8", {"LANG": "en_US.UTF-8"})
    assert shows_unicode("utf-8", {})
    assert not shows_unicode("utf-8", {"LANG": "C"})
    assert not shows_unicode("utf-8", {"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"})
    assert not shows_unicode("latin-1", {"LANG": "de_DE"})
