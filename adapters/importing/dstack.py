"""A dstack configuration (task, dev environment, service) as a job file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from rpd.adapters.importing.amounts import gigabytes, least, minutes, most, whole
from rpd.adapters.importing.common import (
    DATACENTER,
    Sources,
    in_pod,
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
from rpd.adapters.importing.gpus import types_named
from rpd.adapters.local.leaks import has_login

JOBS = ("task", "dev-environment", "service")
OTHERS = {
    "fleet": "each run of rpd rents a pod of its own",
    "gateway": "what rpd runs is not served",
    "volume": "rpd volumes create makes network volumes",
    "endpoint": "what rpd runs is not served",
}
"""Kinds of documents that hold no job, and why there is nothing to import."""

_SECRET = re.compile(r"\$\{\{\s*secrets\.[\w.-]+\s*\}\}")
_REPOSITORY = re.compile(r"([a-z+]+://|git@)")
_SIZE = re.compile(r"[0-9.]*\s*[KMGT]i?B?\Z", re.IGNORECASE)
_PAIR = re.compile(r"(?P<source>(?:[a-z+]+://(?:[^/:]+:[0-9]+(?=/))?|git@[^:]+:)?+[^:]+):(?P<target>[/~.\w][^:]*)\Z")
"""The beginning of an address is kept whole (`?+`): its own colon does not separate anything."""
_VENDORS = frozenset({"nvidia", "amd", "google", "tpu", "intel", "tenstorrent"})

_WHY = {
    "nodes": "a job here is one pod: DSTACK_NODES_NUM is 1",
    "shm_size": "RunPod chooses it by the host's memory",
    "spot_policy": "RunPod's API (v2) rents no spot pods; the pod is billed on demand",
    "backends": "jobs here run on RunPod alone",
    "regions": "no data center of RunPod's; see rpd stock",
    "availability_zones": "RunPod has none; see pod.datacenters",
    "instance_types": "RunPod has none; the GPU type brings its host",
    "fleets": "each run rents a pod of its own",
    "fleet": "each run rents a pod of its own",
    "creation_policy": "each run rents a pod of its own",
    "idle_duration": "the pod is given back when the job has ended: lifecycle",
    "stop_duration": "the job gets a minute",
    "ide": "a job has no editor; ssh goes into its pod: rpd inspect shows the address",
    "inactivity_duration": "see budget.idle_minutes",
    "privileged": "RunPod has no privileged pods",
    "docker": "RunPod has no Docker in its pods",
    "nvcc": "take an image with -devel in its name",
    "registry_auth": "RunPod keeps the credentials: pod.registry_id",
    "volumes": "a job has one volume, which is no folder of the host: storage",
    "image": "no name of an image",
    "ports": "name each port in pod.ports",
    "groups": "a job here is one pod; put the commands of one group into run.body, or write a job file for each",
    "startup_order": "a job here is one pod",
    "stop_criteria": "a job here is one pod",
    "rate_limits": "a job here ends and is not served",
    "router": "a job here ends and is not served",
    "strip_prefix": "a job here ends and is not served",
    "dstack": "dstack is not called from a job here",
    "version": "a job has no editor; ssh goes into its pod: rpd inspect shows the address",
    "entrypoint": "the image's own is kept, because it starts sshd",
    "user": "the job runs as the user of SSH, root in most images",
    "model": "a job here ends and is not served",
    "replicas": "a job here ends and is not served",
    "scaling": "a job here ends and is not served",
    "auth": "a job here ends and is not served",
    "gateway": "a job here ends and is not served",
    "https": "a job here ends and is not served",
    "probes": "a job here ends and is not served",
    "priority": "each run rents a pod of its own, at once",
    "schedule": "cron can call rpd run",
    "compute_capability": "name the GPU types that have it in pod.gpu_order",
    "tags": "pods have no tags",
    "cpu": "an architecture is not chosen",
    "retry": "a job whose pod is lost is launched again with `retries: N`",
}


def is_dstack(data: dict[str, Any]) -> bool:
    """Whether a document says that it is a dstack configuration."""
    return data.get("type") in (*JOBS, *OTHERS)


def from_dstack(draft: Draft, sources: Sources, stem: str) -> None:
    """Translate one configuration, of those in JOBS."""
    document = draft.document
    kind = document.take_text("type")
    if kind == "service":
        draft.lack(("type",), "a job here ends and is not served; this one runs until its budget is spent", "run")
    put_name(draft, document.take_text("name"), stem)
    _volume(draft)
    work = work_folder(draft, "workflow")
    _image(draft)
    count = _resources(draft)
    _places(draft)
    _ports(draft)
    _limits(draft, count)
    _files(draft, sources, work)
    put_environment(draft, _environment(draft), by_name=True)
    body = _body(draft, work, str(kind))
    put_own_variables(draft, _own(draft, work), [body])
    put_defaults(draft, body)
    tell_tools(draft, [body])
    if "${{" in body:
        draft.miss("the commands have ${{ }} in them, which dstack fills in and a shell does not know", "run")
    draft.lack_the_rest(_WHY, "the job file has nothing like it")


def _image(draft: Draft) -> None:
    image = draft.document.text("image")
    put_image(draft, image or "", "image")
    if image is None and draft.document.look("nvcc") is not False:
        draft.document.take("nvcc")  # the default image has it
    version = draft.document.text("python")
    if version and re.match(r"3\.[0-9]{1,2}\Z", version):
        draft.document.take("python")
        draft.put(version, "pod", "python_version", why="brought by uv: `uv venv`, `uv run` and the like use it")


def _environment(draft: Draft) -> dict[str, tuple[str | None, Path]]:
    """A list of `NAME=value` and `NAME`, or a mapping. A value that dstack takes from a secret is taken from this
    machine."""
    document = draft.document
    entries = document.look("env")
    found: dict[str, tuple[str | None, Path]] = {}
    if isinstance(entries, dict):
        found = {name: (document.text("env", name), ("env", name)) for name in entries}
    elif isinstance(entries, list):
        for index in range(len(entries)):
            name, is_given, value = (document.text("env", index) or "").partition("=")
            found[name.strip()] = (value if is_given else None, ("env", index))
    if not entries:
        document.take("env")
    for name, (given, place) in found.items():
        if given is not None and "${{" in given:
            found[name] = (None, place)
            if not _SECRET.fullmatch(given):
                draft.lack(place, "dstack fills it in; export the whole value on this machine before rpd run", "env")
    return found


def _resources(draft: Draft) -> int:
    """The requirements for the host. Returns how many GPUs a pod has."""
    document = draft.document
    count = _gpu(draft, ("resources", "gpu"))
    for key, field, part in (("cpu", "min_vcpu_count", "count"), ("memory", "min_memory_gb", "min")):
        place: Path = (
            ("resources", key) if not isinstance(document.look("resources", key), dict) else ("resources", key, part)
        )
        text = least((document.text(*place) or "").rpartition(":")[2])
        amount = whole(text) if key == "cpu" else gigabytes(text)
        if amount:
            draft.wish(place, amount, "pod", field)
        elif text_of := document.text(*place):
            draft.lack(place, f"only a least amount can be asked for, and {text_of} has none", "pod")
        if (document.text(*place) or "").lower().startswith("arm"):
            draft.lack(place, "RunPod's hosts are x86", "pod")
    disk: Path = ("resources", "disk", "size") if document.has("resources", "disk", "size") else ("resources", "disk")
    size = gigabytes(least(document.text(*disk) or ""))
    if size:
        document.take(*disk)
        draft.put(size, "pod", "container_disk_gb")
        if draft.get("storage", "mode") is None:
            draft.put(size, "storage", "volume_gb", why="the work folder lies on the volume")
    if not document.look("resources"):
        document.take("resources")
    return count


def _gpu(draft: Draft, at: Path) -> int:
    """`24GB..`, `A100:80GB:2`, `A10G,L4:1..2`, a number, or a mapping with name, memory and count."""
    document = draft.document
    spec = document.look(*at)
    if spec is None:
        return 1
    document.take(*at)
    if isinstance(spec, dict):
        listed = document.look(*at, "name")
        texts = (
            [document.text(*at, "name", index) or "" for index in range(len(listed))]
            if isinstance(listed, list)
            else (document.text(*at, "name") or "").split(",")
        )
        names = [each.strip() for each in texts if each.strip()]
        memory, number = _range(document, (*at, "memory")), _range(document, (*at, "count"))
        total = gigabytes(least(_range(document, (*at, "total_memory"))))
        vendor = (document.text(*at, "vendor") or "").lower()
        if document.has(*at, "compute_capability"):
            draft.lack((*at, "compute_capability"), _WHY["compute_capability"], "pod")
    else:
        listed = [document.text(*at, index) or "" for index in range(len(spec))] if isinstance(spec, list) else []
        names, memory, number, vendor = _in_words(document.text(*at) or ",".join(listed))
        total = None
    count = whole(least(number) or "1") or 1
    floor, ceiling = gigabytes(least(memory)) or 0, gigabytes(most(memory)) if memory else None
    if most(number) != least(number):
        draft.lack(at, f"a job has one number of GPUs, here the least: {count}", "pod")
    if names:
        _named(draft, at, names, count, (floor, ceiling))
    elif floor or total:
        wish: dict[str, object] = {"min_vram_gb": max(floor, -(-(total or 0) // count))}
        price = _price(document, count)
        wish |= {"max_price_usd": price} if price else {}
        draft.put([wish | {"order": "cheapest"}], "pod", "gpu_order")
        draft.put(count if count > 1 else None, "pod", "gpu_count")
        if ceiling is not None and ceiling != floor:
            draft.lack(at, f"a larger GPU than {ceiling} GB is taken where it is the cheapest", "pod")
    elif vendor in _VENDORS - {"nvidia", ""}:
        draft.lack(at, f"RunPod rents no {vendor} by that word; see rpd gpus", "pod")
    else:
        draft.put(count if count > 1 else None, "pod", "gpu_count")
    return count


def _in_words(text: str) -> tuple[list[str], str, str, str]:
    """`A100:80GB:2` as names, memory, count and vendor; each may be empty."""
    names, memory, number, vendor = list[str](), "", "", ""
    for part in text.split(":"):
        first = part.partition("..")[0] or part.partition("..")[2]
        if part.lower() in _VENDORS:
            vendor = part.lower()
        elif _SIZE.match(first) or _SIZE.match(part.rpartition("..")[2]):
            memory = part
        elif first.strip().isdecimal():
            number = part
        else:
            names += [each.strip() for each in part.split(",") if each.strip()]
    return names, memory, number, vendor


def _named(draft: Draft, at: Path, names: list[str], count: int, memory: tuple[int, int | None]) -> None:
    """Types by name, of the requested memory if the name leaves it open."""
    floor, ceiling = memory
    exact = [(each, types_named(each, floor, ceiling or None)) for each in names]
    if (floor or ceiling) and any(found for _, found in exact):
        order = list(dict.fromkeys(each for _, found in exact for each in found))
        for name, found in exact:
            if not found:
                draft.lack(at, f"RunPod rents no {name} of this memory; see rpd gpus", "pod")
        draft.put(order, "pod", "gpu_order")
        draft.put(count if count > 1 else None, "pod", "gpu_count")
    else:
        put_gpus(draft, [(name, at) for name in names], count)


def _range(document: Document, at: Path) -> str:
    """The range as `least..most`, also if it is a mapping with `min` and `max`."""
    if isinstance(document.look(*at), dict):
        return f"{document.text(*at, 'min') or ''}..{document.text(*at, 'max') or ''}"
    return document.text(*at) or ""


def _price(document: Document, count: int) -> float | None:
    """Dollars per GPU and hour."""
    try:
        found = float(document.text("max_price") or 0.0)
    except ValueError:
        return None
    return round(found / count, 4) if 0 < found < 1e6 else None


def _places(draft: Draft) -> None:
    document = draft.document
    backends = document.look("backends")
    if not backends or "runpod" in (backends if isinstance(backends, list) else [backends]):
        document.take("backends")
    regions = document.look("regions")
    for index, region in enumerate(regions if isinstance(regions, list) else ()):
        if isinstance(region, str) and DATACENTER.match(region):
            document.take("regions", index)
            draft.put([*(draft.get("pod", "datacenters") or []), region], "pod", "datacenters")
    if not regions:
        document.take("regions")


def _ports(draft: Draft) -> None:
    document = draft.document
    listed = document.look("ports")
    places: list[Path] = [("ports", index) for index in range(len(listed))] if isinstance(listed, list) else []
    for place in [*places, ("port",)]:
        number = (document.text(*place) or "").rpartition(":")[2]
        if number.isdecimal() and 0 < int(number[:9]) < 65536:
            document.take(*place)
            draft.put([*(draft.get("pod", "ports") or ["22/tcp"]), f"{number}/http"], "pod", "ports")


def _limits(draft: Draft, count: int) -> None:
    """Price, time, patience."""
    document = draft.document
    price, text = _price(document, count), document.text("max_duration")
    if price:
        document.take("max_price")
        draft.put(price, "budget", "max_gpu_price_usd", why="per GPU; max_price is that of the whole instance")
    whole_time = minutes(text) if text else None
    if whole_time:
        document.take("max_duration")
        draft.put(_plain(whole_time), "budget", "max_runtime_minutes")
        if price:
            most_usd = max(1, round(price * count * whole_time / 60))
            draft.put(most_usd, "budget", "cost_cap_usd", why="the highest price for the whole time; lower it at will")
    elif text in ("off", "-1", "false"):
        document.take("max_duration")
    window = document.text("utilization_policy", "time_window")
    if window and minutes(window):
        why = "dstack also names a share of use below which a GPU counts as idle; here it is all but none"
        document.take("utilization_policy")
        draft.put(_plain(minutes(window) or 0.0), "budget", "idle_minutes", why=why)
    if document.look("spot_policy") == "on-demand":
        document.take("spot_policy")
    _retry(draft)


def _retry(draft: Draft) -> None:
    document = draft.document
    policy = document.look("retry")
    if policy in (None, False):
        document.take("retry")
        return
    events = document.look("retry", "on_events") if isinstance(policy, dict) else None
    kinds = {str(each) for each in events} if isinstance(events, list) else {"no-capacity", "interruption"}
    length = minutes(document.text("retry", "duration") or "1h") if isinstance(policy, dict) else 60.0
    document.take("retry")
    if "no-capacity" in kinds and length:
        draft.put(_plain(length), "provision", "wait_for_stock_minutes")
    if "interruption" in kinds:
        draft.put(3, "retries", why="a job whose pod is lost is launched again, so often")
    if "error" in kinds:
        draft.lack(("retry",), "a job that failed is not launched again", "lifecycle")


def _volume(draft: Draft) -> None:
    """The first network volume, by name."""
    document = draft.document
    listed = document.look("volumes")
    for index, entry in enumerate(listed if isinstance(listed, list) else ()):
        place: Path = ("volumes", index)
        if isinstance(entry, dict):
            name = entry.get("name")
            several = name if isinstance(name, list) else [name]
            name = next(iter(several), None)
            path = entry.get("path")
        else:
            name, _, path = str(entry).partition(":")
            several = [name]
        if put_volume(draft, str(name or ""), str(path or "")):
            document.take(*place)
            if len(several) > 1:
                draft.lack((*place, "name"), "a job has one volume, here the first of these", "storage")
            return


def _files(draft: Draft, sources: Sources, work: str) -> None:
    """`repos`, `files`; without either, the folder of the file."""
    document = draft.document
    repos, files = document.look("repos"), document.look("files")
    for index, entry in enumerate(repos if isinstance(repos, list) else ()):
        place: Path = ("repos", index)
        source, target = _pair(entry)
        url = entry.get("url") if isinstance(entry, dict) else source if _REPOSITORY.match(source) else None
        destination = in_pod(target or ".", work)
        if url and has_login(str(entry)):
            why = "clone it in preflight with_env: setup knows no secrets"
            draft.lack(place, why, "setup")
        elif url:
            document.take(*place)
            branch = (
                [str(entry[key]) for key in ("hash", "branch") if entry.get(key)] if isinstance(entry, dict) else []
            )
            checkout = f" && git -C {destination} checkout {shlex.quote(literal(branch[0]))}" if branch else ""
            clone = f"git clone {shlex.quote(literal(str(url)))} {destination}{checkout}"
            draft.add({"command": f"[ -e {destination}/.git ] || {{ {clone}; }}", "timeout_sec": 600}, "setup")
        else:
            put_tree(draft, sources, place, source, destination)
    for index, entry in enumerate(files if isinstance(files, list) else ()):
        source, target = _pair(entry)
        default = source if source.startswith(("/", "~")) else source.removeprefix("./")
        put_tree(draft, sources, ("files", index), source, in_pod(target or default, work))
    if not repos and not files:
        put_tree(draft, sources, ("repos",), ".", work)
        if draft.get("staging"):
            draft.say("the file names nothing to send; this is its folder, as older dstack sends it", "staging", 0)
    document.take("repos")
    document.take("files")


def _pair(entry: Any) -> tuple[str, str]:
    """`SOURCE[:TARGET]`, or a mapping. A missing target is empty."""
    if isinstance(entry, dict):
        return str(entry.get("local_path") or "."), str(entry.get("path") or "")
    match = _PAIR.match(str(entry))
    return (match["source"], match["target"]) if match is not None else (str(entry), "")


def _body(draft: Draft, work: str, kind: str) -> str:
    document = draft.document
    shell = document.look("shell")
    if shell in ("bash", "sh", "/bin/bash", "/bin/sh", None):
        document.take("shell")
    folder = in_pod(document.take_text("working_dir") or ".", work)
    lines = ["set -e", f"mkdir -p {folder}", f"[ -e /workflow ] || ln -s {work} /workflow || true", f"cd {folder}"]
    key = "init" if kind == "dev-environment" else "commands"
    commands = list(_commands(draft, key))
    lines += [literal(each.rstrip("\n")) for each in commands]
    if kind == "dev-environment":
        draft.say("a dev environment has no job: this one waits for somebody who comes by ssh", "run")
        lines.append("sleep infinity")
    elif not commands:
        draft.miss(
            "commands: none to take over, and the image's own is unknown here; write what the job does",
            "run",
        )
        lines.append("nvidia-smi")
    return "\n".join(lines) + "\n"


def _commands(draft: Draft, key: str) -> Iterator[str]:
    document = draft.document
    listed = document.look(key)
    document.take(key)
    if isinstance(listed, str):
        yield listed
    for index in range(len(listed) if isinstance(listed, list) else 0):
        text = document.text(key, index)
        if text:
            yield text
        elif text is None and document.look(key, index) is not None:
            place = (key, index)
            shown = f"line {document.line(place)}: {document.shown(place)}"
            draft.miss(f"{shown}: no text for YAML, as it has a colon; put it in quotes", "run")


def _own(draft: Draft, work: str) -> dict[str, str]:
    count = str(draft.get("pod", "gpu_count") or 1)
    return {
        "DSTACK_RUN_NAME": "{run_id}",
        "DSTACK_GPUS_NUM": count,
        "DSTACK_GPUS_PER_NODE": count,
        "DSTACK_NODES_NUM": "1",
        "DSTACK_NODE_RANK": "0",
        "DSTACK_MASTER_NODE_IP": "127.0.0.1",
        "DSTACK_NODES_IPS": "127.0.0.1",
        "DSTACK_WORKING_DIR": work,
        "DSTACK_REPO_DIR": work,
    }


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else round(number, 3)
