"""Shared parts of the journal's tests."""

from __future__ import annotations

import sys
from pathlib import Path

# The helpers next to the tests are imported as `tests.journal.<name>`, from whatever folder pytest is started.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
