"""A real file system that refuses something, over a plain folder."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def refusing_modes(folder: Path, *options: str) -> Iterator[Path]:
    """A mount that refuses to set modes; the test is left out where this machine mounts none."""
    place, under = folder / "mounted", folder / "under"
    place.mkdir()
    under.mkdir()
    if shutil.which("bindfs") is None or not Path("/dev/fuse").exists():
        pytest.skip("bindfs is not on this machine")
    fresh = "attr_timeout=0,entry_timeout=0,negative_timeout=0"  # else the kernel shows what was a second ago
    words = ["bindfs", "--chmod-deny", "-o", fresh, *options, str(under), str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts no file system of its own")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
