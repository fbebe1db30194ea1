"""What a person wants of a new session, and the job and services that this means."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.sessions.presets import DEFAULT, Preset, preset_of
from rpd.adapters.spec.yaml_source import YamlSource
from rpd.engine.errors import UserError
from rpd.states.ports.session import Service, SessionSpec

HOURS = 4.0
"""How long a session may last if nobody says more."""
HOURS_MAX = 24.0 * 30
READY_MINUTES = 10.0
"""How long a host may take to come up, and after that a service to answer, if nobody says otherwise."""
READY_MINUTES_MAX = 24.0 * 60
NO_FILE = "(rpd connect)"
_PORT = re.compile(r"([1-9][0-9]{0,4})(/[!-~]*)?\Z")


class Wish(msgspec.Struct, frozen=True):
    """The flags of `rpd connect`, or the answers of a picker. Prices in USD per GPU and hour, sizes in GB.

    A port is `8888` or `8888/path`, where the path is the one that must answer. None: as the preset says. `image`
    without a preset has only the ports that are named.
    """

    gpu: tuple[str, ...]
    gpu_count: int = 1
    cloud: str = "SECURE"
    datacenters: tuple[str, ...] = ()
    image: str | None = None
    preset: str | None = None
    template: str | None = None
    ports: tuple[str, ...] = ()
    start_command: str | None = None
    volume: str | None = None
    volume_gb: int | None = None
    disk_gb: int | None = None
    hours: float = HOURS
    ready_minutes: float = READY_MINUTES
    max_price: float | None = None
    name: str | None = None
    key: str | None = None
    use_sandbox: bool = False
    yes: bool = False
    opens_browser: bool = False

    @property
    def chosen(self) -> Preset:
        """The preset, or an image of the person's own."""
        if self.preset is None and (self.image or self.template):
            return Preset("an image of your own", self.image or "")
        return preset_of(self.preset or DEFAULT)

    @property
    def spec(self) -> SessionSpec:
        """The services. Raises UserError for a port that is none."""
        services = tuple(map(_service, self.ports)) or self.chosen.services
        numbers = [each.port for each in services]
        if len(set(numbers)) < len(numbers):
            raise UserError("a port is named twice", hint="--port 8188 --port 8888")
        is_preset = self.preset is not None or not (self.image or self.template)
        return SessionSpec(services, self.ready_minutes * 60.0, (self.preset or DEFAULT) if is_preset else "")


def source_of(wish: Wish, name: str, max_usd: float | None, folder: Path) -> YamlSource:
    """The job in whose form record 0 keeps what to rent. It has nothing to run, and its files are below `folder`,
    wherever the person stands."""
    if not 0.0 < wish.hours <= HOURS_MAX:
        raise UserError(f"{wish.hours:g} hours are no length of a session", hint=f"--hours 1 to --hours {HOURS_MAX:g}")
    if not 0.0 < wish.ready_minutes <= READY_MINUTES_MAX:
        hint = f"--ready-minutes 1 to --ready-minutes {READY_MINUTES_MAX:g}"
        raise UserError(f"nothing can be ready in {wish.ready_minutes:g} minutes", hint=hint)
    if wish.cloud.upper() not in ("SECURE", "COMMUNITY"):
        raise UserError(f"there is no cloud {wish.cloud}", hint="--cloud secure, or --cloud community")
    chosen = wish.chosen
    pod: dict[str, Any] = {
        "image": wish.image or ("" if wish.template else chosen.image),
        "gpu_order": list(wish.gpu),
        "gpu_count": wish.gpu_count,
        "cloud_type": wish.cloud.upper(),
        "datacenters": list(wish.datacenters),
        "env": chosen.env,
    }
    pod |= _named(template_id=wish.template, args=wish.start_command, container_disk_gb=wish.disk_gb)
    storage: dict[str, Any] = _named(volume_gb=wish.volume_gb)
    if wish.volume:
        storage = {"mode": "network_volume", "volume_name": wish.volume}
    budget = _named(max_gpu_price_usd=wish.max_price, max_usd=max_usd)
    budget |= {"max_runtime_minutes": wish.hours * 60.0, "ssh_ready_timeout_sec": wish.ready_minutes * 60.0}
    data: dict[str, Any] = {
        "name": name,
        "pod": pod,
        "run": {"body": ":"},
        "storage": storage,
        "budget": budget,
        "ssh": _named(key_path=wish.key),
        "local": {"project_root": str(folder)},
    }
    return YamlSource(NO_FILE, data, {}, {}, hashlib.sha256(msgspec.json.encode(data)).hexdigest())


def most_usd(wish: Wish, rates: Sequence[float | None]) -> float | None:
    """The most that the session may cost: the dearest of these rates for the whole time, and a quarter more. None
    without a price.
    """
    known = [rate for rate in rates if rate is not None]
    return math.ceil(max(known) * wish.hours * 1.25 * 100.0 + 50.0) / 100.0 if known else None


def _service(text: str) -> Service:
    found = _PORT.match(text)
    if found is None or int(found[1]) > 65535:
        raise UserError(
            f"--port {text} is no port", hint="--port 8888, or --port 8888/ready for a path that must answer"
        )
    return Service(int(found[1]), found[2] or "/")


def _named(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
