"""`rpd connect`: in the foreground or in the background."""

from __future__ import annotations

from typing import Any

from rpd.adapters.sessions.opening import connect
from rpd.adapters.sessions.wish import Wish
from rpd.engine.errors import UserError

NAMES = {"datacenter": "datacenters", "port": "ports", "sandbox": "use_sandbox", "open_": "opens_browser"}
"""Options whose name is another one in a `Wish`."""


def connect_to(options: dict[str, Any], *, detach: bool, as_json: bool) -> int:
    """Begin a session as the options say. Raises UserError before anything is rented."""
    several = ("gpu", "datacenter", "port")
    values: dict[str, Any] = {
        NAMES.get(name, name): tuple(value or ()) if name in several else value for name, value in options.items()
    }
    wish = Wish(**values)
    if not wish.gpu:
        raise UserError("which GPU?", hint="rpd connect --gpu A40   (rpd gpus lists them)", reason="no_gpu")
    if detach:
        from rpd.adapters.sessions.background import connect_in_background

        return connect_in_background(wish, as_json=as_json)
    return connect(wish, as_json=as_json)
