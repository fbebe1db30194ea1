"""connect: the address is known. sshd must answer, it must be the pod of this run, and it must have the GPUs that were
ordered.
"""

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
"""How long, and at least how often, a pod must refuse rpd permanently before rpd believes it. A container that starts
may still write the settings of its sshd and restart it with them.
"""
NO_MATTER_OF_THE_HOST: dict[str, Reason] = {
    **LASTING,
    Fault.AUTH_REFUSED: Reason.SSH_REFUSED,
    Fault.PATH_REFUSED: Reason.VOLUME_REFUSED,
}
"""Answers of a pod at the end of its time to boot that another host would give as well."""
REFUSED_PAUSE_SECONDS = 1.0
"""Newer versions of sshd block a client for a while if its login fails again and again."""
TRIES_PER_PAUSE = 10
"""A try costs nothing, and the pod is billed: the pause grows only after so many tries, from 0.15 s to 2 s."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """Greet the pod. If that fails, read the address again (it may be the address of the previous start) and try again
    until the deadline.
    """
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
        if pod.missed.looks:  # a person took the pod away; that is no failed host, so no other host replaces it
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
    """The pod has refused for long enough, in several tries, and rpd has looked at the pod since. If the cloud's own
    uncertainty lasts for a shorter time, that time counts.
    """
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
    """The answer of this pod holds for every host, because the pod is fresh.

    A stopped pod may now have another pod at its address. A handed-over pod says nothing about a fresh pod. In a pod
    with a job the results matter.
    """
    return pod.origin.paused is None and pod.starts == 1 and not facts.has_launched_here


def _refused(facts: Facts, pod: PodFacts, greet: Tries) -> Fire:
    """End with this host. Try no other host if it gave what was ordered and the pod refuses rpd or has no sshd."""
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
    paused = pod.origin.paused
    if paused is not None and pod.seen is not None and pod.seen.gpu_id not in (None, paused.gpu_id):
        return host_failed(facts, Reason.WRONG_HARDWARE)
    anchor = pod.container.greeting.anchor_seq
    if anchor is not None and anchor > facts.progress.seq:
        known = f"record {anchor} of this journal, which ends at {facts.progress.seq}"
        text = f"the pod has seen {known}: records were lost here"
        return stand_back(facts, text)
    return Fire(Trigger.SSH_ANSWERED)
