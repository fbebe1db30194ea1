"""The ports of the seeded simulator: the fakes again, as the director's faults bend them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from rpd.engine.errors import RpdError
from rpd.journal.records import Stamp
from rpd.states.ports.job import Job
from tests.contract.simulated import Simulated
from tests.fakes.answers import no_answer, refusal
from tests.fakes.clock import START_WALL
from tests.fakes.fake_world import job_config
from tests.simulation.cloud import SimCloud
from tests.simulation.pod import SimRemote

Answer = Callable[[], str | None]


class Prompter:
    """In the director's place: a moment is answered as the test said, once or until it says otherwise."""

    def __init__(self) -> None:
        self.once: dict[str, Answer] = {}
        self.always: dict[str, Answer] = {}

    def moment(self, kind: str) -> str | None:
        answer = self.once.pop(kind, None) or self.always.get(kind)
        return answer() if answer is not None else None


class Simulator(Simulated):
    """`tests.contract.contract_world.ContractWorld` over the simulator's ports; nobody judges here."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.prompter = Prompter()
        silent = SimpleNamespace(
            **dict.fromkeys(("before_call", "before_create", "before_effect", "before_touch", "executed"), _ignore)
        )
        sim: Any = SimpleNamespace(
            clock=self.clock,
            control=self.control,
            director=self.prompter,
            oracle=silent,
            job=msgspec.convert(job_config(), Job),
            laptop=SimpleNamespace(name="home", now=lambda: Stamp(START_WALL + self.clock.real, self.clock.real, "b")),
            laptops=(None,),  # one owner
            say=_ignore,
            turn=self.clock.advance,
        )
        self.cloud = sim.cloud = SimCloud(sim)
        self.cloud.pods.clear()  # the neighbours
        self.remote = SimRemote(sim)

    def starts(self, launch: int = 1) -> int:
        return self.remote.starts.count(f"{self.run_id}-{launch}")

    def refuse(self, call: str, reason: str) -> None:
        self.prompter.always[f"call:{call}"] = _raising(refusal(call, reason))

    def fail(self, call: str, reason: str) -> None:
        self.prompter.always[f"call:{call}"] = _raising(no_answer(call, reason))

    def heal(self) -> None:
        self.prompter.always.clear()
        self.prompter.once.clear()

    def lose_answer(self, call: str, reason: str) -> None:
        self.prompter.once[f"call:{call}"] = lambda: f"done:{reason}" if call == "create" else "done"

    def do_late(self, seconds: float) -> None:
        self.prompter.once["call:create"] = lambda: f"late:{seconds}"

    def ignore(self, call: str) -> None:
        self.prompter.once[f"call:{call}"] = lambda: "lie"

    def deny(self, call: str) -> None:
        self.prompter.once[f"call:{call}"] = lambda: "unseen"

    def take_gpus(self) -> None:
        self.prompter.once["call:start"] = _raising(refusal("start", "start_refused"))

    def break_pod_key(self, pod_id: str) -> None:
        self.prompter.once["ssh:arm"] = lambda: "no_probe"


def _raising(error: RpdError) -> Answer:
    def answer() -> str | None:
        raise error

    return answer


def _ignore(*args: Any, **named: Any) -> None:
    """Nobody is told."""
