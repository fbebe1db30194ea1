"""Places where a host failed a short while ago, remembered from run to run in the state home.

The memory is advice and not the truth: journals say what happened. A lost, damaged or outdated file costs a try in a
bad place, and nothing else.
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
"""How many places are remembered. The oldest are dropped."""
MAX_BYTES = 64 * 1024
LONGEST = 100
"""The most characters of a stored name: the names go into the first record of a run."""


class _Noted(msgspec.Struct, frozen=True):
    """A place in one cloud."""

    url: str
    place: BadPlace


class _File(msgspec.Struct, frozen=True):
    """The content of the file."""

    places: tuple[_Noted, ...] = ()


def _is_short(place: BadPlace) -> bool:
    return all(len(each) <= LONGEST for each in (place.gpu_id, place.datacenter_id, place.cloud))


class BadPlaces:
    """The memory of one state home about one cloud (its URL)."""

    def __init__(self, home: Path, url: str) -> None:
        self._path = home / "bad-places.json"
        self._url = url

    def recent(self, now: float) -> tuple[BadPlace, ...]:
        """Read: the places that still count at `now` (UTC seconds), the newest last. Empty if they cannot be read."""
        return tuple(each.place for each in self._noted(now) if each.url == self._url)[-MOST:]

    def remember(self, places: tuple[BadPlace, ...], now: float) -> None:
        """Effect: note them, if the disk allows it. If two processes note at the same moment, one note may be lost."""
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
