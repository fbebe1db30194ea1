"""`rpd connect`: in the foreground or in the background."""

from __future__ import annotations

from rpd.adapters.sessions.opening import connect
from rpd.adapters.sessions.wish import Wish
from rpd.engine.errors import UserError


def connect_to(wish: Wish, *, detach: bool, as_json: bool) -> int:
    """Begin a session. Raises UserError before anything is rented."""
    if not wish.gpu:
        raise UserError("which GPU?", hint="rpd connect --gpu A40   (rpd gpus lists them)", reason="no_gpu")
    if detach:
        from rpd.adapters.sessions.background import connect_in_background

        return connect_in_background(wish, as_json=as_json)
    return connect(wish, as_json=as_json)
