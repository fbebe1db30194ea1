"""Other runs of the same lineage: what they have left paused, and to whom it was handed over."""

from __future__ import annotations

from collections.abc import MutableMapping

from rpd.engine.errors import Refused
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Paused


class FakeLineage:
    """The port `Lineage` of run `run_id`. `owners` is what the old journals say: pod name to the run that has it now.
    `handed_over` is told of what became this run's."""

    def __init__(self, run_id: str, handed_over: MutableMapping[str, str] | None = None) -> None:
        self.run_id = run_id
        self.left: list[Paused] = []
        self.owners: dict[str, str] = {}
        self.handed_over: MutableMapping[str, str] = handed_over if handed_over is not None else {}

    def paused(self, lineage: str) -> tuple[Paused, ...]:
        return tuple(each for each in self.left if self.owners.get(each.pod_name) is None)

    def hand_over(self, paused: Paused) -> None:
        owner = self.owners.setdefault(paused.pod_name, self.run_id)
        if owner != self.run_id:
            raise Refused(f"run {owner} has it", reason=Fault.HANDED_OVER)
        self.handed_over[paused.pod_id] = paused.born_run

    def has_pod(self, paused: Paused) -> bool:
        is_ours = self.owners.get(paused.pod_name) == self.run_id
        if is_ours:
            self.handed_over[paused.pod_id] = paused.born_run
        return is_ours
