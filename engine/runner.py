"""The one loop: settle open intents, decide, write the intent, act, write the outcome, fold, move.

These things must stay true. An effect is caused only after its intent is durable. Memory moves only after its
transition is durable. After an unknown outcome only a probe follows. Live facts come from the same fold as replayed
facts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Generic, Protocol

import msgspec

from rpd.engine import protocol, unrecordable
from rpd.engine.decision import Close, Decision, Do, Fire, Leave, Look, Wait
from rpd.engine.lifecycle import Lifecycle
from rpd.engine.machine import StateMachine
from rpd.engine.operation import CUT_OFF, Call, F, W, plain
from rpd.engine.ports import Clock, Control, JournalWriter
from rpd.engine.rule import Rule
from rpd.journal.errors import JournalUnwritable, RecordRefused
from rpd.journal.records import (
    Body,
    Closed,
    Data,
    DebtChange,
    Intent,
    Left,
    Observation,
    Opened,
    Outcome,
    Record,
    Requested,
    Resumed,
    Stamp,
    Transition,
)

STEPS_WITHOUT_PAUSE_MAX = 10_000
"""More decisions in a row without a wait or a blocking call than this are an endless loop of the
program, not progress.
"""


class Listener(Protocol):
    """Hears what goes on. A listener must not raise and must not act."""

    def recorded(self, record: Record) -> None:
        """A record is durable and folded."""
        ...

    def doing(self, what: str, deadline: float | None) -> None:
        """The loop now waits for `what`, until `deadline` (UTC seconds) at the latest."""
        ...


class Ending(msgspec.Struct, frozen=True):
    """How the part of this process ended. `closed`: the run is over. `why` is for people."""

    closed: bool
    exit_code: int
    outcome: str | None
    reason: str | None
    why: str | None = None


class _Open(msgspec.Struct, frozen=True):
    """An intent without a known outcome. `at` is the latest moment at which its effect may have been requested."""

    intent: Intent
    at: Stamp


class _JournalMoved(Exception):
    """The journal was replaced by the emergency log before anything was begun."""


class Runner(Generic[F, W]):
    """Drives one run from its journal. `records` are those already in the journal, record 0 first. `mask` takes secrets
    out of plain data, as the journal does, for data that is folded or passed to the listener without a record.
    """

    def __init__(
        self,
        lifecycle: Lifecycle[F, W],
        machine: StateMachine,
        records: Sequence[Record],
        journal: JournalWriter,
        world: W,
        *,
        clock: Clock,
        control: Control,
        listener: Listener,
        emergency: Callable[[], JournalWriter] | None = None,
        mask: Callable[[Any], Any] = lambda data: data,
    ) -> None:
        self.lifecycle = lifecycle
        self.world = world
        self.clock = clock
        self.control = control
        self.listener = listener
        self._machine = machine
        self._journal = journal
        self._emergency = emergency
        self._mask = mask
        self._open: dict[str, _Open] = {}
        self._probes: dict[str, int] = {}
        self._seen: dict[str, tuple[Any, Any]] = {}  # op -> what was seen, and what was written for it
        self._owed: set[tuple[str, str]] = set()
        self._next_op = 1
        self._ending: Ending | None = None
        self._busy_steps = 0
        opened = records[0].body
        assert isinstance(opened, Opened), "record 0 opens the journal"
        self.facts: F = lifecycle.new_facts(opened, records[0].run)
        self._position = machine.enter(None)
        for record in records:
            self._fold(record)

    @property
    def state(self) -> StrEnum:
        """The state of the run, as the table's enum."""
        return self._position.state

    def run(self) -> Ending:
        """Go on until the run is closed or left. Raises JournalError if the journal cannot be kept before anything was
        rented.
        """
        while self._ending is None:
            self._take_requests()
            if self._open:
                self._settle(next(iter(self._open.values())))
                continue
            try:
                self._step(self._decide())
            except _JournalMoved:
                continue  # nothing was begun: decide again, in the new journal
        return self._ending

    # One decision and what follows from it.

    def _decide(self) -> Decision:
        state, now = self._position.state, self.clock.now()
        decision = self.lifecycle.interrupts(state, self.facts, now)
        return decision if decision is not None else self.lifecycle.decide[state](self.facts, now)

    def _step(self, decision: Decision) -> None:
        self._busy_steps += 1
        assert self._busy_steps < STEPS_WITHOUT_PAUSE_MAX, f"state {self.state} decides {decision!r} without end"
        match decision:
            case Do():
                self._do(decision)
            case Look():
                self._look(decision)
            case Fire():
                self._fire(decision)
            case Wait():
                self._busy_steps = 0
                self._tell(decision.what, decision.deadline)
                self.control.wait(decision.seconds)
            case Leave():
                self._append(Left(decision.why, decision.exit_code, decision.released_by))
            case Close():
                self._append(Closed(decision.outcome, decision.reason, decision.exit_code, decision.cost_usd))

    def _do(self, do: Do) -> None:
        opid = f"{self._next_op:04d}-{do.op}"
        intent = protocol.intent_of(do.operation, opid, str(self.state), do.attempt, do.debts)
        try:
            record = self._append(intent)
        except RecordRefused as refused:
            self._not_done(intent, refused)
            return
        self._tell(do.operation.label, None)
        self._busy_steps = 0
        result = protocol.perform(do.operation, Call(record.at, do.payload), self.world)
        self._append(protocol.outcome_of(intent, result))

    def _not_done(self, intent: Intent, refused: RecordRefused) -> None:
        """An intent that the journal refuses causes nothing. The lifecycle learns that it failed."""
        for stated, outcome in unrecordable.without_effect(intent, refused.message):
            try:
                self._append(stated)
            except RecordRefused as again:
                refused = again
                continue
            self._append(outcome)
            return
        raise refused

    def _settle(self, unsettled: _Open) -> None:
        """An intent without a known outcome: ask the world, never act."""
        intent = unsettled.intent
        effect = self.lifecycle.effect_of(intent)
        self._tell(f"what became of {effect.label if effect is not None else intent.op}", None)
        # If the operation belongs to another version, nothing can be found out; its debts stay.
        result = CUT_OFF if effect is None else protocol.probe(effect, Call(unsettled.at), self.world)
        self._busy_steps = 0
        if result is not None:
            self._append(protocol.outcome_of(intent, result, settled=True))
            return
        tries = self._probes[intent.opid] = self._probes.get(intent.opid, 0) + 1
        self.control.wait(self.lifecycle.probe_pause(self.facts, tries))

    def _look(self, look: Look) -> None:
        self._tell(look.operation.label, None)
        result = protocol.look(look.operation, self.world)
        self._busy_steps = 0
        if result is None:
            return
        ok = result.status == "ok"
        data = result.data
        seen = (data, result.reason if not ok else None, result.debts)
        live = self._mask(plain(result.live))
        body = Observation(
            look.op,
            self._mask(data),
            None if ok else self._mask(result.error or result.reason or "unknown"),
            result.reason,
            result.retryable,
            result.debts,
        )
        before = self._seen.get(look.op)
        if before is None or before[0] != seen:
            if not ok:  # that others still work is news again
                self._seen = {op: each for op, each in self._seen.items() if each[0][1] is not None}
            record = self._append(body, live=live)
            is_whole = getattr(record.body, "reason", None) != unrecordable.REASON
            self._seen[look.op] = seen, None if is_whole else record.body
        else:
            self._apply_unwritten(before[1] or body, live)

    def _fire(self, fire: Fire) -> None:
        def write(rule: Rule) -> None:
            move = Transition(
                fire.trigger, str(rule.source), str(rule.dest), fire.reason, fire.why or rule.why, fire.debts
            )
            records.append(self._write(move))

        records: list[Record] = []
        self._machine.fire(self._position, fire.trigger, self.facts, write)
        self._seen.clear()
        self._absorb(records[0])

    # Requests from outside.

    def _take_requests(self) -> None:
        while (request := self.control.take()) is not None:
            self._append(Requested(request.what, request.by, dict(request.detail)))

    # Writing, reporting and folding.

    def _tell(self, what: str, deadline: float | None) -> None:
        self.listener.doing(str(self._mask(what)), deadline)

    def _append(self, body: Body, *, live: Data | None = None) -> Record:
        record = self._write(body)
        self._absorb(record, live)
        return record

    def _write(self, body: Body) -> Record:
        try:
            return self._keep(body)
        except RecordRefused as refused:
            smaller = unrecordable.in_its_place(body, refused.message)
            if smaller is None:
                raise
            return self._keep(smaller)

    def _keep(self, body: Body) -> Record:
        try:
            return self._journal.append(body)
        except JournalUnwritable:
            # Nothing more can be kept: rented pods must still be given back, and the release is recorded elsewhere.
            if self._emergency is None or not self._owed:
                raise
            self._journal, self._emergency = self._emergency(), None
            self._absorb(self._journal.append(Requested("release", "storage error", {"storage_error": True})))
            if isinstance(body, Intent | Transition | Left):
                raise _JournalMoved from None
            return self._journal.append(body)

    def _absorb(self, record: Record, live: Data | None = None) -> None:
        self._fold(record, live)
        self.listener.recorded(record)

    def _apply_unwritten(self, body: Observation, live: Data) -> None:
        now = self.clock.now()
        record = Record(-1, 0, "", now, "", body.op, "observation", False, "", "", body)
        self.lifecycle.apply(self.facts, _with_live(record, live))

    def _fold(self, record: Record, live: Data | None = None) -> None:
        """The same for a new record and for a record that was read back: facts, open intents, position, ending."""
        self.lifecycle.apply(self.facts, _with_live(record, live))
        match record.body:
            case Intent() as intent:
                self._next_op += 1
                self._open[intent.opid] = _Open(intent, record.at)
            case Outcome() as outcome if outcome.status != "unknown" or outcome.settled:
                self._open.pop(outcome.opid, None)
            case Outcome() as outcome if outcome.opid in self._open:
                self._asked_until(outcome.opid, record.at)
            case Transition() as move:
                self._position.state = self.lifecycle.table.states(move.dest)
            case Closed() as closed:
                self._ending = Ending(True, closed.exit_code, closed.outcome, closed.reason)
            case Left() as left:
                self._ending = Ending(False, left.exit_code, None, None, left.why)
            case Resumed():
                for opid in self._open:
                    self._asked_until(opid, record.at)
                if self._ending is not None and not self._ending.closed:
                    self._ending = None  # an earlier process left; this one drives the run now
            case _:
                pass
        for change in getattr(record.body, "debts", ()):
            self._count_debt(change)

    def _asked_until(self, opid: str, at: Stamp) -> None:
        self._open[opid] = msgspec.structs.replace(self._open[opid], at=at)

    def _count_debt(self, change: DebtChange) -> None:
        if change.change == "open":
            self._owed.add((change.key, change.kind))
        else:
            self._owed.discard((change.key, change.kind))


def _with_live(record: Record, live: Data | None) -> Record:
    if not live or not isinstance(record.body, Observation):
        return record
    return msgspec.structs.replace(record, body=msgspec.structs.replace(record.body, data={**record.body.data, **live}))
