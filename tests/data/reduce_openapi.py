"""Cut RunPod's OpenAPI document down to the routes rpd uses: `reduce_openapi.py < openapi.json > runpod-openapi.json`.

The full document is public: https://api.runpod.io/v2/openapi.json. Descriptions are left out; examples are kept, since
calls are drawn from them. Every component a kept route needs, directly or not, is kept.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

KEPT = (
    "/v2/pods",
    "/v2/catalog",
    "/v2/account/ssh-keys",
    "/v2/network-volumes",
    "/v2/billing",
    "/v2/templates",
    "/v2/registries",
)
ADDED: dict[str, dict[str, Any]] = {
    "CreateGpuConfig": {
        "minRamPerGpu": {"type": "integer", "minimum": 1},
        "minVcpuCountPerGpu": {"type": "integer", "minimum": 1},
    },
    "PodGpu": {"memory": {"type": "integer"}, "vcpuCount": {"type": "integer"}},
}
"""What the API has had since September 2026 and the document of August does not: floors of a create, and what the pod
was then given."""
DROPPED_KEYS = ("description", "summary", "externalDocs")


def reduce(document: dict[str, Any]) -> dict[str, Any]:
    """The kept routes and the components they reach."""
    paths = {path: strip(item) for path, item in document["paths"].items() if path.startswith(KEPT)}
    components: dict[str, dict[str, Any]] = {}
    waiting = list(references(paths))
    while waiting:
        kind, name = waiting.pop()
        if name in components.setdefault(kind, {}):
            continue
        components[kind][name] = strip(document["components"][kind][name])
        waiting.extend(references(components[kind][name]))
    add_news(components["schemas"])
    components["securitySchemes"] = strip(document["components"]["securitySchemes"])
    return {
        "openapi": document["openapi"],
        "info": {"title": document["info"]["title"], "version": document["info"]["version"]},
        "servers": [{"url": server["url"]} for server in document["servers"]],
        "security": document["security"],
        "paths": paths,
        "components": {kind: dict(sorted(members.items())) for kind, members in sorted(components.items())},
    }


def add_news(schemas: dict[str, Any]) -> None:
    """Fields that are newer than the document."""
    schemas["CreateGpuConfig"]["allOf"][1]["properties"].update(ADDED["CreateGpuConfig"])
    schemas["PodGpu"] = {"type": "object", "properties": ADDED["PodGpu"]}
    pod = next(part["properties"] for part in schemas["Pod"]["allOf"] if "gpu" in part.get("properties", {}))
    if len(pod["gpu"]["allOf"]) == 1:
        pod["gpu"]["allOf"].append({"$ref": "#/components/schemas/PodGpu"})


def strip(node: Any, *, in_names: bool = False) -> Any:
    """The node without prose. A property that happens to be called `description` is kept."""
    if isinstance(node, list):
        return [strip(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if in_names or key not in DROPPED_KEYS}
    kept = {key: strip(value, in_names=not in_names and key == "properties") for key, value in kept.items()}
    if not in_names and "description" in node and ("content" in node or "headers" in node):
        kept["description"] = ""  # the one place where the format itself demands the key: responses
    return kept


def references(node: Any) -> Iterator[tuple[str, str]]:
    """Every `#/components/<kind>/<name>` below the node."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                _, _, kind, name = value.split("/")
                yield kind, name
            else:
                yield from references(value)


if __name__ == "__main__":
    json.dump(reduce(json.load(sys.stdin)), sys.stdout, indent=1, sort_keys=False)
    sys.stdout.write("\n")
