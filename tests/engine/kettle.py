"""A toy lifecycle: water is poured once and never twice, the plate is switched at will, the heat is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from rpd.engine.deadline import remaining
from rpd.engine.decision import Close, Decision, Do, Fire, Leave, Look, Wait
from rpd.engine.errors import Ambiguous, Refused, RpdError, Unavailable
from rpd.engine.lifecycle import Lifecycle
from rpd.engine.operation import Call, Effect, Ended, Nothing, Reading, Result
from rpd.engine.rule import Rule, Table
from rpd.engine.runner import Ending, Runner
from rpd.journal.records import DebtChange, Intent, Observation, Outcome, Record, Requested, Stamp
from tests.fakes.clock import FakeClock
from tests.fakes.driven import Driven
from tests.fakes.fuse import Fuse
from tests.journal.samples import opened


class S(StrEnum):
    COLD = "cold"
    FILLED = "filled"
    HEATING = "heating"
    HOT = "hot"
    SPILLED = "spilled"


class T(StrEnum):
    FILL = "fill"
    PLUG = "plug"
    BOIL = "boil"
    SPILL = "spill"


def is_full(facts: Kettle) -> bool:
    return facts.litres == 1


def is_lidded(facts: Kettle) -> bool:
    return facts.lidded


RULES = (
    Rule(T.FILL, S.COLD, S.FILLED, "there is water in it", when=(is_full,)),
    Rule(T.PLUG, S.FILLED, S.HEATING, "the plate is on"),
    Rule(T.BOIL, S.HEATING, S.HOT, "it boils"),
    Rule(T.SPILL, S.COLD, S.SPILLED, "somebody asked for it", unless=(is_lidded,)),
    Rule(T.SPILL, S.FILLED, S.SPILLED, "somebody asked for it", unless=(is_lidded,)),
    Rule(T.SPILL, S.HEATING, S.SPILLED, "somebody asked for it", unless=(is_lidded,)),
)
TABLE = Table("kettle", S, T, S.COLD, frozenset({S.HOT, S.SPILLED}), RULES)


@dataclass
class Kettle:
    """Facts."""

    litres: int = 0
    is_on: bool = False
    degrees: int = 20
    lidded: bool = False
    asked: list[str] = field(default_factory=list)
    failures: int = 0
    felt_at: Stamp | None = None
    bubbles: int = 0
    begun: dict[str, tuple[Intent, Stamp]] = field(default_factory=dict)


@dataclass
class Kitchen:
    """The world. What happens to the water is counted, whoever believes what."""

    clock: FakeClock
    fuse: Fuse = field(default_factory=Fuse)
    poured: int = 0
    switched: int = 0
    heat: list[int | RpdError] = field(default_factory=lambda: [20, 20, 60, 100])
    pour_ends: list[str] = field(default_factory=list)
    can_see: bool = True
    peeks: int = 0

    def pour(self) -> None:
        self.fuse.reach("before pour")
        end = self.pour_ends.pop(0) if self.pour_ends else "ok"
        if end == "refused":
            raise Refused("the tap is closed")
        if end != "lost":
            self.poured += 1
        self.fuse.reach("after pour")
        if end in ("lost", "unknown"):
            raise Ambiguous("nobody looked")

    def switch(self) -> None:
        self.fuse.reach("before switch")
        self.switched += 1
        self.fuse.reach("after switch")

    def level(self) -> int:
        self.peeks += 1
        if not self.can_see:
            raise Unavailable("steam")
        return self.poured

    def feel(self) -> int:
        self.clock.real += 1.0
        heat = self.heat.pop(0) if len(self.heat) > 1 else self.heat[0]
        if isinstance(heat, RpdError):
            raise heat
        return heat


# Operations.


class Felt(msgspec.Struct, frozen=True, omit_defaults=True):
    degrees: int
    bubbles: int = 0


class Bubbles(msgspec.Struct, frozen=True):
    """They change at every look."""

    bubbles: int


class Pour(Effect[Kettle, Kitchen, Nothing], frozen=True):
    name = "pour"
    words = "pouring"

    litres: int

    def perform(self, call: Call, world: Kitchen) -> Result:
        world.pour()
        return Result()

    def probe(self, call: Call, world: Kitchen) -> Result | None:
        return Result() if world.level() else Result("failed", reason="not_poured", retryable=True)

    def end(self, facts: Kettle, ended: Ended[Nothing]) -> None:
        if ended.answer is not None:
            facts.litres += self.litres


class Switch(Effect[Kettle, Kitchen, Nothing], frozen=True):
    name = "switch"
    words = "switching the plate on"

    def perform(self, call: Call, world: Kitchen) -> Result:
        world.switch()
        return Result()

    def end(self, facts: Kettle, ended: Ended[Nothing]) -> None:
        facts.is_on = facts.is_on or ended.answer is not None


class Feel(Reading[Kettle, Kitchen, Felt], frozen=True):
    name = "feel"
    words = "feeling the heat"
    answers = Felt

    def perform(self, world: Kitchen) -> Result:
        degrees = world.feel()
        return Result(answer=Felt(degrees), live=Bubbles(degrees))

    @classmethod
    def saw(cls, facts: Kettle, answer: Felt, at: Stamp) -> None:
        facts.degrees, facts.felt_at, facts.bubbles = answer.degrees, at, answer.bubbles


EFFECTS: dict[str, type[Effect[Kettle, Kitchen, Any]]] = {kind.name: kind for kind in (Pour, Switch)}
READINGS: dict[str, type[Reading[Kettle, Kitchen, Any]]] = {Feel.name: Feel}


def apply(facts: Kettle, record: Record) -> None:
    body = record.body
    match body:
        case Intent() if body.op in EFFECTS:
            facts.begun[body.opid] = body, record.at
        case Outcome() if body.opid in facts.begun:
            facts.failures += body.status == "failed"
            intent, since = facts.begun[body.opid]
            effect = msgspec.convert(intent.args, EFFECTS[intent.op])
            effect.end(facts, Ended(body, Nothing() if body.status == "ok" else None, since, record.at))
        case Observation(error=None):
            Feel.saw(facts, msgspec.convert(body.data, Felt), record.at)
        case Requested():
            facts.asked.append(body.what)
        case _:
            pass


# Decisions.


def _cold(facts: Kettle, now: Stamp) -> Decision:
    if facts.litres:
        return Fire(T.FILL)
    return Do(Pour(1), facts.failures + 1, (DebtChange("water", "compute", "open"),))


def _filled(facts: Kettle, now: Stamp) -> Decision:
    return Fire(T.PLUG, "by_hand") if facts.is_on else Do(Switch())


def _heating(facts: Kettle, now: Stamp) -> Decision:
    if facts.degrees >= 100:
        return Fire(T.BOIL, debts=(DebtChange("water", "compute", "close", proof="drunk"),))
    if facts.felt_at is not None and remaining(facts.felt_at, 5.0, now):
        return Wait(remaining(facts.felt_at, 5.0, now), "the water", None)
    return Look(Feel())


def _end(facts: Kettle, now: Stamp) -> Decision:
    return Close("tea", None, 0, 0.1)


DECIDE = {S.COLD: _cold, S.FILLED: _filled, S.HEATING: _heating, S.HOT: _end, S.SPILLED: _end}


def interrupts(state: StrEnum, facts: Kettle, now: Stamp) -> Decision | None:
    if "leave" in facts.asked:
        return Leave("as asked", 75, "the fuse box")
    if facts.asked and state in (S.COLD, S.FILLED, S.HEATING):
        return Fire(T.SPILL, debts=(DebtChange("water", "compute", "close", proof="on the floor"),))
    return None


def lifecycle(**changes: Any) -> Lifecycle[Kettle, Kitchen]:
    """The kettle's; `changes` replace parts of it."""
    parts: dict[str, Any] = {
        "table": TABLE,
        "decide": DECIDE,
        "effects": EFFECTS,
        "readings": READINGS,
        "new_facts": lambda opened, run_id: Kettle(),
        "apply": apply,
        "interrupts": interrupts,
        "probe_pause": lambda facts, tries: float(tries),
    }
    return Lifecycle(**{**parts, **changes})


class Room(Driven[Kettle, Kitchen]):
    """A run of the kettle that has begun; `boil` is one process of it, which nobody had to resume."""

    def __init__(self, *requests: str, mask: Callable[[Any], Any] = lambda data: data, **parts: Any) -> None:
        super().__init__(lifecycle(**parts), opened(lifecycle="kettle", workflow="tea", config={}))
        self.kitchen = Kitchen(self.clock)
        self.mask = mask
        self.journal.open()
        self.journal.append(self.opened)
        for request in requests:
            self.control.ask(request)

    @property
    def ports(self) -> Kitchen:
        return self.kitchen

    def hand_out(self, fuse: Fuse) -> None:
        super().hand_out(fuse)
        self.kitchen.fuse = fuse

    def next_process(self) -> Runner[Kettle, Kitchen]:
        """It has read the journal."""
        return self.build(self.journal.records(), mask=self.mask)

    def boil(self) -> Ending:
        return self.next_process().run()
