"""A session on fake ports, for the tests of its states."""

from __future__ import annotations

from typing import Any

from rpd.journal.records import Observation, Transition
from rpd.states.ports.names import State
from tests.fakes.fake_world import FakeWorld

COMFYUI = {"session": {"services": [{"port": 8188, "path": "/system_stats"}], "preset": "comfyui"}}
HOUR = {"cost_cap_usd": 100.0, "max_runtime_minutes": 60, "ssh_ready_timeout_sec": 300}


class FakeSession(FakeWorld):
    """A session with one service and an hour of time."""

    def __init__(self, **config: Any) -> None:
        plain: dict[str, Any] = {"setup": [], "staging": [], "preflight": [], "artifacts": []}
        super().__init__(life="session", **{**plain, "budget": HOUR, **config})
        self.opened.options.update(COMFYUI)

    @property
    def states(self) -> list[str]:
        """The states that were entered, in order."""
        return [record.body.dest for record in self.journal.records() if isinstance(record.body, Transition)]

    def looks(self, op: str) -> list[Observation]:
        """What was written of the looks of one kind."""
        bodies = (record.body for record in self.journal.records())
        return [body for body in bodies if isinstance(body, Observation) and body.op == op]

    def leave_after(self, seconds: float, how: str | None = "stop", **detail: object) -> None:
        """The person leaves so many seconds from now."""
        self.control.ask_after(seconds, "leave", **({"how": how} if how else {}), **detail)

    def status(self) -> str:
        """What the cloud says of the only pod."""
        return self.cloud.only().status

    def assert_over(self) -> None:
        """Nothing bills, and nothing is owed."""
        assert self.cloud.billing == [] and self.compute_debts == [], self.journal.events()
        assert self.remote.starts == []

    @property
    def is_attending(self) -> bool:
        return self.facts.state is State.ATTEND
