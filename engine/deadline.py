"""Durations across sleep, reboot and clock steps; waiting times between tries. Pure."""

from __future__ import annotations

from rpd.journal.records import Stamp

CLOCK_STEP_SECONDS = 5.0
"""If the wall clock moved this much against the monotonic clock, it was set by hand or by a program."""


def elapsed(since: Stamp, now: Stamp) -> float:
    """Seconds from `since` to `now`: by the monotonic clock within one boot, else by the wall clock, never negative."""
    seconds = now.up - since.up if now.boot == since.boot else now.wall - since.wall
    return seconds if seconds > 0.0 else 0.0


def remaining(since: Stamp, limit_seconds: float, now: Stamp) -> float:
    """Seconds until `limit_seconds` after `since`; 0.0 when that has passed."""
    return max(0.0, limit_seconds - elapsed(since, now))


def is_before(one: Stamp, other: Stamp) -> bool:
    """Whether the first moment is earlier: by the monotonic clock within one boot, else by the wall clock."""
    return one.up < other.up if one.boot == other.boot else one.wall < other.wall


def carried_over(moment: Stamp, now: Stamp) -> Stamp:
    """An earlier moment on the clocks of the present boot at `now`.

    A recorded moment cannot lie in the future, even if a wall clock was wrong then or is wrong now. From here on the
    monotonic clock counts.
    """
    if moment.boot == now.boot:
        return moment
    ago = max(0.0, now.wall - moment.wall)
    return Stamp(now.wall - ago, now.up - ago, now.boot)


def clock_step(before: Stamp, now: Stamp) -> float:
    """How far the wall clock was set (seconds, signed) between two moments of one boot; 0.0 if it was not set."""
    if before.boot != now.boot:
        return 0.0
    step = (now.wall - before.wall) - (now.up - before.up)
    return step if abs(step) > CLOCK_STEP_SECONDS else 0.0


def backoff(failures: int, *, first: float, cap: float, jitter: float = 0.0) -> float:
    """Seconds to wait after the n-th failure in a row (n >= 1). They double from `first` to `cap`; up to half of that
    is added, scaled by `jitter` in [0, 1).
    """
    exponent = min(max(failures, 1) - 1, 30)
    base: float = min(cap, first * float(2**exponent))
    return base * (1.0 + 0.5 * jitter)
