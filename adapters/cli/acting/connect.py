"""`rpd connect`: in the foreground or in the background."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.adapters.choosing.order import Prefill
from rpd.adapters.sessions.opening import connect
from rpd.adapters.sessions.wish import Wish
from rpd.adapters.settings.settings import Loaded, load
from rpd.adapters.terminal.prompting import can_prompt
from rpd.engine.errors import UserError
from rpd.states.ports.exits import Exit

NAMES = {"datacenter": "datacenters", "port": "ports", "sandbox": "use_sandbox", "open_": "opens_browser"}
"""Options whose name is another one in a `Wish`."""
LISTED = ("gpu", "datacenters", "ports")


def connect_to(options: dict[str, Any], *, detach: bool, as_json: bool) -> int:
    """Begin a session as the options say; the settings, or the person, say the rest. Raises UserError before anything
    is rented."""
    given = {NAMES.get(name, name): value for name, value in options.items() if value is not None}
    said = {name: tuple(value) if name in LISTED else value for name, value in given.items()}
    loaded = load()
    if not said.get("gpu") and can_prompt() and not as_json and not said["yes"]:
        said |= _picked(said, loaded)
    wish = msgspec.convert({**_of_settings(said, loaded), **said}, Wish)
    if not wish.gpu:
        raise UserError("which GPU?", hint="rpd connect --gpu A40   (rpd gpus lists them)", reason="no_gpu")
    if detach:
        from rpd.adapters.sessions.background import connect_in_background

        return connect_in_background(wish, as_json=as_json)
    return connect(wish, as_json=as_json)


def _of_settings(said: dict[str, Any], loaded: Loaded) -> dict[str, Any]:
    """What the settings say where no option does. A region is that of the secure cloud, and a network volume has its
    own."""
    settings = loaded.settings
    cloud = said.get("cloud") or settings.cloud
    found: dict[str, Any] = {"cloud": cloud, "hours": settings.hours, "gpu": settings.gpus}
    if settings.ssh_key_path is not None:
        found["key"] = settings.ssh_key_path
    if settings.region is not None and cloud.upper() == "SECURE" and not said.get("volume"):
        found["datacenters"] = (settings.region,)
    if not any(said.get(name) for name in ("preset", "image", "template")):
        found |= {"image": settings.image} if settings.image is not None else {"preset": settings.preset}
    return found


def _picked(said: dict[str, Any], loaded: Loaded) -> dict[str, Any]:
    """What a person at the terminal picks. Raises UserError."""
    from rpd.adapters.access.clouds import chosen_access
    from rpd.adapters.choosing.market import read_market
    from rpd.adapters.choosing.picker import choose
    from rpd.adapters.local.control import ProcessControl
    from rpd.adapters.local.dirs import state_home
    from rpd.adapters.sessions.presets import presets
    from rpd.adapters.volumes.account import user_errors
    from rpd.adapters.wiring import cloud_for

    names = {name for name in Prefill.__struct_fields__ if said.get(name)}
    asked = Prefill(**{name: said[name] for name in names}, regions=said.get("datacenters", ()))
    cloud = cloud_for(chosen_access(state_home(), use_sandbox=said["use_sandbox"]), ProcessControl())
    try:
        with user_errors():
            market = read_market(cloud)
    finally:
        cloud.close()
    try:
        found = choose(loaded, market, asked, {name: each.about for name, each in presets().items()})
    except KeyboardInterrupt:
        raise UserError("nothing was rented", exit_code=Exit.INTERRUPTED, reason="interrupted") from None
    picks = msgspec.structs.asdict(found)
    picks |= {"gpu": (picks["gpu"],), "datacenters": picks.pop("regions")}
    return {name: value for name, value in picks.items() if value is not None}
