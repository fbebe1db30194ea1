"""`rpd logs --system`: what the provider logs about the pod of a run, such as the pull of its image."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from rpd.adapters.access.gate import recorded_access
from rpd.adapters.disposal.account import require_own_account
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.forensics.timeline import wall_of
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.signals import signal_requests
from rpd.adapters.report.words import utc
from rpd.adapters.runpod.podlog import LogEvent
from rpd.adapters.runs.finding import find_journal
from rpd.adapters.terminal import output
from rpd.engine.errors import Refused, Unavailable, UserError
from rpd.journal.reader import read
from rpd.states.facts import Facts
from rpd.states.ports.faults import Fault

LOOK_SECONDS = 2.0


def show_system_log(run: str | None, *, follow: bool, tail: int, since_wall: float | None) -> int:
    """Print the last `tail` lines (0: as many as the provider gives) that are not older. With `follow`, go on until the
    pod is gone, or until Ctrl-C. Raises UserError if the run has no pod."""
    from rpd.adapters.wiring import cloud_for

    path = find_journal(run, to_act=True)
    facts = Inspection(read(path), SystemClock().now()).facts
    pod = facts.last_pod
    if pod is None or pod.id is None:
        raise UserError(f"run {facts.run_id} has no pod", hint=f"rpd inspect {facts.run_id}")
    control, access = ProcessControl(), recorded_access(path)
    require_own_account(facts, access)
    cloud = cloud_for(access, control)
    shown: set[LogEvent] = set()
    with contextlib.suppress(BrokenPipeError), signal_requests(control.ask):
        while True:
            try:
                events = cloud.log_events(pod.id, "system")
            except Refused as error:
                if error.reason != Fault.NOT_FOUND:
                    raise
                return 0 if shown else _kept(facts)
            except Unavailable:
                if not shown:
                    raise
                events = ()
            _print([each for each in events if each not in shown], tail if not shown else 0, since_wall)
            shown |= set(events)
            if not follow:
                return 0
            control.wait(LOOK_SECONDS)
            if control.pending():
                return 0
    return 0


def _print(events: Sequence[LogEvent], tail: int, since_wall: float | None) -> None:
    newer = [
        each for each in events if since_wall is None or (wall_of({"ts_utc": each.ts}) or time.time()) >= since_wall
    ]
    output.exact(f"{_when(each)}  {each.line}" for each in newer[-tail:])


def _when(event: LogEvent) -> str:
    wall = wall_of({"ts_utc": event.ts})
    return utc(wall) if wall is not None else "?".ljust(20)


def _kept(facts: Facts) -> int:
    """The pod is gone, and its log with it. If it did not come up, the journal holds the last lines."""
    lines = facts.last_container.why_not_up
    output.exact(lines)
    output.note(["the pod is gone, and its log with it" + ("; the journal holds these lines" if lines else "")])
    return 0
