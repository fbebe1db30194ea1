"""What is known about one launch of the job, and about its results."""

from __future__ import annotations

import msgspec

from rpd.journal.records import Stamp
from rpd.states.ports.log_reading import LogReading
from rpd.states.ports.world import Claim, Pulled


class Fetching(msgspec.Struct):
    """The tries of one process to fetch the artifacts of one launch."""

    failures: dict[str, int] = {}
    stalls: int = 0  # tries in a row whose link ended, and that brought almost nothing
    gained_at: Stamp | None = None  # when a try whose link ended had brought more of an artifact


class Results(msgspec.Struct):
    """What has arrived of one launch."""

    log_fetched: bool = False
    reading: LogReading | None = None  # what the log says about a failure, after it was read
    pulled: dict[str, Pulled] = {}
    seconds: dict[str, float] = {}  # label -> how long its last try took
    errors: dict[str, str] = {}  # label -> why its last try failed
    since: Stamp | None = None  # when collecting began in this process, or when a result last arrived whole
    gave_up: bool = False  # all that could be fetched was tried, and a required result is not here
    checkpoint_tried: dict[str, Stamp] = {}  # remote path -> when rpd last tried to pull it
    fetching: Fetching = msgspec.field(default_factory=Fetching)


class Launch(msgspec.Struct):
    """One launch of the job. The next launch is a new object: the output and results of the earlier one do not count
    any more.
    """

    number: int = 1
    since: Stamp | None = None  # when the earlier launch was given up
    lost_in: tuple[str, str] | None = None  # pod and container in which the earlier launch was prepared
    prepared: tuple[str, str] | None = None  # pod and container in which setup, stage and preflight were done
    prepared_epoch: int = -1  # the process that did it
    intended: bool = False
    refused: str | None = None
    claim: Claim | None = None
    claim_is_fresh: bool = False  # read since the last (re)start of the pod and since this process began
    claimed_since: Stamp | None = None  # since when the claim folder exists without a started script
    was_stopped: bool = False
    idle_seconds: float | None = None  # how long the pod had been idle, by the latest samples
    markers_seen: tuple[str, ...] = ()  # markers that showed in the log while it streamed
    was_taken_over: bool = False  # another owner of this run has acted: its results may be in an unknown place
    results: Results = msgspec.field(default_factory=Results)
