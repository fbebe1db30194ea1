"""What is known about the search for a host: what may be rented, and what was refused."""

from __future__ import annotations

import msgspec

from rpd.journal.records import Stamp
from rpd.states.ports.names import Reason
from rpd.states.ports.world import Offer, Paused


class BadPlace(msgspec.Struct, frozen=True):
    """A GPU type in a data center where a host failed `at` (UTC seconds)."""

    gpu_id: str
    datacenter_id: str
    cloud: str
    at: float


class Hardware(msgspec.Struct, frozen=True):
    """A GPU type or CPU flavor that the job may get, by its id. `max_usd` is the most that one GPU of it may cost per
    hour. It comes from the choice in the job file that selected the type (None: no limit).
    """

    id: str
    max_usd: float | None = None


class Refusal(msgspec.Struct, frozen=True):
    """Why and when a candidate was refused: a word for decisions, a text for people."""

    reason: str
    text: str
    at: Stamp | None = None


class Names(msgspec.Struct):
    """What the names in the job file mean in the provider's catalog."""

    hardware: tuple[Hardware, ...] | None = None  # what the names of gpu_order or cpu_order mean
    datacenters: tuple[str, ...] | None = msgspec.field(default=None, name="places")  # what the job's names mean
    meant: dict[str, tuple[str, ...]] = {}  # a name of the job that is no id -> the ids that it means
    misnamed: tuple[str, ...] = ()  # what is wrong with names that mean nothing
    volume_id: str | None = None
    volume_was_looked_up: bool = False

    def learn(self, meant: dict[str, tuple[str, ...]], problems: tuple[str, ...]) -> None:
        """Add what more names mean, and what is wrong with others."""
        self.meant.update(meant)
        self.misnamed += problems


class Lineage(msgspec.Struct):
    """Paused pods of earlier runs, and which runs have them now."""

    paused: tuple[Paused, ...] | None = None  # pods of this lineage that wait for the next run
    left_out: int = 0  # how many more did not fit into one record
    not_handed_over: dict[str, str] = msgspec.field(default_factory=dict, name="not_taken")  # name of such a pod -> why
    handed_over: dict[str, str] = {}  # name of a pod -> the run that has it now


class Search(msgspec.Struct):
    """The search for a host. Every launch that needs a fresh pod begins a new one."""

    bad_places: tuple[BadPlace, ...] = ()  # where hosts of this run failed
    offers: tuple[Offer, ...] | None = None
    stocked: dict[str, tuple[str, ...]] | None = None  # GPU type -> data centers with stock, as far as looked up
    refusals: dict[str, Refusal] = {}  # candidate key -> why
    host_failures: int = 0
    host_failure: Reason | None = None
