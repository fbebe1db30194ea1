"""The market: GPU types, CPU flavors and data centers of the public lists, with prices and stock that can be moved."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from rpd.adapters.sandbox.cloud.bodies import whole_number
from rpd.adapters.sandbox.cloud.model import State
from rpd.adapters.sandbox.cloud.problems import Problem, bad_request, not_found

LEVELS = ("NONE", "LOW", "MEDIUM", "HIGH")
EVERYWHERE = "*"


class Gpu(msgspec.Struct, frozen=True, rename="camel"):
    """A GPU type. `secure` and `community` are $/h for one; 0 means not sold there. `memory` in GB."""

    id: str
    name: str
    pool: str | None
    manufacturer: str
    memory: int
    secure: float
    community: float
    max_secure: int
    max_community: int


class Cpu(msgspec.Struct, frozen=True, rename="camel"):
    """A CPU flavor."""

    id: str
    name: str
    group: str
    vcpu: dict[str, int]
    ram_gb_per_vcpu: float
    price: dict[str, float]


class DataCenter(msgspec.Struct, frozen=True, rename="camel"):
    """A data center; `country` is the ISO code used by filters and not shown."""

    id: str
    name: str
    region: str
    country: str
    network_volume_types: list[str]
    compliance: list[str]
    global_network: bool


class Catalog(msgspec.Struct, frozen=True, rename="camel"):
    """The lists as shipped, of the month named in `as_of`."""

    as_of: str
    cuda_versions: list[str]
    gpus: list[Gpu]
    cpus: list[Cpu]
    data_centers: list[DataCenter]
    templates: list[dict[str, Any]]

    def gpu(self, gpu_id: str) -> Gpu | None:
        """The type with exactly this id; ids are never normalised (one holds two blanks)."""
        return next((gpu for gpu in self.gpus if gpu.id == gpu_id), None)

    def cpu(self, cpu_id: str) -> Cpu | None:
        """The flavor with this id."""
        return next((cpu for cpu in self.cpus if cpu.id == cpu_id), None)

    def data_center(self, data_center_id: str) -> DataCenter | None:
        """The data center with this id."""
        return next((place for place in self.data_centers if place.id == data_center_id), None)


@cache
def shipped() -> Catalog:
    """The catalog that comes with the package (immutable, so reading it once is enough)."""
    return msgspec.json.decode(files("rpd.adapters.sandbox.cloud").joinpath("catalog.json").read_bytes(), type=Catalog)


def price(state: State, gpu: Gpu, cloud: str) -> float:
    """$/h for one GPU in this cloud, after overrides; 0 where it is not sold."""
    key = cloud.lower()
    return state.prices.get(gpu.id, {}).get(key, gpu.secure if key == "secure" else gpu.community)


def stock(state: State, gpu_id: str, data_center_id: str) -> str:
    """The availability level of a GPU type in a data center; everything is in stock unless somebody moved it."""
    levels = state.stock.get(gpu_id, {})
    return levels.get(data_center_id, levels.get(EVERYWHERE, "HIGH"))


def place(state: State, gpu: Gpu, count: int, cloud: str, wanted: list[str]) -> str | None:
    """The data center that takes such a pod now, in the order wanted; None when none does."""
    if gpu.id == "unknown" or price(state, gpu, cloud) <= 0:
        return None
    if count > (gpu.max_secure if cloud == "SECURE" else gpu.max_community):
        return None
    known = [item.id for item in shipped().data_centers]
    candidates = [item for item in wanted if item in known] if wanted else known
    return next((item for item in candidates if stock(state, gpu.id, item) != "NONE"), None)


def gpu_view(state: State, gpu: Gpu, query: Availability | None) -> dict[str, Any] | None:
    """The type as the API shows it; None when the query's countries hold no data center for it."""
    secure, community = price(state, gpu, "SECURE"), price(state, gpu, "COMMUNITY")
    view: dict[str, Any] = {
        "id": gpu.id,
        "name": gpu.name,
        "pool": gpu.pool,
        "manufacturer": gpu.manufacturer,
        "memory": gpu.memory,
        "secure": secure > 0,
        "community": community > 0,
        "price": {"secure": secure, "community": community},
        "maxCount": {"secure": gpu.max_secure, "community": gpu.max_community},
    }
    if query is None:
        return view
    places = [item for item in shipped().data_centers if not query.countries or item.country in query.countries]
    levels = {item.id: stock(state, gpu.id, item.id) for item in places}
    sold = place(state, gpu, query.count, query.cloud, list(levels)) is not None if levels else False
    if not sold:
        levels = dict.fromkeys(levels, "NONE")
    view["availability"] = max(levels.values(), key=LEVELS.index, default="NONE")
    view["dataCenters"] = [{"id": item.id, "name": item.name, "availability": levels[item.id]} for item in places]
    view["cudaVersions"] = [{"version": item, "available": sold} for item in shipped().cuda_versions]
    return view


class Availability(msgspec.Struct, frozen=True):
    """What a catalog read asks about stock."""

    count: int = 1
    cloud: str = "SECURE"
    countries: tuple[str, ...] = ()


def public_template(template_id: str) -> dict[str, Any] | None:
    """The public template of this id."""
    return next((item for item in shipped().templates if item["id"] == template_id), None)


def availability_query(params: dict[str, str]) -> Availability | None:
    """The stock question in these query parameters; None without one. Raises Problem for half a question."""
    include, product = params.get("include"), params.get("product")
    if include is not None and include != "AVAILABILITY":
        raise Problem(422, "Request validation failed.", errors=("include: value must be one of 'AVAILABILITY'",))
    if (include is None) != (product is None):
        missing = "product" if product is None else "include=AVAILABILITY"
        raise bad_request(f"include=AVAILABILITY and product belong together: {missing} is required")
    if include is None:
        return None
    count = whole_number("count", params.get("count", "1"), 1, 1000)
    countries = tuple(item for item in params.get("countryCodes", "").split(",") if item)
    return Availability(count=count, cloud=params.get("cloud", "SECURE"), countries=countries)


def cpu_view(cpu: Cpu, query: Availability | None) -> dict[str, Any]:
    """The flavor as the API shows it."""
    view: dict[str, Any] = {
        "id": cpu.id,
        "name": cpu.name,
        "group": cpu.group,
        "vcpu": cpu.vcpu,
        "ramGbPerVcpu": cpu.ram_gb_per_vcpu,
        "price": cpu.price,
    }
    if query is not None:
        view["availability"] = "HIGH"
        view["dataCenters"] = [
            {"id": item.id, "name": item.name, "availability": "HIGH"} for item in shipped().data_centers
        ]
    return view


def data_center_view(state: State, item: DataCenter, includes: set[str]) -> dict[str, Any]:
    """The data center as the API shows it, with its stock when asked."""
    view: dict[str, Any] = {
        "id": item.id,
        "name": item.name,
        "region": item.region,
        "networkVolumeTypes": item.network_volume_types,
        "compliance": item.compliance,
        "globalNetwork": item.global_network,
    }
    if "GPU_AVAILABILITY" in includes:
        view["gpuAvailability"] = [
            {"id": gpu.id, "name": gpu.name, "availability": stock(state, gpu.id, item.id)}
            for gpu in shipped().gpus
            if gpu.id != "unknown" and price(state, gpu, "SECURE") > 0
        ]
    if "CPU_AVAILABILITY" in includes:
        view["cpuAvailability"] = [{"id": cpu.id, "name": cpu.name, "availability": "HIGH"} for cpu in shipped().cpus]
    return view


def require_data_center(data_center_id: str) -> DataCenter:
    """The data center with this id. Raises Problem 404."""
    found = shipped().data_center(data_center_id)
    if found is None:
        raise not_found("data center")
    return found
