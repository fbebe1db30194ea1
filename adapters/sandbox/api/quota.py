"""The rate limit of an account: three windows, and the storm of fault F11."""

from __future__ import annotations

import math
from typing import Any

from rpd.adapters.sandbox.cloud import faults
from rpd.adapters.sandbox.cloud.model import State
from rpd.adapters.sandbox.cloud.problems import Problem

SPENT_WINDOW = "x-spent-window"

# Wide enough for a busy test suite; the real quotas are lower and differ by account.
WINDOWS = {"minute": (60, 60_000), "hour": (3_600, 1_000_000), "day": (86_400, 10_000_000)}
POLICY = ", ".join(f'"{name}";q={quota};w={seconds}' for name, (seconds, quota) in WINDOWS.items())


class Quota:
    """Requests counted in fixed windows."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[int, int]] = {}

    def count(self, now: float) -> None:
        """Count one request. Raises Problem 429 when a window is used up."""
        for name, (seconds, quota) in WINDOWS.items():
            window = int(now // seconds)
            at, used = self._used.get(name, (window, 0))
            self._used[name] = (window, used + 1 if at == window else 1)
            if at == window and used >= quota:
                raise too_many(name, seconds - now % seconds)

    def headers(self, now: float, spent: str | None = None) -> dict[str, str]:
        """RateLimit headers as of now; a spent window (`name;seconds until it is filled again`) shows r=0."""
        spent_window, _, resets_in = (spent or "").partition(";")
        members = []
        for name, (seconds, quota) in WINDOWS.items():
            at, used = self._used.get(name, (0, 0))
            left = max(0, quota - used) if at == int(now // seconds) else quota
            if name == spent_window:
                members.append(f'"{name}";r=0;t={resets_in}')
            else:
                members.append(f'"{name}";r={left};t={math.ceil(seconds - now % seconds)}')
        return {"RateLimit": ", ".join(members), "RateLimit-Policy": POLICY}


def storm(state: State, now: float, fits: Any) -> None:
    """Let fault F11 strike. Raises Problem 429 while it does."""
    held = state.storm
    if held and now >= held["until"]:
        state.storm = held = {}
    if held:
        raise too_many(held["window"], held["retry_after"])
    options = faults.strike(state, "F11", fits=fits)
    if options is None:
        return
    window, retry_after = options.get("window", "minute"), faults.number(options, "retry_after", 1.0)
    if "seconds" in options:
        until = now + faults.number(options, "seconds", 0.0)
        state.storm = {"until": until, "window": window, "retry_after": retry_after}
    raise too_many(window, retry_after)


def too_many(window: str, retry_after: float) -> Problem:
    """The refusal for a used-up window."""
    problem = Problem(429, f"rate limit exceeded for the {window} window")
    seconds = str(max(1, math.ceil(retry_after)))
    problem.headers = {"Retry-After": seconds, SPENT_WINDOW: f"{window};{seconds}"}
    return problem
