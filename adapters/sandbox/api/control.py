"""The control channel, outside /v2: what tests and people do to the sandbox itself. It takes the account's key only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox.api.answers import document
from rpd.adapters.sandbox.cloud import accidents, catalog, faults, ledger
from rpd.adapters.sandbox.cloud.bodies import body_of, decode
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel
from rpd.adapters.sandbox.cloud.problems import not_found, unprocessable
from rpd.adapters.sandbox.cloud.truth import truth


def routes() -> list[Route]:
    """All of them."""
    return [
        Route("/sandbox/status", show_status, methods=["GET"]),
        Route("/sandbox/truth", show_truth, methods=["GET"]),
        Route("/sandbox/faults", show_faults, methods=["GET"]),
        Route("/sandbox/faults", arm_fault, methods=["POST"]),
        Route("/sandbox/faults", clear_faults, methods=["DELETE"]),
        Route("/sandbox/scenario", play_scenario, methods=["POST"]),
        Route("/sandbox/pods/{pod_id}/{what}", act_on_pod, methods=["POST"]),
        Route("/sandbox/reset", reset, methods=["POST"]),
        Route("/sandbox/shutdown", shut_down, methods=["POST"]),
    ]


async def show_status(request: Request) -> Response:
    """What runs and what it costs."""
    cloud: CloudModel = request.app.state.cloud
    now = cloud.now()
    pods = cloud.state.pods.values()
    return document(
        {
            "isolation": cloud.runtime.isolation,
            "boot_seconds": cloud.state.boot_seconds,
            "live_pods": sum(pod.is_live for pod in pods),
            "stopped_pods": sum(pod.status == "EXITED" for pod in pods),
            "armed_faults": [fault.id for fault in cloud.state.faults],
            "balance_usd": round(ledger.balance(cloud.state, now), 4),
            "spent_usd": round(ledger.spent(cloud.state, now), 6),
        }
    )


async def show_truth(request: Request) -> Response:
    """The outside view."""
    cloud: CloudModel = request.app.state.cloud
    return document(truth(cloud.state, cloud.runtime.starts_file, cloud.now()))


async def show_faults(request: Request) -> Response:
    """What is armed, and how often each fault has struck."""
    cloud: CloudModel = request.app.state.cloud
    armed = [msgspec.to_builtins(fault) for fault in cloud.state.faults]
    return document({"armed": armed, "struck": cloud.state.struck})


async def arm_fault(request: Request) -> Response:
    """Arm one: {"id", "times"?, "after"?, "pod"?, "set"?}."""
    cloud: CloudModel = request.app.state.cloud
    accidents.arm(cloud, faults.parse(await _body(request)))
    return await show_faults(request)


async def clear_faults(request: Request) -> Response:
    """Disarm one (?id=), or all."""
    cloud: CloudModel = request.app.state.cloud
    accidents.clear(cloud, request.query_params.get("id"))
    return await show_faults(request)


async def play_scenario(request: Request) -> Response:
    """Apply settings: boot_seconds, balance_usd, stock, prices, faults; each optional."""
    cloud: CloudModel = request.app.state.cloud
    body = await _body(request)
    setters: dict[str, Callable[[CloudModel, Any], None]] = {
        "boot_seconds": _set_boot_seconds,
        "balance_usd": _set_balance,
        "stock": _set_stock,
        "prices": _set_prices,
        "faults": _set_faults,
    }
    unknown = [name for name in body if name not in setters and name != "about"]
    if unknown:
        raise unprocessable(f"unknown setting {', '.join(unknown)}; known: {', '.join(setters)}")
    for name, setter in setters.items():
        if name in body:
            try:
                setter(cloud, body[name])
            except (TypeError, ValueError, AttributeError) as error:
                raise unprocessable(f"{name}: {error}") from error
    cloud.save()
    return await show_status(request)


async def act_on_pod(request: Request) -> Response:
    """Somebody else's hand on a pod: stop, delete, or host-down."""
    cloud: CloudModel = request.app.state.cloud
    pod = cloud.find(request.path_params["pod_id"])
    if pod is None:
        raise not_found("pod")
    what = request.path_params["what"]
    if what == "stop":
        await accidents.stop_from_outside(cloud, pod)
    elif what == "delete":
        await cloud.delete(pod)
    elif what == "host-down":
        await accidents.hide_host(cloud, pod, "nothing", 0.0)
    else:
        raise not_found("action")
    return await show_truth(request)


async def reset(request: Request) -> Response:
    """Delete all pods and forget everything."""
    cloud: CloudModel = request.app.state.cloud
    await cloud.reset()
    return await show_status(request)


async def shut_down(request: Request) -> Response:
    """End the daemon and every process of its pods; the state stays."""
    request.app.state.shut_down()
    return document({"stopping": True}, 202)


def _set_boot_seconds(cloud: CloudModel, value: Any) -> None:
    seconds = float(value)
    if seconds < 0:
        raise ValueError("must not be negative")
    cloud.state.boot_seconds = seconds


def _set_balance(cloud: CloudModel, value: Any) -> None:
    cloud.state.deposited_usd = float(value) + ledger.spent(cloud.state, cloud.now())


def _set_stock(cloud: CloudModel, value: Any) -> None:
    """{"<gpu id>": "<level>" or {"<data center id or *>": "<level>"}}; "*" as GPU means all types."""
    for gpu_id, levels in value.items():
        by_place = levels if isinstance(levels, dict) else {catalog.EVERYWHERE: levels}
        if not set(by_place.values()) <= set(catalog.LEVELS):
            raise ValueError(f"a level is one of {', '.join(catalog.LEVELS)}")
        named = [gpu.id for gpu in catalog.shipped().gpus] if gpu_id == catalog.EVERYWHERE else [gpu_id]
        for item in named:
            if catalog.shipped().gpu(item) is None:
                raise ValueError(f"no GPU type {item!r}")
            cloud.state.stock.setdefault(item, {}).update(by_place)


def _set_prices(cloud: CloudModel, value: Any) -> None:
    """{"<gpu id>": {"secure": $/h, "community": $/h}}."""
    for gpu_id, prices in value.items():
        if catalog.shipped().gpu(gpu_id) is None:
            raise ValueError(f"no GPU type {gpu_id!r}")
        cloud.state.prices[gpu_id] = {str(name): float(price) for name, price in prices.items()}


def _set_faults(cloud: CloudModel, value: Any) -> None:
    for item in value:
        accidents.arm(cloud, faults.parse(item))


async def _body(request: Request) -> dict[str, Any]:
    body = decode(await body_of(request))
    if not isinstance(body, dict):
        raise unprocessable("$: want object")
    return body
