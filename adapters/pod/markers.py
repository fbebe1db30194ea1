"""Which of some fixed words a log holds, found while it streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

_CHUNK = 1 << 20


class MarkerScan:
    """Feed it the log's bytes in order, in pieces of any size. `heard` are the markers seen so far, in the order in
    which they were requested."""

    def __init__(self, markers: Iterable[str]) -> None:
        self._missing = {marker: marker.encode() for marker in markers}
        self._asked = tuple(self._missing)
        self._overlap = max((len(data) for data in self._missing.values()), default=1) - 1
        self._rest = b""
        self.is_new = True  # its last finding was not reported yet

    @property
    def heard(self) -> tuple[str, ...]:
        """Markers seen so far."""
        return tuple(marker for marker in self._asked if marker not in self._missing)

    def feed(self, data: bytes) -> None:
        """The next bytes of the log."""
        if not self._missing:
            return
        text = self._rest + data
        for marker in [marker for marker, wanted in self._missing.items() if wanted in text]:
            del self._missing[marker]
        self._rest = text[-self._overlap :] if self._overlap else b""

    def read(self, path: Path, offset: int, check: Callable[[], None] = lambda: None) -> None:
        """Feed it a file from `offset` on. A file that cannot be read holds nothing: the pod looks once more at the
        end. `check` is called between pieces, and may raise."""
        try:
            with path.open("rb") as file:
                file.seek(offset)
                while data := file.read(_CHUNK):
                    check()
                    self.feed(data)
        except OSError:
            return
