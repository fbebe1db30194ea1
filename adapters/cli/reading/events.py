"""`rpd events`: the timeline of one run, or the events of many."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rpd.adapters.forensics.run import LoadedRun, folders, load, problem_of
from rpd.adapters.forensics.timeline import age_seconds, conditions, select, wall_of
from rpd.adapters.local.dirs import state_home
from rpd.adapters.report.story import sentences_of
from rpd.adapters.report.words import one_line
from rpd.adapters.runs.finding import loaded_run
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalError
from rpd.journal.index import Index
from rpd.states.ports.exits import Exit

QUIET = frozenset(
    (  # noqa: SIM905
        "seq epoch run wall up boot ts_utc event kind prev z v crit data opid state args debts attempt settled "
        "offset within_seconds"
    ).split()
)
"""Fields that a line for people leaves out."""


def show_events(
    run: str | None, *, where: list[str], since: str | None, root: Path | None, all_runs: bool, as_json: bool
) -> int:
    """Print the events. Exit code 9 when a journal among them is damaged, after printing its good part. Raises
    UserError for invalid conditions."""
    wanted = conditions(where)
    oldest = time.time() - age_seconds(since) if since is not None else None
    if run is not None and (root is not None or all_runs):
        raise UserError("RUN names one run, --all and --root many: use one of them", hint="rpd events --help")
    found, problems = [], {}
    sentences: dict[str, str] = {}
    for name, loaded in _sources(run, root, all_runs):
        rows = _in_order(list(loaded.events()), loaded.phase_marks())
        begin = wall_of(rows[0]) if rows else None
        found += [(name, begin, row) for row in select(rows, wanted, oldest)]
        problem = problem_of(loaded.reading) if loaded.reading is not None else None
        if problem is not None:
            problems[name] = problem
        if loaded.reading is not None and not as_json:
            sentences |= sentences_of(loaded.reading)
    if as_json:
        events = [{**row, "run_dir": name} for name, _, row in found]
        output.answer({"schema": "rpd.events/1", "events": events, "problems": problems})
        return Exit.JOURNAL if problems else Exit.DONE
    many = root is not None or all_runs
    for name, begin, row in found:
        what = sentences.get(str(row.get("z")))
        words = f"{row['event']}  {what}" if what else _words(row)
        number = f"{row['seq']:>4} " if isinstance(row.get("seq"), int) else ""
        whose = f"{Path(name).name}  " if many else ""
        output.text([one_line(f"{whose}{_offset(begin, row)} {number}{words}")])
    if not found:
        output.note(["no event matches"])
    output.note(one_line(f"warning: {name}: {problem}") for name, problem in problems.items())
    return Exit.JOURNAL if problems else Exit.DONE


def _sources(run: str | None, root: Path | None, all_runs: bool) -> Iterator[tuple[str, LoadedRun]]:
    if root is not None:
        for folder in folders(root):
            yield str(folder), _or_nothing(folder)
    elif all_runs:
        for entry in Index(state_home()).entries():
            yield entry.run_dir or entry.run_id, _or_nothing(Path(entry.journal))
    else:
        loaded = loaded_run(run)
        yield str(loaded.folder), loaded


def _in_order(rows: list[dict[str, Any]], marks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the job's phase marks between the records. The records keep their order, whatever their clock said."""
    if not marks:
        return rows
    found: list[dict[str, Any]] = []
    waiting = sorted(marks, key=lambda mark: wall_of(mark) or 0.0)
    for row in rows:
        at = wall_of(row)
        while waiting and found and at is not None and (wall_of(waiting[0]) or 0.0) < at:
            found.append(waiting.pop(0))
        found.append(row)
    return [*found, *waiting]


def _or_nothing(path: Path) -> LoadedRun:
    """The run, or nothing. A journal that makes no sense does not hide the others: its lines are read one by one."""
    try:
        return load(path)
    except (UserError, JournalError):
        return LoadedRun(path, None, None)


def _offset(begin: float | None, row: dict[str, Any]) -> str:
    at = wall_of(row)
    if begin is None or at is None:
        return "[      ?]"
    seconds = max(0, int(at - begin))
    return f"[+{seconds // 60}:{seconds % 60:02d}]".rjust(9)


def _words(row: dict[str, Any]) -> str:
    shown = {**{key: value for key, value in row.items() if key not in QUIET}, **_telling(row.get("data"))}
    pairs = " ".join(f"{key}={_short(value)}" for key, value in shown.items() if value not in (None, "", [], {}))
    return f"{row.get('event', '?')} {pairs}".rstrip()


def _telling(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        return {}
    inner = data.get("data")
    shown = {key: value for key, value in data.items() if key not in QUIET and not isinstance(value, dict | list)}
    if isinstance(inner, dict):
        shown |= {key: value for key, value in inner.items() if not isinstance(value, dict | list)}
    return shown


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
