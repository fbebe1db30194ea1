"""What the types cannot say: rules between fields, paths, names and secrets. Each check sees one rendered section."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from rpd.adapters.local.dirs import label_of
from rpd.adapters.local.leaks import SHORTEST_SECRET, is_secret_name, leak_in, mask
from rpd.adapters.spec.error import Path
from rpd.adapters.transfer.globs import problem_of
from rpd.states.ports.job import (
    CHECKPOINT,
    Artifact,
    Checkpoints,
    Command,
    Local,
    PodSpec,
    Run,
    SecretFile,
    Staging,
    Storage,
    is_away,
    is_pattern,
    plain_path,
)
from rpd.states.shared import telemetry

Finding = tuple[Path, str]

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SET_IN_POD = re.compile(r"RPD_|RUNPOD_|PUBLIC_KEY\Z")
_SET_IN_JOB = re.compile(r"RPD_")
_SYSTEM_FOLDERS = frozenset(
    "/ /bin /boot /dev /etc /home /lib /lib64 /proc /root /run /sbin /sys /tmp /usr /var".split()  # noqa: SIM905
)
_RCLONE_SETTING = re.compile(r",(\w+)=")
"""`:s3,provider=AWS:bucket`: the settings that follow the name of a remote of rclone's."""
_REFERENCE = re.compile(r"\{\{ RUNPOD_SECRET_\w+ \}\}\Z")


def checks_of(section: str) -> Callable[[Any], Iterator[Finding]] | None:
    """The check of a top-level field of the job, if it has one."""
    return _CHECKS.get(section)


def check_env_names(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Names in `pod.env` and `remote_env.exports`. Sees the whole file, whatever else is wrong with it."""
    for section, field, ours in (("pod", "env", _SET_IN_POD), ("remote_env", "exports", _SET_IN_JOB)):
        for name in _entries(data, section, field):
            if not _ENV_NAME.match(name):
                yield (section, field, name), "is not a name for an environment variable"
            elif ours.match(name):
                yield (section, field, name), "is set by rpd or by RunPod; choose another name"


def check_env_by_name(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Names in `env`, whose values the job gets from this machine. Sees the whole file."""
    names = data.get("env")
    seen: set[str] = set()
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if not isinstance(name, str):
            continue
        if _SET_IN_POD.match(name):
            yield ("env", index), f"{name!r} is set by rpd or by RunPod; choose another name"
        elif name in seen:
            yield ("env", index), f"{name!r} is named twice"
        elif name in _entries(data, "remote_env", "exports"):
            yield ("env", index), f"{name!r} has a value in remote_env.exports; keep one of the two"
        seen.add(name)


def check_leaks(value: Any, secrets: Mapping[str, str], path: Path = ()) -> Iterator[Finding]:
    """Texts that look like a key, except where rpd put in a secret of the environment, which the journal masks; and any
    secret in `pod.env`, which the cloud's API returns."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from check_leaks(item, secrets, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from check_leaks(item, secrets, (*path, index))
    elif isinstance(value, str) and not _REFERENCE.match(value):
        in_pod_env = path[:2] == ("pod", "env")
        found = leak_in(value, secrets) if in_pod_env else leak_in(mask(value, secrets), {})
        if found and in_pod_env:
            yield (
                path,
                f"holds {found}, and pod.env can be read through the API; write {{{{ RUNPOD_SECRET_name }}}} here",
            )
        elif found:
            yield path, f"holds {found}; a job file is copied into the journal: pass it as a variable, --var NAME"


def check_run_names(
    data: Mapping[str, Any], written: Mapping[Any, Any], secrets: Mapping[str, str]
) -> Iterator[Finding]:
    """Secrets that were put into the names of a run (`written` is the file before). A mask does not find a secret in a
    label."""
    for name in ("name", "run_id_prefix"):
        value = data.get(name)
        if mask(value, secrets) != value and mask(written.get(name), secrets) == written.get(name):
            yield (name,), "holds a secret of the environment; the run, its pod and its folders are named after it"


def check_secret_names(
    data: Mapping[str, Any], given: Mapping[str, str], secrets: Mapping[str, str]
) -> Iterator[Finding]:
    """Values under a secret's name that were written out, in the file or on the command line (`given`). The journal
    would keep them in clear, because it masks only known secrets of the environment."""
    instead = (
        "has a secret's name, and its value would be written into the journal: export {name}, start with --var {name}"
    )
    places: list[tuple[Path, Mapping[str, Any], str]] = [
        (("variables",), given, instead),
        (("remote_env", "exports"), _entries(data, "remote_env", "exports"), instead + " and write '{{{name}}}' here"),
        (("pod", "env"), _entries(data, "pod", "env"), "has a secret's name; write {{{{ RUNPOD_SECRET_name }}}} here"),
    ]
    reported: set[str] = set()
    for path, entries, message in places:
        for name, value in entries.items():
            if not isinstance(value, str) or len(value) < SHORTEST_SECRET or not is_secret_name(name):
                continue
            is_written_out = mask(value, secrets) == value and not _REFERENCE.match(value)
            if is_written_out and value not in reported:
                reported.add(value)
                yield (*path, name), message.format(name=name)


def _entries(data: Mapping[str, Any], section: str, field: str) -> Mapping[str, Any]:
    entries = data.get(section)
    found = entries.get(field) if isinstance(entries, dict) else None
    return found if isinstance(found, dict) else {}


def check_project_root(root: FilePath, home: FilePath | None) -> str | None:
    """Why `root` cannot be a project folder, or None. Runs are kept below it and inputs are found in it."""
    if root == root.parent:
        return "is the root of the file system; name the project's own folder"
    if home is not None and (root == home or root in home.parents):
        return (
            f"{root} is or holds your home folder; move the job file to a folder of its own or set local.project_root"
        )
    return None


def _name(name: str) -> Iterator[Finding]:
    if not label_of(name):
        yield (), f"{name!r} has no letter a-z or digit; pods and folders are named after it"
    elif not name.isprintable():
        yield (), "holds a line break or control character"


def _local(local: Local) -> Iterator[Finding]:
    if not local.project_root:
        yield ("project_root",), "must not be empty"
    for index, path in enumerate(local.required_paths):
        if not path.strip():
            yield ("required_paths", index), "must not be empty"


def _pod(pod: PodSpec) -> Iterator[Finding]:
    if not pod.image and pod.template_id is None:
        yield ("image",), "is missing"
    if not pod.hardware:
        yield ("gpu_order",), "is missing"
    if re.search(r"\s", pod.image):
        yield ("image",), f"{pod.image[:60]!r} holds a space"
    yield from _hardware(pod)
    if pod.args is not None and not _can_be_split(pod.args):
        yield ("args",), "has a quote that is not closed, or no word"
    for index, port in enumerate(pod.ports):
        number = int(port.partition("/")[0][:9])
        if not 1 <= number <= 65535:
            yield ("ports", index), f"{port[:20]!r} is not a port; 1 to 65535"


def _hardware(pod: PodSpec) -> Iterator[Finding]:
    if pod.min_cuda_version is not None and pod.allowed_cuda_versions:
        yield ("min_cuda_version",), "and allowed_cuda_versions exclude each other; keep one"
    if pod.cpu_order is None:
        if pod.vcpu_count is not None:
            yield ("vcpu_count",), "is for CPU pods, which name cpu_order; a GPU brings its vCPUs"
        return
    yield from _twice("cpu_order", pod.cpu_order)
    if pod.gpu_order:
        yield ("cpu_order",), "and gpu_order exclude each other: a pod has GPUs or none"
    if pod.vcpu_count is None or pod.vcpu_count & (pod.vcpu_count - 1):
        yield ("vcpu_count",), "must be a power of two, such as 4" if pod.vcpu_count else "is missing: how many vCPUs?"
    if pod.cloud_type != "SECURE":
        yield ("cloud_type",), "CPU pods are of the SECURE cloud only"
    for field in ("min_cuda_version", "allowed_cuda_versions", "min_memory_gb", "min_vcpu_count"):
        if getattr(pod, field):
            yield (field,), "is for GPU pods"


def _can_be_split(words: str) -> bool:
    try:
        return bool(shlex.split(words))
    except ValueError:
        return False


def check_between(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Rules between sections. Sees the whole file."""
    pod, storage = _section(data, "pod"), _section(data, "storage")
    if pod.get("cpu_order") and storage.get("mode") != "network_volume":
        why = "a CPU pod has no volume disk, and what proves that a job started only once has to outlive the container"
        yield ("storage", "mode"), f"must be network_volume: {why}"
    if pod.get("cpu_order") and _section(data, "provision").get("health") == "cuda":
        yield ("provision", "health"), "is for GPU pods"
    if pod.get("python_version") and "UV_PYTHON" in _entries(data, "remote_env", "exports"):
        yield ("remote_env", "exports", "UV_PYTHON"), "and pod.python_version exclude each other; keep one"
    shell = _section(data, "run").get("shell")
    if _section(data, "remote_env").get("source_files") and isinstance(shell, str) and not _is_shell(shell):
        yield ("remote_env", "source_files"), "are sourced by run.shell, which must be a shell then"


def _is_shell(command: str) -> bool:
    """Whether the command names a shell: all shells have a name that ends in "sh". Another check reports a command that
    cannot be split."""
    if not _can_be_split(command):
        return True
    return any(posixpath.basename(word).endswith("sh") for word in shlex.split(command))


def _section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _storage(storage: Storage) -> Iterator[Finding]:
    mount = storage.volume_mount
    if posixpath.normpath(mount) in ("/", "//") or ".." in mount.split("/"):
        yield ("volume_mount",), f"{mount!r} cannot be a mount point; an absolute folder such as /workspace can"
    elif re.search(r"[\s:]", mount):
        yield ("volume_mount",), f"{mount!r} holds a space or colon"
    if storage.mode == "network_volume" and storage.volume_name is None:
        yield ("volume_name",), "is missing: storage.mode network_volume needs the volume's name or id"
    if storage.mode == "ephemeral" and storage.volume_name is not None:
        yield ("volume_name",), "is for storage.mode network_volume; with ephemeral the volume is new for each pod"


def _commands(commands: Sequence[Command]) -> Iterator[Finding]:
    for index, command in enumerate(commands):
        if not command.command.strip():
            yield (index, "command"), "must not be blank"


def _staging(trees: Sequence[Staging]) -> Iterator[Finding]:
    for index, tree in enumerate(trees):
        yield from _remote_path((index, "destination"), tree.destination)
        if tree.delete and plain_path(tree.destination) in _SYSTEM_FOLDERS:
            yield (
                (index, "destination"),
                f"{tree.destination!r} would lose all but the source's files; name a folder below",
            )


def _secrets(files: Sequence[SecretFile]) -> Iterator[Finding]:
    seen = set()
    for index, file in enumerate(files):
        yield from _remote_path((index, "destination"), file.destination)
        if any(sign in file.destination for sign in ("*", "?", "[", "//")):
            yield (index, "destination"), f"{file.destination!r} holds '*', '?', '[' or '//', which patterns use"
        if file.destination in seen:
            yield (index, "destination"), f"{file.destination!r} is named twice"
        seen.add(file.destination)
        if not file.env and file.file is None:
            yield (index,), "needs `env`, names of variables, or `file`"
        elif file.env and file.file is not None:
            yield (index, "file"), "and env exclude each other: a secret is made of one of them"


def _run(run: Run) -> Iterator[Finding]:
    if not run.body.strip():
        yield ("body",), "must not be blank"
    if run.shell is not None and not _can_be_split(run.shell):
        yield ("shell",), "must be a command, with quotes that close, as: bash -eu"
    elif run.shell is not None and "{0}" in run.shell:
        yield ("shell",), "the path of the script is added at its end; leave {0} out"
    for field in ("script_path", "log_path"):
        value = getattr(run, field)
        if value is not None:
            yield from _remote_path((field,), value)
    if run.script_path is not None and run.script_path == run.log_path:
        yield ("log_path",), "is the same file as run.script_path"
    if run.success_marker is not None and "\n" in run.success_marker:
        yield ("success_marker",), "must be one line"
    for index, marker in enumerate(run.failure_markers or ()):
        if "\n" in marker:
            yield ("failure_markers", index), "must be one line"
        elif marker == run.success_marker:
            yield ("failure_markers", index), f"{marker!r} is the success marker"
    if run.done_on == "marker" and run.success_marker is None:
        yield ("done_on",), "marker needs run.success_marker"


def _artifacts(artifacts: Sequence[Artifact]) -> Iterator[Finding]:
    labels = Counter(artifact.label for artifact in artifacts)
    names = Counter(_name_here(artifact) for artifact in artifacts)
    shared = shared_destinations(artifacts)
    for index, artifact in enumerate(artifacts):
        yield from _remote_path((index, "remote_path"), artifact.remote_path)
        if problem := problem_of(artifact.remote_path):
            yield (index, "remote_path"), f"{artifact.remote_path!r}: {problem}"
        if artifact.label.startswith(CHECKPOINT) or artifact.label == telemetry.LABEL:
            yield (index, "label"), f"{artifact.label!r} is a label of rpd's own"
        if labels[artifact.label] > 1:
            yield (index, "label"), f"{artifact.label!r} is used twice"
        if names[_name_here(artifact)] > 1:
            yield (index, "local_path"), f"{artifact.local_path!r} is used twice; one would replace the other"
        elif _looks_like_folder(artifact) and posixpath.normpath(artifact.local_path) in shared:
            yield (index, "local_path"), f"{artifact.local_path!r} is used twice; a folder needs one of its own"
        elif artifact.delete and posixpath.normpath(artifact.local_path) in shared:
            yield (index, "delete"), "would remove what another artifact has brought to the same local_path"
        if is_away(artifact.local_path):
            yield from _bucket(index, artifact)


def _bucket(index: int, artifact: Artifact) -> Iterator[Finding]:
    place = artifact.local_path
    scheme, is_url, rest = place.partition("://")
    if is_url and scheme not in ("s3", "gs"):
        yield (index, "local_path"), f"{place!r}: the pod pushes to s3://, gs:// or an rclone remote, as name:path"
    elif is_url and not rest.strip("/"):
        yield (index, "local_path"), f"{place!r} names no bucket"
    elif not place.isprintable():
        yield (index, "local_path"), f"{place!r} holds a line break or control character"
    elif ".." in place.split("/"):
        yield (index, "local_path"), f"{place!r} holds '..'"
    if artifact.delete:
        yield (index, "delete"), "is for local folders; nothing is removed from a bucket"
    for name in _RCLONE_SETTING.findall(place):
        if is_secret_name(name) or name == "pass":
            why = "would appear in an argument list; put it into the environment, or into a config of rclone's"
            yield (index, "local_path"), f"{name} is a secret's name, and its value {why}"


def shared_destinations(artifacts: Sequence[Artifact]) -> frozenset[str]:
    """Local paths, without a slash at the end, that several artifacts name. So they are folders into which files go."""
    places = Counter(posixpath.normpath(artifact.local_path) for artifact in artifacts)
    return frozenset(place for place, count in places.items() if count > 1)


def _looks_like_folder(artifact: Artifact) -> bool:
    """Whether its name looks like a folder; before the job has run, only the name is known. The content of a folder may
    replace what other artifacts have brought."""
    path = artifact.remote_path
    return is_pattern(path) or path.endswith("/") or not posixpath.splitext(path)[1]


def _name_here(artifact: Artifact) -> tuple[str, str]:
    return posixpath.normpath(artifact.local_path), posixpath.basename(artifact.remote_path.rstrip("/"))


def _checkpoints(section: Checkpoints) -> Iterator[Finding]:
    for index, path in enumerate(section.paths):
        yield from _remote_path(("paths", index), path)
        if is_pattern(path):
            yield ("paths", index), f"{path!r} is a pattern, and those are for artifacts; name the folder"
    yield from _twice("paths", section.paths)


def _remote_path(path: Path, value: str) -> Iterator[Finding]:
    if not value.startswith("/"):
        yield path, f"{value!r} is not absolute; write {{volume_mount}}/{value}"
    elif ".." in value.split("/"):
        yield path, f"{value!r} holds '..'"
    elif not value.isprintable():
        yield path, f"{value!r} holds a line break or control character"


def _twice(field: str, values: Sequence[str]) -> Iterator[Finding]:
    seen = set()
    for index, value in enumerate(values):
        if value in seen:
            yield (field, index), f"{value!r} is named twice"
        seen.add(value)


_CHECKS: dict[str, Callable[[Any], Iterator[Finding]]] = {
    "name": _name,
    "run_id_prefix": _name,
    "local": _local,
    "pod": _pod,
    "storage": _storage,
    "setup": _commands,
    "preflight": _commands,
    "staging": _staging,
    "secrets": _secrets,
    "run": _run,
    "artifacts": _artifacts,
    "checkpoints": _checkpoints,
}
