"""boot: the run has its pod. The container must come up, and port 22 must be mapped. A stopped pod is started."""

from __future__ import annotations

from rpd.engine.deadline import elapsed, is_before
from rpd.engine.decision import Decision, Do, Fire, Look, Wait
from rpd.journal.records import DebtChange, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import PodFacts
from rpd.states.facts.tries import Tries
from rpd.states.operations.pod import ReadPod, ReadSystemLog, StartPod
from rpd.states.policy.outage import is_offline, offline_seconds, pause_left
from rpd.states.policy.rules import is_over_price_cap, price_cap, profile_poll
from rpd.states.policy.twin import is_unsurveyed
from rpd.states.ports.boot_signs import is_of_image
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import is_with_start_sh
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.shared.sweep import look_over

LOG_AFTER_SECONDS, LOG_EVERY_SECONDS, LOG_LATER_SECONDS = 5.0, 10.0, 30.0
"""When rpd first reads the logs of a booting pod, how often in the first minute, and how often after that."""
CANNOT_START = "the container cannot start"
NO_SSHD_SECONDS = 120.0
"""A container may have no sshd if it runs for so long and no sshd answers. Half of the time to boot counts where it is
shorter.
"""
FRESH_SECONDS = 5.0
"""A look that is older than this does not count as a look after the deadline."""
START_SETTLES_SECONDS = 15.0
RESTARTS_MAX = 3
"""A container that is restarted more often than this before the launch will not stay up on this host."""
START_RETRY_SECONDS = 600.0
"""How long rpd repeats a refused start while results wait in the stopped pod. This costs storage only."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """Poll until the pod is RUNNING with an address. Start a stopped pod. Give the host back at the deadline, or at
    once if the cloud bills it above the cap.
    """
    pod = facts.pod
    assert pod is not None and pod.id is not None, "boot needs a pod"
    seen = pod.seen
    if facts.tried(Op.READ_POD).at is None or pod.missed.looks or is_offline(facts):
        return _poll(facts, pod, now)
    if is_over_price_cap(facts) and not facts.has_launched_here:
        cap = price_cap(facts, pod.origin.candidate.gpu_id)
        text = f"billed at ${pod.usd_per_hour:.2f}/h, above the cap of ${cap:.2f}/h"
        return Fire(Trigger.HOST_FAILED, Reason.HOST_TOO_DEAR, text)
    if pod.restarts > RESTARTS_MAX and not facts.has_launched_here:
        return host_failed(facts, Reason.HOST_NEVER_BOOTED, "its container is restarted again and again")
    if seen is not None and seen.status == "EXITED" and not _just_started(facts, pod, now):
        return _start(facts, pod, now)
    if seen is not None and seen.status == "RUNNING" and seen.ssh is not None:
        return Fire(Trigger.ADDRESS_KNOWN)
    if (never := cannot_start(facts)) is not None:
        return never
    if (seen is not None and seen.status == "ERROR") or is_overdue_now(facts, now):
        return host_failed(facts, Reason.HOST_NEVER_BOOTED)
    return _poll(facts, pod, now)


def boot_seconds_left(facts: Facts, now: Stamp) -> float:
    """The time until the host counts as failed. It starts when the run starts the pod, or when it waits for the
    container again. Time in which this machine sleeps or is offline does not count.
    """
    pod = facts.pod
    assert pod is not None, "there is a pod"
    since = pod.started_at or pod.origin.sent_at
    for later in (facts.container.awaited_since, facts.process.since):
        if later is not None and is_before(since, later):
            since = later
    return facts.job.budget.ssh_ready_timeout_sec + offline_seconds(facts, now) - elapsed(since, now)


def is_overdue(facts: Facts, look: Tries, now: Stamp) -> bool:
    """The deadline has passed, and the last look is fresh. A machine that slept or was offline looks once more before
    it judges.
    """
    is_fresh = look.at is not None and elapsed(look.at, now) < FRESH_SECONDS
    return is_fresh and not is_offline(facts) and boot_seconds_left(facts, now) <= 0.0


def is_overdue_now(facts: Facts, now: Stamp) -> bool:
    """The same, judged by the last look at the pod. A failed look says nothing about the host."""
    look = facts.tried(Op.READ_POD)
    return look.is_answered and is_overdue(facts, look, now)


def host_failed(facts: Facts, reason: Reason, why: str | None = None) -> Fire:
    """Give the host back. After a launch only the results matter: the run ends, and the pod is kept stopped."""
    errors = (facts.tried(op).error for op in (Op.GREET, Op.START_POD, Op.READ_POD))
    if reason is Reason.HOST_NEVER_BOOTED and why is None and (silent := no_sshd(facts)) is not None:
        reason, why = Reason.SSHD_MISSING, silent
    why = why or "; ".join(facts.container.why_not_up) or next((error for error in errors if error), None)
    return Fire(Trigger.HOST_FAILED, Reason.POD_STOPPED if facts.has_launched_here else reason, why)


def cannot_start(facts: Facts) -> Fire | None:
    """End with this host, or with the image on every host, if the logs say that the container will never start.

    This holds for a fresh pod only. The logs of an older pod also show its earlier starts, and in a pod with a job the
    results matter.
    """
    pod, sign = facts.pod, facts.container.boot_sign
    if sign is None or pod is None or pod.origin.paused is not None or pod.starts > 1 or facts.has_launched_here:
        return None
    if pod.container.greeted_start is not None:  # it has come up before
        return None
    text = f"{CANNOT_START}: {sign.line}"
    if is_of_image(sign, facts.job.pod.min_cuda_version):
        return Fire(Trigger.HOST_FAILED, Reason.IMAGE_FAILED, text)
    return host_failed(facts, Reason.HOST_NEVER_BOOTED, text)


def no_sshd(facts: Facts) -> str | None:
    """Say that nothing answers on port 22 of a running container, if this has lasted long enough; else None."""
    greet = facts.tried(Op.GREET)
    if not greet.failures or greet.reason != Fault.SSH_UNREACHABLE or greet.since is None or greet.at is None:
        return None
    lasts = _no_sshd_seconds(facts)
    if elapsed(greet.since, greet.at) < lasts or is_offline(facts):
        return None
    what = f"the container runs, and no sshd has answered on port 22 for {lasts:.0f} s"
    return f"{what} ({greet.error}): the image may have none, or its start command does not start it"


def is_port_closed(facts: Facts) -> bool:
    """Whether the image is certainly the cause: all the time, the host has answered that no process listens on the
    port.

    A broken connection or a host with a broken network gives no answer. An sshd is not missing if it has answered
    before, or if the image is known to start one.
    """
    pod, greet, wanted = facts.pod, facts.tried(Op.GREET), facts.job.pod
    is_there = pod is None or pod.container.greeted_start is not None
    if is_there or (is_with_start_sh(wanted.image) and not (wanted.args or "").strip()):
        return False
    since = pod.container.knocks.closed_since if pod is not None else None
    is_long = since is not None and greet.at is not None and elapsed(since, greet.at) >= _no_sshd_seconds(facts)
    return is_long and no_sshd(facts) is not None


def _no_sshd_seconds(facts: Facts) -> float:
    return min(NO_SSHD_SECONDS, facts.job.budget.ssh_ready_timeout_sec / 2.0)


def read_logs(facts: Facts, since: Stamp, now: Stamp, first: float = LOG_AFTER_SECONDS) -> Look | None:
    """A look at both logs, from time to time, of a pod that does not come up."""
    waited, logged = elapsed(since, now), facts.tried(Op.READ_SYSTEM_LOG).at
    pause = LOG_EVERY_SECONDS if waited < 60.0 else LOG_LATER_SECONDS
    if waited <= first or (logged is not None and elapsed(logged, now) <= pause):
        return None
    pod = facts.pod
    assert pod is not None and pod.id is not None, "there is a pod"
    return Look(ReadSystemLog(pod.id, no_sshd(facts)))


def _poll(facts: Facts, pod: PodFacts, now: Stamp) -> Decision:
    since = pod.started_at or pod.origin.sent_at
    waited = elapsed(since, now)
    looked = facts.tried(Op.READ_POD).at
    pause = profile_poll(facts.profile, waited)
    if looked is None or elapsed(looked, now) >= pause:
        return Look(ReadPod.in_hand(facts))
    if (look := read_logs(facts, since, now)) is not None:
        return look
    survey = look_over(facts, now) if is_unsurveyed(facts, now) else None
    if survey is not None:  # it does not delay the boot
        return survey
    what = _awaited(facts, pod)
    return Wait(pause - elapsed(looked, now), what, now.wall + boot_seconds_left(facts, now))


def _just_started(facts: Facts, pod: PodFacts, now: Stamp) -> bool:
    """The account may show the old status for a moment after a start, but not longer than a create may be late."""
    settles = min(START_SETTLES_SECONDS, facts.profile.quiet_window_seconds)
    return pod.started_at is not None and elapsed(pod.started_at, now) < settles


def _awaited(facts: Facts, pod: PodFacts) -> str:
    if facts.container.why_not_up:
        return f"the container ({facts.container.why_not_up[-1]})"
    if pod.seen is None:
        return "the pod to show in the account"
    return "an address" if pod.seen.status == "RUNNING" else f"the container ({pod.seen.status.lower()})"


def _start(facts: Facts, pod: PodFacts, now: Stamp) -> Decision:
    """Start the pod. Repeat a refused start only if results wait in the pod, and each time after a new look."""
    if not facts.has_launched_here and (pod.starts > 1 or pod.refused_starts):
        return host_failed(facts, Reason.HOST_NEVER_BOOTED)
    tries, read = facts.tried(Op.START_POD), facts.tried(Op.READ_POD).at
    since = tries.since
    if since is not None and elapsed(since, now) > START_RETRY_SECONDS:
        return host_failed(facts, Reason.POD_STOPPED)
    left = pause_left(facts, Op.START_POD, now, first=1.0, cap=60.0)
    if left and since is not None:
        text = f"the pod's host to have a free GPU ({tries.error}); nothing computes meanwhile"
        return Wait(left, text, since.wall + START_RETRY_SECONDS)
    if tries.at is not None and (read is None or is_before(read, tries.at)):
        return Look(ReadPod.in_hand(facts))
    debt = DebtChange(pod.name, "compute", "open", usd_per_hour=pod.usd_per_hour)
    assert pod.id is not None, "there is a pod"
    return Do(StartPod(pod.id), pod.refused_starts + 1, (debt,))
