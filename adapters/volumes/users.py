"""Which runs of this state home use a network volume, according to record 0 of their journals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from rpd.journal.errors import JournalError
from rpd.journal.index import Entry, Index
from rpd.journal.reader import parse, read_bytes


class Workflow(msgspec.Struct, frozen=True):
    """Runs of one workflow that name a volume, by id or by name. `unfinished` are those that may still want it."""

    workflow: str
    runs: int
    newest_run: str
    unfinished: tuple[str, ...] = ()


class VolumeUsers:
    """The journals of one state home that belong to one cloud. `cloud` has the form in which a journal records it."""

    def __init__(self, home: Path, cloud: Mapping[str, str]) -> None:
        self._named: list[tuple[str, Entry]] = []
        self.runs: dict[str, Entry] = {}
        for entry in Index(home).entries():
            if cloud_mark(entry.cloud) != cloud_mark(cloud):
                continue
            self.runs[entry.run_id] = entry
            wanted = _volume_named(entry)
            if wanted is not None:
                self._named.append((wanted, entry))

    def run_of(self, pod_name: str, ordered_by: str | None) -> Entry | None:
        """The run that answers for a pod: the run that owes it, by the pod's name, else the run that ordered it."""
        owing = (entry for entry in self.runs.values() if any(debt.key == pod_name for debt in entry.debts))
        return next(owing, None) or self.runs.get(ordered_by or "")

    def workflows(self, *names: str | None) -> list[Workflow]:
        """The workflows that name a volume by one of these words. The one that ran last comes first."""
        runs: dict[str, list[Entry]] = {}
        for wanted, entry in self._named:
            if wanted in names:
                runs.setdefault(entry.workflow, []).append(entry)
        return [Workflow(name, len(found), found[0].run_id, _unfinished(found)) for name, found in runs.items()]


def cloud_mark(cloud: Mapping[str, str]) -> str:
    """The mark that tells clouds apart: the folder of a sandbox, else the address."""
    return cloud.get("home") or cloud.get("url", "")


def _unfinished(entries: Iterable[Entry]) -> tuple[str, ...]:
    return tuple(entry.run_id for entry in entries if entry.outcome is None)


def _volume_named(entry: Entry) -> str | None:
    """The volume that a journal names. None if the journal is gone or makes no sense, because it may hold anything."""
    try:
        opened = parse(_first_line(Path(entry.journal))).opened
    except JournalError:
        return None
    storage = opened.config.get("storage") if opened is not None else None
    if not isinstance(storage, dict) or storage.get("mode") != "network_volume":
        return None
    name = storage.get("volume_name")
    return name if isinstance(name, str) else None


def _first_line(path: Path) -> bytes:
    data = read_bytes(path)
    return data[: data.find(b"\n") + 1]
