"""connect: an address is known; sshd has to answer, be our pod, and have the GPUs that were ordered."""

from __future__ import annotations

from rpd.engine.deadline import backoff, elapsed, is_before
from rpd.engine.decision import Decision, Fire, Look, Wait
from rpd.journal.records import Stamp
from rpd.states.boot import (
    LOG_LATER_SECONDS,
    boot_seconds_left,
    cannot_start,
    host_failed,
    is_overdue,
    is_overdue_now,
    is_port_closed,
    no_sshd,
    read_logs,
)
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.facts.pod import PodFacts
from rpd.states.facts.tries import Tries
from rpd.states.operations.container import LASTING, Greet
from rpd.states.operations.pod import ReadPod
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.shared.link import missed, stand_back

LASTING_SECONDS, LASTING_TRIES_MIN = 20.0, 3
"""How long, and how often at least, a pod has to refuse us for good before that is believed: a container that starts
may still write its sshd's settings and start it anew with them."""
NO_MATTER_OF_THE_HOST: dict[str, Reason] = {
    **LASTING,
    Fault.AUTH_REFUSED: Reason.SSH_REFUSED,
    Fault.PATH_REFUSED: Reason.VOLUME_REFUSED,
}
"""What a pod may still say at the end of its time to boot that another host would say as well."""
REFUSED_PAUSE_SECONDS = 1.0
"""Newer sshds shut out for a while who fails to log in again and again."""
TRIES_PER_PAUSE = 10
"""Knocking costs nothing, and the bill runs: the pause grows only after so many tries, first 0.15 s, at last 2 s."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """Greet; on failure read the address anew (it may be that of the previous start) and try again until the
    deadline."""
    pod = facts.pod
    assert pod is not None, "connect needs a pod"
    greet, look = facts.tried(Op.GREET), facts.tried(Op.READ_POD)
    if pod.container.greeting is not None and greet.is_answered:
        return _greeted(facts, pod)
    failures, tried, read = greet.failures, greet.at, look.at
    if read is not None and pod.is_seen_stopped:
        return Fire(Trigger.POD_STOPPED, Reason.POD_STOPPED)
    if failures and greet.reason == Fault.HOST_KEY_CHANGED:
        return host_failed(facts, Reason.HOST_NEVER_BOOTED)
    if failures and _is_for_good(facts, pod, greet, now):
        return _refused(facts, pod, greet)
    if (failures and is_overdue(facts, greet, now)) or (not _has_address(pod) and is_overdue_now(facts, now)):
        if read is None or (tried is not None and is_before(read, tried)):
            return Look(ReadPod.in_hand(facts))
        if pod.missed.looks:  # a pod that somebody took away is no failed host: no other one takes its place
            return missed(facts, now)
        return _refused(facts, pod, greet)
    if failures and greet.since is not None:
        if (never := cannot_start(facts)) is not None:
            return never
        if (look_at_logs := read_logs(facts, greet.since, now, LOG_LATER_SECONDS)) is not None:
            return look_at_logs
    if tried is not None:
        pause = backoff(1 + failures // TRIES_PER_PAUSE, first=0.15, cap=2.0)
        pause = max(pause, REFUSED_PAUSE_SECONDS if greet.reason in NO_MATTER_OF_THE_HOST else 0.0)
        if elapsed(tried, now) < pause:
            text = no_sshd(facts) or f"sshd ({greet.error})"
            return Wait(pause - elapsed(tried, now), text, now.wall + boot_seconds_left(facts, now))
        if read is None or (is_before(read, tried) and elapsed(read, now) >= facts.profile.poll_seconds):
            return Look(ReadPod.in_hand(facts))
    if not _has_address(pod):
        pause = facts.profile.poll_seconds
        if read is not None and elapsed(read, now) < pause:
            return Wait(pause - elapsed(read, now), "an address", now.wall + boot_seconds_left(facts, now))
        return Look(ReadPod.in_hand(facts))
    assert pod.seen is not None and pod.seen.ssh is not None, "it has an address"
    return Look(Greet(target(facts), pod.seen.ssh))


def _is_for_good(facts: Facts, pod: PodFacts, greet: Tries, now: Stamp) -> bool:
    """Refusals of this kind have stood long enough, by several tries and a look at the pod since; how long a cloud's
    own doubts last is the measure where that is less."""
    since, read = pod.container.knocks.refused_since, facts.tried(Op.READ_POD).at
    if (
        since is None
        or greet.reason not in LASTING
        or pod.container.knocks.refusals < LASTING_TRIES_MIN
        or not _says_all(facts, pod)
    ):
        return False
    settles = min(LASTING_SECONDS, facts.profile.quiet_window_seconds)
    return elapsed(since, now) >= settles and read is not None and is_before(since, read) and not pod.missed.looks


def _says_all(facts: Facts, pod: PodFacts) -> bool:
    """What this pod says holds for every host: it is fresh. One that was stopped may be sought where another pod is by
    now, one that was taken up says nothing of a fresh one, and in one with a job the results are what matters."""
    return pod.origin.taken is None and pod.starts == 1 and not facts.has_launched_here


def _refused(facts: Facts, pod: PodFacts, greet: Tries) -> Fire:
    """The end with this host: where it gave what was ordered, and the pod refuses us, or has no sshd, no other one is
    tried."""
    reason, why = NO_MATTER_OF_THE_HOST.get(greet.reason or ""), greet.error
    if is_port_closed(facts):
        reason, why = Reason.IMAGE_FAILED, no_sshd(facts)
    if reason is None or not _says_all(facts, pod):
        return host_failed(facts, Reason.HOST_NEVER_BOOTED)
    return Fire(Trigger.HOST_FAILED, reason, why)


def _has_address(pod: PodFacts) -> bool:
    return pod.seen is not None and pod.seen.ssh is not None


def _greeted(facts: Facts, pod: PodFacts) -> Decision:
    assert pod.container.greeting is not None, "greeted"
    wanted = 0 if facts.job.pod.cpu_order else facts.job.pod.gpu_count
    if pod.container.greeting.gpus is not None and pod.container.greeting.gpus < wanted and not facts.has_launched_here:
        return host_failed(facts, Reason.WRONG_HARDWARE)
    if pod.origin.taken is not None and pod.seen is not None and pod.seen.gpu_id not in (None, pod.origin.taken.gpu_id):
        return host_failed(facts, Reason.WRONG_HARDWARE)
    anchor = pod.container.greeting.anchor_seq
    if anchor is not None and anchor > facts.progress.seq:
        known = f"record {anchor} of this journal, which ends at {facts.progress.seq}"
        text = f"the pod has seen {known}: records were lost here"
        return stand_back(facts, text)
    return Fire(Trigger.SSH_ANSWERED)
