"""Pods that compute although no engine will look after them: pods of a journal that cannot be driven, and pods of a run
that owes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from rpd.adapters.forensics.inspection import Inspection, facts_of
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import state_home
from rpd.journal.errors import JournalError
from rpd.journal.index import Entry, Index
from rpd.journal.lock import holder
from rpd.journal.paths import original
from rpd.journal.reader import read, salvage
from rpd.journal.records import Stamp
from rpd.states.facts import Facts, pod_name_prefix
from rpd.states.policy.twin import is_of_run, known_ids, may_name_run, owed_twins, twins_among
from rpd.states.ports.names import State
from rpd.states.ports.world import Pod
from rpd.states.shared.preserve import is_kept, keep_until

AT_REST = ("EXITED", "TERMINATED")
"""A pod in any other status may compute, also in a status that rpd does not know."""


class Suspect(msgspec.Struct, frozen=True):
    """A pod of ours that has to stop computing: `how`, and `why`. A pod that may hold results is never deleted."""

    pod: Pod
    how: Literal["stop", "delete"]
    why: str


def suspects(entry: Entry, pods: Sequence[Pod]) -> list[Suspect]:
    """The suspects of this run among the account's pods. None while the run's engine lives, and none for a copy,
    because the original may know more. Raises JournalError."""
    owed = {debt.key for debt in entry.debts}  # the name of a handed-over pod is that of its first run
    alive = [pod for pod in pods if pod.status not in AT_REST]
    if not entry.problem:
        alive = [pod for pod in alive if may_name_run(pod, entry.run_id) or pod.name in owed]
    if not alive or holder(Path(entry.journal)) is not None or original_of(Path(entry.journal)) is not None:
        return []
    if entry.problem:
        why = f"its journal cannot be driven ({entry.problem})"
        return [Suspect(pod, "stop", why) for pod in named(entry, alive)]
    prefix = f"rpd-{entry.workflow}-"
    if owes_compute(entry) or not any(pod.name.startswith(prefix) or pod.name in owed for pod in alive):
        return []
    facts = Inspection(read(Path(entry.journal)), SystemClock().now()).facts
    kept = {pod.id for pod in facts.pods.values() if pod.name in facts.debts.storage}
    handed_over = {(name, facts.pods[name].id) for name in facts.lineage.handed_over if name in facts.pods}
    return [
        Suspect(pod, "stop", "its run keeps it stopped, and somebody started it")
        if pod.id in kept
        else Suspect(pod, "delete", "appeared after its run had given it up")
        for pod in alive
        if (pod.name, pod.id) not in handed_over and (pod.id in kept or is_of_run(pod, facts.name_prefix, facts.run_id))
    ]


def twins(facts: Facts, pods: Sequence[Pod]) -> list[str]:
    """The ids of the pods that compute beside a pod of this run and come from the same create: those that the journal
    owes, and those that only the account shows."""
    alive = [pod for pod in pods if pod.status not in AT_REST and is_of_run(pod, facts.name_prefix, facts.run_id)]
    owed = [twin.id for twin in owed_twins(facts) if twin.id is not None]
    return owed + [pod.id for pod in twins_among(alive, known_ids(facts)).values()]


def is_kept_up(facts: Facts, now: Stamp) -> bool:
    """Whether the run's own pod is up on purpose now, no matter which twins are still owed."""
    if not owed_twins(facts):
        return is_kept(facts, now)
    is_over = facts.state is State.RELEASE and facts.report.outcome is None
    is_up = facts.pod is not None and facts.pod.kept_until is not None
    return is_over and is_up and keep_until(facts, now) is not None


def named(entry: Entry, pods: Sequence[Pod]) -> list[Pod]:
    """The run's own pods that may compute and that only this journal accounts for, by any name in the journal."""
    names = names_of(entry) - owed_elsewhere(entry)
    alive = [pod for pod in pods if pod.status not in AT_REST and pod.name in names]
    prefix = _prefix(entry) if alive else None
    return [pod for pod in alive if is_own(pod, entry, prefix)]


def is_own(pod: Pod, entry: Entry, prefix: str | None) -> bool:
    """Whether more than a name in the journal shows that the pod is this run's: the run owes it, its name begins with
    this run's `prefix` (if record 0 can be read), its environment names the run, or the run in its environment has
    handed it over to this run."""
    is_named = is_own_name(pod.name, entry, prefix)
    return is_named or _run_of(pod) == entry.run_id


def is_own_name(name: str, entry: Entry, prefix: str | None) -> bool:
    """The same for a name alone."""
    return any(debt.key == name for debt in entry.debts) or (prefix is not None and name.startswith(prefix))


def _run_of(pod: Pod) -> str | None:
    """The run that has the pod now: the run in the pod's environment, or the last run to which it was handed over, by
    the sound journals. None if the environment names no run."""
    run_id, seen = pod.env.get("RPD_RUN_ID"), set[str]()
    while run_id is not None and run_id not in seen:
        seen.add(run_id)
        to_run = None
        for entry in Index(state_home()).entries():
            if entry.run_id == run_id:
                with contextlib.suppress(JournalError):
                    to_run = facts_of(read(Path(entry.journal))).lineage.handed_over.get(pod.name)
        if to_run is None:
            break
        run_id = to_run
    return run_id


def _prefix(entry: Entry) -> str | None:
    try:
        opened = read(Path(entry.journal)).opened
    except JournalError:
        return None
    return pod_name_prefix(opened) if opened is not None else None


def owed_elsewhere(entry: Entry) -> set[str]:
    """What the sound journals of other runs owe. A handed-over pod is theirs."""
    others = [other for other in Index(state_home()).entries() if other.run_id != entry.run_id]
    return {debt.key for other in others if not understood(other).problem for debt in other.debts}


def owes_compute(entry: Entry) -> bool:
    """Whether the journal names something that may compute."""
    return any(debt.kind == "compute" for debt in entry.debts)


def may_owe(entry: Entry) -> bool:
    """The same, for a journal that may be incomplete: it is in trouble, it shows no end of the run, and it names a pod
    somewhere."""
    return owes_compute(entry) or bool(entry.problem and entry.outcome is None and names_of(entry))


def original_of(journal: Path) -> Path | None:
    """The journal of which this one is a copy. A journal that is gone or in ruins is not a copy."""
    try:
        return original(journal)
    except JournalError:
        return None


def understood(entry: Entry) -> Entry:
    """The same entry. An entry that owes, and whose records no run has written, is marked as in trouble too: no loop
    can drive it."""
    if entry.problem or not owes_compute(entry):
        return entry
    try:
        facts_of(read(Path(entry.journal)))
    except JournalError:
        return msgspec.structs.replace(entry, problem="strange")
    return entry


def is_damaged(entry: Entry) -> bool:
    """The journal cannot be driven, and something is left to salvage. For "too_new" the way out is a newer rpd
    instead."""
    return understood(entry).problem not in ("", "too_new", "missing")


def names_of(entry: Entry) -> set[str]:
    """Every name in the journal, or in what was known of it. The journal also holds words from outside, such as those
    that other pods write on a volume. So a name alone does not make a pod this run's (`is_own`)."""
    owed = {debt.key for debt in entry.debts}
    try:
        return owed | salvage(Path(entry.journal))
    except JournalError:
        return owed
