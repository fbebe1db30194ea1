"""Which targets there are, and how one case is judged beside its own promises."""

from __future__ import annotations

import contextlib
import importlib
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path

CASE_SECONDS_MAX = 10.0
MEMORY_BYTES_MAX = 200_000_000
"""How much more memory than at the start all cases together may need."""
SHARE = 100
CLEAR_REFS = Path("/proc/self/clear_refs")
"""Where Linux is told to forget the most memory that this process ever had."""


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


def forget_peak() -> None:
    """What this process needed before counts no more, where the system can do that."""
    with contextlib.suppress(OSError):
        CLEAR_REFS.write_text("5")


def peak_bytes() -> int:
    """The most memory that this process had at once, since `forget_peak` where there is such a thing."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+([0-9]+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
        if found is not None:
            return int(found[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
