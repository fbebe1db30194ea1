"""The one question of RunPod's GraphQL API that `rpd` asks, what the account has left; everything else is an error, as
GraphQL words one."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox import faults, ledger
from rpd.adapters.sandbox.answers import Broken, document, edge_page
from rpd.adapters.sandbox.bodies import body_of, decode
from rpd.adapters.sandbox.cloud_model import CloudModel
from rpd.adapters.sandbox.connections import Connections
from rpd.adapters.sandbox.problems import Problem

SPEND_LIMIT_USD_PER_HOUR = 80
"""What an account may spend by default."""

_MYSELF = re.compile(r"\s*(?:query(?:\s+\w+)?\s*)?\{\s*myself\s*\{([\w\s,]+)\}\s*\}\s*")
_EXCUSE = "Something went wrong. Please try again later or contact support."


def routes() -> list[Route]:
    """All of them."""
    return [Route("/graphql", answer, methods=["POST"])]


async def answer(request: Request) -> Response:
    """The fields of `myself` that were asked for."""
    cloud: CloudModel = request.app.state.cloud
    struck = faults.strike(cloud.state, "F38")
    if struck is not None:
        return _misbehave(request.app.state.connections, struck)
    fields = _fields(await body_of(request))
    if fields is None:
        return _errors("Syntax Error: only myself{...} can be asked for here.")
    now = cloud.now()
    known = {
        "id": "sandbox",
        "email": "somebody@sandbox.invalid",
        "clientBalance": round(ledger.balance(cloud.state, now), 6),
        "currentSpendPerHr": round(ledger.usd_per_hour(cloud.state), 6),
        "spendLimit": SPEND_LIMIT_USD_PER_HOUR,
    }
    unknown = [field for field in fields if field not in known]
    if unknown:
        return _errors(f'Cannot query field "{unknown[0]}" on type "User".')
    return document({"data": {"myself": {field: known[field] for field in fields}}})


def _fields(body: bytes) -> list[str] | None:
    """What is asked of `myself`; None for any other question."""
    try:
        asked = decode(body)
    except Problem:
        return None
    query = asked.get("query") if isinstance(asked, dict) else None
    found = _MYSELF.fullmatch(query) if isinstance(query, str) else None
    return found[1].replace(",", " ").split() if found else None


def _errors(message: str, status: int = 400) -> Response:
    return document({"errors": [{"message": message}]}, status)


def _misbehave(connections: Connections, options: dict[str, str]) -> Response:
    how = options.get("how", "errors")
    if how == "errors":
        return document({"errors": [{"message": _EXCUSE}], "data": {"myself": None}})
    if how == "429":
        return edge_page(429, "429 Too Many Requests")
    if how == "gone":
        return edge_page(404, "404 Not Found")
    return Broken(connections, how, faults.number(options, "seconds", 60.0))
