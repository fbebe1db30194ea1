"""One request to the API, and its exchange in one line of rpd's own log: what was asked, what came back, and how long
it took."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import msgspec

from rpd.adapters.local.leaks import is_secret_name
from rpd.adapters.local.own_log import logger
from rpd.adapters.runpod.answer import Answer, Failure, clean

BODY_CHARACTERS_MAX = 1500
BODY_BYTES_MAX = 64_000
"""Of a longer body only the size is logged: to take it apart would delay the run."""
OWN_PREFIX = "RPD_"
DEPTH_MAX = 12
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_log = logger("api")


class ApiRequest(msgspec.Struct, frozen=True):
    """The request to send. `seconds` is the time for the whole answer. `quiet` (streams) is the length of a pause that
    ends it."""

    method: str
    path: str
    seconds: float
    params: dict[str, str] = {}
    body: bytes | None = None
    accept: str = "application/json"
    quiet: float | None = None
    is_effect: bool = False


def log_exchange(request: ApiRequest, found: Answer | Failure, seconds: float, mask: Callable[[str], str]) -> None:
    """Log it. No value of an environment stands there, and no value under the name of a secret. `mask` hides the known
    secrets before anything is cut."""
    if not _log.isEnabledFor(logging.WARNING):
        return
    what = f"{request.method} {request.path}{_query(request.params)}"
    if isinstance(found, Failure):
        _log.warning("%s: %s after %.2f s: %s", what, found.fault, seconds, found.text)
        return
    if not _log.isEnabledFor(logging.INFO):
        return
    told = f"{what}: {found.status} in {seconds:.2f} s [{found.request_id or '-'}]"
    if request.body is not None:
        told += f" sent {body_text(request.body, mask)}"
    if request.quiet is not None:
        told += f" a stream of {len(found.body)} bytes"
    elif found.body:
        told += f" got {body_text(found.body, mask)}"
    _log.info("%s", told)


def body_text(body: bytes, mask: Callable[[str], str]) -> str:
    """A body in one line, masked, and then cut. A body that is no JSON is not quoted: nobody knows what is in it."""
    if len(body) > BODY_BYTES_MAX:
        return f"{len(body)} bytes"
    try:
        text = msgspec.json.encode(_bare(msgspec.json.decode(body), 0)).decode("utf-8", "replace")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, msgspec.ValidationError):
        return f"{len(body)} bytes that are no JSON"
    return clean(mask(text), BODY_CHARACTERS_MAX)


def _bare(value: Any, depth: int) -> Any:
    """The value without what may be a secret of anybody: the account shows the environments of all its pods."""
    if depth > DEPTH_MAX:
        return "..."
    if isinstance(value, list):
        return [_bare(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    bare = {}
    for name, item in value.items():
        if name == "env":
            bare[name] = _names_of(item)
        else:
            bare[name] = "***" if is_secret_name(_CAMEL.sub("_", name)) and item is not None else _bare(item, depth + 1)
    return bare


def _names_of(env: Any) -> Any:
    if not isinstance(env, dict):
        return "***"
    return {name: value if name.startswith(OWN_PREFIX) else "***" for name, value in env.items()}


def _query(params: dict[str, str]) -> str:
    return "?" + "&".join(f"{name}={value}" for name, value in params.items()) if params else ""
