"""`rpd connect`: in the foreground or in the background."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.adapters.sessions.choice import completed
from rpd.adapters.sessions.opening import connect
from rpd.adapters.sessions.wish import Wish

NAMES = {"datacenter": "datacenters", "port": "ports", "sandbox": "use_sandbox", "open_": "opens_browser"}
"""Options whose name is another one in a `Wish`."""


def connect_to(options: dict[str, Any], *, detach: bool, as_json: bool) -> int:
    """Begin a session as the options say. Raises UserError before anything is rented."""
    listed = {
        name: tuple(value or ()) if name in ("gpu", "datacenter", "port") else value for name, value in options.items()
    }
    wish = msgspec.convert(completed({NAMES.get(name, name): value for name, value in listed.items()}), Wish)
    if detach:
        from rpd.adapters.sessions.background import connect_in_background

        return connect_in_background(wish, as_json=as_json)
    return connect(wish, as_json=as_json)
