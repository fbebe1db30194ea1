"""The meaning of an answer, as one table: status and text against the kind of call.

Reads end in Refused or Unavailable. Effects end in Refused (the API said no), NotSent (it never left) or Ambiguous (it
may have happened), because the three lead to three different next steps. The matched texts are prose of the provider:
capacity has no code of its own there.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from rpd.adapters.runpod.answer import Answer, Failure, explain, problem, violations
from rpd.engine.errors import Ambiguous, NotSent, Refused, RpdError, Unavailable
from rpd.states.ports.faults import Fault


class Kind(StrEnum):
    """The purpose of a call."""

    READ = "read"
    CREATE = "create"
    START = "start"
    STOP = "stop"
    CHANGE = "change"
    DELETE = "delete"


EFFECTS = frozenset({Kind.CREATE, Kind.START, Kind.STOP, Kind.CHANGE, Kind.DELETE})
IDEMPOTENT = frozenset({Kind.READ, Kind.CHANGE, Kind.DELETE})
"""Calls that are sent again after no answer or a 5xx. The others are sent again only after a 429."""

_THINGS = r"(machines?|capacity|hosts?|gpus?|gpu types?|instances?|resources?|stock|hardware)"
CAPACITY = re.compile(
    r"no longer any instances available|does not have the resources to deploy|try a different machine"
    rf"|no available {_THINGS}|\bno {_THINGS}\b[^.;]{{0,40}}\b(available|found|free|left|match|meet|satisf)"
    rf"|\b{_THINGS}\b[^.;]{{0,60}}\b(not|no longer|un)[ -]?available"
    r"|not available in|currently unavailable|out of (stock|capacity)|sold out|at (full )?capacity"
    rf"|(insufficient|not enough)( \w+)? {_THINGS}|{_THINGS} (is |are )?(exhausted|full)",
    re.IGNORECASE,
)
KEY_SCOPE = re.compile(r"scope|permission|read-only|read only|api key|token", re.IGNORECASE)
_MONEY = r"(balance|credits?|funds|money)"
CREDIT = re.compile(
    rf"(insufficient|not enough|low|out of|no)( \w+)? {_MONEY}|(not|n't) have (enough|sufficient|any)( \w+)? {_MONEY}"
    rf"|{_MONEY}\b[^.;]{{0,20}}\b(insufficient|too low|exhausted|depleted|negative|empty|not enough|used up)"
    rf"|add (more |some )?{_MONEY}|spend(ing)? limit",
    re.IGNORECASE,
)
LOCKED = re.compile(r"\b(is|pod|currently) locked\b|\bunlock\b", re.IGNORECASE)


class ErrorRule(NamedTuple):
    """The first row that fits decides. `text` is searched in the answer's own words. `by_api` False fits bodies that
    are no JSON object. `effect` and `read` are the errors raised for effects and for reads."""

    statuses: range
    fault: Fault
    effect: type[RpdError] = Refused
    read: type[RpdError] = Refused
    retryable: bool = False
    kinds: frozenset[Kind] | None = None
    text: re.Pattern[str] | None = None
    by_api: bool | None = None


def _only(status: int) -> range:
    return range(status, status + 1)


_CONFLICT_OR_INVALID = range(409, 423, 422 - 409)
_CREATE = frozenset({Kind.CREATE})
_START = frozenset({Kind.START})
_RENTING = frozenset({Kind.CREATE, Kind.START})

ROWS: tuple[ErrorRule, ...] = (
    ErrorRule(range(200, 300), Fault.UNREADABLE, Ambiguous, Unavailable, True),
    ErrorRule(range(300, 400), Fault.REDIRECTED, Ambiguous, Unavailable),
    ErrorRule(_only(400), Fault.NO_CREDIT, kinds=_RENTING, text=CREDIT),
    ErrorRule(_only(400), Fault.NO_CAPACITY, retryable=True, kinds=_CREATE, text=CAPACITY),
    # The body of a start cannot be wrong, so a 400 is about the host.
    ErrorRule(_only(400), Fault.START_REFUSED, retryable=True, kinds=_START),
    ErrorRule(_only(400), Fault.BAD_REQUEST),
    ErrorRule(_only(401), Fault.KEY_REFUSED),
    ErrorRule(_only(402), Fault.NO_CREDIT),
    ErrorRule(_only(403), Fault.BLOCKED, by_api=False),
    ErrorRule(_only(403), Fault.NO_CREDIT, kinds=_RENTING, text=CREDIT),
    ErrorRule(_only(403), Fault.FORBIDDEN, text=KEY_SCOPE),
    # "Your account cannot access the requested pool": documented for create; other candidates may work.
    ErrorRule(_only(403), Fault.POOL_FORBIDDEN, kinds=_CREATE),
    ErrorRule(_only(403), Fault.FORBIDDEN),
    ErrorRule(_only(404), Fault.NOT_FOUND, by_api=True),
    # A page that does not come from the API does not know what exists.
    ErrorRule(_only(404), Fault.NOT_FOUND, read=Unavailable),
    ErrorRule(_only(405), Fault.BAD_REQUEST),
    ErrorRule(_only(408), Fault.TIMEOUT, Ambiguous, Unavailable, True),
    # Two more statuses that a refusal may have. Any other status proves nothing, whatever its words.
    ErrorRule(_CONFLICT_OR_INVALID, Fault.NO_CREDIT, kinds=_RENTING, text=CREDIT),
    ErrorRule(_CONFLICT_OR_INVALID, Fault.NO_CAPACITY, retryable=True, kinds=_CREATE, text=CAPACITY),
    ErrorRule(_only(409), Fault.LOCKED, retryable=True, text=LOCKED),
    ErrorRule(_only(409), Fault.CONFLICT, retryable=True),
    ErrorRule(_only(413), Fault.INVALID),
    ErrorRule(_only(422), Fault.INVALID),
    ErrorRule(_only(429), Fault.RATE_LIMITED, Refused, Unavailable, True),
    ErrorRule(range(400, 500), Fault.BAD_REQUEST, Ambiguous, Refused),
    ErrorRule(range(100, 1000), Fault.SERVER_ERROR, Ambiguous, Unavailable, True),
)

_OTHER_KEY = "rpd config set api-key   (a key that may read and write pods; RUNPOD_API_KEY wins over it)"
_DOCTOR = "rpd doctor   checks the network, proxies and the key"
HINTS = {
    Fault.KEY_REFUSED: _OTHER_KEY,
    Fault.FORBIDDEN: _OTHER_KEY,
    Fault.BLOCKED: _OTHER_KEY,
    Fault.NO_CREDIT: "https://console.runpod.io/user/billing   adds credit",
    Fault.CONNECTION_LOST: _DOCTOR,
    Fault.NOT_SENT: _DOCTOR,
    Fault.TIMEOUT: _DOCTOR,
    Fault.NO_CAPACITY: "rpd stock",
    Fault.REDIRECTED: "unset RPD_API_URL   (or set it to the API itself: https://api.runpod.io)",
}
_SAYS: dict[type[RpdError], str] = {
    Refused: "RunPod refused",
    Ambiguous: "RunPod's answer does not say what happened",
    Unavailable: "RunPod cannot answer now",
    NotSent: "the request did not reach RunPod",
}


def judge(kind: Kind, answer: Answer, retry_after: float | None = None) -> RpdError:
    """The error for an answer that is not the expected success."""
    explained = explain(answer)
    row = _row(kind, answer, explained)
    error = row.effect if kind in EFFECTS else row.read
    detail: dict[str, object] = {"status": answer.status, "call": kind.value}
    if answer.request_id:
        detail["request_id"] = answer.request_id
    lines = violations(problem(answer) or {}, answer)
    if lines:
        detail["errors"] = lines
    return error(
        f"{_SAYS[error]}: {explained} (HTTP {answer.status})",
        reason=row.fault,
        hint=HINTS.get(row.fault, ""),
        retryable=row.retryable,
        retry_after=retry_after,
        detail=detail,
    )


def judge_failure(kind: Kind, failure: Failure) -> RpdError:
    """The error for a missing or unreadable answer."""
    error: type[RpdError] = Unavailable
    if kind in EFFECTS:
        error = Ambiguous if failure.left else NotSent
    detail: dict[str, object] = {"call": kind.value}
    if failure.request_id:
        detail["request_id"] = failure.request_id
    hint = HINTS.get(failure.fault, "")
    return error(f"{_SAYS[error]}: {failure.text}", reason=failure.fault, hint=hint, retryable=True, detail=detail)


def _row(kind: Kind, answer: Answer, explained: str) -> ErrorRule:
    """The first row that fits. The last row fits everything."""
    by_api = problem(answer) is not None or not answer.body.strip()
    for row in ROWS:
        if answer.status not in row.statuses:
            continue
        if row.kinds is not None and kind not in row.kinds:
            continue
        if row.by_api is not None and row.by_api != by_api:
            continue
        if row.text is None or row.text.search(explained):
            return row
    return ROWS[-1]
