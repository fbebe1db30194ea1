"""The last lines of a failure, for a person who no longer has them on the screen."""

from __future__ import annotations

from pathlib import Path

from rpd.adapters.report.log_tail import LogTail
from rpd.adapters.report.why import OF_STEPS
from rpd.journal.records import Stamp
from rpd.journal.redact import Redactor
from rpd.states.facts import Facts
from rpd.states.policy.verdict import verdict
from rpd.states.ports.names import RunOutcome
from rpd.states.shared.preserve import is_kept

LINES = 20
BYTES = 1 << 16


def last_lines(facts: Facts, now: Stamp, redactor: Redactor, *, with_log: bool) -> list[str]:
    """The last lines of the failed command, whose output was never shown. With `with_log`: of the job's log, if the job
    failed."""
    if facts.report.outcome is None and not is_kept(facts, now):
        return []
    if verdict(facts)[0] not in (RunOutcome.FAILED, RunOutcome.LOST):
        return []
    if facts.ending.reason in OF_STEPS:
        return _shown("the last lines of the command:", list(facts.last_container.step_tail), redactor)
    if not with_log or not facts.launch.intended:
        return []
    return _shown(f"the last lines of {facts.local_log}:", _of_log(Path(facts.local_log)), redactor)


def _of_log(path: Path) -> list[str]:
    tail = LogTail(path, from_beginning=True)
    tail.skip_to_last(BYTES)
    lines = tail.new_lines(BYTES)
    return [*lines, tail.unfinished] if tail.unfinished else lines


def _shown(head: str, lines: list[str], redactor: Redactor) -> list[str]:
    """The last lines, without secrets. Empty if there are none."""
    text = redactor.mask("\n".join(lines[-LINES:]), is_cut=True).strip("\n")
    return [head, *(f"  | {line}" for line in text.split("\n"))] if text.strip() else []
