"""Whether this machine can reach anything at all. All operations share this judgement.

If calls reach neither the pod nor the cloud, this machine is offline. A failure in that time does not count as a
failure of a host, a step, a transfer or a proof. If only one of the two is silent, the fault lies there.
"""

from __future__ import annotations

import msgspec

from rpd.engine.deadline import backoff, elapsed, is_before, remaining
from rpd.engine.decision import Fire
from rpd.engine.operation import IDEMPOTENT
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.tries import Outage, Tries
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import BEFORE_ATTENDING, BEFORE_LAUNCH, Op, Reason, State, Trigger

PATIENCE_SECONDS = 600.0
"""How long the cloud and the pod, or the pod alone, may be out of reach without a break before the launch."""
UNSEEN_SECONDS = 300.0
"""While the process runs and waits, two tries are never further apart than this. A longer gap means that the machine
slept or worked. Such a gap says nothing about the connection; patience begins again.
"""
LONG_TRIES_MIN = 3

TO_CLOUD = frozenset(
    {Op.READ_OFFERS, Op.READ_DATACENTERS, Op.FIND_VOLUME, Op.CREATE_POD, Op.READ_POD, Op.START_POD, Op.STOP_POD}
    | {Op.DELETE_POD, Op.SURVEY}
    | {Op.READ_HOLDERS}
)
"""Operations that ask the provider and report if it did not answer. (The log of a pod is empty in that case.)"""
TO_POD = frozenset(
    {Op.GREET, Op.ARM_SWITCH, Op.RUN_STEP, Op.PLACE_SECRETS, Op.REMOVE_SECRETS, Op.PUSH_TREE, Op.LAUNCH_JOB}
    | {Op.READ_CLAIM, Op.WATCH_JOB, Op.READ_SAMPLES, Op.STOP_JOB, Op.FETCH_LOG, Op.PULL_CHECKPOINT, Op.PULL_ARTIFACT}
    | {Op.TAKE_LEASE, Op.DROP_LEASE, Op.ATTEND}
)
"""Operations in the pod."""

_NO_WAY = frozenset({Fault.NOT_SENT, Fault.CONNECTION_LOST, Fault.SSH_UNREACHABLE, Fault.LINK_LOST})
_OF_THIS_SIDE = frozenset({Fault.INTERRUPTED, IDEMPOTENT})
_UNTOLD = frozenset(
    {Fault.TIMEOUT, Fault.LOCAL_DISK, Fault.DISK_FULL, Fault.PATH_REFUSED, Fault.SECRET_MISSING} | _OF_THIS_SIDE
)
"""Faults that do not show whether the other side was there."""


def is_unreached(op: str, reason: str | None) -> bool:
    """Whether this fault says that the other side was not reached or is no longer reached. A script in the pod that
    takes too long is slow, not out of reach: rpd detects a lost link before that.
    """
    return reason in _NO_WAY or (op in TO_CLOUD and reason == Fault.TIMEOUT)


def is_of_the_way(op: str, reason: str | None) -> bool:
    """Whether this fault says nothing about the effect itself: the other side was not reached, or the try was cut
    short.
    """
    return is_unreached(op, reason) or reason in _OF_THIS_SIDE


def is_offline(facts: Facts) -> bool:
    """By the latest tries, this machine reaches neither the cloud nor the pod."""
    return facts.contact.outage is not None and facts.contact.outage.is_total


def note(facts: Facts, op: str, error: str | None, reason: str | None, at: Stamp) -> None:
    """Fold whether this operation reached its other side."""
    if op not in TO_CLOUD and op not in TO_POD:
        return
    outage = facts.contact.outage
    if error is not None and is_unreached(op, reason):
        if outage is None or elapsed(outage.last, at) > UNSEEN_SECONDS:
            facts.contact.outage = Outage(at, at, op in TO_CLOUD, op)
        else:
            is_total, alone = outage.is_total or op in TO_CLOUD, op if op == outage.op else None
            facts.contact.outage = Outage(outage.since, at, is_total, alone)
    elif error is None or reason not in _UNTOLD:
        if outage is not None and outage.is_total and outage.op is None:
            _forgive(facts, outage, at)
        facts.contact.outage = None


def _forgive(facts: Facts, outage: Outage, at: Stamp) -> None:
    """A call gets through again. Forget the failures of the outage, and do not count its time against anything.

    If an operation failed for lack of a connection before the outage, while others got through, it is tried at once,
    and its patience goes on. If only one operation failed, other calls may have got through all the time. Their answers
    must not forgive its failures again and again.
    """
    lasted = _lasted(facts, outage, at)
    facts.contact.offline_seconds += lasted
    for op, tries in facts.contact.tries.items():
        since = tries.since
        if since is not None and not is_before(since, outage.since):
            facts.contact.tries[op] = tries.forgiven()
        elif since is not None and tries.is_way:
            since = msgspec.structs.replace(since, wall=since.wall + lasted, up=since.up + lasted)
            facts.contact.tries[op] = msgspec.structs.replace(tries, failures=0, since=since)


def offline_seconds(facts: Facts, now: Stamp) -> float:
    """How long this machine was offline since the last start of the wait for the pod in hand, or since collecting
    began.
    """
    outage = facts.contact.outage
    is_now = outage is not None and outage.is_total
    return facts.contact.offline_seconds + (_lasted(facts, outage, now) if is_now and outage is not None else 0.0)


def _lasted(facts: Facts, outage: Outage, now: Stamp) -> float:
    began = outage.since
    if facts.progress.entered is not None and is_before(began, facts.progress.entered):
        began = facts.progress.entered
    return elapsed(began, now)


def out_of_reach(state: State, facts: Facts, now: Stamp) -> Fire | None:
    """The end of patience before the launch, when nothing is lost by it. `boot` and `connect` decide how long a host
    may take to answer at all.
    """
    if state not in (*BEFORE_LAUNCH, *BEFORE_ATTENDING) or facts.launch.intended or facts.is_attended:
        return None
    outage = facts.contact.outage
    if outage is not None and outage.is_total:
        if not _is_over(outage.since, outage.last, now):
            return None
        text = f"neither the cloud nor the pod could be reached from here for {elapsed(outage.since, now):.0f} s"
        why = next((tries.error for op, tries in facts.contact.tries.items() if is_unreached(op, tries.reason)), None)
        return Fire(Trigger.OUT_OF_REACH, Reason.CLOUD_UNREACHABLE, f"{text} ({why})" if why else text)
    for op, tries in facts.contact.tries.items():
        is_silent = op in TO_POD and op != Op.GREET and is_unreached(op, tries.reason)
        if is_silent and tries.since is not None and _is_over(tries.since, tries.at or tries.since, now):
            seconds = elapsed(tries.since, now)
            text = f"the pod could not be reached for {seconds:.0f} s, though the cloud answers ({tries.error})"
            return Fire(Trigger.OUT_OF_REACH, Reason.POD_UNREACHABLE, text)
    return None


def _is_over(since: Stamp, last: Stamp, now: Stamp) -> bool:
    """Patience with a row of tries is used up. A machine that slept after the last try looks once more."""
    return elapsed(since, now) > PATIENCE_SECONDS and elapsed(last, now) <= UNSEEN_SECONDS


def explain(facts: Facts, op: str, error: str | None, reason: str | None, at: Stamp) -> None:
    """Fold a try whose result is not known yet. Only the answer of its probe continues a row of
    failures, or ends it.
    """
    facts.contact.tries[op] = msgspec.structs.replace(_watched(facts.tried(op), at), at=at, error=error, reason=reason)


def count(facts: Facts, op: str, error: str | None, reason: str | None, at: Stamp) -> None:
    """Fold one try of an operation."""
    before = facts.tried(op)
    if error is None:
        facts.contact.tries[op] = Tries(at)
        return
    if reason == IDEMPOTENT and before.error is not None:
        error, reason = before.error, before.reason  # the fault that cut it off says more
    is_way = is_of_the_way(op, reason)  # such failures say nothing about the rest: a row has one kind
    row = _watched(before, at) if before.is_way == is_way else before.forgiven()
    facts.contact.tries[op] = Tries(at, row.failures + 1, row.since or at, error, reason, is_way)


def _watched(before: Tries, at: Stamp) -> Tries:
    """The failures so far. After a time without any try, patience begins again. One long try may have been a sleep of
    the machine; several long tries in a row are slow tries.
    """
    last, began = before.at, at
    if before.failures >= LONG_TRIES_MIN and before.begun is not None:
        began = before.begun
    is_seen = not before.failures or last is None or elapsed(last, began) <= UNSEEN_SECONDS
    return before if is_seen else msgspec.structs.replace(before, since=at)


def pause_left(facts: Facts, op: str, now: Stamp, *, first: float, cap: float) -> float:
    """Seconds until a failed operation may be tried again, doubling from `first` to `cap`; 0.0 if it did not fail."""
    tries = facts.tried(op)
    if not tries.failures or tries.at is None:
        return 0.0
    return remaining(tries.at, backoff(tries.failures, first=first, cap=cap), now)
