"""What is known about giving pods back: debts, tries and the proof."""

from __future__ import annotations

import msgspec

from rpd.engine.deadline import elapsed
from rpd.journal.records import DebtChange, Stamp


class SurveyedPod(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pod of this run as a survey of the account saw it; `is_others`: another owner of this run has ordered it."""

    id: str
    name: str
    status: str
    is_others: bool = False


CLEAN_SURVEYS_MIN = 3
"""One 404 proves nothing for a young pod, and lists lag (docs/provider.md)."""


class Proof(msgspec.Struct):
    """Surveys of the account in a row that showed all pods as they should be. A survey that does not ends it, and the
    next one begins a new proof."""

    surveys: int = 0
    since: Stamp | None = None
    is_complete: bool = False
    found: tuple[SurveyedPod, ...] = ()  # ours by name and env, and not yet as they should be

    def again(self, at: Stamp) -> Proof:
        """With one more survey that showed all as it should be."""
        return Proof(self.surveys + 1, self.since or at)

    def lasts(self, seconds: float, at: Stamp) -> bool:
        """Whether there were enough of them over so many seconds."""
        return self.surveys >= CLEAN_SURVEYS_MIN and elapsed(self.since or at, at) >= seconds

    def text(self, what: str, at: Stamp) -> str:
        """In words, for the record that closes a debt."""
        return f"{what}, seen {self.surveys} times over {elapsed(self.since or at, at):.1f} s"


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
    release_asked: dict[str, int] = {}  # pod id -> the record that last told it to go, answered or not
    released: dict[str, Stamp] = {}  # pod id -> when the cloud last accepted its release
