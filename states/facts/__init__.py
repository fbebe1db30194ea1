"""What is known about a run: the fold of its journal. The live loop and every replay use the same fold.

`apply` changes facts in place and never reads a clock. Facts that come only from looks (counters of polls) are rebuilt
after a resume.
"""

from __future__ import annotations

import msgspec

from rpd.engine.deadline import elapsed
from rpd.journal.errors import JournalNotOurs, JournalStrange
from rpd.journal.records import Opened, Stamp
from rpd.states.facts.launch import Launch, Results
from rpd.states.facts.pod import Container, PodFacts
from rpd.states.facts.release import Debts, Release
from rpd.states.facts.run import Contact, Ending, Lease, Options, Process, Profile, Progress, Report
from rpd.states.facts.search import Hardware, Lineage, Names, Search
from rpd.states.facts.tries import NEVER, Tries
from rpd.states.ports.job import Artifact, Job, checkpoint_label, is_on_volume
from rpd.states.ports.names import OF_RESULTS, Reason, State
from rpd.states.ports.session import SessionSpec

PROVED_ABSENT = "proved_absent"
"""The reason of a failed create that had no answer and whose pod did not appear in the quiet window."""
DEFAULT_VOLUME_GB = 20
"""The size of an ephemeral volume if the config names none."""


class Facts(msgspec.Struct):
    """All facts that `decide` may look at."""

    run_id: str
    opened: Opened
    job: Job
    profile: Profile
    options: Options = Options()
    state: State = State.VALIDATE
    progress: Progress = msgspec.field(default_factory=Progress)
    process: Process = msgspec.field(default_factory=Process)
    names: Names = msgspec.field(default_factory=Names)
    lineage: Lineage = msgspec.field(default_factory=Lineage)
    search: Search = msgspec.field(default_factory=Search)
    pods: dict[str, PodFacts] = {}
    current: str | None = None  # name of the current attempt
    lease: Lease = msgspec.field(default_factory=Lease)
    launch: Launch = msgspec.field(default_factory=Launch)
    ending: Ending = msgspec.field(default_factory=Ending)
    release: Release = msgspec.field(default_factory=Release)
    debts: Debts = msgspec.field(default_factory=Debts)
    contact: Contact = msgspec.field(default_factory=Contact)
    report: Report = msgspec.field(default_factory=Report)

    # Derived facts, all pure.

    def tried(self, op: str) -> Tries:
        """How the tries of this operation went in the current state."""
        return self.contact.tries.get(op, NEVER)

    @property
    def token(self) -> str:
        """The 26 characters that make the pod names of this run unique."""
        return self.opened.token

    @property
    def name_prefix(self) -> str:
        """The name of every pod of this run is `<prefix><attempt>`."""
        return pod_name_prefix(self.opened)

    @property
    def pod(self) -> PodFacts | None:
        """The pod in hand: the current attempt."""
        return self.pods[self.current] if self.current else None

    @property
    def last_pod(self) -> PodFacts | None:
        """The current attempt, or else the last one."""
        return self.pod or next((pod for pod in reversed(self.pods.values()) if pod.origin.twin_of is None), None)

    @property
    def container(self) -> Container:
        """The container of the pod in hand; a blank one if there is no pod in hand."""
        return self.pod.container if self.pod is not None else Container()

    @property
    def last_container(self) -> Container:
        """The container of the last pod; a blank one if there was no pod."""
        return self.last_pod.container if self.last_pod is not None else Container()

    @property
    def results(self) -> Results:
        """What has arrived of the current launch."""
        return self.launch.results

    @property
    def absent_creates(self) -> int:
        """How many creates had no answer and no pod in the quiet window."""
        return sum(pod.origin.create_error == PROVED_ABSENT for pod in self.pods.values())

    @property
    def hardware(self) -> tuple[Hardware, ...]:
        """GPU types or CPU flavors, best first, under the ids that are ordered. Before the catalog has been read: the
        job's own names.
        """
        if self.names.hardware is not None:
            return self.names.hardware
        return tuple(Hardware(each) for each in self.job.pod.hardware if isinstance(each, str))

    @property
    def datacenters(self) -> tuple[str, ...]:
        """Data centers, best first, under the ids that are ordered. Empty: any."""
        return self.job.pod.datacenters if self.names.datacenters is None else self.names.datacenters

    @property
    def volume_gb(self) -> int:
        """The size of the pod's own volume; 0 if a network volume is mounted instead."""
        if self.job.storage.mode == "network_volume":
            return 0
        return self.job.storage.volume_gb or DEFAULT_VOLUME_GB

    @property
    def folder(self) -> str:
        """The run's own folder in the pod."""
        return f"{self.job.storage.volume_mount.rstrip('/')}/.rpd/{self.run_id}"

    @property
    def script_path(self) -> str:
        """The path of the job's script in the pod."""
        return self.job.run.script_path or f"{self.folder}/run.sh"

    @property
    def log_path(self) -> str:
        """The path of the job's log in the pod."""
        return self.job.run.log_path or f"{self.folder}/{_log_name(self.launch.number)}"

    @property
    def local_log(self) -> str:
        """The path of the job's log on this machine. Every launch has its own log."""
        return self.local_log_of(self.launch.number)

    def local_log_of(self, launch: int) -> str:
        """The path of the log of one launch on this machine."""
        return f"{self.opened.run_dir}/{_log_name(launch)}"

    @property
    def request(self) -> str | None:
        """The latest request in this epoch."""
        return self.process.requests[-1] if self.process.requests else None

    def holders_are_gone(self, looks: int, now: Stamp) -> bool:
        """So many looks, over the time in which the cloud proves an absence, have shown no pod of the holders."""
        since = self.lease.gone_since
        is_long = since is not None and elapsed(since, now) >= self.profile.proof_interval_seconds
        return is_long and self.lease.looks >= looks

    @property
    def has_launched_here(self) -> bool:
        """The pod in hand may hold files of a launch (of the current one, or of a lost one) or of a person."""
        return self.launch.intended or (self.pod is not None and self.pod.holds != "")

    @property
    def is_session(self) -> bool:
        """A person works in the pod, and no job."""
        return self.opened.lifecycle == "session"

    @property
    def session(self) -> SessionSpec:
        """What was asked of the session."""
        return self.options.session or SessionSpec()

    @property
    def is_attended(self) -> bool:
        """A person has worked in the pod in hand. What is in it may exist nowhere else."""
        return self.pod is not None and self.pod.holds == "person"

    @property
    def person_may_return(self) -> bool:
        """The pod in hand is there for a person who comes back. Nobody has ended the session for good."""
        is_ended = self.request == "cancel" or (self.request == "release" and self.progress.parked_epoch >= 0)
        is_there = self.pod is not None and not self.pod.is_gone and self.pod.released_as != "delete"
        return self.is_attended and is_there and not is_ended

    @property
    def was_rented(self) -> bool:
        """A create led to a pod, or still may."""
        return any(pod.id is not None or pod.is_unknown for pod in self.pods.values())

    @property
    def uncollected(self) -> tuple[str, ...]:
        """Labels of required artifacts that are not here, whole and verified. An artifact that does not exist in the
        pod does not count.
        """
        return tuple(a.label for a in self.job.artifacts if a.required and not self.is_here(a.label))

    def is_here(self, label: str) -> bool:
        """This artifact or checkpoint is here as a whole, or did not exist in the pod."""
        return label in self.results.pulled and not self.results.pulled[label].refused

    @property
    def has_all(self) -> bool:
        """Each artifact (required or not) and each checkpoint is here as a whole, or did not exist in the pod."""
        labels = (*(a.label for a in self.job.artifacts), *map(checkpoint_label, self.job.checkpoints.paths))
        return all(map(self.is_here, labels))

    @property
    def is_worth_fetching(self) -> bool:
        """Another try may bring more required results. A path that may not be created here stays refused."""
        return not self.results.log_fetched or any(
            a.required and a.label not in self.results.pulled for a in self.job.artifacts
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """Labels of required artifacts whose remote path has nothing, or only a folder without files."""
        return tuple(a.label for a in self.job.artifacts if a.required and self.is_none(a))

    def is_none(self, artifact: Artifact) -> bool:
        """The pod was asked for this artifact, and has nothing that counts as one."""
        pulled = self.results.pulled.get(artifact.label)
        return pulled is not None and (pulled.is_missing or (pulled.is_empty and not artifact.allow_empty))

    @property
    def what_is_missing(self) -> str:
        """One sentence about the required artifacts that do not exist, and what is at their paths instead."""
        hollow = [label for label in self.missing if not self.results.pulled[label].is_missing]
        gone = [label for label in self.missing if label not in hollow]
        texts = [f"nothing at the remote path of: {', '.join(gone)}"] if gone else []
        texts += [f"no file in the folder at the remote path of: {', '.join(hollow)}"] if hollow else []
        return "; ".join(texts)

    @property
    def is_prepared(self) -> bool:
        """The container in hand has done setup, stage and preflight, and this process has run the repeatable commands.
        These need not run again once the launch is claimed, because a claimed script may start at any moment.
        """
        is_claimed = self.launch.claim is not None and self.launch.claim.phase != "none"
        is_renewed = is_claimed or self.launch.prepared_epoch == self.process.epoch or not self.has_repeatable
        return is_renewed and self.pod is not None and self.launch.prepared == (self.pod.name, self.pod.container_name)

    @property
    def has_repeatable(self) -> bool:
        """Every process that still has to launch the job runs some commands again."""
        return any(command.repeatable for command in (*self.job.setup, *self.job.preflight))

    @property
    def results_wait(self) -> bool:
        """A job was launched, its pod is kept, and a required result exists only there."""
        return self._has_its_pod and not self.collected

    @property
    def holds_last(self) -> bool:
        """The pod holds results, required or not, that exist nowhere else."""
        return self.results_wait or (self._has_its_pod and bool(self.left_behind))

    @property
    def left_behind(self) -> tuple[str, ...]:
        """Labels of optional artifacts of a finished job that did not arrive, or not as a whole."""
        if not self.launch.intended or not self.results.log_fetched:
            return ()
        return tuple(a.label for a in self.job.artifacts if not a.required and not self.is_here(a.label))

    @property
    def wiped(self) -> tuple[str, ...]:
        """Labels of artifacts that did not arrive and that the stop of their pod has wiped, because they were not on
        its volume.
        """
        pod = self.pod
        if not self._has_its_pod or pod is None or pod.name in self.debts.compute:
            return ()
        if pod.released_as != "stop" and not pod.is_seen_stopped:
            return ()
        return tuple(
            a.label
            for a in self.job.artifacts
            if not self.is_here(a.label) and not is_on_volume(self.job.storage, a.remote_path)
        )

    @property
    def _has_its_pod(self) -> bool:
        """A job was launched, and its pod was not given away."""
        pod = self.pod
        return pod is not None and not pod.is_gone and self.launch.intended and pod.released_as != "delete"

    @property
    def collected(self) -> bool:
        """The log and every required artifact are here, or the job never started. If another owner has acted, only the
        claim can show that it never started.
        """
        if self.ending.reason is Reason.LAUNCH_FAILED and (
            self.launch.claim_is_fresh or not self.launch.was_taken_over
        ):
            return True
        if self.launch.claim is not None and self.launch.claim.phase == "none" and self.launch.claim_is_fresh:
            return True
        return self.results.log_fetched and not self.uncollected

    @property
    def is_good(self) -> bool:
        """The job ended well, whatever became of its results or of the run."""
        claim, run = self.launch.claim, self.job.run
        if self.ending.reason in (Reason.JOB_SUCCEEDED, *OF_RESULTS):
            return True
        is_marked = run.success_marker is None or (claim is not None and bool(claim.has_marker))
        is_well = claim is not None and claim.exit_code == 0 and claim.failure_marker is None
        return is_well and is_marked

    @property
    def has_retries(self) -> bool:
        """A lost job may be launched again: the config says so, no end was requested, and no other owner acts here."""
        return self.launch.number <= self.job.retries and self.request is None and not self.launch.was_taken_over

    @property
    def may_try_next(self) -> bool:
        """Only hosts have failed so far, no end was requested, and attempts are left."""
        return (
            self.ending.reason is None
            and self.search.host_failure is not None
            and not (self.launch.intended or self.is_attended)
            and self.search.host_failures < self.job.provision.attempts
        )


def pod_name_prefix(opened: Opened) -> str:
    """The prefix of a run's pod names. It needs record 0 only; the other records need not make sense."""
    return f"rpd-{opened.workflow}-{opened.token}-a"


def _log_name(launch: int) -> str:
    return "run.log" if launch == 1 else f"run-{launch}.log"


def require_run(opened: Opened) -> None:
    """Raises JournalNotOurs for the journal of an order for a network volume, which is intact and of no run."""
    if opened.lifecycle == "volume":
        raise JournalNotOurs(
            "this is the journal of an order for a network volume, and no run's",
            hint="rpd volumes   lists network volumes; rpd events PATH   shows the records of such a journal",
        )


def new_facts(opened: Opened, run_id: str) -> Facts:
    """Facts of a run of which only record 0 is known. Raises JournalStrange if record 0 describes no job, and
    JournalNotOurs as `require_run`."""
    require_run(opened)
    try:
        job = msgspec.convert(opened.config, Job)
        profile = msgspec.convert(dict(opened.cloud), Profile, strict=False)
        options = msgspec.convert(opened.options, Options)
    except (msgspec.ValidationError, RecursionError) as error:
        raise JournalStrange("record 0", error) from error
    initial = State.SELECT if opened.lifecycle == "session" else State.VALIDATE
    return Facts(run_id, opened, job, profile, options, initial)
