"""`rpd config show`: the settings in force, and where each comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rpd.adapters.access.config import find_api_key
from rpd.adapters.report.table import Column, table, terminal_width
from rpd.adapters.settings.keys import API_KEY, KEYS
from rpd.adapters.settings.settings import DEFAULT, Loaded, load
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.journal.redact import MASK


def show(*, with_origin: bool, as_json: bool, environ: Mapping[str, str] = os.environ) -> int:
    """Print them; the API key as `***`. Exit code 0. Raises UserError for a file that cannot be read."""
    loaded = load(environ)
    document = document_of(loaded, environ)
    if as_json:
        output.answer(document)
        return 0
    rows = {name.replace("_", "-"): each for name, each in document["settings"].items()}
    columns = [
        Column("SETTING", tuple(rows)),
        Column("VALUE", tuple(_words(each["value"]) for each in rows.values())),
    ]
    if with_origin:
        columns.append(Column("ORIGIN", tuple(each["origin"] for each in rows.values())))
    lines, _ = table(columns, terminal_width())
    output.text(lines)
    notes = [] if loaded.file is None or loaded.file.exists() else [f"{loaded.file} does not exist: rpd config init"]
    notes += [f"rpd does not know {name!r} in {loaded.file}" for name in loaded.unknown]
    output.note([*notes, *([document["problem"]] if document["problem"] else [])])
    return 0


def document_of(loaded: Loaded, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The settings as plain data, schema `rpd.config/1`, without any secret."""
    values = {key.name: getattr(loaded.settings, key.name) for key in KEYS}
    problem = None
    try:
        found = find_api_key(environ, loaded.file)
    except UserError as error:  # the others are shown all the same
        found, problem = None, error.message
    key = {"value": MASK if found else None, "origin": found.source if found else DEFAULT}
    return {
        "schema": "rpd.config/1",
        "file": str(loaded.file) if loaded.file is not None else None,
        "settings": {
            API_KEY: key,
            **{name: {"value": value, "origin": loaded.origins[name]} for name, value in values.items()},
        },
        "unknown": list(loaded.unknown),
        "problem": problem,
    }


def _words(value: Any) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
