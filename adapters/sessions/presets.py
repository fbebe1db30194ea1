"""The presets of sessions, from the table beside this file."""

from __future__ import annotations

import functools
import importlib.resources

import msgspec

from rpd.engine.errors import UserError
from rpd.states.ports.session import Service

DEFAULT = "comfyui"


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An image and its services. `page` is what a browser opens at the first of them."""

    about: str
    image: str
    services: tuple[Service, ...] = ()
    page: str = "/"
    env: dict[str, str] = {}


@functools.cache
def presets() -> dict[str, Preset]:
    """All of them, by name."""
    text = importlib.resources.files("rpd.adapters.sessions").joinpath("presets.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, Preset])


def preset_of(name: str) -> Preset:
    """One of them. Raises UserError."""
    found = presets().get(name)
    if found is None:
        raise UserError(f"there is no preset {name}", hint=f"--preset {'|'.join(presets())}", reason="unknown_preset")
    return found
