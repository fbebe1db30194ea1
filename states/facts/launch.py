"""What is known about one launch of the job, and about its results."""

from __future__ import annotations

import msgspec

from rpd.journal.records import Stamp
from rpd.states.ports.log_reading import LogReading
from rpd.states.ports.world import Claim, Pulled


class Fetching(msgspec.Struct):
    """The tries of one process to fetch the artifacts of one launch."""

    failures: dict[str, int] = {}
    stalls: int = 0  # tries in a row that the link ended, and that brought next to nothing
    gained_at: Stamp | None = None  # when a try that the link ended had brought more of an artifact


class Results(msgspec.Struct):
    """What has arrived of one launch."""

    log_fetched: bool = False
    reading: LogReading | None = None  # what the log says of a failure, once it was looked at
    pulled: dict[str, Pulled] = {}
    seconds: dict[str, float] = {}  # label -> how long its last try took
    errors: dict[str, str] = {}  # label -> why its last try failed
    since: Stamp | None = None  # when collecting began in this process, or something last arrived whole
    gave_up: bool = False  # what could be fetched was tried, and something required is not here
    checkpoint_tried: dict[str, Stamp] = {}  # remote path -> when it was last asked for
    fetching: Fetching = msgspec.field(default_factory=Fetching)


class Launch(msgspec.Struct):
    """One launch of the job. The next one is a new object: what the one before said and left counts no more."""

    number: int = 1
    since: Stamp | None = None  # when the launch before was given up
    lost_in: tuple[str, str] | None = None  # pod and container of the launch before, where it was prepared
    prepared: tuple[str, str] | None = None  # pod and container in which setup, stage and preflight were done
    prepared_epoch: int = -1  # the process that did it
    intended: bool = False
    refused: str | None = None
    claim: Claim | None = None
    claim_is_fresh: bool = False  # read since the pod was last (re)started and since this process came
    claimed_since: Stamp | None = None  # the claim folder is there, and the script was not started yet
    was_stopped: bool = False
    idle_seconds: float | None = None  # for how long the pod had done nothing, by the samples last looked at
    markers_seen: tuple[str, ...] = ()  # markers that showed in the log while it streamed
    was_taken_over: bool = False  # another owner of this run has acted: its results may be where we know of none
    results: Results = msgspec.field(default_factory=Results)
