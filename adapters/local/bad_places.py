"""Places where a host failed a short while ago, remembered from run to run in the state home.

Advice and no truth: journals say what happened. A file that is lost, damaged or out of date costs a try in a place that
is no good, and nothing else.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from rpd.adapters.local.files import read_regular, write_whole
from rpd.engine.errors import UserError
from rpd.journal import tolerant
from rpd.states.facts.search import BadPlace
from rpd.states.policy.places import REMEMBERED_SECONDS

MOST = 32
"""Places that are remembered; the oldest go first."""
MAX_BYTES = 64 * 1024
LONGEST = 100
"""Characters of a name that is kept: what comes back goes into the first record of a run."""


class _Noted(msgspec.Struct, frozen=True):
    """A place in one cloud."""

    url: str
    place: BadPlace


class _File(msgspec.Struct, frozen=True):
    """What stands in the file."""

    places: tuple[_Noted, ...] = ()


def _is_short(place: BadPlace) -> bool:
    return all(len(each) <= LONGEST for each in (place.gpu_id, place.datacenter_id, place.cloud))


class BadPlaces:
    """The memory of one state home about one cloud (its URL)."""

    def __init__(self, home: Path, url: str) -> None:
        self._path = home / "bad-places.json"
        self._url = url

    def recent(self, now: float) -> tuple[BadPlace, ...]:
        """Read: those that count still at `now` (UTC seconds), the newest last; none where they cannot be read."""
        return tuple(each.place for each in self._noted(now) if each.url == self._url)[-MOST:]

    def remember(self, places: tuple[BadPlace, ...], now: float) -> None:
        """Effect: note them, where the disk allows it. Of two processes that note at the same moment one may lose."""
        noted = [*self._noted(now), *(_Noted(self._url, each) for each in places)]
        newest = {(each.url, each.place.gpu_id, each.place.datacenter_id, each.place.cloud): each for each in noted}
        with contextlib.suppress(OSError, UserError):
            write_whole(self._path, msgspec.json.encode(_File(tuple(newest.values())[-MOST:])))

    def _noted(self, now: float) -> list[_Noted]:
        try:
            found = tolerant.decode(read_regular(self._path, MAX_BYTES), _File)
        except OSError:
            return []
        places: tuple[_Noted, ...] = found.places if found is not None else ()
        return [each for each in places if 0.0 <= now - each.place.at < REMEMBERED_SECONDS and _is_short(each.place)]
