"""One run in one row, in the same form for a journal and for a manifest."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.states.ports.names import State


class RunRow(msgspec.Struct, frozen=True):
    """One run. Times are UTC (RFC 3339) and seconds. Money is in USD and estimated unless `rpd cost` says otherwise.
    None means not known. `source` is "journal", "manifest" for a run folder with only that, or "events" if even the
    manifest is missing. `problem` is the problem with the data that was read: a damaged journal gives only its good
    part. `is_left`: a session whose pod is stopped and waits for its person. `doubts` are lines of the log that speak
    against a success."""

    run_id: str
    workflow: str
    source: str
    started: str | None = None
    state: str | None = None
    outcome: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    gpu: str | None = None
    datacenter: str | None = None
    pod_id: str | None = None
    pod_resumed: bool | None = None
    usd_per_hour: float | None = None
    wall_seconds: float | None = None
    cost_usd: float | None = None
    run_dir: str | None = None
    journal: str | None = None
    problem: str | None = None
    is_left: bool = False
    doubts: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """The run is over, and no success."""
        return self.outcome is not None and self.outcome != "succeeded"

    @property
    def is_kept(self) -> bool:
        """The run is over, except for a pod that is kept up for a person, and costs money until its switch stops it."""
        return self.outcome is not None and self.source == "journal" and self.state == State.RELEASE


def row_of_manifest(manifest: dict[str, Any], run_dir: str) -> RunRow:
    """A row of a manifest of schema v1 or v2, of any tool."""

    def text(name: str) -> str | None:
        value = manifest.get(name)
        return None if value is None else str(value)

    def number(name: str) -> float | None:
        value = manifest.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    exit_code = manifest.get("exit_code")
    doubts = manifest.get("doubts")
    return RunRow(
        run_id=text("run_id") or run_dir.rstrip("/").rpartition("/")[2],
        workflow=text("job_name") or "?",
        source="manifest",
        started=text("started_at_utc") or text("pulled_at_utc"),
        outcome=text("outcome") or _ending(manifest.get("failed")),
        reason=text("reason"),
        exit_code=exit_code if isinstance(exit_code, int) else None,
        gpu=text("gpu_id"),
        datacenter=text("datacenter_id"),
        pod_id=text("pod_id"),
        pod_resumed=bool(manifest["pod_resumed"]) if "pod_resumed" in manifest else None,
        usd_per_hour=number("gpu_price_per_hour_usd"),
        wall_seconds=number("wall_time_sec"),
        cost_usd=number("estimated_cost_usd"),
        run_dir=run_dir,
        doubts=tuple(line for line in doubts if isinstance(line, str)) if isinstance(doubts, list) else (),
    )


def _ending(failed: Any) -> str | None:
    """All that older manifests say of an end."""
    return ("failed" if failed else "succeeded") if isinstance(failed, bool) else None
