"""`rpd resume`: go on with a run. A run that is over is only reported."""

from __future__ import annotations

from rpd.adapters.disposal.unrecorded import afterwards, unwritable
from rpd.adapters.driving.resuming import resume_journal
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.runs.finding import find_journal, unfinished
from rpd.adapters.terminal import output
from rpd.journal.errors import JournalUnwritable
from rpd.journal.reader import read
from rpd.journal.replay import fold


def resume_run(run: str | None, *, as_json: bool) -> int:
    """Drive an unfinished run to its end. A finished run is only reported."""
    journal = find_journal(run, only=unfinished, to_act=True)
    reading = read(journal)
    closed = fold(reading.records).closed if reading.damage is None else None
    if closed is not None:
        output.note([f"run {reading.records[0].run} is over: {closed.outcome}", f"why:     rpd inspect {journal}"])
        if as_json:
            from rpd.adapters.forensics.inspection import Inspection

            output.answer({**Inspection(reading, SystemClock().now()).document(), "ended_with": closed.exit_code})
        return closed.exit_code
    try:
        return resume_journal(journal, "rpd resume", as_json=as_json)
    except JournalUnwritable as error:
        run_id = reading.records[0].run
        hint = f"{afterwards(error, f'rpd resume {run_id}')}; or   rpd cancel {run_id}   stops its pod now"
        raise unwritable(journal, error.message, hint, as_json=as_json) from error
