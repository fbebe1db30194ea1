"""The money left in the account. rpd reads only this over GraphQL, because REST v2 does not have it. GraphQL will be
removed, and a key may have no right to it. So rpd asks once, for a few seconds, and "not known" is a normal answer."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from rpd.adapters.runpod.answer import Answer, Failure, problem
from rpd.engine.errors import UserError
from rpd.journal.redact import Secret

SECONDS = 5.0
"""How long an answer may take."""

_PATH = "/graphql"
_QUERY = b'{"query":"{myself{clientBalance currentSpendPerHr}}"}'
_MOST_BYTES = 100_000


class Balance(msgspec.Struct, frozen=True):
    """`usd` is the money left, and below zero if more was spent than was there. `usd_per_hour` is the present cost of
    everything in the account; None if it is not reported."""

    usd: float
    usd_per_hour: float | None = None


def read_balance(base_url: str, key: Secret, *, seconds: float = SECONDS) -> Balance | None:
    """Read the balance, in one attempt. None if it cannot be known, for any reason. `base_url` is that of the REST API.
    Raises nothing: the call that needs a right address or key will report a wrong one."""
    from rpd.adapters.runpod.exchange import ApiRequest
    from rpd.adapters.runpod.session import Session

    try:
        session = Session(base_url, key, connect_seconds=seconds, body_limit=_MOST_BYTES)
    except UserError:
        return None
    try:
        found = session.send(ApiRequest("POST", _PATH, seconds, body=_QUERY))
    finally:
        session.close()
    return None if isinstance(found, Failure) else _balance(found)


def _balance(answer: Answer) -> Balance | None:
    """GraphQL reports errors with status 200 as well, and may leave out any part that it could not find."""
    answered = problem(answer) if answer.status == 200 and answer.flaw is None else None
    data = answered.get("data") if answered is not None else None
    myself = data.get("myself") if isinstance(data, dict) else None
    if not isinstance(myself, dict):
        return None
    usd = _amount(myself.get("clientBalance"))
    return Balance(usd, _amount(myself.get("currentSpendPerHr"))) if usd is not None else None


def _amount(value: Any) -> float | None:
    """Dollars, of either sign. None for a value that is no number."""
    if isinstance(value, bool):
        return None
    try:
        amount = msgspec.convert(value, float, strict=False)
    except msgspec.ValidationError:
        return None
    return amount if math.isfinite(amount) else None
