"""What a person sees of a long transfer."""

from __future__ import annotations

from rpd.adapters.report.pace import Pace


class Watched:
    def __init__(self) -> None:
        self.at = 100.0
        self.told: list[str] = []
        self.pace = Pace("fetching out", self.told.append, lambda: self.at)

    def after(self, seconds: float, done: int, total: int = 600_000_000) -> list[str]:
        self.at += seconds
        self.told.clear()
        self.pace(done, total)
        return list(self.told)


def test_how_far_it_is_how_fast_and_how_long_still() -> None:
    watched = Watched()
    assert watched.after(0.0, 100_000_000) == ["fetching out: 100.0 MB of 600.0 MB"]
    assert watched.after(0.5, 110_000_000) == [], "once a second"
    said = "fetching out: 140.0 MB of 600.0 MB, 20.0 MB/s, about 23 s left"
    assert watched.after(1.5, 140_000_000) == [said]


def test_the_speed_is_that_of_the_last_moments() -> None:
    watched = Watched()
    watched.after(0.0, 0)
    watched.after(5.0, 500_000_000)
    watched.after(20.0, 500_000_000)
    watched.after(10.0, 510_000_000)
    assert watched.after(10.0, 520_000_000)[0].endswith("520.0 MB of 600.0 MB, 1.0 MB/s, about 1 m 20 s left")


def test_what_is_fetched_again_has_no_speed_yet() -> None:
    watched = Watched()
    watched.after(0.0, 300_000_000)
    assert watched.after(2.0, 0) == ["fetching out: 0 B of 600.0 MB"]
    assert watched.after(2.0, 20_000_000)[0].endswith("10.0 MB/s, about 58 s left")
