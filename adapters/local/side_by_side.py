"""Pieces of work that wait for different clouds, side by side, so that none waits behind a silent cloud."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from rpd.adapters.local.patience import Patience
from rpd.adapters.local.signals import LeaveNow

MOST = 16
"""How many at once. Each has connections and a journal of its own."""
LOOK_SECONDS = 0.05
GRACE_SECONDS = 2.0
"""How long work that has to leave may take to record that. Work that hangs longer (for example, on the lookup of a
name) ends with the process: its journal holds all that was done, and its lock is released."""


class Work(msgspec.Struct, frozen=True):
    """`do` goes on until `patience` ends it. It raises only errors that it cannot report in another way."""

    do: Callable[[], None]
    patience: Patience


def side_by_side(works: Sequence[Work], command: Patience) -> None:
    """Do all of them, the first ones first. Returns when all have ended, or soon after the command has to leave; then
    no new work begins. Raises the first unexpected error of the works."""
    waiting = collections.deque(works)
    faults: list[Exception] = []

    def take_turns() -> None:
        while command.leaving is None:
            try:
                work = waiting.popleft()
            except IndexError:
                return
            try:
                work.do()
            except LeaveNow:
                pass  # it has already reported what there is to say
            except Exception as fault:
                faults.append(fault)

    threads = [threading.Thread(target=take_turns, daemon=True) for _ in range(min(MOST, len(works)))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive() and command.leaving is None:
                thread.join(LOOK_SECONDS)
    except LeaveNow as leaving:
        command.leave(leaving)
    if command.leaving is not None:
        _send_away(works, threads, command.leaving)
    if faults:
        raise faults[0]


def _send_away(works: Sequence[Work], threads: Sequence[threading.Thread], leaving: LeaveNow) -> None:
    for work in works:
        work.patience.leave(leaving)
    end = time.monotonic() + GRACE_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
