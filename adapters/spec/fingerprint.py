"""What makes two rendered job files the same job, whenever and wherever they ran."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def fingerprint(config: Mapping[str, Any], run_id: str, project_root: str | None = None) -> str:
    """A sha256 over everything but the run id, and but for the place of the project if its root is given. Each run has
    an id of its own, and a checkout of the same commit may be anywhere. `config` holds masked secrets."""
    text = json.dumps(_from_root(config, project_root), sort_keys=True).replace(run_id, "{run_id}")
    return hashlib.sha256(text.encode()).hexdigest()


def _from_root(value: Any, root: str | None) -> Any:
    """The same value, with the project's own paths relative to its root."""
    if isinstance(value, str):
        is_inside = root is not None and (value == root or value.startswith(f"{root}/"))
        return "{project_root}" + value.removeprefix(root or "") if is_inside else value
    if isinstance(value, Mapping):
        return {key: _from_root(item, root) for key, item in value.items()}
    return [_from_root(item, root) for item in value] if isinstance(value, list | tuple) else value
