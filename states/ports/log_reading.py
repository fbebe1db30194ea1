"""What a job's log says about a failure: the exception that ended it, and known signs. Pure.

The text is not trusted: the time is bounded by its length, and only a few short lines of it are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from rpd.states.ports.signs import SIGNS, Sign, sign_of

LINE_CHARACTERS = 300
"""How much of a line is kept."""
DOUBTS_MAX = 5
LOOKED_AT_MAX = 50
"""How many places with the same words are examined, from the end. A log that is full of them takes no longer."""
LAST_CHARACTERS = 8192
"""Some signs are often harmless. They explain a failure only if they stand in this last part of the log."""
FRAMES_MAX = 2000
"""The most lines of one traceback."""
_LINE_MAX = 2000

_TRACEBACK = "Traceback (most recent call last)"
_GROUP = "Exception Group "
_FRAME = " \t│╭╰|+❱"
"""How a line within a traceback begins."""
_EXCEPTION = re.compile(r"[A-Za-z_][\w.<>]{0,200}(?::? |:$|$)")
_UNRAISED = ("Exception ignored in", "--- Logging error ---")
"""Lines before the traceback of an exception that did not end the job."""
_WRAPPERS = re.compile(
    r"(?:[\w.]{1,200}\.)?(?:ChildFailedError|CalledProcessError|ProcessRaisedException|ProcessExitedException|SystemExit"
    r"|(?:Base)?ExceptionGroup)\b"
)
"""These exceptions only say that another process has failed. The output of that process stands before them."""
_HARMLESS = re.compile(r"(?:BrokenPipeError|KeyboardInterrupt|SystemExit|asyncio\.\S{0,40}CancelledError)\b")
"""The end of a program that was asked to end."""
_SHAPE = re.compile(r"[0-9]")
_CONTROL = re.compile(
    r"\x1b(?:\[[0-?]{0,40}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)?|[@-Z\\-_])"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


class SeenSign(msgspec.Struct, frozen=True):
    """A line of the log without control characters, and its sign (empty: an exception that is no known sign)."""

    line: str
    sign: str = ""


class LogReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the log says. `cause` explains a failure best. `doubts` put a success in doubt, the last one first."""

    cause: SeenSign | None = None
    doubts: tuple[SeenSign, ...] = ()


def read_text(text: str) -> LogReading:
    """What a text (a log, or its beginning and end) says."""
    raised = list(_exceptions(text))
    real = next((each for each in reversed(raised) if not _WRAPPERS.match(each[1])), raised[-1] if raised else None)
    found = sorted(_signs(text), key=lambda each: each[0], reverse=True)
    found = [each for each in found if each[2].is_doubt or each[0] >= len(text) - LAST_CHARACTERS]
    cause = None
    if real is not None:
        cause = _seen(real[1])
    elif found:
        cause = SeenSign(_kept(found[0][1]), found[0][2].key)
    doubts: dict[str, SeenSign] = {}
    if real is not None and not _HARMLESS.match(real[1]) and cause is not None:
        doubts[cause.sign] = cause
    for _, line, sign in found:
        if sign.is_doubt:
            doubts.setdefault(sign.key, SeenSign(_kept(line), sign.key))
    return LogReading(cause, tuple(doubts.values())[:DOUBTS_MAX])


def _seen(line: str) -> SeenSign:
    sign = sign_of(line)
    return SeenSign(_kept(line), sign.key if sign is not None else "")


def _kept(line: str) -> str:
    return line.strip()[:LINE_CHARACTERS]


def shown(line: str) -> str:
    """A line as a terminal would show it, without controls and without what carriage returns have overwritten."""
    return _CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2])


def _signs(text: str) -> Iterator[tuple[int, str, Sign]]:
    """The last line that shows each of the signs, and its position."""
    for sign in SIGNS:
        places = [found for word in sign.words if (found := _last(text, word, sign)) is not None]
        if places:
            yield (*max(places), sign)


def _last(text: str, word: str, sign: Sign) -> tuple[int, str] | None:
    at = len(text)
    for _ in range(LOOKED_AT_MAX):
        at = text.rfind(word, 0, at)
        if at < 0:
            return None
        begin, raw = _line_around(text, at)
        # A terminal does not show this part before a carriage return, but it may be the cause in a script with such
        # line ends.
        for line in dict.fromkeys((shown(raw), _CONTROL.sub("", raw))):
            if sign.is_in(line) and sign_of(line) is sign:
                return begin, line
        at = begin
    return None


def _line_around(text: str, at: int) -> tuple[int, str]:
    """The start of the line near `at`, and the line."""
    begin = max(text.rfind("\n", max(0, at - _LINE_MAX), at) + 1, at - _LINE_MAX)
    end = text.find("\n", at, at + _LINE_MAX)
    return begin, text[begin : end if end >= 0 else at + _LINE_MAX]


def _exceptions(text: str) -> Iterator[tuple[int, str]]:
    """The last line of each complete traceback, the oldest first, and the start of its traceback."""
    places: list[int] = []
    at = len(text)
    while len(places) < LOOKED_AT_MAX and (at := text.rfind(_TRACEBACK, 0, at)) >= 0:
        places.append(at)
    for place in reversed(places):
        line = _exception_after(text, place)
        if line is not None:
            yield place, line


def _exception_after(text: str, place: int) -> str | None:
    begin = max(text.rfind("\n", max(0, place - _LINE_MAX), place) + 1, place - _LINE_MAX)
    earlier = max(0, begin - 1 - _LINE_MAX)
    before = text[max(text.rfind("\n", earlier, max(0, begin - 1)) + 1, earlier) : begin]
    if any(words in before or words in text[begin:place] for words in _UNRAISED):
        return None
    prefix = _SHAPE.sub("0", text[begin:place])
    if prefix.endswith(_GROUP):
        # Its own lines begin with a bar in place of the plus.
        prefix = prefix.removesuffix(_GROUP).replace("+", "|")
    at = text.find("\n", place, place + _LINE_MAX) + 1
    for _ in range(FRAMES_MAX):
        if at <= 0:
            return None
        end = text.find("\n", at, at + _LINE_MAX)
        line = text[at : end if end >= 0 else at + _LINE_MAX]
        if prefix and _SHAPE.sub("0", line[: len(prefix)]) == prefix:
            line = line[len(prefix) :]
        line = shown(line)
        if line.strip() and line[0] not in _FRAME:
            return line if _EXCEPTION.match(line) else None
        at = end + 1
    return None
