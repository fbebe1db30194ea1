"""Turn a job file of schema version 1, or with renamed fields, into one of version 2. It changes only what has to
change: comments and layout stay. The result means the same as the input, or a person has to write it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rpd.adapters.spec.yaml_source import parse_yaml
from rpd.engine.errors import UserError

if TYPE_CHECKING:
    import yaml

NEVER_HAD = ("spot",)
"""Fields of `pod` that older tools took and could not pass on."""
NO_WISH = ("", "false", "null", "~", "no")

Edit = tuple[int, int, str]
"""From, to (characters), and the new text between them."""


def migrated(text: str, file: str) -> tuple[str, list[str]]:
    """The new text, and a sentence for each change. Raises SpecError for a file that is no job file of any version, and
    UserError for a field whose meaning a person has to decide."""
    parse_yaml(text.encode(errors="surrogatepass"), file)  # refuses a file that is too large, too deep or tangled
    fields = _fields(_root(text, file))
    edits: list[Edit] = []
    changes: list[str] = []
    _version(fields, edits, changes)
    _datacenter(fields, text, edits, changes)
    _stop(fields, text, edits, changes)
    new = text
    for begin, end, written in sorted(edits, reverse=True):
        new = new[:begin] + written + new[end:]
    for name in NEVER_HAD:
        without = _without(new, file, name)
        if without is not None:
            new = without
            changes.append(f"pod.{name} is gone: the API has no such setting, and it never had an effect")
    old = _meaning(text)
    if new != text and (old is None or _meaning(new) != _wanted(old, changes)):
        raise UserError(f"{file} has a layout that rpd cannot change; edit it by hand: {'; '.join(changes)}")
    return new, changes


def _wanted(data: Any, changes: list[str]) -> Any:
    """The meaning that the new file must have, given the meaning of the old one."""
    if "schema_version" in data:
        data["schema_version"] = 2
    pod = data.get("pod")
    if isinstance(pod, dict):
        if "datacenter_id" in pod:
            place = pod.pop("datacenter_id")
            pod["datacenters"] = [] if place is None else [place.strip() if isinstance(place, str) else place]
        for name in NEVER_HAD:
            if any(line.startswith(f"pod.{name} ") for line in changes):
                pod.pop(name, None)
    if "stop" in data:
        data["lifecycle"] = dict.fromkeys(data.pop("stop"), "stop")
    return data


def _meaning(text: str) -> Any:
    """The data of a file. None if it makes no sense."""
    import yaml

    try:
        return yaml.load(text, Loader=_loader())
    except (yaml.YAMLError, ValueError):
        return None


def _loader() -> Any:
    """The safe loader, in C if available, which takes a twentieth of the time."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _root(text: str, file: str) -> yaml.MappingNode:
    import yaml

    try:
        root = yaml.compose(text, Loader=_loader())
    except yaml.YAMLError as error:
        raise UserError(f"{file} is no YAML: {error}") from error
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{file} holds no mapping")
    return root


def _without(text: str, file: str, name: str) -> str | None:
    """The text without this field of `pod`. None if the field asks for nothing."""
    import yaml

    pod = _fields(_root(text, file)).get("pod")
    if pod is None or not isinstance(pod[1], yaml.MappingNode):
        return None
    fields = pod[1].value
    at = next((index for index, (key, _) in enumerate(fields) if key.value == name), None)
    if at is None or not isinstance(fields[at][1], yaml.ScalarNode) or fields[at][1].value.lower() in NO_WISH:
        return None
    begin, end = fields[at][0].start_mark.index, _span(fields[at][1], text)[1]
    if not pod[1].flow_style:
        begin = text.rfind("\n", 0, begin) + 1
        end = text.find("\n", end) + 1 or len(text)
    elif at + 1 < len(fields):
        end = fields[at + 1][0].start_mark.index
    elif at > 0:
        begin = fields[at - 1][1].end_mark.index
    return text[:begin] + text[end:]


def _fields(node: yaml.MappingNode) -> dict[str, tuple[Any, Any]]:
    return {str(key.value): (key, value) for key, value in node.value}


def _span(node: Any, text: str) -> tuple[int, int]:
    """From, to (characters). The parser puts the end of a block scalar after the line end, so blanks are stripped."""
    begin, end = node.start_mark.index, node.end_mark.index
    return begin, begin + len(text[begin:end].rstrip())


def _below(fields: dict[str, tuple[Any, Any]], name: str) -> dict[str, tuple[Any, Any]]:
    import yaml

    found = fields.get(name)
    return _fields(found[1]) if found is not None and isinstance(found[1], yaml.MappingNode) else {}


def _version(fields: dict[str, tuple[Any, Any]], edits: list[Edit], changes: list[str]) -> None:
    if "schema_version" not in fields:
        return
    value = _scalar(fields["schema_version"][1], "schema_version")
    if value.value == "2":
        return
    if value.value != "1":
        raise UserError(f"schema_version {value.value} is not known; 1 and 2 are")
    edits.append((value.start_mark.index, value.end_mark.index, "2"))
    changes.append("schema_version is 2")


def _datacenter(fields: dict[str, tuple[Any, Any]], text: str, edits: list[Edit], changes: list[str]) -> None:
    pod = _below(fields, "pod")
    if "datacenter_id" not in pod:
        return
    if "datacenters" in pod:
        raise UserError("pod has both datacenter_id and datacenters; remove one")
    key, value = pod["datacenter_id"][0], _scalar(pod["datacenter_id"][1], "pod.datacenter_id")
    begin, end = _span(value, text)
    edits.append((key.start_mark.index, key.end_mark.index, "datacenters"))
    edits.append((begin, end, ("" if begin < end else " ") + _listed(value, text[begin:end])))
    changes.append("pod.datacenter_id is the list pod.datacenters")


def _scalar(node: Any, name: str) -> Any:
    """The node, which must be one value. Raises UserError."""
    if not isinstance(node.value, str):
        raise UserError(f"line {node.start_mark.line + 1}: {name} must be one value")
    return node


def _listed(value: Any, written: str) -> str:
    """One scalar as a flow list. It keeps its written form if that means the same there."""
    if value.tag.endswith(":null"):
        return "[]"
    is_plain = not getattr(value, "style", None) and not set(written) & set(",[]{}\n")
    is_safe = is_plain or getattr(value, "style", None) in ("'", '"')
    return f"[{written}]" if is_safe else json.dumps([value.value.strip()], ensure_ascii=False)


def _stop(fields: dict[str, tuple[Any, Any]], text: str, edits: list[Edit], changes: list[str]) -> None:
    if "stop" not in fields:
        return
    if "lifecycle" in fields:
        raise UserError("the file has both stop and lifecycle; remove stop")
    key, _ = fields["stop"]
    stop_keys = _below(fields, "stop")
    unknown = sorted(stop_keys.keys() - {"on_success", "on_failure"})
    if unknown or not stop_keys:
        raise UserError(f"stop.{unknown[0] if unknown else '?'} has no counterpart; write lifecycle by hand")
    edits.append((key.start_mark.index, key.end_mark.index, "lifecycle"))
    for _, node in stop_keys.values():
        begin, end = _span(node, text)
        edits.append((begin, end, "stop" if begin < end else " stop"))
    changes.append("stop is lifecycle: the pod is stopped, and never left computing; delete ends its storage, too")
