"""`rpd summary`: one run in a block, or many with totals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.forensics.row import RunRow
from rpd.adapters.forensics.run import folders, load
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.report.words import duration, money, one_line, plural, rate, size
from rpd.adapters.runs.finding import loaded_run, manifest_beside
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalError


def summarize(run: str | None, *, root: Path | None, as_json: bool) -> int:
    """Print the summary. Exit code 1 when the one named run is over and failed, so that a script may use it as a
    gate."""
    if root is not None:
        return _many(root, as_json=as_json)
    loaded = loaded_run(run)
    row = loaded.row(SystemClock().now())
    manifest = loaded.manifest or manifest_beside(loaded)
    why = loaded.why(row)
    if as_json:
        steps = [msgspec.to_builtins(step) for step in loaded.steps()]
        document = {"run": msgspec.to_builtins(row), "why": why, "steps": steps, "manifest": manifest}
        output.answer({"schema": "rpd.summary/1", **document})
    else:
        step_lines = [f"step      {step.words()}" for step in loaded.steps()]
        output.text([one_line(line) for line in (*block(row, manifest, why), *step_lines)])
    return 1 if row.failed else 0


def block(row: RunRow, manifest: dict[str, Any] | None, why: str | None = None) -> list[str]:
    """Lines about one run."""
    known = manifest or {}
    code = known.get("deploy_metadata") or {}
    sha = str(code.get("local_git_sha") or "")[:12]
    dirty = " (dirty)" if code.get("local_git_dirty") else ""
    lock = (
        f"{code['payload_lockfile']} {str(code.get('payload_lockfile_sha256'))[:12]}"
        if code.get("payload_lockfile")
        else ""
    )
    facts = (
        ("run", row.run_id),
        ("workflow", row.workflow),
        ("started", row.started),
        ("end", _end(row)),
        ("why", why),
        ("pod", _pod(row, known)),
        ("price", rate(row.usd_per_hour) if row.usd_per_hour else None),
        ("time", duration(row.wall_seconds) if row.wall_seconds is not None else None),
        ("cost", f"{money(row.cost_usd)} (est.)" if row.cost_usd is not None else None),
        ("image", known.get("image")),
        ("git", f"{sha}{dirty} {code.get('local_git_branch') or ''}".strip() if sha else None),
        ("lockfile", lock or None),
        ("variables", " ".join(f"{name}={value}" for name, value in (known.get("variables") or {}).items())),
        ("slowest", _slowest(known.get("seconds_per_state"))),
        ("folder", row.run_dir),
        ("beware", row.problem),
        *(("beware", f"reason for doubt: {line}") for line in row.doubts),
    )
    lines = [f"{name:9} {value}" for name, value in facts if value]
    for item in known.get("artifacts") or ():
        if isinstance(item, dict):
            got = item.get("bytes_transferred")
            much = f", {size(got)}" if isinstance(got, int) else ""
            error = f"; {item['error']}" if item.get("error") else ""
            lost = item.get("left_out")
            left = f", {plural(lost, 'link')} left out" if isinstance(lost, int) else ""
            lines.append(f"artifact  {item.get('label')}: {item.get('status')}{much}{left}{error}")
    files = [str(name) for name in known.get("telemetry_files") or ()]
    return [*lines, *([f"telemetry {', '.join(files)}"] if files else [])]


def _pod(row: RunRow, known: dict[str, Any]) -> str:
    if row.pod_id is None and row.gpu is None:
        return "none was rented" if row.source == "journal" or "outcome" in known else "?"
    state = known.get("pod_final_state")
    # The older tool looks before it gives its pod back, so its last report is not the final state.
    last = f", {'ended' if 'outcome' in known else 'last seen'} {state}" if state else ""
    return f"{row.pod_id or '-'}  {row.gpu or '-'} in {row.datacenter or '?'}{last}"


def _slowest(seconds: Any) -> str | None:
    """The states that took longest, in the order of the run."""
    if not isinstance(seconds, dict):
        return None
    spent = {str(name): float(each) for name, each in seconds.items() if isinstance(each, int | float)}
    most = sorted(spent, key=lambda name: spent[name], reverse=True)[:4]
    return (
        ", ".join(f"{name} {duration(spent[name])}" for name in spent if name in most and spent[name] >= 0.05) or None
    )


def _end(row: RunRow) -> str:
    if row.outcome is None and row.source != "journal":
        return "?"
    if row.outcome is None:
        return f"unfinished, in state {row.state or '?'}"
    why = f" ({row.reason})" if row.reason and row.outcome != "succeeded" else ""
    code = f", the job's exit code {row.exit_code}" if row.exit_code is not None else ""
    return f"{row.outcome}{why}{code}"


def _many(root: Path, *, as_json: bool) -> int:
    found: list[tuple[RunRow, dict[str, Any] | None, str | None]] = []
    for folder in folders(root):
        try:
            loaded = load(folder)
            row = loaded.row(SystemClock().now())
            found.append((row, loaded.manifest, loaded.why(row)))
        except (UserError, JournalError) as error:
            output.note([f"warning: {folder} is skipped: {error.message}"])
    rows = [row for row, _, _ in found]
    totals = {
        "runs": len(rows),
        "failed": sum(row.failed for row in rows),
        "wall_seconds": round(sum(row.wall_seconds or 0.0 for row in rows), 3),
        "cost_usd": round(sum(row.cost_usd or 0.0 for row in rows), 6),
    }
    if as_json:
        output.answer({"schema": "rpd.summary/1", "runs": [msgspec.to_builtins(row) for row in rows], "totals": totals})
        return 0
    for row, manifest, why in found:
        output.text([*(one_line(line) for line in block(row, manifest, why)), ""])
    wall, usd = duration(float(totals["wall_seconds"])), money(float(totals["cost_usd"]))
    output.text([f"TOTAL     {plural(len(rows), 'run')}, {totals['failed']} failed, {wall}, {usd} (est.)"])
    return 0
