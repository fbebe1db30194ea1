"""A bug on file, and the source with it planted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.simulation.planting import Change

FOLDER = Path(__file__).parent


class Plant(Change, frozen=True, forbid_unknown_fields=True):
    """`why` says what the bug would cost a user. Of the tests `seen_by`, all pass without it, and at least one fails
    with it."""

    name: str
    why: str
    seen_by: tuple[str, ...]


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
