"""How the tries of one operation went, and since when nothing gets through at all. Frozen: a fold replaces them."""

from __future__ import annotations

import msgspec

from rpd.journal.records import Stamp


class Tries(msgspec.Struct, frozen=True):
    """Of one operation, in the state in hand. `failures` are those in a row, `since` is when the first of them came
    back; `error` (for people) and `reason` (its fault word) are the last one's."""

    at: Stamp | None = None  # when it last came back, with whatever
    failures: int = 0
    since: Stamp | None = None
    error: str | None = None
    reason: str | None = None
    is_way: bool = False  # the failures are of the way, and say nothing of what was to be done
    begun: Stamp | None = None  # when the last effect of this kind was begun; a look is not written down

    @property
    def is_answered(self) -> bool:
        """It was tried, and the last try brought what was wanted: one that is forgiven did not."""
        return self.at is not None and self.error is None

    def forgiven(self) -> Tries:
        """Its failures count no more; why they came may still be told."""
        return msgspec.structs.replace(self, failures=0, since=None)


NEVER = Tries()


class Outage(msgspec.Struct, frozen=True):
    """Tries that did not get through, with nothing in between that did: from `since`, when the first of them came
    back, to `last`. With `is_total` the cloud was among what was tried: this machine reaches nothing. `op` is what was
    tried, where that was one operation alone."""

    since: Stamp
    last: Stamp
    is_total: bool
    op: str | None
