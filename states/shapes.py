"""What the fold reads of a record's plain data, by operation: the arguments of an intent, the data of an outcome that
went well, and what a look has seen. A journal may hold anything, written by another version or changed by somebody;
what does not fit is told as such before any of it is believed."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.journal.records import Intent, Observation, Outcome, Requested
from rpd.states.facts.pod import Candidate
from rpd.states.facts.release import Found
from rpd.states.facts.run import Asked
from rpd.states.facts.search import Hardware
from rpd.states.ports.boot_signs import Seen
from rpd.states.ports.names import Op, State
from rpd.states.ports.world import (
    Armed,
    Claim,
    Greeting,
    Holder,
    Notice,
    Offer,
    Paused,
    Pod,
    PodOrder,
    Pull,
    Pulled,
    Pushed,
)


class _Create(msgspec.Struct):
    order: PodOrder
    candidate: Candidate
    usd_per_hour: float
    run_id: str
    quiet_window_seconds: float


class _Limit(msgspec.Struct):
    limit_at: float


class _Arm(msgspec.Struct):
    order: _Limit


class _TakeOver(msgspec.Struct):
    paused: Paused


class _Notify(msgspec.Struct):
    notice: Notice


class _PullCheckpoint(msgspec.Struct):
    path: str


class _Pull(msgspec.Struct):
    pull: Pull


class _TakenOver(msgspec.Struct):
    paused: Paused
    is_unwanted: bool


class _Created(msgspec.Struct):
    pod: Pod
    adopted: bool = False


class _Released(msgspec.Struct):
    pod_id: str


class _IsArmed(msgspec.Struct):
    armed: Armed


class _StepDone(msgspec.Struct):
    key: str
    exit_code: int
    tail: tuple[str, ...] = ()


class _SecretsPlaced(msgspec.Struct):
    is_volatile: bool


class _TreePushed(msgspec.Struct):
    key: str
    pushed: Pushed


class _LeaseTaken(msgspec.Struct):
    key: str
    holders: tuple[Holder, ...]


class _HoldersSeen(msgspec.Struct):
    computing: tuple[str, ...]
    stopped: tuple[str, ...] = ()


class _Claimed(msgspec.Struct):
    claim: Claim


class _ArtifactPulled(msgspec.Struct):
    label: str
    pulled: Pulled


class _ManifestWritten(msgspec.Struct):
    sha256: str


class _Inputs(msgspec.Struct):
    problems: tuple[str, ...]


class _PausedPods(msgspec.Struct):
    paused: tuple[Paused, ...]


class _Offers(msgspec.Struct):
    offers: tuple[Offer, ...]
    hardware: tuple[Hardware, ...] | None = None
    meant: dict[str, tuple[str, ...]] = {}
    problems: tuple[str, ...] = ()


class _Places(msgspec.Struct):
    places: tuple[str, ...]
    stocked: dict[str, tuple[str, ...]] = {}
    meant: dict[str, tuple[str, ...]] = {}
    problems: tuple[str, ...] = ()


class _Volume(msgspec.Struct):
    volume_id: str | None


class _PodSeen(msgspec.Struct):
    pod: Pod | None = None


class _LogLines(msgspec.Struct):
    lines: tuple[str, ...]
    container: tuple[str, ...] = ()
    sign: Seen | None = None


class _Greeted(msgspec.Struct):
    greeting: Greeting


class _Samples(msgspec.Struct):
    idle_seconds: float | None


class _Survey(msgspec.Struct):
    found: tuple[Found, ...]


INTENTS: dict[str, type[msgspec.Struct]] = {
    Op.CREATE_POD: _Create,
    Op.ARM_SWITCH: _Arm,
    Op.TAKE_OVER: _TakeOver,
    Op.NOTIFY: _Notify,
    Op.PULL_CHECKPOINT: _PullCheckpoint,
    Op.PULL_ARTIFACT: _Pull,
}
OUTCOMES: dict[str, type[msgspec.Struct]] = {
    Op.TAKE_OVER: _TakenOver,
    Op.CREATE_POD: _Created,
    Op.STOP_POD: _Released,
    Op.DELETE_POD: _Released,
    Op.ARM_SWITCH: _IsArmed,
    Op.RUN_STEP: _StepDone,
    Op.PLACE_SECRETS: _SecretsPlaced,
    Op.TAKE_LEASE: _LeaseTaken,
    Op.PUSH_TREE: _TreePushed,
    Op.LAUNCH_JOB: _Claimed,
    Op.STOP_JOB: _Claimed,
    Op.PULL_ARTIFACT: _ArtifactPulled,
    Op.WRITE_MANIFEST: _ManifestWritten,
}
LOOKS: dict[str, type[msgspec.Struct]] = {
    Op.CHECK_INPUTS: _Inputs,
    Op.FIND_PAUSED: _PausedPods,
    Op.READ_OFFERS: _Offers,
    Op.READ_PLACES: _Places,
    Op.FIND_VOLUME: _Volume,
    Op.READ_POD: _PodSeen,
    Op.READ_SYSTEM_LOG: _LogLines,
    Op.GREET: _Greeted,
    Op.READ_CLAIM: _Claimed,
    Op.WATCH_JOB: _Claimed,
    Op.READ_SAMPLES: _Samples,
    Op.READ_HOLDERS: _HoldersSeen,
    Op.SURVEY: _Survey,
}


def require_shape(body: Any) -> None:
    """Pass when the fold can read this body. Raises msgspec.ValidationError, ValueError."""
    match body:
        case Intent():
            State(body.state)
            _fit(body.args, INTENTS.get(body.op))
        case Outcome(status="ok"):
            _fit(body.data, OUTCOMES.get(body.op))
        case Observation(error=None):
            _fit(body.data, LOOKS.get(body.op))
        case Requested():
            _fit(body.detail, Asked)
        case _:
            pass


def _fit(data: dict[str, Any], kind: type[msgspec.Struct] | None) -> None:
    if kind is not None:
        msgspec.convert(data, kind)
