"""What is known about a run: the fold of its journal. The same fold serves the live loop and every replay.

`apply` changes facts in place; it never reads a clock. What only looks tell (counters of polls) is rebuilt after a
resume.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.engine.deadline import elapsed
from rpd.journal.errors import JournalStrange
from rpd.journal.records import DebtChange, Opened, Stamp
from rpd.states.boot_signs import Seen
from rpd.states.job import Artifact, Job, checkpoint_label, is_on_volume
from rpd.states.log_reading import LogReading
from rpd.states.names import OF_RESULTS, Reason, State
from rpd.states.tries import NEVER, Outage, Tries
from rpd.states.world import Armed, Claim, Greeting, Holder, Offer, Paused, Pod, Pulled, SshAddress

DEFAULT_VOLUME_GB = 20
"""An ephemeral volume when the config names no size."""


class Candidate(msgspec.Struct, frozen=True):
    """One place to try: a GPU type in a data center (None: any, or one of `others`, where they are named)."""

    gpu_id: str
    datacenter_id: str | None
    cloud: str
    others: tuple[str, ...] = ()


class BadPlace(msgspec.Struct, frozen=True):
    """A GPU type in a data center, where a host failed `at` (UTC seconds)."""

    gpu_id: str
    datacenter_id: str
    cloud: str
    at: float


class Hardware(msgspec.Struct, frozen=True):
    """A GPU type or CPU flavor that the job may be given, by its id; `max_usd` is the most that one GPU of it may cost
    per hour by the word that chose it (None: that word sets no limit)."""

    id: str
    max_usd: float | None = None


class Profile(msgspec.Struct, frozen=True):
    """How the run's cloud behaves in time (seconds): how late a create can take effect, how long absence must be seen
    before it counts as proof, how often to poll, and how long a stopped engine's pod waits for its owner."""

    name: str
    url: str
    quiet_window_seconds: float = 180.0
    proof_interval_seconds: float = 30.0
    poll_seconds: float = 3.0
    owner_silence_seconds: float = 600.0


class Span(msgspec.Struct):
    """A stretch of time during which a pod computed, as we know it. `until` is None while it does."""

    since: Stamp
    usd_per_hour: float
    until: Stamp | None = None


class PodFacts(msgspec.Struct):
    """One attempt to rent: from its create intent on. `name` is its birth name, unique to the attempt; that of a twin
    is followed by its id."""

    name: str
    attempt: int
    candidate: Candidate
    sent_at: Stamp
    usd_per_hour: float
    last_sent_at: Stamp  # its create cannot have left this machine later than that: it may have slept after the intent
    id: str | None = None
    is_unknown: bool = False  # the create's answer never came, or its pod may still appear
    is_gone: bool = False  # proved: refused, deleted, or vanished
    was_found: bool = False  # the account has shown it to us at least once since its create was answered
    seen: Pod | None = None
    misses: int = 0  # looks in a row that said there is no such pod
    first_miss_at: Stamp | None = None
    started_at: Stamp | None = None  # our own last start of it, or its creation
    starts: int = 0
    refused_starts: int = 0
    restarts: int = 0  # of its container by others, while it ran
    greeting: Greeting | None = None
    refused_since: Stamp | None = None  # its sshd or its volume refuses us in a way that no waiting mends
    refusals: int = 0  # of that kind, with no other answer in between
    closed_since: Stamp | None = None  # since when every knock was answered that nobody listens on port 22
    greeted_place: tuple[str | None, SshAddress | None] | None = None  # `place` when its host key was pinned
    released_as: str | None = (
        None  # "stop" or "delete": what the cloud last accepted; "absent": nothing to stop, it says
    )
    released_at: Stamp | None = None
    taken: Paused | None = None  # rented by an earlier run, and taken up paused
    made_by: str = ""  # the epoch and its owner that ordered it, as its env says
    twin_of: str | None = None  # birth name of the pod that the same create has made; nothing is ever done in this one
    is_unwanted: bool = False  # taken up only to be deleted
    was_used: bool = False  # something of this run was done in it
    holds_lost: bool = False  # a launch that was lost may have left something there
    kept_until: float | None = None  # UTC seconds: it stays up after the end, and its switch has orders to stop it then
    secrets_in: str | None = None  # the container in which the files of secrets stand
    secrets_left: str = ""  # where they may still be: "memory", which a stop wipes, or "disk"
    spans: list[Span] = msgspec.field(default_factory=list)

    @property
    def place(self) -> tuple[str | None, SshAddress | None] | None:
        """When and where the cloud says that it was started: changes with its container, never by itself."""
        return (self.seen.started_at, self.seen.ssh) if self.seen is not None else None

    @property
    def container(self) -> str:
        """Names the container in hand. Every start, whoever caused it, brings a new one with an empty disk."""
        return f"{self.starts} {self.greeting.container if self.greeting is not None else ''}"

    @property
    def is_seen_stopped(self) -> bool:
        """The last look said EXITED, and no later one missed it."""
        return self.seen is not None and self.seen.status == "EXITED" and not self.misses


class Refusal(msgspec.Struct, frozen=True):
    """Why a candidate was not taken, and when: a word for decisions, a text for people."""

    reason: str
    text: str
    at: Stamp | None = None


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pod of this run as a survey of the account saw it; `is_others`: another owner of this run has ordered it."""

    id: str
    name: str
    status: str
    is_others: bool = False


class Sent(msgspec.Struct, frozen=True):
    """How large a tree was when the run began."""

    label: str
    destination: str
    files: int
    bytes: int


class Options(msgspec.Struct, frozen=True):
    """What was asked for beside the config, as record 0 keeps it."""

    fresh: bool = False
    on_drift: str | None = None
    wait_for_stock_seconds: float | None = None
    staging: tuple[Sent, ...] = ()
    bad_places: tuple[BadPlace, ...] = ()  # where hosts of earlier runs failed a short while before


class Facts(msgspec.Struct):
    """Everything `decide` may look at."""

    run_id: str
    opened: Opened
    job: Job
    profile: Profile
    options: Options = Options()
    started: Stamp | None = None
    state: State = State.VALIDATE
    entered: Stamp | None = None
    epoch: int = 0
    owner: str = ""  # the checksum of the record that began this epoch
    epoch_since: Stamp | None = None
    seq: int = -1
    head: str = ""

    problems: tuple[str, ...] | None = None
    paused: tuple[Paused, ...] | None = None  # pods of this lineage that wait to be taken up
    paused_left_out: int = 0  # how many more there are than one record could hold
    not_taken: dict[str, str] = {}  # name of such a pod -> why it stays where it is
    taking: str | None = None  # name of the one last asked for
    handed_over: dict[str, str] = {}  # name of a pod -> the run that has it now
    offers: tuple[Offer, ...] | None = None
    named_hardware: tuple[Hardware, ...] | None = None  # what the words of gpu_order or cpu_order came to
    named_places: tuple[str, ...] | None = None  # the same of datacenters
    meant: dict[str, tuple[str, ...]] = {}  # word of the job that was no id -> the ids it stands for
    misnamed: tuple[str, ...] = ()  # what is wrong with words that stand for nothing
    volume_id: str | None = None
    volume_was_looked_up: bool = False
    refusals: dict[str, Refusal] = {}  # candidate key -> why
    bad_places: tuple[BadPlace, ...] = ()  # where hosts of this run failed
    stocked: dict[str, tuple[str, ...]] | None = None  # GPU type -> data centers that have some, as far as looked up
    pods: dict[str, PodFacts] = {}
    current: str | None = None
    create_error: str | None = None
    absent_creates: int = 0  # creates without an answer of which no pod came in the quiet window
    host_failures: int = 0
    host_failure: Reason | None = None
    why_not_up: tuple[str, ...] = ()  # last words of the provider's log about the pod, and of the container's own
    boot_sign: Seen | None = None  # what they say of a container that will never start

    armed: Armed | None = None
    armed_start: int = -1
    may_arm_again: bool = False  # its orders did not reach the switch, and may at another time
    steps_done: dict[str, int] = {}  # step key -> exit code
    step_tail: tuple[str, ...] = ()
    python_in_pod: str | None = None  # version of the interpreter that `pod.python_version` brought, as it says itself
    trees_done: dict[str, dict[str, Any]] = {}
    lease: str = ""  # names the places on a network volume that this start of the pod holds
    holders: tuple[Holder, ...] = ()  # who else holds one of them
    holders_computing: bool = False  # there is a pod of theirs, by the last look
    holders_stopped: tuple[str, ...] = ()  # run ids of those of whom there are stopped ones alone
    holders_gone_since: Stamp | None = None  # since when every look has said that there is none
    holder_looks: int = 0  # of these

    prepared: tuple[str, str] | None = None  # pod and container in which setup, stage and preflight were done
    prepared_epoch: int = -1  # the process that did it
    launch: int = 1
    relaunched: Stamp | None = None  # when the launch before was given up
    lost_in: tuple[str, str] | None = None  # pod and container of the launch before, where it was prepared
    checkpoint_asked: str | None = None  # the one last asked for
    checkpoint_tried: dict[str, Stamp] = {}  # remote path -> when it was last asked for
    launch_intended: bool = False
    launch_refused: str | None = None
    claim: Claim | None = None
    claim_is_fresh: bool = False  # read since the pod was last (re)started and since this process came
    job_stopped: bool = False
    idle_seconds: float | None = None  # for how long the pod had done nothing, by the samples last looked at
    heard: tuple[str, ...] = ()  # markers that showed in the log while it streamed

    log_fetched: bool = False
    log_reading: LogReading | None = None  # what the log says of a failure, once it was looked at
    pulled: dict[str, Pulled] = {}
    pull_failures: dict[str, int] = {}
    pull_since: Stamp | None = None  # when the artifact last asked for was asked for
    pull_seconds: dict[str, float] = {}  # label -> how long its last try took
    pull_errors: dict[str, str] = {}  # label -> why its last try failed
    pull_stalls: int = 0  # tries in a row that the link ended, and that brought next to nothing
    gained_at: Stamp | None = None  # when a try that the link ended had brought more of an artifact
    collect_since: Stamp | None = None  # when collecting began in this process, or something last arrived whole
    gave_up_collecting: bool = False  # what could be fetched was tried, and something required is not here

    requests: list[str] = []  # of this epoch
    requested_at: Stamp | None = None  # when the last one was made
    request_detail: dict[str, Any] = {}
    reason: Reason | None = None  # the ending, once there is one
    reason_text: str | None = None  # what the move said that brought it

    release_since: Stamp | None = None
    surveyed: Stamp | None = None  # when this process last saw the whole account
    clean_surveys: int = 0
    clean_since: Stamp | None = None
    release_proved: bool = False
    survey_found: tuple[Found, ...] = ()  # ours by name and env, and not yet as they should be
    told: dict[str, int] = {}  # pod id -> the record that last told it to go, answered or not
    told_last: str = ""  # id of the pod that was told last to stop or go
    released_ids: dict[str, Stamp] = {}  # pod id -> when the cloud last accepted its release
    key_refused_since: Stamp | None = None
    release_tries: int = 0  # answers to a stop or delete since the account last showed all pods as they should be
    release_tried_since: Stamp | None = None
    parked_epoch: int = -1
    was_taken_over: bool = False  # another owner of this run has acted: its results may be where we know of none
    claimed_since: Stamp | None = None  # the claim folder is there, and the script was not started yet
    pulling: str | None = None  # label of the artifact last asked for

    compute_debts: dict[str, DebtChange] = {}
    storage_debts: dict[str, DebtChange] = {}
    tries: dict[str, Tries] = {}  # op -> how it went in this state
    outage: Outage | None = None  # nothing gets through; see `rpd.states.outage`
    boot_since: Stamp | None = None  # when the container in hand was last awaited
    offline_seconds: float = 0.0  # since then, or since collecting began, without what goes on now
    manifest_sha256: str | None = None
    seconds_in: dict[str, float] = {}  # state -> how long the run was in it, while somebody drove it or not
    noticed: dict[str, Stamp] = {}  # occasion -> when somebody was told of it, or it was tried
    closed_outcome: str | None = None
    closed_reason: str | None = None
    closed_exit_code: int | None = None

    # Derived, all pure.

    def tried(self, op: str) -> Tries:
        """How the tries of this operation went in the state in hand."""
        return self.tries.get(op, NEVER)

    @property
    def token(self) -> str:
        """The 26 characters that make this run's pod names unique."""
        return self.opened.token

    @property
    def name_prefix(self) -> str:
        """Every pod of this run is named `<prefix><attempt>`."""
        return pod_name_prefix(self.opened)

    @property
    def pod(self) -> PodFacts | None:
        """The attempt in hand."""
        return self.pods[self.current] if self.current else None

    @property
    def last_pod(self) -> PodFacts | None:
        """The attempt in hand, or the last one there was."""
        return self.pod or next((pod for pod in reversed(self.pods.values()) if pod.twin_of is None), None)

    @property
    def hardware(self) -> tuple[Hardware, ...]:
        """GPU types or CPU flavors, best first, under the ids that are ordered; until the catalog has said what the
        job's words mean, those words."""
        if self.named_hardware is not None:
            return self.named_hardware
        return tuple(Hardware(each) for each in self.job.pod.hardware if isinstance(each, str))

    @property
    def places(self) -> tuple[str, ...]:
        """Data centers, best first, under the ids that are ordered; empty: any."""
        return self.job.pod.datacenters if self.named_places is None else self.named_places

    @property
    def volume_gb(self) -> int:
        """Size of the pod's own volume; 0 when a network volume is mounted in its place."""
        if self.job.storage.mode == "network_volume":
            return 0
        return self.job.storage.volume_gb or DEFAULT_VOLUME_GB

    @property
    def folder(self) -> str:
        """The run's own folder in the pod."""
        return f"{self.job.storage.volume_mount.rstrip('/')}/.rpd/{self.run_id}"

    @property
    def script_path(self) -> str:
        """Where the job's script stands in the pod."""
        return self.job.run.script_path or f"{self.folder}/run.sh"

    @property
    def log_path(self) -> str:
        """Where the job's output goes in the pod."""
        return self.job.run.log_path or f"{self.folder}/{_log_name(self.launch)}"

    @property
    def local_log(self) -> str:
        """Where the job's output goes on this machine: every launch has a log of its own."""
        return self.local_log_of(self.launch)

    def local_log_of(self, launch: int) -> str:
        """The same of one launch."""
        return f"{self.opened.run_dir}/{_log_name(launch)}"

    @property
    def request(self) -> str | None:
        """What was last asked for in this epoch."""
        return self.requests[-1] if self.requests else None

    def forget_holders(self) -> None:
        """Who holds a place is asked anew, and so is whether it is alive."""
        self.holders, self.holders_computing, self.holders_stopped = (), False, ()
        self.holders_gone_since, self.holder_looks = None, 0

    def holders_are_gone(self, looks: int, now: Stamp) -> bool:
        """So many looks, over the time in which the cloud proves an absence, have shown no pod of theirs."""
        since = self.holders_gone_since
        is_long = since is not None and elapsed(since, now) >= self.profile.proof_interval_seconds
        return is_long and self.holder_looks >= looks

    @property
    def has_launched_here(self) -> bool:
        """The pod in hand may hold what a launch has left, be it the one in hand or one that was lost."""
        return self.launch_intended or (self.pod is not None and self.pod.holds_lost)

    @property
    def was_rented(self) -> bool:
        """A pod came of a create, or may still come."""
        return any(pod.id is not None or pod.is_unknown for pod in self.pods.values())

    @property
    def uncollected(self) -> tuple[str, ...]:
        """Labels of required artifacts that are not here, whole and verified (one that does not exist there is not
        waited for)."""
        return tuple(a.label for a in self.job.artifacts if a.required and not self.is_here(a.label))

    def is_here(self, label: str) -> bool:
        """This artifact or checkpoint is here, whole, or was not there to be fetched."""
        return label in self.pulled and not self.pulled[label].refused

    @property
    def has_all(self) -> bool:
        """Each artifact, whether the run needs it or not, and each checkpoint is here, whole, or was not there."""
        labels = (*(a.label for a in self.job.artifacts), *map(checkpoint_label, self.job.checkpoints.paths))
        return all(map(self.is_here, labels))

    @property
    def is_worth_fetching(self) -> bool:
        """Another try may bring more of what is required: a path that may not be created here is refused for ever."""
        return not self.log_fetched or any(a.required and a.label not in self.pulled for a in self.job.artifacts)

    @property
    def missing(self) -> tuple[str, ...]:
        """Labels of required artifacts with nothing at their remote path, or no file in the folder there."""
        return tuple(a.label for a in self.job.artifacts if a.required and self.is_none(a))

    def is_none(self, artifact: Artifact) -> bool:
        """The pod was asked for this artifact, and has nothing that would count as one."""
        pulled = self.pulled.get(artifact.label)
        return pulled is not None and (pulled.is_missing or (pulled.is_empty and not artifact.allow_empty))

    @property
    def what_is_missing(self) -> str:
        """The required artifacts of which there is nothing, and what there is in their place, in one sentence."""
        hollow = [label for label in self.missing if not self.pulled[label].is_missing]
        gone = [label for label in self.missing if label not in hollow]
        texts = [f"nothing at the remote path of: {', '.join(gone)}"] if gone else []
        texts += [f"no file in the folder at the remote path of: {', '.join(hollow)}"] if hollow else []
        return "; ".join(texts)

    @property
    def is_prepared(self) -> bool:
        """The container in hand has seen setup, stage and preflight, and this process has run what is repeatable: as
        long as the launch is not claimed, for a claimed script may start at any moment."""
        is_claimed = self.claim is not None and self.claim.phase != "none"
        is_renewed = is_claimed or self.prepared_epoch == self.epoch or not self.has_repeatable
        return is_renewed and self.pod is not None and self.prepared == (self.pod.name, self.pod.container)

    @property
    def has_repeatable(self) -> bool:
        """Some commands are run again by every process that still has to launch the job."""
        return any(command.repeatable for command in (*self.job.setup, *self.job.preflight))

    @property
    def results_wait(self) -> bool:
        """A job was launched, its pod is kept, and something required is still only there."""
        return self._has_its_pod and not self.collected

    @property
    def holds_last(self) -> bool:
        """The same, be it required or not: with that pod, results would go that are nowhere else."""
        return self.results_wait or (self._has_its_pod and bool(self.left_behind))

    @property
    def left_behind(self) -> tuple[str, ...]:
        """Labels of artifacts that the run does not need, of a job that has run, and that did not arrive, or not
        whole."""
        if not self.launch_intended or not self.log_fetched:
            return ()
        return tuple(a.label for a in self.job.artifacts if not a.required and not self.is_here(a.label))

    @property
    def wiped(self) -> tuple[str, ...]:
        """Labels of artifacts that did not arrive and that the stop of their pod has wiped: they were not on its
        volume."""
        pod = self.pod
        if not self._has_its_pod or pod is None or pod.name in self.compute_debts:
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
        """A job was launched, and its pod is not given away."""
        pod = self.pod
        return pod is not None and not pod.is_gone and self.launch_intended and pod.released_as != "delete"

    @property
    def collected(self) -> bool:
        """Log and every required artifact are here, or the job never started: where another owner has acted, the claim
        must say so."""
        if self.reason is Reason.LAUNCH_FAILED and (self.claim_is_fresh or not self.was_taken_over):
            return True
        if self.claim is not None and self.claim.phase == "none" and self.claim_is_fresh:
            return True
        return self.log_fetched and not self.uncollected

    @property
    def is_good(self) -> bool:
        """The job ended well, whatever became of its results, or of the run."""
        claim, run = self.claim, self.job.run
        if self.reason in (Reason.JOB_SUCCEEDED, *OF_RESULTS):
            return True
        is_marked = run.success_marker is None or (claim is not None and bool(claim.has_marker))
        is_well = claim is not None and claim.exit_code == 0 and claim.failure_marker is None
        return is_well and is_marked

    @property
    def has_retries(self) -> bool:
        """A lost job may be launched again: the config says so, nobody asked for the end, and nobody else acts here."""
        return self.launch <= self.job.retries and self.request is None and not self.was_taken_over

    @property
    def may_try_next(self) -> bool:
        """The hosts failed so far, nobody asked for the end, and attempts are left."""
        return (
            self.reason is None
            and self.host_failure is not None
            and not self.launch_intended
            and self.host_failures < self.job.provision.attempts
        )


def pod_name_prefix(opened: Opened) -> str:
    """Of a run whose other records need not make sense."""
    return f"rpd-{opened.workflow}-{opened.token}-a"


def _log_name(launch: int) -> str:
    return "run.log" if launch == 1 else f"run-{launch}.log"


def candidate_key(candidate: Candidate) -> str:
    """One word per candidate, for the list of refusals."""
    anywhere = "other data centers" if candidate.others else "any data center"
    return f"{candidate.gpu_id} / {candidate.datacenter_id or anywhere} / {candidate.cloud}"


def close_spans(pod: PodFacts, at: Stamp) -> None:
    """The pod computes no more from `at` on."""
    for span in pod.spans:
        if span.until is None:
            span.until = at


def new_facts(opened: Opened, run_id: str) -> Facts:
    """Facts of a run of which only record 0 is known. Raises JournalStrange when that describes no job."""
    cloud: dict[str, Any] = dict(opened.cloud)
    try:
        job = msgspec.convert(opened.config, Job)
        profile = msgspec.convert(cloud, Profile, strict=False)
        options = msgspec.convert(opened.options, Options)
    except (msgspec.ValidationError, RecursionError) as error:
        raise JournalStrange("record 0", error) from error
    return Facts(run_id, opened, job, profile, options)
