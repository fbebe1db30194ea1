"""The port `Lineage` with every answer it can give: one earlier run has left a pod paused."""

from __future__ import annotations

from rpd.engine.errors import Ambiguous, Refused
from rpd.states.policy.reuse import shape
from rpd.states.ports.names import Op
from rpd.states.ports.world import Paused
from tests.simulation.model.jobs import of
from tests.simulation.model.reality import Died, Reality
from tests.simulation.model.truth import OLD_NAME, OLD_RUN, changed


class ModelLineage:
    """What the old journal says stands in the truth."""

    def __init__(self, reality: Reality, config: dict[str, object]) -> None:
        self.reality = reality
        self.config = config

    def paused(self, lineage: str) -> tuple[Paused, ...]:
        pod = self.reality.truth.named(OLD_NAME)
        if pod is None or not pod.is_others:
            return ()
        ordered = shape(of(self.config))
        return (Paused("/old", OLD_RUN, OLD_RUN, pod.id, OLD_NAME, "RTX A5000", "SECURE", 0.27, ordered),)

    def hand_over(self, paused: Paused) -> None:
        self.reality.effect(Op.HAND_OVER)
        answer = self.reality.ask(
            "ok", "another run has it", "unknown, done", "unknown, not done", "dies before it", "dies after it"
        )
        if answer == "dies before it":
            raise Died
        if answer == "another run has it":
            raise Refused("another run has it", reason="handed_over")
        pod = self.reality.truth.named(paused.pod_name)
        if answer != "unknown, not done" and pod is not None:
            self.reality.put(changed(pod, is_others=False))
        if answer == "dies after it":
            raise Died
        if answer.startswith("unknown"):
            raise Ambiguous("the disk says nothing", reason="in_use")

    def has_pod(self, paused: Paused) -> bool:
        pod = self.reality.truth.named(paused.pod_name)
        return pod is not None and not pod.is_others
