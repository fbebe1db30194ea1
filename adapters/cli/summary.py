"""`rpd summary`: one run in a block, or many with totals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters import api
from rpd.adapters.cli import output
from rpd.adapters.cli.events import loaded_run
from rpd.adapters.forensics.row import RunRow
from rpd.adapters.forensics.run import folders, load
from rpd.adapters.report.words import duration, money, one_line, plural, rate, size
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalError


def summarize(run: str | None, *, root: Path | None, as_json: bool) -> int:
    """Print what there is to say. Exit code 1 when the one run that was named is over and failed, so that a script may
    use it as a gate."""
    if root is not None:
        return _many(root, as_json=as_json)
    loaded = loaded_run(run)
    row = loaded.row(api.now())
    manifest = loaded.manifest or manifest_beside(row)
    if as_json:
        output.answer({"schema": "rpd.summary/1", "run": msgspec.to_builtins(row), "manifest": manifest})
    else:
        output.text([one_line(line) for line in block(row, manifest)])
    return 1 if row.failed else 0


def manifest_beside(row: RunRow) -> dict[str, Any] | None:
    if row.run_dir is None or not Path(row.run_dir).is_dir():
        return None
    try:
        return load(Path(row.run_dir)).manifest
    except (UserError, JournalError):
        return None


def block(row: RunRow, manifest: dict[str, Any] | None) -> list[str]:
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
        ("pod", f"{row.pod_id or '-'}  {row.gpu or '-'} in {row.datacenter or '?'}"),
        ("price", rate(row.usd_per_hour) if row.usd_per_hour else None),
        ("time", duration(row.wall_seconds) if row.wall_seconds is not None else None),
        ("cost", f"{money(row.cost_usd)} (est.)" if row.cost_usd is not None else None),
        ("image", known.get("image")),
        ("git", f"{sha}{dirty} {code.get('local_git_branch') or ''}".strip() if sha else None),
        ("lockfile", lock or None),
        ("folder", row.run_dir),
    )
    lines = [f"{name:9} {value}" for name, value in facts if value]
    for item in known.get("artifacts") or ():
        if isinstance(item, dict):
            got = item.get("bytes_transferred")
            much = f", {size(got)}" if isinstance(got, int) else ""
            lines.append(f"artifact  {item.get('label')}: {item.get('status')}{much}")
    files = [str(name) for name in known.get("telemetry_files") or ()]
    return [*lines, *([f"telemetry {', '.join(files)}"] if files else [])]


def _end(row: RunRow) -> str:
    if row.outcome is None:
        return f"unfinished, in state {row.state or '?'}"
    why = f" ({row.reason})" if row.reason and row.outcome != "succeeded" else ""
    code = f", the job's exit code {row.exit_code}" if row.exit_code is not None else ""
    return f"{row.outcome}{why}{code}"


def _many(root: Path, *, as_json: bool) -> int:
    found: list[tuple[RunRow, dict[str, Any] | None]] = []
    for folder in folders(root):
        try:
            loaded = load(folder)
            found.append((loaded.row(api.now()), loaded.manifest))
        except (UserError, JournalError) as error:
            output.note([f"warning: {folder} is passed over: {error.message}"])
    rows = [row for row, _ in found]
    totals = {
        "runs": len(rows),
        "failed": sum(row.failed for row in rows),
        "wall_seconds": round(sum(row.wall_seconds or 0.0 for row in rows), 3),
        "cost_usd": round(sum(row.cost_usd or 0.0 for row in rows), 6),
    }
    if as_json:
        output.answer({"schema": "rpd.summary/1", "runs": [msgspec.to_builtins(row) for row in rows], "totals": totals})
        return 0
    for row, manifest in found:
        output.text([*(one_line(line) for line in block(row, manifest)), ""])
    wall, usd = duration(float(totals["wall_seconds"])), money(float(totals["cost_usd"]))
    output.text([f"TOTAL     {plural(len(rows), 'run')}, {totals['failed']} failed, {wall}, {usd} (est.)"])
    return 0
