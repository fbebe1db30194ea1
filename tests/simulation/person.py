"""The person of a session: is there for a while whenever it is connected, and then leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

KEPT_SECONDS = 1200.0


class Person:
    """Stays for `stays` seconds each time. `leaves` is how, one after the other, the last one again and again: "stop",
    "delete", "keep", or "" without an answer."""

    def __init__(self, sim: Simulation, stays: float = 120.0, leaves: tuple[str, ...] = ("delete",)) -> None:
        self.sim = sim
        self.stays = stays
        self.leaves = leaves
        self._times = 0

    def is_there(self) -> None:
        """The session is connected: plan when to leave."""
        sim, control = self.sim, self.sim.control

        def leave() -> None:
            if sim.control is control and sim.director.state == "attend":
                self.leave()

        sim.clock.after(self.stays, leave)

    def leave(self) -> None:
        """Leave now, as is the turn."""
        how = self.leaves[min(self._times, len(self.leaves) - 1)]
        self._times += 1
        if how == "keep":
            self.sim.oracle.excused_seconds += KEPT_SECONDS
            self.sim.ask("leave", how="preserve", until=self.sim.laptop.now().wall + KEPT_SECONDS)
        else:
            self.sim.ask("leave", **({"how": how} if how else {}))
