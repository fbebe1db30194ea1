"""What leads into a pod dies with it: entries of ssh, and tunnels in the background."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from rpd.adapters.forensics.inspection import facts_of
from rpd.adapters.local.files import alone_in
from rpd.adapters.reaching.ssh_entry import SshEntry, entries, entries_folder, remove_entry
from rpd.adapters.tunnels.detached import Tunnel, close_tunnel, forget_logs, tunnels_of
from rpd.journal.errors import JournalError
from rpd.journal.reader import read
from rpd.states.facts.pod import PodFacts
from rpd.states.ports.world import SshAddress

LOG_SECONDS = 24 * 3600.0
"""How long the last words of a tunnel that failed are kept."""


class Way(msgspec.Struct, frozen=True):
    """What leads to a pod that is gone. `kind` is "tunnel" or "ssh_entry". `is_gone`: it was taken away just now."""

    kind: str
    name: str
    pod_id: str | None
    pid: int | None = None
    is_gone: bool = False

    @property
    def plan(self) -> str:
        """What `gc` would do about a tunnel."""
        return f"the tunnel to pod {self.pod_id} (pid {self.pid}) leads nowhere; rpd gc --yes closes it"

    @property
    def words(self) -> str:
        """What was done, for people."""
        if self.kind == "ssh_entry":
            return f"removed the ssh entry {self.name}"
        return f"{'closed' if self.is_gone else 'could not end'} the tunnel to pod {self.pod_id} (pid {self.pid})"


def stale_tunnels(home: Path) -> list[Way]:
    """Tunnels whose pod is given back, or whose run is not known here any more."""
    return [_way(tunnel) for tunnel in _stale(home)]


def tidy(home: Path) -> list[Way]:
    """Effect: remove the entries that do not lead to their pod any more, and close the tunnels of pods that are given
    back. Returns what was done."""
    done = []
    folder = entries_folder(home)
    with alone_in(folder) if folder.is_dir() else contextlib.nullcontext():  # one that is made anew meanwhile stays
        for file, entry in entries(home).items():
            if entry is None or not _leads(entry):
                remove_entry(file)
                name, pod_id = (file.stem, None) if entry is None else (entry.name, entry.pod_id)
                done.append(Way("ssh_entry", name, pod_id, is_gone=True))
    done += [_way(tunnel, is_gone=close_tunnel(home, tunnel)) for tunnel in _stale(home)]
    forget_logs(home, LOG_SECONDS)
    return done


def _stale(home: Path) -> list[Tunnel]:
    return [tunnel for tunnel in tunnels_of(home) if _is_over(tunnel.journal, tunnel.pod_id)]


def _way(tunnel: Tunnel, *, is_gone: bool = False) -> Way:
    return Way("tunnel", tunnel.name, tunnel.pod_id, tunnel.pid, is_gone)


def _leads(entry: SshEntry) -> bool:
    """Whether the pod is there, at this address, under this host key. A start of its container changes both."""
    try:
        pod = _pod(entry.journal, entry.pod_id)
    except JournalError:
        return True
    if pod is None or pod.container.greeting is None or pod.container.greeting.host_key != entry.pin:
        return False
    address = pod.seen.ssh if pod.seen is not None else None
    return address is None or address == SshAddress(entry.host, entry.port, entry.user)


def _is_over(journal: str, pod_id: str) -> bool:
    try:
        return _pod(journal, pod_id) is None
    except JournalError:
        return False


def _pod(journal: str, pod_id: str) -> PodFacts | None:
    """The pod as its journal knows it, unless it is given back. Raises JournalError for a journal that is there and
    cannot be read now, which says nothing against the pod."""
    path = Path(journal)
    if not path.exists():
        return None
    facts = facts_of(read(path))
    found = next((pod for pod in facts.pods.values() if pod.id == pod_id), None)
    return None if found is None or found.is_gone or found.released_as is not None else found
