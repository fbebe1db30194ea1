"""The result of one attempt, and its body in words fit for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rpd.states.ports.faults import Fault

TEXT_LIMIT = 500
"""The most characters of a foreign text that go into a message."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_EDGE_CODE = re.compile(r"error code:?\s*(\d{3,4})", re.IGNORECASE)


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer. Header names are lower case. `flaw` is set if the body did not arrive whole. `mask` removes the
    secrets from its texts."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    flaw: str | None = None
    mask: Callable[[str], str] = str

    @property
    def request_id(self) -> str | None:
        """The provider's own name for this exchange, to quote in a support request."""
        value = self.headers.get("x-request-id")
        return self.shown(value, 100) if value else None

    def shown(self, text: str, limit: int = TEXT_LIMIT) -> str:
        """A text of this answer as people may see it. It is masked first, because JSON can spell a secret in many ways,
        and a cut can leave a part of a secret that no mask finds."""
        return clean(self.mask(text), limit)


class Unreadable(ValueError):
    """Raised by a decoder: the body is not what was promised. Its text goes into messages, so it quotes nothing."""


class Failure(msgspec.Struct, frozen=True):
    """No usable answer. `left` is false if provably no byte of the request left this machine."""

    fault: Fault
    left: bool
    text: str
    request_id: str | None = None


def problem(answer: Answer) -> dict[str, Any] | None:
    """The body as a JSON object, as the API itself answers. None if another server answers."""
    try:
        value = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def explain(answer: Answer) -> str:
    """One line with the content of the body: problem+json, other JSON, an HTML page or plain text."""
    if 300 <= answer.status < 400:
        return (
            f"a redirect{_whereto(answer)}, which is not followed: the key stays here; "
            "is RPD_API_URL right, or does this network want a sign-in first?"
        )
    document = problem(answer)
    if document is not None:
        return answer.shown(_reason(document, answer)) or "no reason given"
    if not answer.body.strip():
        return "no reason given (empty body)"
    text = answer.body.decode("utf-8", errors="replace")
    code = _EDGE_CODE.search(text)
    suffix = f", error code {code.group(1)}" if code else ""
    title = _TITLE.search(text)
    if title is not None or "<html" in text[:1000].lower():
        named = f" titled {answer.shown(title.group(1), 100)!r}" if title else ""
        return f"an HTML page{named} instead of an answer of the API{suffix}"
    return f"text instead of an answer of the API: {answer.shown(text, 200)!r}"


def _whereto(answer: Answer) -> str:
    """The target address of a redirect, without what may be a token in it."""
    place = answer.headers.get("location", "").partition("?")[0].partition("#")[0]
    return f" to {answer.shown(place, 200)}" if place.strip() else ""


def violations(document: dict[str, Any], answer: Answer) -> list[str]:
    """The validation lines of a 422. Missing properties come first, because they make valid ones appear as
    unexpected."""
    lines = document.get("errors")
    if not isinstance(lines, list):
        return []
    return sorted((answer.shown(str(line), 200) for line in lines[:20]), key=lambda line: "missing" not in line)


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Foreign text on one line, without control or bidirectional characters, at most `limit` characters."""
    flat = " ".join(_CONTROL.sub(" ", text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _reason(document: dict[str, Any], answer: Answer) -> str:
    """Detail, else an `error` or `message` (older servers), else the title; then the violations."""
    summary = ""
    for key in ("detail", "error", "message", "title"):
        value = document.get(key)
        if isinstance(value, dict):
            value = value.get("message") or value.get("detail")
        if isinstance(value, str) and value.strip():
            summary = value.strip()
            break
    lines = violations(document, answer)
    return ": ".join(part for part in (summary, "; ".join(lines)) if part)
