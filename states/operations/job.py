"""Operations on the job in its pod: launch it exactly once, follow it, stop it."""

from __future__ import annotations

import msgspec

from rpd.engine.errors import RpdError
from rpd.engine.operation import Call, Ended, Result
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.operations.kinds import Effect, Reading
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import Op
from rpd.states.ports.world import Claim, JobRef, LaunchOrder, Target, World


class Claimed(msgspec.Struct, frozen=True):
    """The claim folder of a launch, as rpd read it."""

    claim: Claim


class Samples(msgspec.Struct, frozen=True):
    """For how long the pod has been idle; None if that is not known."""

    idle_seconds: float | None


class LaunchJob(Effect[Claimed], frozen=True):
    """Start the job exactly once: the pod lets only one launch of a number claim its folder."""

    name = Op.LAUNCH_JOB
    words = "starting the job"
    noun = "launch"
    answers = Claimed
    is_work = True

    target: Target
    order: LaunchOrder

    def perform(self, call: Call, world: World) -> Result:
        """Start the job, or read which launch did."""
        return Result(answer=Claimed(world.remote.launch(self.target, self.order)))

    def probe(self, call: Call, world: World) -> Result | None:
        """Read the claim. If the pod cannot be asked, say so: `decide` asks again, and launches nothing before it
        knows.
        """
        try:
            claim = world.remote.read_claim(self.target, self.order.ref)
        except RpdError as error:
            return Result("unknown", reason=error.reason, error=error.message, retryable=True)
        if claim.phase == "none":
            return Result("failed", reason="not_claimed", error="the launch never reached the pod", retryable=True)
        return Result(answer=Claimed(claim))

    def begin(self, facts: Facts, attempt: int, at: Stamp) -> None:
        """The job may run from here on."""
        facts.launch.intended = True

    def end(self, facts: Facts, ended: Ended[Claimed]) -> None:
        """What the claim says; or that it is not known; or why the job cannot be launched."""
        launch, outcome = facts.launch, ended.outcome
        if ended.answer is not None:
            claim_seen(facts, ended.answer.claim, ended.at)
        elif outcome.status == "failed" and outcome.reason not in (Fault.TAKEN_OVER, Fault.HOST_KEY_CHANGED):
            launch.refused = outcome.reason if not outcome.retryable else None
        else:
            launch.claim_is_fresh = False
            if launch.claim is not None and launch.claim.phase == "none":
                launch.claim = None  # read before this launch, which may have claimed the folder since


class ReadClaim(Reading[Claimed], frozen=True):
    """Ask the pod what became of a launch."""

    name = Op.READ_CLAIM
    words = "asking the pod about the job"
    noun = "link"
    answers = Claimed

    target: Target
    job: JobRef

    def perform(self, world: World) -> Result:
        """Read the claim folder."""
        return Result(answer=Claimed(world.remote.read_claim(self.target, self.job)))

    @classmethod
    def saw(cls, facts: Facts, answer: Claimed, at: Stamp) -> None:
        """What the claim says."""
        claim_seen(facts, answer.claim, at)


class WatchJob(Reading[Claimed], frozen=True):
    """Follow the log for `seconds`, and write it into `log_file`. `is_background`: wait only for processes that the
    script has left behind.
    """

    name = Op.WATCH_JOB
    words = "the job runs"
    noun = "link"
    answers = Claimed

    target: Target
    job: JobRef
    log_file: str
    seconds: float
    is_background: bool = False

    @property
    def label(self) -> str:
        """The purpose of the wait."""
        behind = "the script has ended; waiting for what it left in the background"
        return behind if self.is_background else self.words

    def perform(self, world: World) -> Result:
        """The claim afterwards. The size of a growing log changes at every look, and the journal does not need it."""
        claim = world.remote.watch(self.target, self.job, self.log_file, self.seconds)
        kept = msgspec.structs.replace(claim, log_bytes=0) if claim.phase == "running" else claim
        return Result(answer=Claimed(kept), live=Claimed(claim))

    @classmethod
    def saw(cls, facts: Facts, answer: Claimed, at: Stamp) -> None:
        """A watch that saw the end has followed the log to its last byte."""
        claim_seen(facts, answer.claim, at)
        if facts.launch.claim is not None and facts.launch.claim.phase == "ended":
            facts.results.log_fetched = True


class ReadSamples(Reading[Samples], frozen=True):
    """Ask the sampler in the pod whether the pod does anything. `interval` and `grace_seconds` are in seconds."""

    name = Op.READ_SAMPLES
    words = "reading the samples"
    noun = "samples"
    answers = Samples

    target: Target
    launch: int
    interval: float
    threshold_pct: float
    grace_seconds: float

    def perform(self, world: World) -> Result:
        """For how long the pod has been idle."""
        idle = world.remote.idle_seconds(
            self.target, self.launch, self.interval, self.threshold_pct, self.grace_seconds
        )
        return Result(answer=Samples(idle))

    @classmethod
    def saw(cls, facts: Facts, answer: Samples, at: Stamp) -> None:
        """For how long the pod has been idle."""
        facts.launch.idle_seconds = answer.idle_seconds


class StopJob(Effect[Claimed], frozen=True):
    """Stop the job, and kill it after `grace_seconds`. A stop may be repeated."""

    name = Op.STOP_JOB
    words = "stopping the job"
    noun = "stopping the job"
    answers = Claimed

    target: Target
    job: JobRef
    grace_seconds: float

    def perform(self, call: Call, world: World) -> Result:
        """The claim afterwards."""
        return Result(answer=Claimed(world.remote.stop_job(self.target, self.job, self.grace_seconds)))

    def end(self, facts: Facts, ended: Ended[Claimed]) -> None:
        """The job does not run any more."""
        if ended.answer is not None:
            facts.launch.was_stopped = True
            claim_seen(facts, ended.answer.claim, ended.at)


def claim_seen(facts: Facts, claim: Claim, at: Stamp) -> None:
    """Fold the claim folder as it was just read. A later read does not take an exit code back."""
    launch, before = facts.launch, facts.launch.claim
    if before is not None and before.phase == "ended" and claim.phase != "ended":
        return
    if before is not None and before.phase != "none" and claim.phase == "none":
        # A person removed the folder. A job that was started once is lost, never "not started yet".
        claim = msgspec.structs.replace(claim, phase="lost", note="the claim folder is gone")
    if before is not None and before.disk_was_full:
        claim = msgspec.structs.replace(claim, disk_was_full=True)  # a new container does not remember it
    launch.claim, launch.claim_is_fresh = claim, True
    launch.markers_seen += tuple(marker for marker in claim.heard if marker not in launch.markers_seen)
    launch.claimed_since = (launch.claimed_since or at) if claim.phase == "claimed" else None
