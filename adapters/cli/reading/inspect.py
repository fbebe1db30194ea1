"""`rpd inspect`: what happened and what comes next, from the journal alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.access.gate import run_folder
from rpd.adapters.access.judgement import judged, way_out
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.forensics.job_phases import JobPhase, steps_of
from rpd.adapters.forensics.run import lines_of
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import state_home
from rpd.adapters.pod.step_log import STEPS_NAME
from rpd.adapters.report.ending import debt_lines
from rpd.adapters.report.story import tell
from rpd.adapters.report.why import doubt_and_advice
from rpd.adapters.report.words import clock, duration, money, one_line, plural, rate, utc
from rpd.adapters.runs.finding import find_journal
from rpd.adapters.terminal import output
from rpd.engine.deadline import elapsed
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalError
from rpd.journal.lock import Owner, holder
from rpd.journal.paths import emergency_path
from rpd.journal.reader import Reading, read
from rpd.journal.records import Transition
from rpd.states.facts import Facts, new_facts
from rpd.states.fold import apply
from rpd.states.policy.verdict import is_left


def inspect_run(run: str | None, *, as_json: bool, as_graph: bool, at: int | None = None, verify: bool = False) -> int:
    """Print a run, or its state after record `at`. Exit code 9 when its journal is damaged, after printing the good
    part. With `verify`, print only whether the journal is whole."""
    path = find_journal(run)
    if verify:
        from rpd.adapters.cli.reading.verifying import verify_journal

        return verify_journal(path, as_json=as_json)
    reading = judged(path)
    if reading.opened is None:
        raise reading.damage or JournalError(f"{path} holds no run")
    if at is not None:
        last = reading.records[-1].seq
        reading = _until(reading, at)
    inspection = Inspection(reading, reading.records[-1].at if at is not None else SystemClock().now())
    if as_graph and as_json:
        output.answer({"schema": "rpd.graph/1", "run_id": inspection.facts.run_id, "mermaid": _graph(inspection)})
    elif as_graph:
        output.exact([_graph(inspection)])
    elif as_json and at is not None:
        record = reading.records[-1]
        then = {"at": at, "event": record.event, "ts_utc": record.ts_utc, "facts": _known(inspection)}
        output.answer({**inspection.document(), **then})
    elif as_json:
        owner = holder(path)
        driver = {"live": owner is not None, "owner_pid": owner.pid if owner else None}
        steps = [msgspec.to_builtins(step) for step in _steps(inspection, path)]
        output.answer({**inspection.document(), **driver, "steps": steps})
    elif at is not None:
        record = reading.records[-1]
        output.text(_page(inspection, path, as_of=f"record {at} of 0 to {last}, {record.event}, {record.ts_utc}"))
    else:
        output.text(_page(inspection, path))
    return 9 if reading.damage is not None else 0


def _steps(inspection: Inspection, path: Path) -> list[JobPhase]:
    """The steps of the job, from its log. No record of the journal has them."""
    folder = run_folder(path, inspection.facts.opened)
    return steps_of(lines_of(folder / STEPS_NAME)) if folder is not None else []


def _until(reading: Reading, seq: int) -> Reading:
    """The journal as it was after that record. Raises UserError."""
    last = reading.records[-1].seq
    if not 0 <= seq <= last:
        raise UserError(
            f"there is no record {seq}; the journal holds 0 to {last}",
            hint=f"rpd events {reading.records[0].run}   numbers them",
        )
    return msgspec.structs.replace(reading, records=reading.records[: seq + 1])


def _known(inspection: Inspection) -> dict[str, Any]:
    """Everything that the program knew, as plain data, except record 0 and the job, which are shown elsewhere."""
    facts: dict[str, Any] = msgspec.to_builtins(inspection.facts)
    return {name: value for name, value in facts.items() if name not in ("opened", "job")}


def _graph(inspection: Inspection) -> str:
    from rpd.engine.diagram import mermaid
    from rpd.states.lifecycles import lifecycle_of

    walked = [
        (record.body.source, record.body.dest)
        for record in inspection.reading.records
        if isinstance(record.body, Transition)
    ]
    table = lifecycle_of(inspection.facts.opened.lifecycle).table
    return mermaid(table, walked=walked, here=str(inspection.facts.state)).rstrip()


def _page(inspection: Inspection, path: Path, *, as_of: str | None = None) -> list[str]:
    facts, closed = inspection.facts, inspection.snapshot.closed
    kept = inspection.kept_until()
    open_word = "stopped, waits for you" if is_left(inspection.facts) else "unfinished"
    ending = open_word if kept is None else f"{inspection.outcome()}; its pod is kept up until {clock(kept)}"
    if closed is not None:
        why = f" ({closed.reason})" if closed.reason and closed.outcome != "succeeded" else ""
        ending = f"{closed.outcome}{why}; rpd's exit code {closed.exit_code}"
    owner = holder(path) if as_of is None else None
    lines = [
        f"run      {facts.run_id}",
        f"journal  {path}",
        f"folder   {facts.opened.run_dir}",
        f"cloud    {facts.opened.cloud.get('name')} ({facts.opened.cloud.get('url')})",
        *([f"as of    {as_of}"] if as_of is not None else []),
        *([f"why      {inspection.why()}"] if inspection.why() else []),
        *([f"beware   {'; '.join(doubted)}"] if (doubted := doubt_and_advice(facts)) else []),
        f"state    {facts.state}; {ending}" + (f"; driven by pid {owner.pid} on {owner.host}" if owner else ""),
        f"cost     {f'{money(usd)} (est.)' if (usd := inspection.cost_usd()) is not None else 'not known'}",
        "",
        *_story(inspection.reading),
        "",
        *(_then(inspection) if as_of is not None else _owed(inspection, owner)),
        *_integrity(inspection.reading),
    ]
    if as_of is None:
        lines += [f"step     {each.words()}" for each in _steps(inspection, path)]
    step = inspection.next_step() if inspection.reading.damage is None else None
    if step is not None and as_of is not None:
        lines.append(f"next     {step}")
    elif step is not None:
        lines += _next(inspection, step, owner)
    return [one_line(line) for line in lines]


def _owed(inspection: Inspection, owner: Owner | None) -> list[str]:
    """What costs money now. If no process drives the run, this is the state at its last record."""
    seen = inspection.reading.records[-1].at if owner is None else None
    return [*debt_lines(inspection.facts, inspection.now, seen=seen), *_elsewhere(inspection.facts)]


def _next(inspection: Inspection, step: str, owner: Owner | None) -> list[str]:
    """What to type. A driven run, or a pod that is only kept up, needs no resume."""
    run_id = inspection.facts.run_id
    if owner is not None:
        return [
            f"next     {step}: pid {owner.pid} does it",
            f"         rpd logs -f {run_id}; rpd cancel {run_id}   ends it",
        ]
    if inspection.kept_until() is not None:
        return [f"next     rpd release {run_id}   (--keep-until 2h for longer)"]
    return [f"next     {step}", f"         rpd resume {run_id}"]


def _then(inspection: Inspection) -> list[str]:
    """Pod, job and debts at a past moment. Nothing here asks for an action."""
    lines, pod, claim = [], inspection.pod(), inspection.facts.launch.claim
    if pod is not None:
        place = pod["datacenter"] or "any data center"
        lines.append(f"pod      {pod['id'] or 'no id yet'}, {pod['gpu']}, {place}, {pod['status']}")
    if claim is not None:
        code = "" if claim.exit_code is None else f" with exit code {claim.exit_code}"
        lines.append(f"job      {claim.phase}{code}")
    debts = inspection.debts()
    lines += [f"owed     {debt['kind']} since {debt['since']}, {rate(debt['usd_per_hour'] or 0.0)}" for debt in debts]
    return lines if debts else [*lines, "owed     nothing"]


def _story(reading: Reading) -> list[str]:
    assert reading.opened is not None, "checked before"
    facts = new_facts(reading.opened, reading.records[0].run)
    first = reading.records[0].at
    lines = [f"{utc(first.wall)}"]
    for record in reading.records:
        apply(facts, record)
        text = tell(record, facts)
        if text:
            lines.append(f"{duration(elapsed(first, record.at)):>10}  {record.seq:>4}  {text}")
    return lines


def _elsewhere(facts: Facts) -> list[str]:
    """What the journal cannot know: its owner could no longer write it, and went on in the emergency log."""
    path = emergency_path(state_home(), facts.run_id)
    try:
        records = [record for record in read(path).records if record.epoch == facts.process.epoch]
    except JournalError:
        return []
    closed = {
        change.key for record in records for change in getattr(record.body, "debts", ()) if change.change == "close"
    }
    if not records:
        return []
    lines = [f"beware   the journal could not be written; what followed is in {path}"]
    if facts.debts.compute and closed.issuperset(facts.debts.compute):
        lines.append("         it says that the pod was given back; rpd resume looks at it anew")
    return lines


def _integrity(reading: Reading) -> list[str]:
    count = len(reading.records)
    if reading.damage is not None:
        return [
            f"DAMAGED  {reading.damage.message}; good before it: {plural(count, 'record')}",
            f"         {way_out(reading.records[0].run)}",
        ]
    torn = f"; {reading.torn_bytes} bytes of an unfinished line follow" if reading.torn_bytes else ""
    return [f"verified {plural(count, 'record')}, chain intact{torn}"]
