"""`rpd logs`: the job's output, from the run folder; and from the pod where no engine brings it there."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

from rpd.adapters.cli import output
from rpd.adapters.cli.runs import find_journal
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.clouds import recorded_access
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.signals import signal_requests
from rpd.adapters.report.inspection import Inspection
from rpd.engine.errors import RpdError
from rpd.journal.lock import holder
from rpd.journal.reader import read
from rpd.states.call import job_ref, target
from rpd.states.names import State
from rpd.states.reuse import adopted

LOOK_SECONDS = 0.2
WATCH_SECONDS = 1.0
CHUNK_BYTES = 1 << 20


def show_logs(run: str | None, *, follow: bool, tail: int) -> int:
    """Print what there is; with `follow`, until the job's end. Ctrl-C ends following only, and so does a reader that
    went away."""
    with contextlib.suppress(BrokenPipeError):
        return _show(run, follow=follow, tail=tail)
    return 0


def _show(run: str | None, *, follow: bool, tail: int) -> int:
    path = find_journal(run, to_act=True)  # it may read from the pod, with our key
    inspection = Inspection(read(path), SystemClock().now())
    local = Path(inspection.facts.local_log)
    offset = _print_from(local, _tail_offset(local, tail))
    if not follow and holder(path) is not None:
        return 0
    if holder(path) is None:
        return _from_pod(inspection, local, follow=follow)
    while follow and holder(path) is not None:
        time.sleep(LOOK_SECONDS)
        offset = _print_from(local, offset)
    _print_from(local, offset)
    return 0


def _from_pod(inspection: Inspection, local: Path, *, follow: bool) -> int:
    """No engine follows the job: read on from where the local copy ends, into a copy of its own."""
    facts = inspection.facts
    pod = facts.pod
    if facts.state not in (State.LAUNCH, State.MONITOR) or pod is None or pod.id is None or facts.closed_outcome:
        return 0
    from rpd.adapters.local.dirs import state_home
    from rpd.adapters.wiring import world_for

    control = ProcessControl()
    access = recorded_access(facts.opened.cloud)
    world = world_for(facts.opened, facts.run_id, access, control, state_home(), adopted=adopted(facts))
    with tempfile.TemporaryDirectory(prefix="rpd-logs-") as folder, signal_requests(control.ask):
        copy = Path(folder) / "run.log"
        copy.write_bytes(local.read_bytes() if local.exists() else b"")
        offset = copy.stat().st_size
        try:
            while not control.pending():
                claim = world.remote.watch(target(facts), job_ref(facts), str(copy), WATCH_SECONDS)
                offset = _print_from(copy, offset)
                if claim.phase != "running" or not follow:
                    return 0
        except RpdError as error:
            output.note([f"the pod does not answer: {error.message}"])
            return 1
        finally:
            world.remote.close()
    return 0


def _tail_offset(log: Path, lines: int) -> int:
    """Where the last `lines` lines begin; 0 for all."""
    if not lines or not log.exists():
        return 0
    data = log.read_bytes()
    end = len(data) - 1 if data.endswith(b"\n") else len(data)
    for _ in range(lines):
        end = data.rfind(b"\n", 0, end)
        if end < 0:
            return 0
    return end + 1


def _print_from(log: Path, offset: int) -> int:
    """Print what stands behind `offset`; control characters reach a file, never a terminal."""
    if not log.exists():
        return offset
    with log.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(CHUNK_BYTES):
            offset += len(chunk)
            output.copy(chunk)
    return offset
