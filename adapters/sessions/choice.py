"""What flags leave open of a session: settings say it, or a person picks it at a terminal."""

from __future__ import annotations

from typing import Any

from rpd.adapters.access.clouds import chosen_access
from rpd.adapters.choosing.market import read_market
from rpd.adapters.choosing.order import PodChoice, Prefill
from rpd.adapters.choosing.picker import choose
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.settings.settings import Loaded, load
from rpd.adapters.wiring import cloud_for


def completed(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a `Wish`, with what the flags leave open (None, or nothing in a list). Without a GPU the market is
    read, and a person is asked unless `yes` is set. Raises UserError."""
    loaded = load()
    settings = loaded.settings
    if not options["gpu"]:
        options |= _picked(options, loaded)
    named = options["preset"] or options["image"] or options["template"]
    usual: dict[str, Any] = {} if named else {"preset": settings.preset, "image": settings.image}
    usual |= {"cloud": settings.cloud, "hours": settings.hours, "gpu_count": 1, "key": settings.ssh_key_path}
    if settings.region is not None and (options["cloud"] or settings.cloud).upper() == "SECURE":
        usual["datacenters"] = (settings.region,)
    return {name: usual.get(name, value) if value in (None, ()) else value for name, value in options.items()}


def _picked(options: dict[str, Any], loaded: Loaded) -> dict[str, Any]:
    access = chosen_access(state_home(), use_sandbox=options["use_sandbox"])
    cloud = cloud_for(access, ProcessControl())
    try:
        market = read_market(cloud, with_volumes=True)
    finally:
        cloud.close()
    places = options["datacenters"]
    known = {name: options[name] for name in ("cloud", "gpu_count", "preset", "image", "template", "volume", "hours")}
    said = Prefill(**known, region=places[0] if places else None)
    choice = choose(loaded, market, said, asks=False if options["yes"] else None)
    return _fields(choice, loaded.settings.image) | ({"datacenters": places} if places else {})


def _fields(choice: PodChoice, usual_image: str | None) -> dict[str, Any]:
    """An image that the person has just named has the services that `--port` names, and not those of the preset."""
    is_usual = choice.template is None and choice.image in (None, usual_image)
    return {
        "gpu": choice.gpus,
        "gpu_count": choice.gpu_count,
        "cloud": choice.cloud,
        "datacenters": choice.datacenters,
        "preset": choice.preset if is_usual else None,
        "image": choice.image,
        "volume": choice.volume.id if choice.volume is not None else None,
        "hours": choice.hours,
    }
