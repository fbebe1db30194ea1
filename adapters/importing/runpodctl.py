"""A line that makes a pod with RunPod's own tool, as a job file: `runpodctl create pod`, `runpodctl pod create`."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

from rpd.adapters.importing.amounts import whole
from rpd.adapters.importing.common import put_defaults, put_environment, put_gpus, put_image, put_name
from rpd.adapters.importing.document import Document, Path
from rpd.adapters.importing.draft import Draft, literal
from rpd.engine.errors import UserError

_PORT = re.compile(r"0*[1-9][0-9]{0,4}/(tcp|http)")
_TOOL = re.compile(r"(?:^|[\s;&|(])((?:runpodctl|runpod|rp)\s+(?:create\s+pods?|pods?\s+create)\b[^\n]*)", re.MULTILINE)
_JOINED = re.compile(r"^[ \t]*#[^\n]*|\\\r?\n", re.MULTILINE)
"""Whole lines of comment, which nothing continues, and ends of lines that go on."""
_COMMENT = re.compile(r"(?:^|\s)#")
_ENDS = frozenset({"&&", "||", ";", "|"})
_SWITCHES = frozenset(
    {"securecloud", "communitycloud", "startssh", "startjupyter", "ssh", "publicip", "supportpublicip"}
)
_SAME = {
    "imagename": "image",
    "gputypeid": "gputype",
    "gpuid": "gputype",
    "containerdisksize": "disk",
    "containerdiskingb": "disk",
    "volumesize": "volume",
    "volumeingb": "volume",
    "volumepath": "mount",
    "volumemountpath": "mount",
    "templateid": "template",
    "networkvolumeid": "networkvolume",
    "datacenterid": "datacenters",
    "datacenterids": "datacenters",
    "dockerargs": "args",
    "dockerstartcmd": "args",
    "minmemoryingb": "mem",
    "minvcpucount": "vcpu",
    "cloudtype": "cloud",
}
_VALUED = frozenset({*_SAME.values(), "name", "gpucount", "cost", "ports", "env"})
"""These options take the next word whatever it is, as in runpodctl: `--args "--model x"`."""
_WHY = {
    "startssh": "sshd has to be started by the image",
    "startjupyter": "the image may start it; name its port in pod.ports",
    "podcount": "a job is one pod; start it as often as you want",
}


def lines_in(text: str) -> Iterator[tuple[int, str]]:
    """Every call in a script, with its line. A call that goes on after a backslash is whole. A comment calls
    nothing."""
    joined = _JOINED.sub(lambda found: " " * len(found[0]), text)  # each letter stays where it is in `text`
    for match in _TOOL.finditer(joined):
        before = joined[joined.rfind("\n", 0, match.start(1)) + 1 : match.start(1)]
        if not _COMMENT.search(before):
            yield text.count("\n", 0, match.start(1)) + 1, match[1]


def document_of(line: str, number: int, file: str) -> Document:
    """The options of one call, as a document. Raises UserError."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise UserError(f"{file}:{number}: {error}") from error
    data: dict[str, object] = {}
    at = 3
    while at < len(words) and words[at] not in _ENDS:
        name, equals, value = words[at].lstrip("-").partition("=")
        is_option, at = words[at].startswith("-"), at + 1
        key = name.replace("-", "").lower()
        if is_option and not equals and key not in _SWITCHES and at < len(words):
            is_value = _canonical(name) in _VALUED or not (words[at].startswith("--") or words[at] in _ENDS)
            value, at = (words[at], at + 1) if is_value else (value, at)
        found = data.get(name)
        data[name] = [*(found if isinstance(found, list) else [found]), value] if found is not None else value
    raw: dict[Path, str] = {(key,): value for key, value in data.items() if isinstance(value, str)}
    return Document(dict(data), {(key,): number for key in data}, raw)


def from_runpodctl(draft: Draft, stem: str) -> None:
    """Translate one call."""
    document = draft.document
    names = {_canonical(key): key for key in document.data}

    def take(name: str) -> str | None:
        return document.take_text(names[name]) if name in names else None

    def amount(name: str) -> int | None:
        """A whole number. Another value is not taken, so it will be reported."""
        found = whole(document.text(names[name]) or "") if name in names else None
        return whole(take(name) or "") if found is not None else None

    put_name(draft, take("name"), stem)
    if "image" in names:
        put_image(draft, document.text(names["image"]) or "", names["image"])
    draft.put(literal(template) if (template := take("template")) else None, "pod", "template_id")
    count = amount("gpucount") or 1
    if gpu := take("gputype"):
        _gpu(draft, gpu, (names["gputype"],), count)
    draft.put(amount("disk"), "pod", "container_disk_gb")
    for key, field in (("vcpu", "min_vcpu_count"), ("mem", "min_memory_gb")):
        if found := amount(key):
            draft.wish((names[key],), found, "pod", field)
    places = [literal(each.strip()) for each in (take("datacenters") or "").split(",") if each.strip()]
    draft.put(places or None, "pod", "datacenters")
    _cloud(draft, names)
    _storage(draft, take("networkvolume"), amount("volume"), take("mount"))
    _ports(draft, names)
    _price(draft, take("cost"), count)
    put_environment(draft, _environment(document, names), by_name=False)
    arguments = take("args")
    if arguments:
        draft.say("the pod's start command: here it is the job, and the image's own starts sshd", "run")
    else:
        draft.say("the line starts no job: write here what the pod is to do", "run")
    put_defaults(draft, f"{literal(arguments)}\n" if arguments else "nvidia-smi\n")
    draft.lack_the_rest(
        {names[key]: why for key, why in _WHY.items() if key in names}, "the job file has nothing like it"
    )


def _canonical(name: str) -> str:
    key = name.replace("-", "").lower()
    return _SAME.get(key, key)


def _gpu(draft: Draft, gpu: str, place: Path, count: int) -> None:
    from rpd.adapters.importing.gpus import types_named

    if types_named(gpu) or "," in gpu:
        put_gpus(draft, [(each.strip(), place) for each in gpu.split(",")], count)
    else:  # these are RunPod's own names, perhaps newer than this list
        draft.put([literal(gpu)], "pod", "gpu_order")
        draft.put(count if count > 1 else None, "pod", "gpu_count")


def _cloud(draft: Draft, names: dict[str, str]) -> None:
    document = draft.document
    cloud_type = (document.take_text(names["cloud"]) or "" if "cloud" in names else "").upper()
    is_secure, is_community = "securecloud" in names, "communitycloud" in names
    for key in ("securecloud", "communitycloud"):
        if key in names:
            document.take(names[key])
    if cloud_type == "COMMUNITY" or (is_community and not is_secure):
        draft.put("COMMUNITY", "pod", "cloud_type")
    elif not cloud_type and not is_secure and "networkvolume" not in names:
        draft.say("runpodctl takes what either cloud has; here SECURE comes first", "provision")
        draft.put("COMMUNITY", "provision", "fallback_cloud_type")


def _storage(draft: Draft, network: str | None, size: int | None, mount: str | None) -> None:
    if network:
        draft.put("network_volume", "storage", "mode")
        draft.put(literal(network), "storage", "volume_name")
    elif size:
        draft.put(size, "storage", "volume_gb")
    if mount and mount.startswith("/") and mount.strip("/"):
        draft.put(mount, "storage", "volume_mount")


def _ports(draft: Draft, names: dict[str, str]) -> None:
    if "ports" not in names:
        return
    value = draft.document.take(names["ports"])
    listed = [each for text in (value if isinstance(value, list) else [value]) for each in str(text).split(",")]
    good = [each.strip() for each in listed if _PORT.fullmatch(each.strip())]
    draft.put(list(dict.fromkeys(good)) or None, "pod", "ports")
    if len(good) < len(listed):
        draft.lack((names["ports"],), "a port is NUMBER/tcp or NUMBER/http", "pod")


def _price(draft: Draft, cost: str | None, count: int) -> None:
    try:
        price = float(cost or 0.0)
    except ValueError:
        return
    if 0 < price < 1e6:
        draft.put(round(price / count, 4), "budget", "max_gpu_price_usd", why="per GPU")


def _environment(document: Document, names: dict[str, str]) -> dict[str, tuple[str | None, Path]]:
    """`--env A=b --env C=d`, or one JSON object."""
    if "env" not in names:
        return {}
    place: Path = (names["env"],)
    value = document.take(*place)
    found: dict[str, tuple[str | None, Path]] = {}
    for text in value if isinstance(value, list) else [str(value)]:
        if text.lstrip().startswith("{"):
            try:
                found |= {str(name): (str(each), place) for name, each in dict(json.loads(text)).items()}
            except ValueError as error:
                raise UserError(f"--env is no JSON object: {error}") from error
            continue
        name, _, each = text.partition("=")
        found[name.strip()] = (each, place)
    return found
