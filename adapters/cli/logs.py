"""`rpd logs`: the job's output, from the run folder; and from the pod where no engine brings it there."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

import msgspec

from rpd.adapters.cli import output
from rpd.adapters.cli.runs import find_journal
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.gate import recorded_access
from rpd.adapters.local.signals import signal_requests
from rpd.adapters.pod.local_log import base_path
from rpd.adapters.report.inspection import Inspection
from rpd.engine.errors import RpdError
from rpd.journal.lock import holder
from rpd.journal.reader import read
from rpd.states.call import job_ref, target
from rpd.states.facts import Facts
from rpd.states.names import State
from rpd.states.reuse import adopted
from rpd.states.world import JobRef

LOOK_SECONDS = 0.2
WATCH_SECONDS = 1.0
CHUNK_BYTES = 1 << 20


def show_logs(run: str | None, *, follow: bool, tail: int) -> int:
    """Print what there is; with `follow`, until the job's end. Ctrl-C ends following only, and so does a reader that
    went away."""
    with contextlib.suppress(BrokenPipeError):
        return _show(run, follow=follow, tail=tail)
    return 0


def _show(run: str | None, *, follow: bool, tail: int) -> int:
    path = find_journal(run, to_act=True)  # it may read from the pod, with our key
    log = _Log(path, tail)
    while True:
        if holder(path) is not None:
            if not follow:
                return 0
            log.follow_engine()
        exit_code = log.read_pod(follow=follow)
        if exit_code is not None:
            return exit_code


class _Log:
    """The job's output on its way to stdout. `_offset` says how much of it was printed: an engine's copy in the run
    folder and one that is read from the pod have the same bytes at the same place, so either goes on for the other."""

    def __init__(self, journal: Path, tail: int) -> None:
        self._journal = journal
        self._facts = _facts_of(journal)
        self._local = Path(self._facts.local_log)
        self._offset = _print_from(self._local, _tail_offset(self._local, tail))

    def follow_engine(self) -> None:
        """Print what an engine on this machine brings here, until it leaves the run."""
        size = 0
        while holder(self._journal) is not None:
            time.sleep(LOOK_SECONDS)
            self._print_local()
            if size != (size := self._journal.stat().st_size):
                self._look_again()  # it may have launched again
        self._look_again()

    def read_pod(self, *, follow: bool) -> int | None:
        """Print what the pod has beyond the copy here, while no engine brings it. The exit code, or None where an
        engine has taken the run up meanwhile."""
        facts = self._facts
        pod = facts.pod
        if facts.state not in (State.LAUNCH, State.MONITOR) or pod is None or pod.id is None or facts.closed_outcome:
            return 0
        from rpd.adapters.local.dirs import state_home
        from rpd.adapters.wiring import world_for

        control = ProcessControl()
        access = recorded_access(self._journal)
        world = world_for(facts.opened, facts.run_id, access, control, state_home(), adopted=adopted(facts))
        with tempfile.TemporaryDirectory(prefix="rpd-logs-") as folder, signal_requests(control.ask):
            copy = self._copy_in(Path(folder))
            try:
                while not control.pending():
                    claim = world.remote.watch(target(facts), _unmarked(job_ref(facts)), str(copy), WATCH_SECONDS)
                    self._offset = _print_from(copy, self._offset)
                    if claim.phase != "running" or not follow:
                        return 0
                    if holder(self._journal) is not None:
                        return None
            except RpdError as error:
                self._offset = _print_from(copy, self._offset)
                if self._is_taken_up():
                    return None
                output.note([f"the pod does not answer: {error.message}"])
                return 1
            finally:
                world.remote.close()
        return 0

    def _look_again(self) -> None:
        """Read what an engine has written: the facts, and what it has brought here."""
        self._facts = _facts_of(self._journal)
        self._print_local()
        if self._facts.local_log != str(self._local):  # a next launch has a log of its own
            self._local, self._offset = Path(self._facts.local_log), 0
            self._print_local()

    def _print_local(self) -> None:
        self._offset = _print_from(self._local, self._offset)

    def _copy_in(self, folder: Path) -> Path:
        """A file to read on into. It begins with a hole in place of what was printed: of that, only the size counts."""
        copy = folder / self._local.name
        with copy.open("wb") as file:
            file.truncate(self._offset)
        base = base_path(self._local)
        if base.exists():
            base_path(copy).write_bytes(base.read_bytes())
        return copy

    def _is_taken_up(self) -> bool:
        """Whether an engine on this machine holds the run, or has held it since its facts were read: then it is the one
        whom the pod obeys, or who has given the pod back."""
        known = self._facts.epoch
        is_held = holder(self._journal) is not None
        self._look_again()
        return is_held or self._facts.epoch > known


def _facts_of(journal: Path) -> Facts:
    return Inspection(read(journal), SystemClock().now()).facts


def _unmarked(job: JobRef) -> JobRef:
    """The same launch without words to look for in its log: nobody waits for them here."""
    return msgspec.structs.replace(job, success_marker=None, failure_markers=())


def _tail_offset(log: Path, lines: int) -> int:
    """Where the last `lines` lines begin; 0 for all."""
    if not lines or not _is_there(log):
        return 0
    size = log.stat().st_size
    with log.open("rb") as file:
        # From the end in pieces: a log may be larger than this machine's memory. The last line's own end is none.
        for begin in range((max(size - 1, 0) - 1) // CHUNK_BYTES * CHUNK_BYTES, -1, -CHUNK_BYTES):
            file.seek(begin)
            data = file.read(min(CHUNK_BYTES, size - 1 - begin))
            found = data.count(b"\n")
            if found >= lines:
                end = len(data)
                for _ in range(lines):
                    end = data.rfind(b"\n", 0, end)
                return begin + end + 1
            lines -= found
    return 0


def _print_from(log: Path, offset: int) -> int:
    """Print what stands behind `offset`; control characters reach a file, never a terminal."""
    if not _is_there(log):
        return offset
    with log.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(CHUNK_BYTES):
            offset += len(chunk)
            output.copy(chunk)
    return offset


def _is_there(log: Path) -> bool:
    """No also for what can be no file: the journal that names it may say anything."""
    with contextlib.suppress(OSError):
        return log.exists()
    return False
