"""What is known about giving pods back: debts, tries and the proof."""

from __future__ import annotations

import msgspec

from rpd.journal.records import DebtChange, Stamp


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pod of this run as a survey of the account saw it; `is_others`: another owner of this run has ordered it."""

    id: str
    name: str
    status: str
    is_others: bool = False


class Proof(msgspec.Struct):
    """Surveys of the account in a row that showed all pods as they should be. A survey that does not ends it, and the
    next one begins a new proof."""

    surveys: int = 0
    since: Stamp | None = None
    is_complete: bool = False
    found: tuple[Found, ...] = ()  # ours by name and env, and not yet as they should be


class Release(msgspec.Struct):
    """How giving back goes, from the entry into the state on, or in this process."""

    since: Stamp | None = None
    tries: int = 0  # answers to a stop or delete since the account last showed all pods as they should be
    tried_since: Stamp | None = None
    key_refused_since: Stamp | None = None
    proof: Proof = msgspec.field(default_factory=Proof)


class Debts(msgspec.Struct):
    """What bills, by the journal, and what the cloud was told about it."""

    compute: dict[str, DebtChange] = {}
    storage: dict[str, DebtChange] = {}
    told: dict[str, int] = {}  # pod id -> the record that last told it to go, answered or not
    released: dict[str, Stamp] = {}  # pod id -> when the cloud last accepted its release
