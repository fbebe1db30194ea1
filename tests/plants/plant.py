"""A bug on file, and the source with it planted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.simulation.planting import ROOT

FOLDER = Path(__file__).parent


class Plant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`old`, which stands in `file` once, becomes `new`; `why` says what that would cost a user. Of the tests
    `seen_by`, all pass without it, and at least one fails with it."""

    name: str
    why: str
    file: str
    old: str
    new: str
    seen_by: tuple[str, ...]

    def text(self) -> str:
        """The file with the bug in it. Raises ValueError where `old` does not stand in it once."""
        source = (ROOT / self.file).read_text()
        found = source.count(self.old)
        if found != 1:
            raise ValueError(f"the plant {self.name!r}: its `old` stands {found} times in {self.file}")
        return source.replace(self.old, self.new)


class Bed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of plants."""

    plant: tuple[Plant, ...]


def plants() -> Iterator[Plant]:
    """All on file. Raises msgspec.ValidationError, which names the file."""
    for path in sorted(FOLDER.glob("*.toml")):
        if path.name != SURVIVORS:
            try:
                yield from msgspec.toml.decode(path.read_bytes(), type=Bed).plant
            except msgspec.MsgspecError as error:
                raise msgspec.ValidationError(f"{path.name}: {error}") from None


SURVIVORS = "survivors.toml"
