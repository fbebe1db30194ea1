"""What really is, whatever the run knows of it: pods of this run, the job in them, and who else is in the account."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from rpd.states.ports.world import Pod, SshAddress

LATE_SECONDS = 180.0
"""A create without an answer takes effect at the latest this long after it was sent (the profile's quiet window)."""
FOREIGN_ID = "foreign"
OLD_NAME, OLD_RUN = "rpd-model-old-a1", "model-old"
"""The pod that an earlier run of the lineage has left paused, and that run."""


class PodStatus(StrEnum):
    """Of one pod, as the provider's bill sees it."""

    LATE = "late"  # its create may still take effect
    RUNNING = "running"
    EXITED = "exited"
    GONE = "gone"


class JobLife(StrEnum):
    """Of the script in one pod, as its claim folder shows it."""

    NONE = "none"
    CLAIMED = "claimed"  # the folder is there, the script was never executed
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


class PodTruth(msgspec.Struct, frozen=True):
    """One pod that a create of this run made, or may yet make."""

    id: str
    name: str
    env: tuple[tuple[str, str], ...]
    sent_at: float
    life: PodStatus = PodStatus.RUNNING
    is_up: bool = False  # the container came up: it has an address, and sshd answers
    was_shown: bool = False  # an answer of the account has contained it
    container: int = 1
    is_armed: bool = False
    is_doomed: bool = False  # the cloud has accepted a delete, and not carried it out
    job: JobLife = JobLife.NONE
    job_starts: int = 0
    launch: int = 1  # the launch that these are about
    secrets: str = ""  # where files of secrets stand: "memory" or "disk"
    has_answered: bool = False  # its services, at the last look, in this container
    person: bool = False  # somebody was told that the session is connected, and works in it
    is_others: bool = False  # an earlier run has left it paused, and it was not handed over

    @property
    def may_compute(self) -> bool:
        """It costs money now, or may do so without anybody asking again."""
        return self.life in (PodStatus.RUNNING, PodStatus.LATE)

    @property
    def holds_results(self) -> bool:
        """The script ran here, so there is a log at least, and perhaps all of its work."""
        return self.life is not PodStatus.GONE and self.job not in (JobLife.NONE, JobLife.CLAIMED)


class Truth(msgspec.Struct, frozen=True):
    """All pods of this run."""

    pods: tuple[PodTruth, ...] = ()

    def find(self, pod_id: str) -> PodTruth | None:
        """The pod with this id that the provider has, if any."""
        return next(
            (pod for pod in self.pods if pod.id == pod_id and pod.life not in (PodStatus.LATE, PodStatus.GONE)), None
        )

    def named(self, name: str | None) -> PodTruth | None:
        """The pod with this birth name, if a create may have made one."""
        for pod in self.pods:
            if pod.name == name:
                return pod
        return None

    def with_pod(self, pod: PodTruth) -> Truth:
        """This truth, with one pod added or changed."""
        others = tuple(each for each in self.pods if each.id != pod.id)
        kept = () if pod.life is PodStatus.GONE and not pod.job_starts else (pod,)
        return Truth(tuple(sorted((*others, *kept), key=lambda each: each.id)))

    def settled(self, now: float) -> Truth:
        """After this much time no create is late any more: the worst that it can do is to have worked."""
        truth = self
        for pod in self.pods:
            if pod.life is PodStatus.LATE and now - pod.sent_at >= LATE_SECONDS - 1.0:
                truth = truth.with_pod(changed(pod, life=PodStatus.RUNNING))
        return truth


def changed(pod: PodTruth, **fields: object) -> PodTruth:
    """The pod with other values."""
    return msgspec.structs.replace(pod, **fields)


def halted(pod: PodTruth, life: PodStatus = PodStatus.EXITED) -> PodTruth:
    """The pod after its container ended, whoever ended it."""
    job = JobLife.LOST if pod.job is JobLife.RUNNING or (life is PodStatus.GONE and pod.job_starts) else pod.job
    secrets = pod.secrets if pod.secrets == "disk" and life is not PodStatus.GONE else ""
    return changed(pod, life=life, is_up=False, is_armed=False, has_answered=False, job=job, secrets=secrets)


def started(pod: PodTruth) -> PodTruth:
    """The pod after a start."""
    if pod.life is not PodStatus.EXITED:
        return pod
    return changed(pod, life=PodStatus.RUNNING, container=pod.container + 1)


def shown(pod: PodTruth) -> Pod:
    """As the API describes it."""
    status = {PodStatus.RUNNING: "RUNNING" if pod.is_up else "PROVISIONING", PodStatus.EXITED: "EXITED"}[pod.life]
    address = SshAddress("192.0.2.1", 40000 + pod.container) if pod.is_up else None
    rate = 0.27 if pod.life is PodStatus.RUNNING else 0.0
    return Pod(pod.id, pod.name, status, usd_per_hour=rate, env=dict(pod.env), ssh=address)


def foreign(name: str) -> Pod:
    """Somebody else's pod, which by chance or malice bears a name of this run."""
    return Pod(FOREIGN_ID, name, "RUNNING", usd_per_hour=9.0, env={"RPD_RUN_ID": "another-run"})
