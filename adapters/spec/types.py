"""All mismatches between plain data and the job's struct types. msgspec itself reports only the first.

The types are read with `msgspec.inspect`, so a field added to a struct is checked, listed and suggested here at once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from rpd.adapters.spec.error import MOST_COLLECTED, Path, path_text, suggestion

Finding = tuple[Path, str]

HIDDEN = (("pod", "env"), ("remote_env", "exports"), ("variables",))
"""Places whose values are never printed: people put keys there."""

RETIRED: dict[str, str] = {
    "stop": "use lifecycle.on_success and lifecycle.on_failure; rpd migrate FILE writes them",
    "pod.datacenter_id": "use pod.datacenters, a list; rpd migrate FILE writes it",
}
"""Fields of other tools' files, and what to do instead."""

IMPOSSIBLE: dict[str, str] = {
    "pod.spot": "RunPod's API (v2) rents no spot or interruptible pods; the pod would be billed on demand: remove it",
}
"""Fields that must stay empty: rpd cannot provide what they ask for."""

_WORDS: dict[type[inspect.Type], str] = {
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.VarTupleType: "a list",
    inspect.DictType: "a mapping",
    inspect.StructType: "a mapping",
    inspect.NoneType: "null",
}


def mismatches(value: Any, struct: type[msgspec.Struct]) -> list[Finding]:
    """Every place where `value` does not fit `struct`, with the value, the allowed values and the probable meaning."""
    return list(itertools.islice(_walk(value, inspect.type_info(struct), ()), MOST_COLLECTED))


SWITCHES = {
    spelled: is_on
    for words, is_on in ((("yes", "on"), True), (("no", "off"), False))
    for word in words
    for spelled in (word, word.capitalize(), word.upper())
}
"""Words that older YAML readers take for true and false. Elsewhere they are words: a tag, a country, a variable's
value."""


_SECTIONS = (inspect.StructType, inspect.VarTupleType, inspect.DictType)


def with_switches(value: Any, raw: Mapping[Path, str], struct: type[msgspec.Struct]) -> Any:
    """Plain data with true and false for unquoted `yes`, `no`, `on` and `off`, if nothing else can be meant, and
    without empty sections and lists. `raw` is the text of unquoted scalars."""
    return _switched(value, raw, inspect.type_info(struct), ())


def _switched(value: Any, raw: Mapping[Path, str], kind: inspect.Type, path: Path) -> Any:
    if isinstance(kind, inspect.Metadata):
        return _switched(value, raw, kind.type, path)
    if isinstance(value, dict) and isinstance(kind, inspect.StructType):
        types = {field.encode_name: field.type for field in kind.fields}
        optional = {field.encode_name for field in kind.fields if not field.required}
        return {
            key: _switched(item, raw, types[key], (*path, key)) if key in types else item
            for key, item in value.items()
            if not (item is None and key in optional and isinstance(_plain(types[key]), _SECTIONS))
        }
    if isinstance(value, list) and isinstance(kind, inspect.VarTupleType):
        return [_switched(item, raw, kind.item_type, (*path, index)) for index, item in enumerate(value)]
    is_switch = isinstance(kind, inspect.BoolType) or (
        isinstance(kind, inspect.LiteralType) and kind.values == (False,)
    )
    return SWITCHES.get(value, value) if is_switch and isinstance(value, str) and raw.get(path) == value else value


def _plain(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _walk(value: Any, kind: inspect.Type, path: Path) -> Iterator[Finding]:
    if isinstance(kind, inspect.Metadata):
        yield from _walk(value, kind.type, path)
    elif isinstance(kind, inspect.UnionType):
        yield from _walk_union(value, kind, path)
    elif isinstance(kind, inspect.LiteralType):
        if not any(value == allowed and type(value) is type(allowed) for allowed in kind.values):
            yield path, _not_allowed(value, kind, path)
    elif isinstance(kind, inspect.AnyType):
        return
    elif not _is_kind(value, kind):
        yield path, _wrong_kind(value, kind, path)
    elif isinstance(kind, inspect.StructType):
        yield from _walk_struct(value, kind, path)
    elif isinstance(kind, inspect.DictType):
        for key, item in value.items():
            yield from _walk(item, kind.value_type, (*path, key))
    elif isinstance(kind, inspect.VarTupleType):
        yield from _limits(len(value), kind.min_length, "must not be empty", path)
        for index, item in enumerate(value):
            yield from _walk(item, kind.item_type, (*path, index))
    elif isinstance(kind, inspect.StrType):
        yield from _limits(len(value), kind.min_length, "must not be empty", path)
        if kind.pattern is not None and not re.search(kind.pattern, value):
            yield path, f"{_show(value, path)} must match {kind.pattern}"
    elif isinstance(kind, inspect.IntType | inspect.FloatType):
        if kind.gt is not None and not value > kind.gt:
            yield path, f"{_show(value, path)} is too small; must be more than {kind.gt:g}"
        yield from _limits(value, kind.ge, f"{_show(value, path)} is too small; must be at least {kind.ge}", path)
        if kind.le is not None and value > kind.le:
            yield path, f"{_show(value, path)} is too large; must be at most {kind.le}"


def _walk_struct(value: dict[str, Any], kind: inspect.StructType, path: Path) -> Iterator[Finding]:
    fields = {field.encode_name: field for field in kind.fields}
    for key, item in value.items():
        if key in fields and item not in (None, False) and (why := IMPOSSIBLE.get(path_text((*path, key)))):
            yield (*path, key), f"{_show(item, (*path, key))} cannot be had: {why}"
        elif key in fields:
            yield from _walk(item, fields[key].type, (*path, key))
        else:
            yield (*path, key), _unknown_field(key, sorted(fields), path)
    for name, field in fields.items():
        if field.required and name not in value:
            yield (*path, name), "is missing"


def _walk_union(value: Any, kind: inspect.UnionType, path: Path) -> Iterator[Finding]:
    if value is None and any(isinstance(option, inspect.NoneType) for option in kind.types):
        return
    options = [option for option in kind.types if not isinstance(option, inspect.NoneType)]
    options = [option for option in options if _is_kind(value, _plain(option))] or options
    findings = [list(_walk(value, option, path)) for option in options]
    if findings and all(findings):
        yield from min(findings, key=len)


def _is_kind(value: Any, kind: inspect.Type) -> bool:
    match kind:
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case inspect.VarTupleType():
            return isinstance(value, list)
        case inspect.DictType() | inspect.StructType():
            return isinstance(value, dict)
    return value is None


def _limits(size: float, least: float | None, message: str, path: Path) -> Iterator[Finding]:
    if least is not None and size < least:
        yield path, message


def _unknown_field(key: str, known: list[str], path: Path) -> str:
    general = path_text(tuple(part for part in (*path, key) if isinstance(part, str)))
    if general in RETIRED:
        return f"unknown field; {RETIRED[general]}"
    return f"unknown field{suggestion(key, known)}; allowed: {', '.join(known)}"


def _not_allowed(value: Any, kind: inspect.LiteralType, path: Path) -> str:
    hint = suggestion(value, [str(allowed) for allowed in kind.values]) if isinstance(value, str) else ""
    if path == ("schema_version",):
        hint = "; rpd migrate FILE brings it up to date"
    return f"{_show(value, path)} is not allowed{hint}; allowed: {', '.join(str(allowed) for allowed in kind.values)}"


def _wrong_kind(value: Any, kind: inspect.Type, path: Path) -> str:
    hint = ""
    if isinstance(kind, inspect.StrType) and isinstance(value, int | float):
        hint = "; put it in quotes"
    elif isinstance(kind, inspect.VarTupleType) and isinstance(value, str):
        hint = f"; write [{_show(value, path)}]"
    return f"expected {_WORDS.get(type(kind), 'another type')}, found {_show(value, path)}{hint}"


def _show(value: Any, path: Path) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if any(path[: len(place)] == place for place in HIDDEN):
        return "a value that is not shown"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
