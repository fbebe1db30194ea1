"""Which targets there are, and how one case is judged beside its own promises."""

from __future__ import annotations

import importlib
import resource
import sys
from collections.abc import Callable
from pathlib import Path

CASE_SECONDS_MAX = 10.0
MEMORY_BYTES_MAX = 200_000_000
"""How much more memory than at the start all cases together may need."""
SHARE = 100


class Target:
    """One module of this folder that has a `play`."""

    def __init__(self, name: str) -> None:
        module = importlib.import_module(f"tests.fuzz.{name}")
        self.name = name
        self.play: Callable[[int], None] = module.play
        self.share: int = getattr(module, "SHARE", SHARE)


def names() -> list[str]:
    """The names of all targets: modules with a `play`; others are what they share."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if "\ndef play(seed: int)" in file.read_text(encoding="utf-8"))


def peak_bytes() -> int:
    """The most memory that this process ever had."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
