"""Outputs of a size that nobody expects: what pods, the provider and other runs say at length."""

from __future__ import annotations

WORDS = ("ordinary words, ", "進捗 100% ", "█▉▊▋", '\\"quoted\\" ', "\x1b[0m\x00", "🟩🟩", "\udc80\udcff")
"""Some take one byte a character in a record, some twelve."""


def at_length(characters: float, kind: int = 0) -> str:
    """So many characters; of another kind for every length."""
    word = WORDS[(int(characters) + kind) % len(WORDS)]
    return (word * (int(characters) // len(word) + 1))[: int(characters)]


def lines_of(characters: float, count: int) -> tuple[str, ...]:
    """So many lines which together have so many characters, and a last one that is short."""
    return (*(at_length(characters / count, n) for n in range(count - 1)), "the last line")


def length_of(word: str | None) -> float:
    """How much a fault says: `long:40000` -> 40000; 0 for every other word."""
    name, _, amount = (word or "").partition(":")
    return float(amount) if name in ("long", "many") else 0.0
