"""One scripted life."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.simulation.schedule import Schedule, Strike


class Life(msgspec.Struct, frozen=True):
    """`job` are arguments of the simulated job, `config` changes of the job file, `world` attributes of the simulated
    cloud and pod. `outcome`, `reason` and `exit_code` are what the undisturbed life ends with (the exit code is that of
    its last process); `acts` is what the person does in it."""

    name: str
    outcome: str
    reason: str
    exit_code: int
    strikes: tuple[Strike, ...] = ()
    acts: tuple[str, ...] = ()
    job: dict[str, Any] = {}
    config: dict[str, Any] = {}
    world: dict[str, Any] = {}
    options: dict[str, Any] = {}
    lifecycle: str = "job"

    def schedule(self, *strikes: Strike, acts: tuple[str, ...] = (), end: str = "resume", seed: int = 0) -> Schedule:
        """This life with more going wrong."""
        return Schedule(self.name, strikes, acts, end, seed)
