"""From a create request to a pod on a host: the rules beyond the schema, the refusals, the choice of a data center."""

from __future__ import annotations

import re
from typing import Any

from rpd.adapters.sandbox.cloud import catalog, faults, ledger
from rpd.adapters.sandbox.cloud.bodies import CREATE_POD, parse
from rpd.adapters.sandbox.cloud.model import Pod, State
from rpd.adapters.sandbox.cloud.problems import Problem, bad_request, forbidden, not_found, out_of_stock, unprocessable

_PORT = re.compile(r"^\d{1,5}/(http|tcp)$")
_MAX_ENV = 50
_MAX_HTTP_PORTS = 10
USUAL_GB, USUAL_VCPUS = 31, 8
"""What a host gives with each GPU when no floor is asked for."""
HOST_GB_PER_VRAM, LEAST_HOST_GB, HOST_VCPUS = 4, 64, 32
"""The most that any host has for one GPU: GB by its own memory, and vCPUs."""


def order(state: State, raw: bytes, now: float) -> Pod:
    """The pod a create request asks for, placed but not yet admitted (no id). Raises Problem when it is refused."""
    body = parse(raw, CREATE_POD)
    _refuse_by_fault(state, body)
    if "templateId" in body:
        body = _with_template(state, body)
    elif "image" not in body:
        raise unprocessable("$: missing property 'image'")
    check_container(body, state)
    if ("gpu" in body) == ("cpu" in body):
        raise bad_request("exactly one of gpu or cpu must be set")
    pod = Pod(
        id="",
        seq=0,
        key="",
        name=body["name"],
        image=body["image"],
        created_at=now,
        args=body.get("args", ""),
        disk=int(body.get("disk", 0)),
        env=dict(body.get("env", {})),
        ports=list(body.get("ports", [])),
        registry=body.get("registry"),
        cloud=body.get("cloud", "SECURE"),
        has_global_network=body.get("globalNetworking", False),
        planned_boot_seconds=state.boot_seconds,
    )
    _inject_keys(state, body, pod)
    _attach_mounts(state, body, pod)
    _place(state, body, pod)
    if "disk" not in body:
        raise bad_request("container disk size is required for the selected machine")
    if ledger.balance(state, now) < pod.compute_rate:
        raise Problem(402, "Insufficient balance to deploy this pod. Please add funds to your account.")
    return pod


def check_container(body: dict[str, Any], state: State) -> None:
    """The rules a container's settings follow beyond their types. Raises Problem."""
    bad = [port for port in body.get("ports", []) if not _PORT.match(port)]
    if bad:
        raise bad_request(f"invalid port '{bad[0]}': want port/http or port/tcp")
    if sum(port.endswith("/http") for port in body.get("ports", [])) > _MAX_HTTP_PORTS:
        raise bad_request(f"at most {_MAX_HTTP_PORTS} http ports are allowed")
    if len(body.get("env", {})) > _MAX_ENV:
        raise bad_request(f"at most {_MAX_ENV} environment variables are allowed")
    if body.get("registry") not in (None, *state.registries):
        raise bad_request("Registry auth not found")
    image = body.get("image", "")
    if "image" in body and (not image or image.startswith("missing/")):
        raise Problem(422, f"image '{image}' was not found in its registry")


def _refuse_by_fault(state: State, body: dict[str, Any]) -> None:
    gpu = body.get("gpu", {})

    def has_constraint(options: dict[str, str]) -> bool:
        because = options.get("because", "datacenter")
        if because == "cuda":
            return "minCudaVersion" in gpu or bool(gpu.get("allowedCudaVersions"))
        return bool(body.get("dataCenterIds")) if because == "datacenter" else "disk" in body

    stockout = faults.strike(state, "F1", fits=lambda o: o.get("gpu", gpu.get("id")) == gpu.get("id"))
    if stockout is not None or faults.strike(state, "F2", fits=has_constraint) is not None:
        raise out_of_stock()
    if faults.strike(state, "F3") is not None:
        raise out_of_stock()
    if faults.strike(state, "F4") is not None:
        raise bad_request("container disk size is required for the selected machine")
    if faults.strike(state, "F5") is not None:
        raise Problem(422, f"image '{body.get('image', '')}' was not found in its registry")
    invalid = faults.strike(state, "F6")
    if invalid is not None:
        raise unprocessable(invalid.get("line", "$: additional properties 'x' not allowed"))
    refused = faults.strike(state, "F8")
    if refused is not None:
        if refused.get("how") == "pool":
            raise forbidden("your account does not have access to this GPU pool")
        raise Problem(402, "Insufficient balance to deploy this pod. Please add funds to your account.")


def _with_template(state: State, body: dict[str, Any]) -> dict[str, Any]:
    template = state.templates.get(body["templateId"]) or catalog.public_template(body["templateId"])
    if template is None:
        raise not_found("template")
    if template["serverless"]:
        raise unprocessable("$.templateId: a serverless template cannot be used for a pod")
    taken = ("image", "args", "disk", "ports", "registry", "mounts", "startSsh", "startJupyter")
    merged = {name: template[name] for name in taken} | body
    merged["env"] = {**template["env"], **body.get("env", {})}
    return merged


def _inject_keys(state: State, body: dict[str, Any], pod: Pod) -> None:
    if body.get("startSsh") and state.ssh_keys and "PUBLIC_KEY" not in pod.env:
        pod.env["PUBLIC_KEY"] = "\n".join(state.ssh_keys)
    if body.get("startJupyter"):
        pod.env.setdefault("JUPYTER_PASSWORD", "sandbox")


def _attach_mounts(state: State, body: dict[str, Any], pod: Pod) -> None:
    mounts = body.get("mounts", {})
    persistent, network = mounts.get("persistent"), mounts.get("network") or []
    if persistent and network:
        raise bad_request("mounts.persistent and mounts.network are mutually exclusive")
    if persistent and "cpu" in body:
        raise bad_request("mounts.persistent is not supported on CPU pods")
    if persistent:
        pod.persistent_gb, pod.volume_path = int(persistent["size"]), persistent["path"]
    if not network:
        return
    volume = state.volumes.get(network[0]["volumeId"])
    if volume is None or volume.until is not None:
        raise not_found("network volume")
    if pod.cloud != "SECURE":
        raise bad_request("network volumes are available in SECURE cloud only")
    wanted = body.get("dataCenterIds") or [volume.datacenter]
    if volume.datacenter not in wanted:
        raise bad_request(f"network volume {volume.id} is in {volume.datacenter}, which is not among dataCenterIds")
    body["dataCenterIds"] = [volume.datacenter]
    pod.network_volume_id, pod.volume_path = volume.id, network[0]["path"]


def _place(state: State, body: dict[str, Any], pod: Pod) -> None:
    wanted = body.get("dataCenterIds", [])
    if "cpu" in body:
        _place_cpu(body["cpu"], wanted, pod)
        return
    gpu = catalog.shipped().gpu(body["gpu"]["id"])
    if gpu is None:
        raise bad_request(f"GPU type '{body['gpu']['id']}' does not exist")
    count = body["gpu"].get("count")
    memory, vcpus = _floor(body["gpu"], "minRamPerGpu"), _floor(body["gpu"], "minVcpuCountPerGpu")
    most_memory = max(LEAST_HOST_GB, HOST_GB_PER_VRAM * gpu.memory)
    if count is None or not _has_cuda(body["gpu"]) or memory > most_memory or vcpus > HOST_VCPUS:
        raise out_of_stock()
    chosen = catalog.place(state, gpu, int(count), pod.cloud, wanted)
    if chosen is None:
        raise out_of_stock()
    pod.datacenter = chosen
    pod.gpu_id, pod.gpu_count, pod.gpus_given = gpu.id, int(count), int(count)
    pod.memory, pod.vcpus = max(memory, USUAL_GB) * int(count), max(vcpus, USUAL_VCPUS) * int(count)
    pod.compute_rate = round(catalog.price(state, gpu, pod.cloud) * int(count), 4)


def _floor(gpu: dict[str, Any], name: str) -> int:
    return int(gpu.get(name, 1))


def _place_cpu(wanted_cpu: dict[str, Any], wanted: list[str], pod: Pod) -> None:
    flavor = catalog.shipped().cpu(wanted_cpu["id"])
    vcpus = int(wanted_cpu["vcpuCount"])
    if flavor is None:
        raise bad_request(f"CPU flavor '{wanted_cpu['id']}' does not exist")
    if vcpus & (vcpus - 1) or not flavor.vcpu["min"] <= vcpus <= flavor.vcpu["max"]:
        raise bad_request(f"vcpuCount {vcpus} is not valid for {flavor.id}")
    known = [item.id for item in catalog.shipped().data_centers]
    chosen = next((item for item in (wanted or known) if item in known), None)
    if chosen is None:
        raise out_of_stock()
    pod.datacenter = chosen
    pod.cpu_id, pod.vcpus, pod.memory = flavor.id, vcpus, int(vcpus * flavor.ram_gb_per_vcpu)
    pod.compute_rate = round(flavor.price["securePerVcpu"] * vcpus, 4)


def _has_cuda(gpu: dict[str, Any]) -> bool:
    """Whether some host has a CUDA version this order accepts. Raises Problem when it asks in two ways at once."""
    exact, lowest = gpu.get("allowedCudaVersions") or [], gpu.get("minCudaVersion")
    if exact and lowest:
        raise bad_request("allowedCudaVersions and minCudaVersion are mutually exclusive")
    offered = catalog.shipped().cuda_versions
    if exact:
        return any(version in offered for version in exact)
    return lowest is None or any(_version(version) >= _version(lowest) for version in offered)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
