"""Paused pods that other runs of this state home keep for the next run of their lineage, and the hand-over of one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path

from rpd.adapters.forensics.inspection import facts_of
from rpd.engine.errors import Ambiguous, Refused, Unavailable
from rpd.journal.errors import JournalError, JournalLocked, JournalUnwritable
from rpd.journal.index import Entry, Index
from rpd.journal.reader import read
from rpd.journal.records import DebtChange, HandedOver, Opened
from rpd.journal.store import Journal
from rpd.states.facts import Facts
from rpd.states.policy.reuse import paused_pods
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Paused


class LocalLineage:
    """`rpd.states.ports.world.Lineage` over the journals of one state home, for the run of `opened`.

    `open_journal` locks a journal for writing. `handed_over` (pod id -> run of its birth) gets every pod that became
    this run's, so that its cloud lets the run touch it.
    """

    def __init__(
        self,
        state_home: Path,
        opened: Opened,
        run_id: str,
        open_journal: Callable[[Path], Journal],
        handed_over: MutableMapping[str, str],
    ) -> None:
        self._index = Index(state_home)
        self._opened = opened
        self._run_id = run_id
        self._open = open_journal
        self._handed_over = handed_over

    def paused(self, lineage: str) -> tuple[Paused, ...]:
        """Read: the paused pods that finished runs of the lineage on this cloud have left, the newest first."""
        return _paused(self._index, lineage, self._opened.cloud)

    def hand_over(self, paused: Paused) -> None:
        """Effect, once: write the hand-over into the old journal, under its lock."""
        try:
            journal = self._open(Path(paused.journal))
        except JournalLocked as error:
            raise Refused(f"its journal is in use ({error.message})", reason=Fault.IN_USE) from error
        except JournalError as error:
            raise Refused(f"its journal cannot be written ({error.message})", reason=Fault.IN_USE) from error
        try:
            with journal:
                self._hand_over(journal, paused)
        finally:
            self._index.refresh(Path(paused.journal))
        self._handed_over[paused.pod_id] = paused.born_run

    def has_pod(self, paused: Paused) -> bool:
        """Read: whether the old journal says that the pod is this run's."""
        try:
            is_ours = _facts(Path(paused.journal)).lineage.handed_over.get(paused.pod_name) == self._run_id
        except JournalError as error:
            raise Unavailable(error.message, reason=Fault.IN_USE, retryable=True) from error
        if is_ours:
            self._handed_over[paused.pod_id] = paused.born_run
        return is_ours

    def _hand_over(self, journal: Journal, paused: Paused) -> None:
        facts = _facts(journal.path)
        owner = facts.lineage.handed_over.get(paused.pod_name)
        if owner == self._run_id:
            return
        if owner is not None or paused.pod_name not in {each.pod_name for each in paused_pods(facts)}:
            by = f"run {owner} has it" if owner is not None else f"run {paused.run_id} no longer keeps it"
            raise Refused(by, reason=Fault.HANDED_OVER)
        proof = f"handed over to run {self._run_id}"
        closed = (DebtChange(paused.pod_name, "storage", "close", proof=proof),)
        try:
            journal.append(HandedOver(paused.pod_name, self._run_id, self._opened.journal_path, closed))
        except JournalUnwritable as error:  # read back the part of the line that reached the disk
            raise Ambiguous(error.message, reason=Fault.IN_USE, retryable=True) from error


def find_paused(state_home: Path, lineage: str, cloud: Mapping[str, str]) -> tuple[Paused, ...]:
    """Read: the paused pods that finished runs of the lineage on this cloud have left for the next one, the newest
    first."""
    return _paused(Index(state_home), lineage, cloud)


def _paused(index: Index, lineage: str, cloud: Mapping[str, str]) -> tuple[Paused, ...]:
    found: list[Paused] = []
    for entry in index.entries():
        if entry.lineage == lineage and _account(entry.cloud) == _account(cloud) and _may_hold(entry):
            with contextlib.suppress(JournalError):  # an unreadable journal offers nothing; gc reports it
                found += paused_pods(_facts(Path(entry.journal)))
    return tuple(sorted(found, key=lambda each: each.since, reverse=True))


def _may_hold(entry: Entry) -> bool:
    keeps = any(debt.kind == "storage" for debt in entry.debts)
    return keeps and entry.outcome is not None and not entry.problem


def _account(cloud: Mapping[str, str]) -> str:
    return cloud.get("home") or cloud.get("url", "")


def _facts(path: Path) -> Facts:
    """The run of a journal as its records say, without its secrets. Raises JournalError."""
    reading = read(path)
    if reading.opened is None or reading.damage is not None:
        raise JournalError(f"{path} holds no valid run")
    return facts_of(reading)
