"""The other runs of the simulated lineage under the director: one of them has left a pod paused."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING

from rpd.engine.errors import Ambiguous
from rpd.states.ports.world import Paused
from tests.fakes.lineage import FakeLineage

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

OLD_RUN = "train-20270110T080000Z-oooooo"
OLD_NAME = f"rpd-train-{'o' * 26}-a1"
RIVAL_RUN = "train-20270115T080000Z-rrrrrr"
"""Another run of the same file, which may be faster."""


class SimLineage(FakeLineage):
    """The port `Lineage` of one process. What the old journals say outlives it and stands in the simulation."""

    def __init__(self, sim: Simulation, handed_over: MutableMapping[str, str]) -> None:
        super().__init__(sim.run_id, handed_over)
        self.left = sim.paused
        self.owners = sim.pod_owners
        self._sim = sim

    def paused(self, lineage: str) -> tuple[Paused, ...]:
        self._sim.turn(0.0)
        return super().paused(lineage)

    def hand_over(self, paused: Paused) -> None:
        sim = self._sim
        sim.turn(0.0)
        sim.oracle.before_call()
        sim.oracle.before_effect("take_over")
        step = sim.director.moment("call:take_over")
        if step == "raced":
            self.owners.setdefault(paused.pod_name, RIVAL_RUN)
        if step == "undone":
            raise Ambiguous("the disk says nothing", reason="in_use")
        super().hand_over(paused)
        sim.cloud.becomes_mine(paused.pod_id)
        sim.director.moment("effect:done")
        if step == "done":
            raise Ambiguous("the disk says nothing", reason="in_use")

    def has_pod(self, paused: Paused) -> bool:
        self._sim.turn(0.0)
        return super().has_pod(paused)
