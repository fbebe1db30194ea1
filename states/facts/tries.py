"""How the tries of one operation went, and since when no call gets through at all. Frozen: a fold replaces these
structs.
"""

from __future__ import annotations

import msgspec

from rpd.journal.records import Stamp


class Tries(msgspec.Struct, frozen=True):
    """The tries of one operation in the current state. `failures` counts those in a row; `since` is when the first of
    them returned. `error` (for people) and `reason` (the fault) belong to the last one.
    """

    at: Stamp | None = None  # when the last try returned, with any result
    failures: int = 0
    since: Stamp | None = None
    error: str | None = None
    reason: str | None = None
    is_way: bool = False  # the failures concern the connection, and say nothing about the effect itself
    begun: Stamp | None = None  # when the last effect of this kind began; the start of a look is not recorded

    @property
    def is_answered(self) -> bool:
        """The operation was tried, and the last try brought an answer. A forgiven try did not."""
        return self.at is not None and self.error is None

    def forgiven(self) -> Tries:
        """Its failures do not count any more; their cause stays known."""
        return msgspec.structs.replace(self, failures=0, since=None)


NEVER = Tries()


class Outage(msgspec.Struct, frozen=True):
    """Tries that did not get through, with none between them that did. `since` is when the first of them returned,
    `last` is the last one.

    `is_total`: the cloud was among the tries, so this machine reaches nothing. `op` is the operation if only one was
    tried.
    """

    since: Stamp
    last: Stamp
    is_total: bool
    op: str | None
