"""The sandbox's memory on disk: one JSON file, replaced as a whole: a killed daemon leaves the old or the new state.

Surviving a power cut is not needed here (the pods would be gone as well), so nothing is synced.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from rpd.adapters.sandbox.cloud.model import State


def path_of(home: Path) -> Path:
    """Where the state of the sandbox with this home lies."""
    return home / "state.json"


def load(home: Path) -> State:
    """The state as last saved; a fresh one when there is none or when it cannot be read (an older layout)."""
    try:
        return msgspec.json.decode(path_of(home).read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except msgspec.DecodeError:
        path_of(home).replace(home / "state.unreadable.json")
        return State()


def save(home: Path, state: State) -> None:
    """Replace the file with this state."""
    target = path_of(home)
    temporary = target.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(state))
    temporary.replace(target)
