"""One line of the board: a run, a session, or a pod that no unfinished run has."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Kind = Literal["run", "session", "pod"]


class BoardRow(msgspec.Struct, frozen=True):
    """Money is in USD. `state` is that of the run, or the pod's status. `for_seconds` is the time in it, as far as
    known. `awaits` is what the run waits for or does next. `use` is the recent use of the GPUs in percent, oldest first
    (None: not known). `released_by` says who gives the pod back, when, and the worst case. `pid` drives the run on this
    machine. `may_act` is false where another machine drives, or where the pod is not ours."""

    kind: Kind
    name: str
    state: str
    run_id: str | None = None
    pod_id: str | None = None
    status: str | None = None
    for_seconds: float | None = None
    awaits: str | None = None
    gpu: str | None = None
    use: tuple[float | None, ...] = ()
    usd_per_hour: float = 0.0
    cost_usd: float | None = None
    released_by: str | None = None
    owner: str | None = None
    pid: int | None = None
    may_act: bool = False
    is_over: bool = False
    note: str | None = None

    def document(self) -> dict[str, Any]:
        """The row as plain data."""
        return dict(msgspec.to_builtins(self))


class Board(msgspec.Struct, frozen=True):
    """All rows at one moment. `asked_at` is when the clouds last answered (UTC seconds)."""

    rows: tuple[BoardRow, ...]
    usd_per_hour: float
    stopped_usd_per_month: float
    unreachable: tuple[str, ...]
    asked_at: float

    def document(self) -> dict[str, Any]:
        """The answer of `rpd top --json`."""
        return {
            "schema": "rpd.top/1",
            "rows": [row.document() for row in self.rows],
            "usd_per_hour": round(self.usd_per_hour, 6),
            "stopped_usd_per_month": round(self.stopped_usd_per_month, 2),
            "unreachable": list(self.unreachable),
        }
