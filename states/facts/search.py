"""What is known of the search for a host: what may be rented, and what was refused."""

from __future__ import annotations

import msgspec

from rpd.journal.records import Stamp
from rpd.states.ports.names import Reason
from rpd.states.ports.world import Offer, Paused


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


class Refusal(msgspec.Struct, frozen=True):
    """Why a candidate was not taken, and when: a word for decisions, a text for people."""

    reason: str
    text: str
    at: Stamp | None = None


class Names(msgspec.Struct):
    """What the words of the job file stand for in the provider's catalog."""

    hardware: tuple[Hardware, ...] | None = None  # what the words of gpu_order or cpu_order came to
    places: tuple[str, ...] | None = None  # the same of datacenters
    meant: dict[str, tuple[str, ...]] = {}  # word of the job that was no id -> the ids it stands for
    misnamed: tuple[str, ...] = ()  # what is wrong with words that stand for nothing
    volume_id: str | None = None
    volume_was_looked_up: bool = False

    def learn(self, meant: dict[str, tuple[str, ...]], problems: tuple[str, ...]) -> None:
        """Add what more words stand for, and what is wrong with others."""
        self.meant.update(meant)
        self.misnamed += problems


class Lineage(msgspec.Struct):
    """Paused pods of earlier runs, and who has them now."""

    paused: tuple[Paused, ...] | None = None  # pods of this lineage that wait to be taken up
    left_out: int = 0  # how many more there are than one record could hold
    not_taken: dict[str, str] = {}  # name of such a pod -> why it stays where it is
    handed_over: dict[str, str] = {}  # name of a pod -> the run that has it now


class Search(msgspec.Struct):
    """The search for a host; every launch that needs a fresh pod begins a new one."""

    bad_places: tuple[BadPlace, ...] = ()  # where hosts of this run failed
    offers: tuple[Offer, ...] | None = None
    stocked: dict[str, tuple[str, ...]] | None = None  # GPU type -> data centers that have some, as far as looked up
    refusals: dict[str, Refusal] = {}  # candidate key -> why
    host_failures: int = 0
    host_failure: Reason | None = None
