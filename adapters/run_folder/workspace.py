"""The run folder and the user's own files on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.access.keys import ssh_key
from rpd.adapters.local import person
from rpd.adapters.local.dirs import private_folder
from rpd.adapters.local.files import sync_folder, write_whole
from rpd.adapters.local.git_listing import git_refusal
from rpd.adapters.local.secret_content import secret_problems
from rpd.adapters.run_folder.log_reading import read_log
from rpd.engine.errors import UserError
from rpd.journal import tolerant
from rpd.journal.redact import Redactor
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import Artifact, Job, is_away, plain_path
from rpd.states.ports.log_reading import LogReading
from rpd.states.ports.world import Notice

MIN_FREE_BYTES = 256 * 1024 * 1024
"""Free space below which no run begins: the journal, the log and the results need room."""

EVENTS_NAME = "events.jsonl"
MANIFEST_NAME = "runpod_deploy_pull_manifest.json"
"""The name that existing scripts look for."""
TELEMETRY_NAMES = (
    EVENTS_NAME,
    "metrics.jsonl",
    "steps.jsonl",
    "nvidia_smi_*.txt",
    "pod_describe_*.json",
    "dmesg_tail.txt",
    "pip_freeze.txt",
    "remote_env.json",
)
"""Files in a run folder about the run itself, beside its log and its results."""


class LocalWorkspace:
    """`rpd.states.ports.world.Workspace` on the real disk. `state_home` is the folder of journals and keys. `redactor`
    knows the secrets of the run."""

    def __init__(self, state_home: Path, user_home: Path | None = None, *, redactor: Redactor | None = None) -> None:
        self._state_home = state_home
        self._redactor = redactor or Redactor()
        home = user_home or person.user_home()
        self._user_home = home and home.resolve()

    def check_inputs(self, job: Job, run_dir: str) -> tuple[str, ...]:
        """Read: what is wrong with paths, room, secrets and the SSH key, a sentence each. Empty if all is well."""
        return (
            *_missing_paths(job),
            *self._bad_sources(job),
            *self._bad_destinations(job, run_dir),
            *self._bad_key(job),
            *secret_problems(job),
            *_unwritable(Path(run_dir)),
            *_full_disks(Path(run_dir), self._state_home),
        )

    def notify(self, notice: Notice) -> bool:
        """Effect: send it to the command and the webhook of the config. Raises UserError."""
        from rpd.adapters.run_folder.notices import send

        return send(notice, self._redactor)

    def write_pointer(self, path: str, content: dict[str, Any]) -> None:
        """Effect: write the small JSON pointer that scripts read. A file that is no pointer is never overwritten."""
        target = _expanded(path)
        if _pointer(target) is None and _holds_something(target):
            raise UserError(
                f"state_file {target} exists and is not a pointer of a run; it is left alone", reason=Fault.LOCAL_DISK
            )
        write_whole(target, msgspec.json.format(msgspec.json.encode(content)) + b"\n", mode=0o600)

    def remove_pointer(self, path: str, pod_id: str) -> None:
        """Effect: remove the pointer if it still names this pod."""
        target = _expanded(path)
        pointer = _pointer(target)
        if pointer is None or pointer.get("pod_id") != pod_id:
            return
        try:
            target.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"cannot remove {target}: {error.strerror}", reason=Fault.LOCAL_DISK) from error

    def read_log(self, log_file: str) -> LogReading:
        """Read: what a local log says of a failure. Empty if it cannot be read."""
        return read_log(Path(log_file), self._redactor)

    def write_manifest(self, run_dir: str, manifest: dict[str, Any]) -> str:
        """Effect: write the run's manifest whole or not at all, with the config of the journal's record 0 (rendered,
        secrets masked) and the names of the present telemetry files. Returns its sha256."""
        config = _recorded_config(Path(run_dir))
        whole = {**manifest, "telemetry_files": telemetry_files(Path(run_dir))}
        if config is not None:
            whole["config"] = config
        content = msgspec.json.format(msgspec.json.encode(whole)) + b"\n"
        write_whole(Path(run_dir, MANIFEST_NAME), content, mode=0o644)
        return hashlib.sha256(content).hexdigest()

    def _bad_sources(self, job: Job) -> Iterator[str]:
        for index, tree in enumerate(job.staging):
            source = _expanded(tree.source)
            where = f"staging[{index}].source {source}"
            if not source.exists():
                yield f"{where} does not exist"
            elif self._is_too_wide(source):
                yield f"{where} is your home folder, holds it or is the whole disk; name the project's own folder"
            elif not os.access(source, os.R_OK | (os.X_OK if source.is_dir() else 0)):
                yield f"{where} cannot be read"
            elif not (source.is_dir() or source.is_file()):
                yield f"{where} is neither a folder nor a file"
            elif tree.gitignore and (why := git_refusal(source)):
                yield f"staging[{index}].gitignore: {why}"
            elif source.is_dir() and tree.delete and not tree.includes:
                yield from _lost(job, index)

    def _bad_destinations(self, job: Job, run_dir: str) -> Iterator[str]:
        for index, artifact in enumerate(job.artifacts):
            if is_away(artifact.local_path):
                continue
            place = _expanded(artifact.local_path)
            if self._is_too_wide(place):
                yield f"artifacts[{index}].local_path {place} is your home folder, holds it or is the whole disk"
            elif artifact.delete and (held := _held(place, job, artifact, (run_dir, str(self._state_home)))):
                yield f"artifacts[{index}].delete would empty {place}, which holds {held}; name one for results alone"
            else:
                yield from _unwritable(place)

    def _bad_key(self, job: Job) -> Iterator[str]:
        try:
            ssh_key(job.ssh.key_path, self._state_home)
        except UserError as error:
            yield f"{error.message}{f' ({error.hint})' if error.hint else ''}"

    def _is_too_wide(self, path: Path) -> bool:
        real = path.resolve()
        home = self._user_home
        return real == real.parent or (home is not None and (real == home or real in home.parents))


def _lost(job: Job, index: int) -> Iterator[str]:
    """What would be lost if a folder became a copy of its source: everything else on a network volume, what rpd keeps
    on the pod's own volume below that folder, or what another entry sends there."""
    place = plain_path(job.staging[index].destination)
    mount = plain_path(job.storage.volume_mount)
    whole = "network volume" if job.storage.mode == "network_volume" else "volume"
    if f"{mount}/".startswith(f"{place}/") and (whole != "volume" or place != mount):
        ways = "name a folder below it, or say delete: false"
        yield f"staging[{index}].delete would empty {mount}, the whole {whole}; {ways}"
    before = (at for at in range(index) if plain_path(job.staging[at].destination) == place)
    if (first := next(before, None)) is not None:
        yield f"staging[{index}].delete would remove what staging[{first}] sends to {place}; say delete: false"


def _held(place: Path, job: Job, artifact: Artifact, ours: tuple[str, ...]) -> str | None:
    """What of the user's own files, of `ours`, or of other artifacts lies in a folder that is to become a copy of the
    pod's. None if there is nothing."""
    real = place.resolve()
    if (real / ".git").exists():
        return "a git repository"
    others = (each.local_path for each in job.artifacts if each is not artifact and not is_away(each.local_path))
    sources = (tree.source for tree in job.staging)
    named = (job.local.project_root, *job.local.required_paths, *sources, *ours, *others)
    inside = (path for path in named if real in (_expanded(path).resolve(), *_expanded(path).resolve().parents))
    return next(inside, None)


def prepare_run_dir(run_dir: Path) -> Path:
    """Effect: make the run folder, for this user alone, with parents. Raises UserError if another user owns it."""
    return private_folder(run_dir)


class EventsLink:
    """The run folder's `events.jsonl`. `is_copy` is true if the file system cannot hold a second name for the
    journal."""

    def __init__(self, journal: Path, events: Path, *, is_copy: bool) -> None:
        self._journal = journal
        self._events = events
        self.is_copy = is_copy

    def refresh(self) -> None:
        """Effect: bring `events.jsonl` up to the journal, for the end of a run. Raises UserError (`local_disk`)."""
        if not _is_same(self._journal, self._events):
            self.is_copy = not _link(self._journal, self._events)


def link_events(journal: Path, run_dir: Path) -> EventsLink:
    """Effect, idempotent: make `<run_dir>/events.jsonl` the journal itself, or a copy if that is impossible."""
    link = EventsLink(journal, run_dir / EVENTS_NAME, is_copy=False)
    link.refresh()
    return link


def _link(journal: Path, events: Path) -> bool:
    """Put a hard link, else a copy, at `events`. Returns whether it is a link."""
    draft = events.with_name(f".{events.name}.{secrets.token_hex(4)}.tmp")
    try:
        is_link = True
        try:
            os.link(journal, draft, follow_symlinks=False)
        except OSError:
            is_link = False
            shutil.copyfile(journal, draft)
            draft.chmod(0o600)
        draft.replace(events)
        sync_folder(events.parent)
    except OSError as error:
        raise UserError(f"cannot write {events}: {error.strerror}", reason=Fault.LOCAL_DISK) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    return is_link


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _missing_paths(job: Job) -> Iterator[str]:
    for index, text in enumerate(job.local.required_paths):
        if not _expanded(text).exists():
            yield f"local.required_paths[{index}] {_expanded(text)} does not exist"


def _unwritable(folder: Path) -> Iterator[str]:
    """Why nothing can be made at `folder`: it, or the nearest folder above it, must take new entries."""
    place = _nearest(folder)
    if place.is_file() and place != folder:
        yield f"{folder} cannot be made: {place} is a file"
    elif not os.access(place, os.W_OK | (os.X_OK if place.is_dir() else 0)):
        yield f"{folder} cannot be written: no permission for {place}"


def _full_disks(*folders: Path) -> Iterator[str]:
    seen = set()
    for folder in folders:
        place = _nearest(folder)
        try:
            device, free = place.stat().st_dev, shutil.disk_usage(place).free
        except OSError as error:
            yield f"the disk of {place} cannot be read: {error.strerror}"
            continue
        if device not in seen and free < MIN_FREE_BYTES:
            mebibytes = 1024 * 1024
            yield f"the disk of {place} has {free // mebibytes} MiB free; {MIN_FREE_BYTES // mebibytes} MiB are needed"
        seen.add(device)


def _nearest(path: Path) -> Path:
    return next((place for place in (path, *path.parents) if place.exists()), Path("/"))


def _expanded(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111 - pathlib raises on ~nobody


def _holds_something(path: Path) -> bool:
    try:
        return path.is_dir() or path.stat().st_size > 0
    except OSError:
        return False


def telemetry_files(run_dir: Path) -> list[str]:
    """Names of the telemetry files in a run folder. Empty if it cannot be read."""
    try:
        return [path.name for name in TELEMETRY_NAMES for path in sorted(run_dir.glob(name)) if path.is_file()]
    except OSError:
        return []


def _recorded_config(run_dir: Path) -> Any:
    """The config of record 0. None if the journal is not in the run folder."""
    try:
        with (run_dir / EVENTS_NAME).open("rb") as file:
            record = tolerant.decode(file.readline(1 << 20))
    except OSError:
        return None
    data = record.get("data") if isinstance(record, dict) else None
    return data.get("config") if isinstance(data, dict) else None


def _pointer(path: Path) -> dict[str, Any] | None:
    """The content of a pointer file. None if it is absent or something else."""
    try:
        content = tolerant.decode(path.read_bytes())
    except OSError:
        return None
    return content if isinstance(content, dict) and content.keys() & {"pod_id", "journal"} else None
