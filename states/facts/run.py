"""What is known about the run itself, and about the process that drives it."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.engine.operation import Effect
from rpd.journal.records import Data, Stamp
from rpd.states.facts.search import BadPlace
from rpd.states.facts.tries import Outage, Tries
from rpd.states.ports.names import Reason
from rpd.states.ports.session import SessionSpec
from rpd.states.ports.world import Holder


class Profile(msgspec.Struct, frozen=True):
    """The times of the run's cloud (seconds): how late a create can take effect, how long absence must be seen before
    it counts as proof, how often to poll, and how long the pod of a stopped engine waits for its owner.
    """

    name: str
    url: str
    quiet_window_seconds: float = 180.0
    proof_interval_seconds: float = 30.0
    poll_seconds: float = 3.0
    owner_silence_seconds: float = 600.0


class Sent(msgspec.Struct, frozen=True):
    """The size of a tree when the run began."""

    label: str
    destination: str
    files: int
    bytes: int


class Options(msgspec.Struct, frozen=True):
    """Options beside the config, as record 0 keeps them."""

    fresh: bool = False
    on_drift: str | None = None
    wait_for_stock_seconds: float | None = None
    staging: tuple[Sent, ...] = ()
    bad_places: tuple[BadPlace, ...] = ()  # where hosts of earlier runs failed a short while before
    session: SessionSpec | None = None


class Begun(msgspec.Struct, frozen=True):
    """An intent: its operation, and when it was written. `is_settled`: its outcome is known."""

    effect: Effect[Any, Any, Any]
    at: Stamp
    is_settled: bool = False


class Progress(msgspec.Struct):
    """How far the journal has come."""

    seq: int = -1
    head: str = ""
    started: Stamp | None = None
    entered: Stamp | None = None  # when the run entered its state
    seconds_in: dict[str, float] = {}  # state -> how long the run was in it, with or without a process
    begun: dict[str, Begun] = {}  # opid -> an open intent, and the last intent of each operation
    parked_epoch: int = -1
    granted_seconds: float = 0.0  # by a person who came back to a stopped pod, beyond the budget
    granted_usd: float = 0.0


NO_WORDS = "the journal has its trace"
"""The text for a fault that has no message."""


class _Wish(msgspec.Struct):
    how: str | None = None
    until: float | None = None


class Asked(msgspec.Struct, frozen=True):
    """The detail of a request: what must become of the pod ("stop", "delete", "preserve"; None: as the config says),
    until when it is kept (UTC seconds), and the fault behind a request of rpd itself.
    """

    how: str | None = None
    until: float | None = None
    terminal: bool = False
    storage_error: bool = False
    internal_error: bool = False
    fault: str = NO_WORDS

    @classmethod
    def of(cls, detail: Data) -> Asked:
        """The detail in a record, as far as it makes sense. Raises msgspec.ValidationError."""
        wish = msgspec.convert(detail, _Wish)
        faults = {name: bool(detail.get(name)) for name in ("terminal", "storage_error", "internal_error")}
        return cls(wish.how, wish.until, **faults, fault=str(detail.get("fault") or NO_WORDS))

    @property
    def is_emergency(self) -> bool:
        """Whether rpd itself cannot go on and takes the shortest way out."""
        return self.storage_error or self.internal_error


class Process(msgspec.Struct):
    """The process that drives the run, from its `opened` or `resumed` record on."""

    epoch: int = 0
    owner: str = ""  # the checksum of the record that began this epoch
    since: Stamp | None = None
    problems: tuple[str, ...] | None = None
    requests: list[str] = []
    requested_at: Stamp | None = None  # when the last request was made
    asked: Asked = Asked()  # the detail of the last request
    surveyed: Stamp | None = None  # when this process last saw the whole account


class Contact(msgspec.Struct):
    """How the tries of each operation went in the current state, and whether any call gets through."""

    tries: dict[str, Tries] = {}  # op -> how its tries went
    outage: Outage | None = None  # no call gets through; see `rpd.states.policy.outage`
    offline_seconds: float = 0.0  # since rpd last awaited a container or began to collect; without the present outage


class Lease(msgspec.Struct):
    """The destinations on a network volume that this start of the pod holds, or wants."""

    key: str = ""  # names the destinations that it holds
    holders: tuple[Holder, ...] = ()  # other runs that hold one of them
    is_computing: bool = False  # they have a pod, by the last look
    stopped: tuple[str, ...] = ()  # run ids of holders whose pods are all stopped
    gone_since: Stamp | None = None  # since when every look has found no pod of theirs
    looks: int = 0  # how many such looks


class Ending(msgspec.Struct):
    """Why the run ends, as soon as that is known."""

    reason: Reason | None = None
    text: str | None = None  # the text of the move that caused it


class Report(msgspec.Struct):
    """Which notices were sent, and the last record."""

    noticed: dict[str, Stamp] = {}  # occasion -> when its notice was sent or tried
    manifest_sha256: str | None = None
    outcome: str | None = None
    reason: str | None = None
    exit_code: int | None = None
