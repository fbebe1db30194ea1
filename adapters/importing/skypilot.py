"""A SkyPilot task as a job file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rpd.adapters.importing.amounts import gigabytes, least, whole
from rpd.adapters.importing.common import (
    DATACENTER,
    SECRETS,
    SETUP_SECONDS,
    Sources,
    in_pod,
    is_secret,
    put_defaults,
    put_environment,
    put_gpus,
    put_image,
    put_name,
    put_own_variables,
    put_tree,
    put_volume,
    tell_tools,
    work_folder,
)
from rpd.adapters.importing.document import Document, Path
from rpd.adapters.importing.draft import Draft, literal
from rpd.adapters.importing.gpus import memory_elsewhere, types_named
from rpd.adapters.local.leaks import has_login

MARKS = frozenset({"resources", "setup", "num_nodes", "file_mounts", "workdir", "envs", "inputs", "outputs"})
"""Keys that only a SkyPilot task has at its top. `run` is one too, if it is a text."""
_ENTER = """\
mkdir -p {0}
[ -e ~/sky_workdir ] || ln -s {0} ~/sky_workdir
cd {0}
"""
_URI = re.compile(r"[a-z][a-z0-9+.-]*://")
_REGISTRY = re.compile(r"[\w-]+(\.[\w-]+)+(:[0-9]+)?/\S+\Z", re.ASCII)
"""An image with its registry; no machine image has this form."""
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
    "volumes": "a job has one network volume, by its name: storage.mode network_volume, volume_name",
    "pool": "each run rents a pod of its own",
    "memory": "no amount in GB; pod.min_memory_gb names one",
    "managed_secrets": "secrets are taken from this machine: env, secrets",
    "priority": "each run rents a pod of its own, at once",
    "local_disk": "RunPod has none to choose",
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
    environment = _environment(draft)
    known = {name: value for name, (value, at) in environment.items() if value and not is_secret(name, value, at)}
    _volumes(draft, known)
    work = work_folder(draft, "sky_workdir")
    enter = _ENTER.format(work)
    for each in _choices(document):
        _resources(draft, each)
    _accelerators(draft)
    _cost(draft)
    _work(draft, sources, known, work)
    _mounts(draft, sources, known, work)
    put_environment(draft, environment, by_name=False)
    if isinstance(document.look("num_nodes"), int) and document.look("num_nodes") == 1:
        document.take("num_nodes")
    setup, run = document.take_text("setup"), document.take_text("run")
    if setup and setup.strip():
        step = {"command": enter + literal(setup), "timeout_sec": SETUP_SECONDS, "with_env": True}
        why = "SkyPilot's setup: it runs after the files were sent, with the environment of the job"
        draft.add(step, "preflight", why=why)
    put_own_variables(draft, _own(draft), [setup or "", run or ""])
    if run and run.strip():
        put_defaults(draft, enter + literal(run))
    else:
        put_defaults(draft, enter + "echo 'the task has no run section'\n")
        draft.miss("run: the task has none; write what the job does", "run")
    tell_tools(draft, [setup or "", run or ""])
    draft.lack_the_rest(_WHY, "the job file has nothing like it")


def _environment(draft: Draft) -> dict[str, tuple[str | None, Path]]:
    """Variables of `envs` and `secrets`, which may be a list of names. The login of a registry is no variable of the
    job."""
    document = draft.document
    found: dict[str, tuple[str | None, Path]] = {}
    for section in ("envs", SECRETS):
        entries = document.look(section)
        for name in entries if isinstance(entries, dict) else ():
            found[name] = (document.text(section, name), (section, name))
        for index in range(len(entries) if isinstance(entries, list) else 0):
            found[document.text(section, index) or ""] = (None, (section, index))
        if not entries:
            document.take(section)
    for name in [each for each in found if each.startswith("SKYPILOT_DOCKER_")]:
        draft.lack(found.pop(name)[1], "RunPod keeps the credentials of a registry: pod.registry_id", "pod")
    return found


def _volumes(draft: Draft, known: dict[str, str]) -> None:
    """The first volume that has a name."""
    volumes = draft.document.look("volumes")
    for path in volumes if isinstance(volumes, dict) else ():
        place: Path = ("volumes", path)
        at = (*place, "name") if isinstance(volumes[path], dict) else place
        if put_volume(draft, _filled(draft.document.text(*at) or "", known), path):
            draft.document.take(*at)
            return


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
        amount = (_memory(draft, text) if key == "memory" else whole(least(text))) if text else None
        if amount and draft.get("pod", field) is None:
            draft.wish((*at, key), amount, "pod", field)
    disk = document.text(*at, "disk_size")
    if disk and gigabytes(disk) and draft.get("pod", "container_disk_gb") is None:
        document.take(*at, "disk_size")
        draft.put(gigabytes(disk), "pod", "container_disk_gb")
        if draft.get("storage", "mode") is None:
            draft.put(gigabytes(disk), "storage", "volume_gb", why="the work folder lies on the volume")
    _image(draft, at)
    _ports(draft, at)
    if document.look(*at, "use_spot") is False:
        document.take(*at, "use_spot")
    for key in ("max_restarts_on_errors", "recover_on_exit_codes"):
        if document.has(*at, "job_recovery", key):
            draft.lack((*at, "job_recovery", key), "a job that failed is not launched again", "lifecycle")
    if document.look(*at, "job_recovery") == "none":
        document.take(*at, "job_recovery")


def _memory(draft: Draft, text: str) -> int | None:
    """GB of `64GB+`, or of `4x`, which counts for each CPU."""
    times, is_times, _ = text.lower().partition("x")
    each = whole(times)
    if not is_times:
        return gigabytes(least(text))
    return each * draft.get("pod", "min_vcpu_count") if each and draft.get("pod", "min_vcpu_count") else None


def _image(draft: Draft, at: Path) -> None:
    """A container, named by itself or for each region beside machine images. The first counts."""
    document = draft.document
    named = document.look(*at, "image_id")
    places = [(*at, "image_id", key) for key in named] if isinstance(named, dict) else [(*at, "image_id")]
    for place in places:
        text = document.text(*place) or ""
        image = text.removeprefix("docker:")
        if image and (image != text or place[-1] == "docker" or _REGISTRY.match(text)):
            if draft.get("pod", "image") is None:
                put_image(draft, image, *place)
            if draft.get("pod", "image") == literal(image):
                document.take(*place)


def _places(draft: Draft, at: Path) -> None:
    """The cloud, and the regions that RunPod has: its data centers, or their countries."""
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
        if text and text.isdecimal() and 0 < int(text[:9]) < 65536:
            document.take(*place)
            found = draft.get("pod", "ports") or ["22/tcp"]
            draft.put([*found, f"{text}/tcp"] if f"{text}/tcp" not in found else found, "pod", "ports")


def _accelerators(draft: Draft) -> None:
    """The GPUs of all alternatives in their order. Pods of one job have one number of GPUs: the first that can be
    rented."""
    document = draft.document
    found: list[tuple[str, int, Path]] = []
    is_open = document.has("resources", "any_of")
    for at in _choices(document):
        found += _named(document, (*at, "accelerators"))
        listed = document.look(*at, "accelerators")
        is_open = is_open or (isinstance(listed, dict) and len(listed) > 1 and "ordered" not in at)
        document.take(*at, "accelerators") if document.has(*at, "accelerators") else None
    rentable = [each for each in found if types_named(each[0]) or memory_elsewhere(each[0])]
    count = next((number for _, number, _ in rentable or found), None)
    others = [each for each in rentable if each[1] != count]
    for _, _, place in others:
        draft.lack(place, f"a job has one number of GPUs, here {count}", "pod")
    asked = [(each[0], each[2]) for each in found if each not in others]
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


def _work(draft: Draft, sources: Sources, known: dict[str, str], work: str) -> None:
    document = draft.document
    folder = document.look("workdir")
    if isinstance(folder, dict) and (url := document.text("workdir", "url")):
        document.take("workdir")
        url, ref = _filled(url, known), _filled(document.text("workdir", "ref") or "", known)
        if _VARIABLE.search(url) or has_login(url):
            why = f"clone it in preflight with_env, into {work}: setup knows no secrets"
            draft.lack(("workdir", "url"), why, "setup")
        else:
            _clone(draft, url, ref, work)
    elif isinstance(folder, str):
        put_tree(draft, sources, ("workdir",), _filled(folder, known), work)


def _clone(draft: Draft, url: str, ref: str, destination: str) -> None:
    import shlex

    words = f"git clone {shlex.quote(literal(url))} {destination}"
    words += f" && git -C {destination} checkout {shlex.quote(literal(ref))}" if ref else ""
    draft.add({"command": f"[ -e {destination}/.git ] || {{ {words}; }}", "timeout_sec": 600}, "setup")


def _mounts(draft: Draft, sources: Sources, known: dict[str, str], work: str) -> None:
    document = draft.document
    mounts = document.look("file_mounts")
    for target in mounts if isinstance(mounts, dict) else ():
        place: Path = ("file_mounts", target)
        value = document.look(*place)
        named = document.text(*place) or document.text(*place, "source") or ""
        source = _filled(named, known)
        destination = in_pod(_filled(target, known), work)
        if not isinstance(value, str) and not (isinstance(value, dict) and value.get("mode") == "COPY" and source):
            why = (
                "nothing mounts a bucket here; fetch in preflight, and name an s3:// place in artifacts for what comes"
            )
            draft.lack(place, why, "staging")
        elif _URI.match(source) or "$" in source:
            why = f"fetch it in preflight, into {destination}, with the tool of the bucket"
            draft.lack(place, why, "staging")
        else:
            put_tree(draft, sources, place, source, destination)
    if not mounts:
        document.take("file_mounts")


def _filled(text: str, known: dict[str, str]) -> str:
    """The text with the values of `envs`, as SkyPilot puts them in. Secrets remain names."""

    def value(match: re.Match[str]) -> str:
        return known.get(match[1] or match[2], match[0])

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
