"""A share of the long tests, for a run that has no time for all of them. All shares together are all long tests, and
which share a test is in follows from its name alone."""

from __future__ import annotations

import math
import sys
import zlib

import msgspec
import pytest

LONG_BY_QUICK = 7.0
"""The long tests take at most so many times as long as the quick ones on the same machine (measured: 4 on an idle one,
6.3 on a busy one)."""
BUDGET_SECONDS = 45 * 60.0
"""Both together are to take no longer."""


class Share(msgspec.Struct, frozen=True):
    """The `number`-th of `count` shares, counted from 1."""

    number: int
    count: int

    def has(self, nodeid: str) -> bool:
        """Whether the test is in this share."""
        return zlib.crc32(nodeid.encode()) % self.count == self.number - 1


def parse(text: str) -> Share:
    """`2/3` is the second of three. Raises pytest.UsageError."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise pytest.UsageError(f"--share wants NUMBER/COUNT, as in 2/3, not {text!r}")
    return Share(int(number), int(count))


def fitting(commit: str, quick_seconds: float) -> Share:
    """What fits into the budget on a machine that needed so long for the quick tests. Where that is not all, the
    hexadecimal name of the commit draws the share: the next commit most likely has another."""
    left = max(BUDGET_SECONDS - quick_seconds, 60.0)
    count = max(1, math.ceil(LONG_BY_QUICK * quick_seconds / left))
    return Share(int(commit, 16) % count + 1, count)


def select(items: list[pytest.Item], share: Share) -> list[pytest.Item]:
    """Leave out the long tests of other shares. Returns what was left out."""
    left_out = {item for item in items if item.get_closest_marker("slow") and not share.has(item.nodeid)}
    items[:] = [item for item in items if item not in left_out]
    return list(left_out)


if __name__ == "__main__":
    drawn = fitting(sys.argv[1], float(sys.argv[2]))
    print(f"{drawn.number}/{drawn.count}")
