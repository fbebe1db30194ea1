"""Settings that other tools have left on this machine: RunPod's own `~/.runpod/config.toml`, and
`~/.autopod/config.json`. rpd takes them over only if a person says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.access.config import runpodctl_file, runpodctl_key
from rpd.adapters.local.files import read_regular
from rpd.adapters.settings.keys import BY_NAME
from rpd.journal.redact import Secret

RUNPOD, AUTOPOD = "runpod", "autopod"
_MOST_BYTES = 1_000_000
_PLACES = {
    "ssh_key_path": ("runpod", "ssh_key_path"),
    "region": ("runpod", "default_region"),
    "cloud": ("runpod", "default_cloud_type"),
    "image": ("runpod", "default_template"),
    "gpus": ("filters", "favorite_gpus"),
    "log_level": ("logging", "level"),
}
_REGIONS = {"NA": "North America", "EU": "Europe", "AP": "Asia", "APAC": "Asia"}


class Found(msgspec.Struct, frozen=True):
    """What one tool has left. `values` are settings by name, `left_out` are those that rpd cannot use."""

    name: str
    file: Path
    key: Secret | None
    values: dict[str, Any] = {}
    left_out: tuple[str, ...] = ()


def found_here(environ: Mapping[str, str]) -> list[Found]:
    """Everything there is to take over."""
    home = Path(environ.get("HOME") or "/nonexistent")
    both = (_of_runpod(environ), _of_autopod(home / ".autopod" / "config.json"))
    return [each for each in both if each is not None]


def _of_runpod(environ: Mapping[str, str]) -> Found | None:
    file = runpodctl_file(environ)
    key = runpodctl_key(file)
    return Found(RUNPOD, file, Secret(key)) if key is not None else None


def _of_autopod(file: Path) -> Found | None:
    try:
        told = json.loads(read_regular(file, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    values: dict[str, Any] = {}
    left_out = []
    for name, place in _PLACES.items():
        value = _at(told, *place)
        if name == "region" and isinstance(value, str):
            value = _REGIONS.get(value.upper(), value)
        if value in (None, "", []):
            continue
        try:
            values[name] = BY_NAME[name].read(value)
        except ValueError:
            left_out.append(".".join(place))
    key = _at(told, "runpod", "api_key")
    is_key = isinstance(key, str) and key.strip() and not key.startswith("YOUR_")
    return Found(AUTOPOD, file, Secret(key.strip()) if is_key else None, values, tuple(left_out))


def _at(told: dict[str, Any], table: str, name: str) -> Any:
    inner = told.get(table)
    return inner.get(name) if isinstance(inner, dict) else None
