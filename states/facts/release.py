"""What is known about giving pods back: debts, tries and the proof."""

from __future__ import annotations

import msgspec

from rpd.engine.deadline import elapsed
from rpd.journal.records import DebtChange, Stamp


class SurveyedPod(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pod of this run as a survey of the account saw it. `is_others`: another owner of this run has ordered it."""

    id: str
    name: str
    status: str
    is_others: bool = False


CLEAN_SURVEYS_MIN = 3
"""One 404 proves nothing for a young pod, and lists lag (docs/provider.md)."""


class Proof(msgspec.Struct):
    """Surveys in a row that showed all pods as they should be. A survey that shows something else ends the proof, and
    the next survey begins a new one.
    """

    surveys: int = 0
    since: Stamp | None = None
    is_complete: bool = False
    found: tuple[SurveyedPod, ...] = ()  # pods of this run, by name and env, that are not yet as they should be

    def again(self, at: Stamp) -> Proof:
        """The same with one more clean survey."""
        return Proof(self.surveys + 1, self.since or at)

    def lasts(self, seconds: float, at: Stamp) -> bool:
        """Whether there were enough clean surveys over so many seconds."""
        return self.surveys >= CLEAN_SURVEYS_MIN and elapsed(self.since or at, at) >= seconds

    def text(self, what: str, at: Stamp) -> str:
        """The proof in words, for the record that closes a debt."""
        return f"{what}, seen {self.surveys} times over {elapsed(self.since or at, at):.1f} s"


class Release(msgspec.Struct):
    """How the release goes, since the run entered the state or this process began."""

    since: Stamp | None = None
    tries: int = 0  # answers to a stop or delete since the last survey that showed all pods as they should be
    tried_since: Stamp | None = None
    key_refused_since: Stamp | None = None
    proof: Proof = msgspec.field(default_factory=Proof)


class Debts(msgspec.Struct):
    """What is billed according to the journal, and which releases the cloud received."""

    compute: dict[str, DebtChange] = {}
    storage: dict[str, DebtChange] = {}
    release_asked: dict[str, int] = {}  # pod id -> number of the record that last ordered its release, answered or not
    released: dict[str, Stamp] = {}  # pod id -> when the cloud last accepted its release
