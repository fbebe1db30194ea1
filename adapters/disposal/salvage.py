"""End a run whose journal cannot be driven: give back what it rented, prove that, set the file aside, and end the run
with the good part of the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from rpd.adapters.access.clouds import Access
from rpd.adapters.access.gate import recorded_access
from rpd.adapters.access.judgement import judged
from rpd.adapters.disposal.account import require_own_account
from rpd.adapters.disposal.giveback import release_and_prove
from rpd.adapters.disposal.suspects import (
    AT_REST,
    is_damaged,
    is_own,
    is_own_name,
    names_of,
    original_of,
    owed_elsewhere,
    understood,
)
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import OWN_SECONDS, Patience
from rpd.adapters.report.words import duration
from rpd.adapters.run_folder.workspace import link_events
from rpd.adapters.terminal import output
from rpd.engine.deadline import elapsed
from rpd.engine.errors import RpdError, UserError
from rpd.engine.operation import Result
from rpd.engine.protocol import intent_of, outcome_of
from rpd.journal import salvage as file
from rpd.journal.disk import OsDisk
from rpd.journal.errors import JournalMissing, JournalNotOurs, JournalStrange
from rpd.journal.index import Entry, Index
from rpd.journal.lock import Lock, Owner
from rpd.journal.records import Body, DebtChange, Record, Stamp
from rpd.journal.replay import fold
from rpd.states.facts import Facts, new_facts
from rpd.states.facts.release import CLEAN_SURVEYS_MIN
from rpd.states.fold import apply
from rpd.states.operations.pod import Accepted, DeletePod, StopPod
from rpd.states.policy import cost
from rpd.states.policy.rules import lasted, spent_usd
from rpd.states.policy.verdict import salvaged
from rpd.states.ports.names import State
from rpd.states.ports.world import Cloud, Pod

KEPT = ("stopped", "was stopped")
"""Words for a pod whose disk remains and costs money."""


class Given(msgspec.Struct, frozen=True):
    """One pod at rest. `how` is what rpd did, or found; `proof` is how rpd knows it."""

    name: str
    pod_id: str
    how: str
    proof: str


class Salvaged(msgspec.Struct, frozen=True):
    """The result of a salvage. `open_ends` say what may still compute. `forgotten` are the ids of pods whose disks no
    journal would remember. `kept` is the path of the damaged file, None while the run is not ended. `usd` is the most
    that the run has cost, None if that is not known."""

    given: tuple[Given, ...]
    open_ends: tuple[str, ...]
    forgotten: tuple[str, ...]
    kept: Path | None
    usd: float | None


def damaged_run(path: Path) -> Entry:
    """The run of a damaged journal. Raises UserError if the journal can be driven, and JournalNotOurs for a copy."""
    entry = understood(Index(state_home()).refresh(path))
    if not is_damaged(entry):
        hint = "upgrade rpd" if entry.problem == "too_new" else f"rpd resume {entry.run_id}"
        raise UserError(f"the journal of {entry.run_id} is not damaged", reason="not_damaged", hint=hint)
    if (first := original_of(path)) is not None:
        raise JournalNotOurs(f"{path} is a copy of {first}, which may know better")
    return entry


def salvage(entry: Entry, path: Path, *, delete: bool) -> Salvaged:
    """Give back the pods that only this journal accounts for: stop them, or delete them with `delete`. End the run if
    nothing is left open. Raises UserError, JournalError."""
    access = recorded_access(path)
    forgotten: list[str] = []
    with _alone(path):
        good, facts = _good_part(path)
        if facts is not None:
            require_own_account(facts, access, Patience(OWN_SECONDS))
        given, open_ends = _give_back(entry, path, access, facts, delete=delete)
        if facts is None:  # no journal would remember their disks, which cost money
            forgotten = [each.pod_id for each in given if each.how in KEPT]
        at = SystemClock().now()
        usd = _cost_usd(facts, given, at) if facts is not None else None
        kept = _ended(entry, path, good, facts, given, usd, at) if not (open_ends or forgotten) else None
    return Salvaged(tuple(given), tuple(open_ends), tuple(forgotten), kept, usd)


def _let_alone(pod: Pod) -> str:
    return (
        f"pod {pod.id} ({pod.name}) computes and its name stands in the journal, but nothing says that it is this "
        "run's: it is let alone; if it is, stop it in the provider's console"
    )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No engine drives the run in this block. Raises JournalLocked."""
    lock = Lock.take(OsDisk(), path, Owner.here("rpd salvage"))
    try:
        yield
    finally:
        lock.release()


def _good_part(path: Path) -> tuple[list[Record], Facts | None]:
    """The records before the first one that is wrong or makes no sense, and their facts. Nothing without record 0, or
    if the file is gone. Raises JournalNotOurs."""
    try:
        reading = judged(path)
    except JournalMissing:
        return [], None
    opened = reading.opened
    if opened is None:
        return [], None
    facts, good = new_facts(opened, reading.records[0].run), []
    for record in reading.records:
        try:
            apply(facts, record)
        except JournalStrange:
            break
        good.append(record)
    again = new_facts(opened, reading.records[0].run)  # a record without sense may have half changed the first facts
    for record in good:
        apply(again, record)
    return good, again


def _give_back(
    entry: Entry, path: Path, access: Access, facts: Facts | None, *, delete: bool
) -> tuple[list[Given], list[str]]:
    """Bring every pod of this run that only this journal accounts for to rest. A pod without proof is an open end, in
    words. A name that only stands in the journal may come from the output of a job, or from another pod."""
    from rpd.adapters.wiring import cloud_for

    patience = Patience(OWN_SECONDS)
    control = ProcessControl(patience=patience)
    cloud, interval = cloud_for(access, control), access.profile.proof_interval_seconds
    names = names_of(entry) - owed_elsewhere(entry)
    prefix = facts.name_prefix if facts is not None else None
    awaited = {name for name in names if facts is None or is_own_name(name, entry, prefix)}
    given: list[Given] = []
    open_ends: list[str] = []
    listed: dict[str, Pod] = {}
    try:
        for turn in range(CLEAN_SURVEYS_MIN):
            if turn:
                control.wait(interval / (CLEAN_SURVEYS_MIN - 1))
            listed |= {pod.id: pod for pod in cloud.list() if pod.name in names}
    except RpdError as error:
        return [], [f"its cloud does not say what there is: {error.message}"]
    found = [pod for pod in listed.values() if is_own(pod, entry, prefix)]
    for pod in (each for each in listed.values() if each not in found and each.status not in AT_REST):
        is_doubtful = facts is None and "RPD_RUN_ID" not in pod.env
        if is_doubtful:
            open_ends.append(_let_alone(pod))
        else:
            output.note([_let_alone(pod)])
    for pod in found:
        try:
            given.append(_at_rest(cloud, pod, interval, patience, delete=delete))
        except RpdError as error:
            open_ends.append(f"pod {pod.id} is not proved at rest: {error.message}")
    absent = sorted(awaited - {pod.name for pod in listed.values()})
    young = access.profile.quiet_window_seconds - (SystemClock().now().wall - _last_written(path, entry))
    if absent and young > 0 and entry.outcome is None:
        open_ends.append(f"{', '.join(absent)}: it may still appear; ask again in {duration(young)}")
    if facts is None and not found and _is_other_key(entry, access, names):
        open_ends.append(f"it was begun with another API key than {access.source}, which may show none of its pods")
    known = {pod.name: pod.id or "" for pod in facts.pods.values()} if facts is not None else {}
    proof = f"absent by name, seen {CLEAN_SURVEYS_MIN} times"
    given += [Given(name, known.get(name, ""), "absent", proof) for name in absent]
    return given, open_ends


def _last_written(path: Path, entry: Entry) -> float:
    """The last time at which the run's engine may have ordered something, UTC seconds."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return datetime.fromisoformat(entry.updated.replace("Z", "+00:00")).timestamp() if entry.updated else 0.0


def _is_other_key(entry: Entry, access: Access, names: Iterable[str]) -> bool:
    """Whether the present key is not the key of the run, as far as the run's token is known. The token is in each pod
    name."""
    recorded = entry.cloud.get("key_mark")
    marks = {access.key_mark(name.rsplit("-", 2)[1]) for name in names if name.count("-") >= 2}
    return recorded is not None and recorded not in marks


def _at_rest(cloud: Cloud, pod: Pod, interval: float, patience: Patience, *, delete: bool) -> Given:
    if delete:
        return Given(pod.name, pod.id, "deleted", release_and_prove(cloud, DeletePod(pod.id), interval, patience))
    how = "was stopped" if pod.status in AT_REST else "stopped"
    proof = release_and_prove(cloud, StopPod(pod.id), interval, patience)
    seen = cloud.get(pod.id)
    return Given(pod.name, pod.id, how if seen is not None and seen.status != "TERMINATED" else "absent", proof)


def _cost_usd(facts: Facts, given: Sequence[Given], at: Stamp) -> float | None:
    """The most that the run has cost up to `at`, which is now (USD). A pod that computed where the good part ends may
    have computed ever since. None (not known) if a pod computed, or may have, and the good part does not show it."""
    for each in given:
        pod = facts.pods.get(each.name)
        if pod is None or not pod.spans:
            return None
        last = pod.spans[-1]
        if each.how in ("stopped", "deleted") and lasted(pod, last, at) < elapsed(last.since, at):
            return None  # it should have ended before, and went on
    return spent_usd(facts, at)


def _ended(
    entry: Entry,
    path: Path,
    good: list[Record],
    facts: Facts | None,
    given: Sequence[Given],
    usd: float | None,
    at: Stamp,
) -> Path:
    """Put the good part, with the proofs and an ending, in the place of the journal. Returns where the old file is
    kept."""
    home = state_home()
    if facts is None:
        kept = file.set_aside(OsDisk(), path) if path.exists() else path
        Index(home).forget(entry.run_id)
        return kept
    kept = file.end(OsDisk(), path, good, list(_proofs(good, facts, given)), salvaged(usd), at)
    Index(home).forget(entry.run_id)
    Index(home).refresh(path)
    folder = Path(facts.opened.run_dir)
    if folder.is_dir():
        link_events(path, folder)
    return kept


def _proofs(good: Sequence[Record], facts: Facts, given: Sequence[Given]) -> Iterator[Body]:
    """The records of what was done about each pod, and which debts it closes and opens. Only a debt of the good part
    can be closed."""
    owed = fold(good).debts
    rate = round(cost.stopped_usd_per_hour(facts.volume_gb), 6)
    for number, each in enumerate(given, 1):
        is_kept = each.how in KEPT
        effect = StopPod(each.pod_id) if is_kept else DeletePod(each.pod_id)
        intent = intent_of(effect, f"salvage-{number}-{effect.name}", State.RELEASE)
        changes = [] if (each.name, "compute") not in owed else [_closed(each, "compute")]
        if is_kept and (each.name, "storage") not in owed:
            changes.append(DebtChange(each.name, "storage", "open", usd_per_hour=rate))
        elif not is_kept and (each.name, "storage") in owed:
            changes.append(_closed(each, "storage"))
        yield intent
        yield outcome_of(intent, Result(answer=Accepted(each.pod_id), debts=tuple(changes)))


def _closed(given: Given, kind: str) -> DebtChange:
    return DebtChange(given.name, kind, "close", proof=given.proof)  # type: ignore[arg-type]
