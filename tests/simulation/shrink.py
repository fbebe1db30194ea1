"""From a failing schedule to the shortest one that still breaks the same promise, and to a story that can be read."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tests.simulation.catalogue import AMOUNTS, FAULTS
from tests.simulation.draw import reach
from tests.simulation.oracle import Violation
from tests.simulation.run import Simulation
from tests.simulation.schedule import Schedule

TRIES_MAX = 600


def shrink(schedule: Schedule) -> tuple[Schedule, list[Violation]]:
    """The schedule made as simple as it gets: fewer strikes and acts, the plainest life, the first moment, the smallest
    amount, while the same rule is broken. Gives it back as it is when it breaks nothing."""
    broken = Simulation(schedule).run().violations
    if not broken:
        return schedule, []
    rule, tries = broken[0].rule, 0
    again = True
    while again and tries < TRIES_MAX:
        again = False
        for simpler in _simpler(schedule):
            tries += 1
            found = Simulation(simpler).run().violations
            if found and found[0].rule == rule:
                schedule, broken, again = simpler, found, True
                break
            if tries >= TRIES_MAX:
                break
    return schedule, broken


def story(schedule: Schedule) -> list[str]:
    """What happens in it, second by second."""
    lines: list[str] = []
    Simulation(schedule, story=lines).run()
    return lines


def _simpler(schedule: Schedule) -> Iterator[Schedule]:
    """Schedules one step simpler, the largest steps first."""
    strikes = schedule.strikes
    for index in range(len(strikes)):
        yield msgspec.structs.replace(schedule, strikes=strikes[:index] + strikes[index + 1 :])
    for index in range(len(schedule.acts)):
        yield msgspec.structs.replace(schedule, acts=schedule.acts[:index] + schedule.acts[index + 1 :])
    if schedule.end != "resume":
        yield msgspec.structs.replace(schedule, end="resume")
    if schedule.life != "success":
        yield msgspec.structs.replace(schedule, life="success")
    for index, strike in enumerate(strikes):
        amounts = [each for each in AMOUNTS[FAULTS[strike.fault].amounts] if abs(each) < abs(strike.amount)]
        changes: list[dict[str, object]] = [{"nth": nth} for nth in range(strike.nth)]
        changes += [{"amount": each} for each in amounts]
        for change in changes:
            changed = msgspec.structs.replace(strike, **change)
            yield msgspec.structs.replace(schedule, strikes=(*strikes[:index], changed, *strikes[index + 1 :]))


def occurs(state: str, fault: str) -> bool:
    """Whether the fault can find its moment in this state, as far as the undisturbed lives tell."""
    return (state, FAULTS[fault].moment) in reach().moments
