"""The one printer: a JSON document on stdout, or text; notes for people on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any


def answer(document: dict[str, Any]) -> None:
    """Exactly one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def text(lines: Iterable[str]) -> None:
    """Lines on stdout."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def note(lines: Iterable[str]) -> None:
    """Lines for people on stderr."""
    sys.stderr.write("".join(f"{line}\n" for line in lines))
