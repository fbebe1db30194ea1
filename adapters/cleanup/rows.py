"""One line of what `rpd gc` plans and does."""

from __future__ import annotations

from typing import Any

import msgspec


class GcRow(msgspec.Struct):
    """One run with something to do. `is_done` when, as far as gc goes, nothing computes against anybody's will."""

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
