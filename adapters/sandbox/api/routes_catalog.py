"""The routes under /v2/catalog."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox.api.answers import document, whole_list
from rpd.adapters.sandbox.cloud import catalog, faults
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel
from rpd.adapters.sandbox.cloud.problems import bad_request, not_found, unprocessable

_DATA_CENTER_INCLUDES = {"GPU_AVAILABILITY", "CPU_AVAILABILITY"}
_TEMPLATE_SOURCES = ("official", "verified", "community")


def routes() -> list[Route]:
    """All of them."""
    return [
        Route("/v2/catalog/gpus", list_gpus, methods=["GET"]),
        Route("/v2/catalog/gpus/{gpu_id:path}", get_gpu, methods=["GET"]),
        Route("/v2/catalog/cpus", list_cpus, methods=["GET"]),
        Route("/v2/catalog/cpus/{cpu_id}", get_cpu, methods=["GET"]),
        Route("/v2/catalog/datacenters", list_data_centers, methods=["GET"]),
        Route("/v2/catalog/datacenters/{data_center_id}", get_data_center, methods=["GET"]),
        Route("/v2/catalog/templates", list_templates, methods=["GET"]),
    ]


async def list_gpus(request: Request) -> Response:
    """GPU types with list prices and, when asked, stock."""
    cloud = _cloud(request)
    query = catalog.availability_query(dict(request.query_params))
    known = {item.country for item in catalog.shipped().data_centers}
    if query is not None and query.countries and not known.intersection(query.countries):
        return whole_list("gpus", [])
    return whole_list("gpus", [catalog.gpu_view(cloud.state, gpu, query) for gpu in catalog.shipped().gpus])


async def get_gpu(request: Request) -> Response:
    """One GPU type."""
    cloud = _cloud(request)
    gpu = catalog.shipped().gpu(request.path_params["gpu_id"])
    if gpu is None:
        raise not_found("GPU type")
    query = catalog.availability_query(dict(request.query_params))
    return document(catalog.gpu_view(cloud.state, gpu, query))


async def list_cpus(request: Request) -> Response:
    """CPU flavors."""
    _cloud(request)
    query = catalog.availability_query(dict(request.query_params))
    return whole_list("cpus", [catalog.cpu_view(cpu, query) for cpu in catalog.shipped().cpus])


async def get_cpu(request: Request) -> Response:
    """One CPU flavor."""
    _cloud(request)
    cpu = catalog.shipped().cpu(request.path_params["cpu_id"])
    if cpu is None:
        raise not_found("CPU flavor")
    return document(catalog.cpu_view(cpu, catalog.availability_query(dict(request.query_params))))


async def list_data_centers(request: Request) -> Response:
    """Data centers, filtered; stock per GPU type when asked."""
    cloud = _cloud(request)
    params = request.query_params
    includes = _includes(params.get("include"))
    regions = _words(params.get("regions"))
    volumes = _words(params.get("networkVolumeTypes"))
    compliance = _words(params.get("compliance"))
    network = params.get("globalNetwork")
    chosen = [
        item
        for item in catalog.shipped().data_centers
        if (not regions or item.region in regions)
        and volumes.issubset(item.network_volume_types)
        and compliance.issubset(item.compliance)
        and (network is None or item.global_network == (network.lower() == "true"))
    ]
    return whole_list("dataCenters", [catalog.data_center_view(cloud.state, item, includes) for item in chosen])


async def get_data_center(request: Request) -> Response:
    """One data center."""
    cloud = _cloud(request)
    item = catalog.require_data_center(request.path_params["data_center_id"])
    return document(catalog.data_center_view(cloud.state, item, _includes(request.query_params.get("include"))))


async def list_templates(request: Request) -> Response:
    """Public templates; only the official slice has any."""
    source = request.query_params.get("source", "official")
    if source not in _TEMPLATE_SOURCES:
        raise unprocessable(f"source: value must be one of {', '.join(_TEMPLATE_SOURCES)}")
    return whole_list("templates", catalog.shipped().templates if source == "official" else [])


def _cloud(request: Request) -> CloudModel:
    cloud: CloudModel = request.app.state.cloud
    if faults.strike(cloud.state, "F7") is not None:
        raise bad_request("include=AVAILABILITY and product belong together: product is required")
    return cloud


def _includes(text: str | None) -> set[str]:
    includes = _words(text)
    if not includes <= _DATA_CENTER_INCLUDES:
        raise unprocessable("include: value must be one of 'GPU_AVAILABILITY', 'CPU_AVAILABILITY'")
    return includes


def _words(text: str | None) -> set[str]:
    return {item for item in (text or "").split(",") if item}
