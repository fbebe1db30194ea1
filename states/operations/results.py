"""Operations that fetch results, and operations that report about them."""

from __future__ import annotations

import msgspec

from rpd.engine.deadline import elapsed
from rpd.engine.errors import RpdError
from rpd.engine.operation import Call, Ended, Result
from rpd.journal.records import Outcome, Stamp
from rpd.states.facts import Facts
from rpd.states.operations.kinds import Effect, Reading
from rpd.states.policy.outage import is_of_the_way, is_offline
from rpd.states.ports.faults import Fault
from rpd.states.ports.log_reading import LogReading
from rpd.states.ports.names import Op
from rpd.states.ports.world import JobRef, Notice, Pull, Pulled, Target, World

PULL_TRIES_MAX = 3
"""How often one process tries to fetch an artifact."""
GAIN_BYTES_MIN = 1024 * 1024
"""A try whose link ended counts as progress if it brought at least this much."""


class LogFetched(msgspec.Struct, frozen=True):
    """Bytes of the log that are here."""

    bytes: int


class LogRead(msgspec.Struct, frozen=True):
    """What the log says."""

    reading: LogReading


class CheckpointPulled(msgspec.Struct, frozen=True):
    """The result of one pull of a checkpoint."""

    path: str
    pulled: Pulled


class ArtifactPulled(msgspec.Struct, frozen=True):
    """The result of one pull of an artifact."""

    label: str
    pulled: Pulled


class ManifestWritten(msgspec.Struct, frozen=True):
    """The checksum of the manifest that was written."""

    sha256: str


class NoticeSent(msgspec.Struct, frozen=True):
    """The occasion, and whether a notice was wanted."""

    what: str
    sent: bool


class FetchLog(Effect[LogFetched], frozen=True):
    """Fetch the rest of the log into `log_file`."""

    name = Op.FETCH_LOG
    words = "fetching the log"
    noun = "log"
    answers = LogFetched

    target: Target
    job: JobRef
    log_file: str

    def perform(self, call: Call, world: World) -> Result:
        """Fetch it to its last byte."""
        return Result(answer=LogFetched(world.remote.fetch_log(self.target, self.job, self.log_file)))

    def end(self, facts: Facts, ended: Ended[LogFetched]) -> None:
        """The log is here."""
        if ended.answer is not None:
            facts.results.log_fetched = True


class ReadLog(Reading[LogRead], frozen=True):
    """Search the log on this machine for signs of a failure."""

    name = Op.READ_LOG
    words = "looking through the log"
    noun = "log"
    answers = LogRead

    log_file: str

    def perform(self, world: World) -> Result:
        """Read the whole log."""
        return Result(answer=LogRead(world.workspace.read_log(self.log_file)))

    @classmethod
    def saw(cls, facts: Facts, answer: LogRead, at: Stamp) -> None:
        """What the log says."""
        facts.results.reading = answer.reading


class PullCheckpoint(Effect[CheckpointPulled], frozen=True):
    """Fetch a checkpoint while the job runs. A file that arrived intact is not fetched again."""

    name = Op.PULL_CHECKPOINT
    words = "fetching a checkpoint"
    noun = "checkpoint"
    answers = CheckpointPulled

    target: Target
    path: str
    pull: Pull

    @property
    def label(self) -> str:
        """The checkpoint."""
        return f"{self.words} {self.pull.label}"

    def perform(self, call: Call, world: World) -> Result:
        """Fetch all that is not here."""
        return Result(answer=CheckpointPulled(self.path, world.remote.pull(self.target, self.pull)))

    def end(self, facts: Facts, ended: Ended[CheckpointPulled]) -> None:
        """Whatever the result was, the next pull is due after the usual time."""
        facts.results.checkpoint_tried[self.path] = ended.at


class PullArtifact(Effect[ArtifactPulled], frozen=True):
    """Fetch an artifact. A file that arrived intact is not fetched again."""

    name = Op.PULL_ARTIFACT
    words = "fetching"
    noun = "artifact"
    answers = ArtifactPulled

    target: Target
    pull: Pull

    @property
    def label(self) -> str:
        """The artifact."""
        return f"{self.words} {self.pull.label}"

    def perform(self, call: Call, world: World) -> Result:
        """Fetch all that is not here."""
        return Result(answer=ArtifactPulled(self.pull.label, world.remote.pull(self.target, self.pull)))

    def end(self, facts: Facts, ended: Ended[ArtifactPulled]) -> None:
        """The artifact is here, or one more try has failed. Only some failures may pass with another try; the others
        leave no more tries.
        """
        outcome, results, label = ended.outcome, facts.results, self.pull.label
        _gain(facts, outcome, ended.at)
        results.seconds[label] = elapsed(ended.since, ended.at)
        failures = results.fetching.failures
        if ended.answer is not None:
            results.pulled[label], results.since = ended.answer.pulled, ended.at
            return
        results.errors[label] = outcome.error or outcome.reason or outcome.status
        if outcome.reason == Fault.PATH_REFUSED:
            failures[label] = PULL_TRIES_MAX  # a person must clear its path first
        elif not (is_of_the_way(self.name, outcome.reason) or is_offline(facts)):
            failures[label] = failures.get(label, 0) + 1


class WriteManifest(Effect[ManifestWritten], frozen=True):
    """Write the manifest of the moment `at` into the run's folder. Writing it again gives the same file. With about a
    hundred artifacts it is larger than a record may be. So it is the payload, and the record has its checksum.
    """

    name = Op.WRITE_MANIFEST
    words = "writing the manifest"
    noun = "manifest"
    answers = ManifestWritten

    run_dir: str
    at: Stamp
    checksum: str

    def perform(self, call: Call, world: World) -> Result:
        """Write it as a whole."""
        return Result(answer=ManifestWritten(world.workspace.write_manifest(self.run_dir, call.payload)))

    def end(self, facts: Facts, ended: Ended[ManifestWritten]) -> None:
        """The manifest is written."""
        if ended.answer is not None:
            facts.report.manifest_sha256 = ended.answer.sha256


class Notify(Effect[NoticeSent], frozen=True):
    """Send a notice once for each occasion, even if the message fails."""

    name = Op.NOTIFY
    words = "telling somebody"
    noun = "notice"
    answers = NoticeSent

    notice: Notice

    def perform(self, call: Call, world: World) -> Result:
        """Send it. If it cannot be sent, the failure is recorded and the run goes on."""
        try:
            return Result(answer=NoticeSent(self.notice.what, world.workspace.notify(self.notice)))
        except RpdError as error:
            detail = {"what": self.notice.what}
            return Result("failed", reason=error.reason, error=error.message, detail=detail)

    def probe(self, call: Call, world: World) -> Result | None:
        """Whether the message arrived cannot be found out, and no notice is sent twice."""
        text = "it is not known whether the message arrived; it is not sent again"
        return Result("failed", reason="cut_off", error=text)

    def begin(self, facts: Facts, attempt: int, at: Stamp) -> None:
        """This occasion is over."""
        facts.report.noticed[self.notice.what] = at


def _gain(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    """Count what a try brought before its link ended."""
    fetching = facts.results.fetching
    if outcome.status == "ok":
        fetching.stalls = 0
    elif outcome.reason in (Fault.LINK_LOST, Fault.TIMEOUT):
        moved = outcome.data.get("moved_bytes")
        if isinstance(moved, int) and moved >= GAIN_BYTES_MIN:
            fetching.gained_at, fetching.stalls = at, 0
            facts.contact.tries[outcome.op] = facts.tried(outcome.op).forgiven()  # the next try need not wait for long
        else:
            fetching.stalls += 1
