"""One line of the plan and the result of `rpd gc`."""

from __future__ import annotations

from typing import Any

import msgspec


class GcRow(msgspec.Struct):
    """One run with something to do. `is_done` is true if, as far as gc goes, nothing computes against the person's
    will."""

    run_id: str
    journal: str
    state: str | None
    plan: str
    pod_id: str | None = None
    pod_status: str | None = None
    usd_per_hour: float | None = None
    released_by: dict[str, Any] | None = None
    result: str = "planned"
    next: str | None = None
    cloud: str = ""
    is_done: bool = False
    is_spared: bool = False
