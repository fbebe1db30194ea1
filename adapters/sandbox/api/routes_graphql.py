"""The one question of RunPod's GraphQL API that is served: the account itself, with what it has left. Everything else
is an error, as GraphQL words one."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox.api.answers import Broken, document, edge_page
from rpd.adapters.sandbox.api.connections import Connections
from rpd.adapters.sandbox.cloud import faults, ledger
from rpd.adapters.sandbox.cloud.bodies import body_of, decode
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel
from rpd.adapters.sandbox.cloud.problems import Problem

Fields = dict[str, Any]
"""Names that were asked for, each with those asked for below it."""
SPEND_LIMIT_USD_PER_HOUR = 80
"""What an account may spend by default."""

_WORD = re.compile(r"[\w]+|[{}]")
_PLAIN = re.compile(r"[\w\s,{}]+")
_DEPTH_MAX = 4
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
    asked = _asked(await body_of(request))
    if asked is None or set(asked) != {"myself"} or not asked["myself"]:
        return _errors("Syntax Error: only myself{...} can be asked for here.")
    try:
        return document({"data": {"myself": _chosen(_myself(cloud), asked["myself"], "User")}})
    except KeyError as error:
        return _errors(str(error.args[0]))


def _myself(cloud: CloudModel) -> dict[str, Any]:
    """What can be asked of the account."""
    now = cloud.now()
    volumes = [
        {"id": volume.id, "name": volume.name, "size": volume.size, "dataCenterId": volume.datacenter}
        for volume in cloud.state.volumes.values()
        if volume.until is None
    ]
    return {
        "id": "sandbox",
        "email": "somebody@sandbox.invalid",
        "pubKey": "\n\n".join(cloud.state.ssh_keys),
        "clientBalance": round(ledger.balance(cloud.state, now), 6),
        "currentSpendPerHr": round(ledger.usd_per_hour(cloud.state), 6),
        "spendLimit": SPEND_LIMIT_USD_PER_HOUR,
        "networkVolumes": volumes,
    }


def _chosen(value: dict[str, Any], fields: Fields, kind: str) -> dict[str, Any]:
    """The fields that were asked for. Raises KeyError with GraphQL's words for one that does not exist."""
    chosen = {}
    for name, inner in fields.items():
        if name not in value:
            raise KeyError(f'Cannot query field "{name}" on type "{kind}".')
        found = value[name]
        chosen[name] = [_chosen(item, inner, "NetworkVolume") for item in found] if isinstance(found, list) else found
    return chosen


def _asked(body: bytes) -> Fields | None:
    """The fields of a query without arguments, each with those below it; None for anything else."""
    try:
        order = decode(body)
    except Problem:
        return None
    query = order.get("query") if isinstance(order, dict) else None
    text = re.sub(r"^\s*query(\s+\w+)?\s*(?=\{)", "", query) if isinstance(query, str) else ""
    if not _PLAIN.fullmatch(text):
        return None
    open_fields: list[Fields] = [{}]
    last = ""
    for word in _WORD.findall(text):
        if word == "{" and (last or len(open_fields) == 1) and len(open_fields) < _DEPTH_MAX:
            open_fields.append(open_fields[-1][last] if last else open_fields[0])
        elif word == "}" and len(open_fields) > 1:
            open_fields.pop()
        elif word not in "{}" and len(open_fields) > 1:
            open_fields[-1][word] = {}
        else:
            return None
        last = word if word not in "{}" else ""
    return open_fields[0] if len(open_fields) == 1 else None


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
