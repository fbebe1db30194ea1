"""Strict request bodies: unknown properties, wrong types and missing fields are refused with one line each.

The shapes below restate the request schemas of the API; `check` understands just the keywords they use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request

from rpd.adapters.sandbox.cloud.problems import Problem, unprocessable

MAX_BODY_BYTES = 102_400
_PASSED_OVER_MAX = 10 * MAX_BODY_BYTES
INTEGER_MAX = 2**53
"""The largest number that every reader of JSON takes for the same one."""
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""What no UTF-8 text and no environment of a process can hold."""

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_FILLED: Schema = {"type": "string", "minLength": 1}
_FLAG: Schema = {"type": "boolean"}
_CUDA: Schema = {"type": "string", "pattern": r"^[0-9]{1,4}\.[0-9]{1,4}$"}


def _object(properties: dict[str, Schema], required: tuple[str, ...] = (), **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": required, **more}


_MOUNTS = _object(
    {
        "persistent": _object({"size": {"type": "integer", "minimum": 10}, "path": _TEXT}, ("size", "path")),
        "network": {
            "type": "array",
            "maxItems": 1,
            "items": _object({"volumeId": _TEXT, "path": _TEXT}, ("volumeId", "path")),
        },
    }
)
_CONTAINER: dict[str, Schema] = {
    "args": _TEXT,
    "disk": {"type": "integer", "minimum": 1},
    "env": {"type": "object", "additionalProperties": _TEXT},
    "image": _TEXT,
    "ports": {"type": "array", "items": _TEXT},
    "registry": {"type": "string", "nullable": True},
    "mounts": _MOUNTS,
    "globalNetworking": _FLAG,
}
_GPU = _object(
    {
        "id": _TEXT,
        "count": {"type": "integer", "minimum": 1},
        "allowedCudaVersions": {"type": "array", "items": _CUDA},
        "minCudaVersion": _CUDA,
        "minRamPerGpu": {"type": "integer", "minimum": 1},
        "minVcpuCountPerGpu": {"type": "integer", "minimum": 1},
    },
    ("id",),
)
_CPU = _object({"id": _FILLED, "vcpuCount": {"type": "integer", "minimum": 2}}, ("id", "vcpuCount"))

CREATE_POD = _object(
    {
        **_CONTAINER,
        "name": _FILLED,
        "cloud": {"type": "string", "enum": ("SECURE", "COMMUNITY")},
        "cpu": _CPU,
        "gpu": _GPU,
        "dataCenterIds": {"type": "array", "items": _TEXT},
        "startJupyter": _FLAG,
        "startSsh": _FLAG,
        "templateId": _FILLED,
    },
    ("name",),
)
_TEMPLATE_FIELDS = {
    **_CONTAINER,
    "name": _FILLED,
    "mounts": _object({"persistent": _MOUNTS["properties"]["persistent"]}),
    "serverless": _FLAG,
    "public": _FLAG,
    "category": {"type": "string", "enum": ("CPU", "NVIDIA", "AMD")},
    "startJupyter": _FLAG,
    "startSsh": _FLAG,
    "allowedCudaVersions": {"type": "array", "items": _CUDA},
}
CREATE_TEMPLATE = _object(_TEMPLATE_FIELDS, ("name", "image"))
UPDATE_TEMPLATE = _object(_TEMPLATE_FIELDS)
CREATE_REGISTRY = _object({"name": _FILLED, "username": _FILLED, "password": _FILLED}, ("name", "username", "password"))
UPDATE_POD = _object({**_CONTAINER, "name": _FILLED, "locked": _FLAG, "templateId": _TEXT})
POD_ACTION = _object({"action": {"type": "string", "enum": ("start", "stop", "restart", "terminate")}}, ("action",))
SSH_KEYS = _object(
    {"keys": {"type": "array", "items": {"type": "string", "pattern": r"^(ssh|ecdsa|sk)-\S+ \S+([ \t][^\n\r]*)?$"}}},
    ("keys",),
)
_VOLUME_SIZE: Schema = {"type": "integer", "minimum": 10, "maximum": 4096}
CREATE_VOLUME = _object(
    {
        "name": _FILLED,
        "size": _VOLUME_SIZE,
        "dataCenter": _FILLED,
        "type": {"type": "string", "enum": ("STANDARD", "HIGH_PERFORMANCE")},
    },
    ("name", "size", "dataCenter"),
)
UPDATE_VOLUME = _object({"name": _FILLED, "size": _VOLUME_SIZE}, minProperties=1)


async def body_of(request: Request) -> bytes:
    """The body. Raises Problem (413) when it is too large. What comes soon after the limit is passed over: a client
    that still sends may never read its answer. A much larger body is refused before it has been sent."""
    told = request.headers.get("content-length", "")
    refused = Problem(413, f"request body exceeds {MAX_BODY_BYTES} bytes")
    if told.isdecimal() and (len(told) > 18 or int(told) > _PASSED_OVER_MAX):
        raise refused
    received, length = bytearray(), 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > _PASSED_OVER_MAX:
            raise refused
        if length <= MAX_BODY_BYTES:
            received += chunk
    if length > MAX_BODY_BYTES:
        raise refused
    return bytes(received)


def decode(raw: bytes) -> Any:
    """Any JSON document. Raises Problem (400)."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "request body is not valid JSON") from error


def whole_number(name: str, text: str, least: int, most: int) -> int:
    """A number of a query. Raises Problem (422)."""
    if not re.fullmatch("[0-9]{1,10}", text) or not least <= int(text) <= most:
        raise unprocessable(f"{name}: got {text[:40]}, want {least} to {most}")
    return int(text)


def parse(raw: bytes, schema: Schema) -> dict[str, Any]:
    """The body as a checked object. Raises Problem: 400 (not JSON), 422 (does not match)."""
    body = decode(raw)
    errors = tuple(check(body, schema))
    if errors:
        raise unprocessable(*errors)
    return dict(body)


def check(value: Any, schema: Schema, where: str = "$") -> Iterator[str]:
    """One line for each way in which `value` does not match; nothing when it does."""
    if value is None and schema.get("nullable"):
        return
    kind = schema["type"]
    if not _is(value, kind):
        yield f"{where}: got {_kind_of(value)}, want {kind}"
    elif kind == "object":
        yield from _check_object(value, schema, where)
    elif kind == "array":
        if len(value) > schema.get("maxItems", len(value)):
            yield f"{where}: maxItems: got {len(value)}, want {schema['maxItems']}"
        for index, item in enumerate(value):
            yield from check(item, schema["items"], f"{where}[{index}]")
    else:
        yield from _check_scalar(value, schema, where)


def _check_object(value: dict[str, Any], schema: Schema, where: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{where}: missing property '{name}'"
    if len(value) < schema.get("minProperties", 0):
        yield f"{where}: minProperties: got {len(value)}, want {schema['minProperties']}"
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    unknown = [name for name in value if name not in properties]
    if rest is None and unknown:
        listed = ", ".join(f"'{name}'" for name in unknown)
        yield f"{where}: additional properties {listed} not allowed"
    for name, item in value.items():
        if _NO_TEXT.search(name):
            yield f"{where}: the name {name!r} is no text"
        inner = properties.get(name, rest)
        if inner is not None:
            yield from check(item, inner, f"{where}.{name}")


def _check_scalar(value: Any, schema: Schema, where: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: value must be one of {', '.join(repr(item) for item in schema['enum'])}"
    if isinstance(value, str):
        if _NO_TEXT.search(value):
            yield f"{where}: {value!r} is no text"
        if len(value) < schema.get("minLength", 0):
            yield f"{where}: minLength: got {len(value)}, want {schema['minLength']}"
        if "pattern" in schema and not re.match(schema["pattern"], value):
            yield f"{where}: '{value}' does not match pattern '{schema['pattern']}'"
    elif not isinstance(value, bool):
        if value < schema.get("minimum", value):
            yield f"{where}: minimum: got {value}, want {schema['minimum']}"
        if value > (most := schema.get("maximum", INTEGER_MAX)):
            yield f"{where}: maximum: got {value}, want {most}"


def _is(value: Any, kind: str) -> bool:
    if kind == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
    return isinstance(value, {"object": dict, "array": list, "string": str, "boolean": bool}[kind])


def _kind_of(value: Any) -> str:
    for kind, types in (("null", type(None)), ("boolean", bool), ("string", str), ("array", list), ("object", dict)):
        if isinstance(value, types):
            return kind
    return "number"
