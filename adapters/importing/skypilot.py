"""A SkyPilot task as a job file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rpd.adapters.importing.amounts import gigabytes, least, whole
from rpd.adapters.importing.common import (
    DATACENTER,
    SETUP_SECONDS,
    Sources,
    in_pod,
    put_defaults,
    put_environment,
    put_gpus,
    put_name,
    put_own_variables,
    put_tree,
)
from rpd.adapters.importing.document import Document, Path
from rpd.adapters.importing.draft import Draft, literal

MARKS = frozenset({"resources", "setup", "num_nodes", "file_mounts", "workdir", "envs", "inputs", "outputs"})
"""Keys that only a SkyPilot task has at its top. `run`, too, when it is a text."""
WORK = "{volume_mount}/sky_workdir"

_ENTER = f"""\
mkdir -p {WORK}
[ -e ~/sky_workdir ] || ln -s {WORK} ~/sky_workdir
cd {WORK}
"""
_URI = re.compile(r"[a-z][a-z0-9+.-]*://")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")

_WHY = {
    "use_spot": "RunPod's API (v2) rents no spot pods; the pod is billed on demand",
    "num_nodes": "a job here is one pod: SKYPILOT_NUM_NODES is 1",
    "service": "a job here ends and is not served; its ports can be named in pod.ports",
    "autostop": "the pod is given back when the job has ended: lifecycle",
    "job_recovery": "a job whose pod is lost is launched again with `retries: N`",
    "instance_type": "RunPod has none; the GPU type brings its host",
    "region": "no data center of RunPod's; see rpd stock",
    "zone": "no data center of RunPod's; see rpd stock",
    "infra": "jobs here run on RunPod alone",
    "cloud": "jobs here run on RunPod alone",
    "disk_tier": "RunPod has none to choose",
    "network_tier": "RunPod has none to choose",
    "labels": "pods have no labels",
    "ports": "name each port in pod.ports",
    "image_id": "no container image; pod.image names one",
    "volumes": "rpd volumes create makes a network volume: storage.mode network_volume, volume_name",
    "config": "these are settings of SkyPilot's own",
    "accelerator_args": "these are for TPUs",
    "event_callback": "notify.command is called at the end",
}


def is_skypilot(data: dict[str, Any]) -> bool:
    """Whether a document looks like a task, or like the head of several."""
    return bool(MARKS & data.keys()) or isinstance(data.get("run"), str) or "execution" in data


def is_head(data: dict[str, Any]) -> bool:
    """Whether a document only says how the tasks after it belong together."""
    return not data.keys() & {*MARKS, "run"}


def from_skypilot(draft: Draft, sources: Sources, stem: str) -> None:
    """Translate one task."""
    document = draft.document
    put_name(draft, document.take_text("name"), stem)
    environment = _environment(document)
    for each in _choices(document):
        _resources(draft, each)
    _accelerators(draft)
    _cost(draft)
    _work(draft, sources, environment)
    _mounts(draft, sources, environment)
    put_environment(draft, environment, by_name=False)
    if isinstance(document.look("num_nodes"), int) and document.look("num_nodes") == 1:
        document.take("num_nodes")
    setup, run = document.take_text("setup"), document.take_text("run")
    if setup and setup.strip():
        step = {"command": _ENTER + literal(setup), "timeout_sec": SETUP_SECONDS, "with_env": True}
        why = "SkyPilot's setup: it runs after the files were sent, with the environment of the job"
        draft.add(step, "preflight", why=why)
    put_own_variables(draft, _own(draft), [setup or "", run or ""])
    put_defaults(
        draft, _ENTER + literal(run) if run and run.strip() else _ENTER + "echo 'the task has no run section'\n"
    )
    draft.lack_the_rest(_WHY, "the job file has nothing like it")


def _environment(document: Document) -> dict[str, tuple[str | None, Path]]:
    found: dict[str, tuple[str | None, Path]] = {}
    for section in ("envs", "secrets"):
        entries = document.look(section)
        for name in entries if isinstance(entries, dict) else ():
            found[name] = (document.text(section, name), (section, name))
        if not entries:
            document.take(section)
    return found


def _choices(document: Document) -> Iterator[Path]:
    """The places of `resources` and of each of its alternatives."""
    yield ("resources",)
    for kind in ("any_of", "ordered", "candidates"):
        listed = document.look("resources", kind)
        for index, item in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(item, dict):
                yield ("resources", kind, index)
    if not document.look("resources"):
        document.take("resources")


def _resources(draft: Draft, at: Path) -> None:
    document = draft.document
    _places(draft, at)
    for key, field in (("cpus", "min_vcpu_count"), ("memory", "min_memory_gb")):
        text = document.text(*at, key)
        amount = (gigabytes(least(text)) if key == "memory" else whole(least(text))) if text else None
        if amount and draft.get("pod", field) is None:
            draft.wish((*at, key), amount, "pod", field)
    disk = document.text(*at, "disk_size")
    if disk and gigabytes(disk) and draft.get("pod", "container_disk_gb") is None:
        document.take(*at, "disk_size")
        draft.put(gigabytes(disk), "pod", "container_disk_gb")
        draft.put(gigabytes(disk), "storage", "volume_gb", why="the work folder lies on the volume")
    image = document.text(*at, "image_id")
    if image and image.startswith("docker:") and draft.get("pod", "image") is None:
        document.take(*at, "image_id")
        draft.put(literal(image.removeprefix("docker:")), "pod", "image", why="it has to start sshd")
    _ports(draft, at)
    if document.look(*at, "use_spot") is False:
        document.take(*at, "use_spot")
    if document.look(*at, "job_recovery") == "none":
        document.take(*at, "job_recovery")


def _places(draft: Draft, at: Path) -> None:
    """The cloud, and regions that RunPod has: its data centers, or the countries in which they are."""
    document = draft.document
    infra = (document.text(*at, "infra") or "").split("/")
    cloud = infra[0] or document.text(*at, "cloud") or ""
    if cloud.lower() not in ("", "runpod", "*"):
        return
    for key in ("infra", "cloud"):
        document.take_text(*at, key)
    zone = document.text(*at, "zone") or next(iter(infra[2:]), "")
    region = document.text(*at, "region") or next(iter(infra[1:]), "")
    wanted = next((each for each in (zone, region) if DATACENTER.match(each)), None)
    if wanted is not None:
        for key in ("region", "zone"):
            document.take_text(*at, key)
        found = draft.get("pod", "datacenters") or []
        draft.put([*found, wanted] if wanted not in found else found, "pod", "datacenters")


def _ports(draft: Draft, at: Path) -> None:
    document = draft.document
    ports = document.look(*at, "ports")
    places: list[Path] = [(*at, "ports", index) for index in range(len(ports))] if isinstance(ports, list) else []
    for place in places or [(*at, "ports")]:
        text = document.text(*place)
        if text and text.isdecimal():
            document.take(*place)
            found = draft.get("pod", "ports") or ["22/tcp"]
            draft.put([*found, f"{text}/tcp"] if f"{text}/tcp" not in found else found, "pod", "ports")


def _accelerators(draft: Draft) -> None:
    """Of all alternatives in their order; pods of one job have one number of GPUs, the first that is named."""
    document = draft.document
    asked: list[tuple[str, Path]] = []
    count: int | None = None
    is_open = False
    for at in _choices(document):
        for name, number, place in _named(document, (*at, "accelerators")):
            count = number if count is None else count
            document.take(*place)
            if number == count:
                asked.append((name, place))
            else:
                draft.lack(place, f"a job has one number of GPUs, here {count}", "pod")
        is_open = is_open or isinstance(document.look(*at, "accelerators"), dict)
        document.take(*at, "accelerators") if document.has(*at, "accelerators") else None
    put_gpus(draft, asked, count, in_order=not is_open)


def _cost(draft: Draft) -> None:
    """The lowest limit of all alternatives, because a job has one."""
    document = draft.document
    found: dict[Path, float] = {}
    for at in _choices(document):
        place = (*at, "max_hourly_cost")
        if cost := _number(document.text(*place) or ""):
            document.take(*place)
            found[place] = cost
    lowest = min(found.values(), default=None)
    if lowest is None:
        return
    count = draft.get("pod", "gpu_count") or 1
    why = "per GPU; max_hourly_cost is that of the whole machine"
    draft.put(round(lowest / count, 4), "budget", "max_gpu_price_usd", why=why)
    for place, cost in found.items():
        if cost != lowest:
            draft.lack(place, f"a job has one limit of the price, here the lowest: {lowest:g}", "budget")


def _named(document: Document, at: Path) -> Iterator[tuple[str, int, Path]]:
    """`H100:8`, a list of such, or a mapping of names, with or without numbers."""
    value = document.look(*at)
    if isinstance(value, dict):
        for key in value:
            name, _, number = key.partition(":")
            yield name, whole(document.text(*at, key) or number or "1") or 1, (*at, key)
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from _named(document, (*at, index))
    elif value is not None:
        name, _, number = (document.text(*at) or "").partition(":")
        yield name.strip(), whole(number or "1") or 1, at


def _work(draft: Draft, sources: Sources, environment: dict[str, tuple[str | None, Path]]) -> None:
    document = draft.document
    folder = document.look("workdir")
    if isinstance(folder, dict) and (url := document.text("workdir", "url")):
        document.take("workdir")
        ref = document.text("workdir", "ref") or ""
        _clone(draft, url, ref, WORK)
    elif isinstance(folder, str):
        put_tree(draft, sources, ("workdir",), _filled(folder, environment), WORK, delete=False)


def _clone(draft: Draft, url: str, ref: str, destination: str) -> None:
    import shlex

    words = f"git clone {shlex.quote(literal(url))} {destination}"
    words += f" && git -C {destination} checkout {shlex.quote(literal(ref))}" if ref else ""
    draft.add({"command": f"[ -e {destination}/.git ] || {{ {words}; }}", "timeout_sec": 600}, "setup")


def _mounts(draft: Draft, sources: Sources, environment: dict[str, tuple[str | None, Path]]) -> None:
    document = draft.document
    mounts = document.look("file_mounts")
    for target in mounts if isinstance(mounts, dict) else ():
        place: Path = ("file_mounts", target)
        value = document.look(*place)
        named = document.text(*place) or document.text(*place, "source") or ""
        source = _filled(named, environment)
        destination = in_pod(_filled(target, environment), WORK)
        if not isinstance(value, str) and not (isinstance(value, dict) and value.get("mode") == "COPY" and source):
            why = (
                "nothing mounts a bucket here; fetch in preflight, and name an s3:// place in artifacts for what comes"
            )
            draft.lack(place, why, "staging")
        elif _URI.match(source) or "$" in source:
            why = f"fetch it in preflight, into {destination}, with the tool of the bucket"
            draft.lack(place, why, "staging")
        else:
            put_tree(draft, sources, place, source, destination, delete=False)
    if not mounts:
        document.take("file_mounts")


def _filled(text: str, environment: dict[str, tuple[str | None, Path]]) -> str:
    """With the values of `envs`, as SkyPilot puts them in."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        return environment.get(name, (None, ()))[0] or match[0]

    return _VARIABLE.sub(value, text)


def _own(draft: Draft) -> dict[str, str]:
    return {
        "SKYPILOT_NODE_RANK": "0",
        "SKYPILOT_NUM_NODES": "1",
        "SKYPILOT_NODE_IPS": "127.0.0.1",
        "SKYPILOT_NUM_GPUS_PER_NODE": str(draft.get("pod", "gpu_count") or 1),
        "SKYPILOT_SETUP_NODE_RANK": "0",
        "SKYPILOT_SETUP_NODE_IPS": "127.0.0.1",
        "SKYPILOT_NUM_GPUS_PER_NODE_SETUP": str(draft.get("pod", "gpu_count") or 1),
        "SKYPILOT_SETUP_NUM_GPUS_PER_NODE": str(draft.get("pod", "gpu_count") or 1),
        "SKYPILOT_TASK_ID": "{run_id}",
        "SKYPILOT_JOB_ID": "{run_id}",
        "SKYPILOT_MANAGED_JOB_ID": "{run_id}",
        "SKYPILOT_CLUSTER_NAME": "{job_name}",
        "SKYPILOT_JOB_RANK": "0",
        "SKYPILOT_NUM_JOBS": "1",
    }


def _number(text: str) -> float | None:
    try:
        return float(text) if 0 < float(text) < 1e6 else None
    except ValueError:
        return None
