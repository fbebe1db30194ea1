"""`rpd logs`: the job's output, from the run folder, and from the pod if no engine fetches it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

import msgspec

from rpd.adapters.access.gate import recorded_access
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.forensics.log_times import printed_before
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.signals import signal_requests
from rpd.adapters.pod.local_log import base_path
from rpd.adapters.runs.finding import find_journal
from rpd.adapters.terminal import output
from rpd.engine.errors import RpdError, UserError
from rpd.journal.lock import holder
from rpd.journal.reader import read
from rpd.states.facts import Facts
from rpd.states.facts.handles import job_ref, target
from rpd.states.policy.reuse import handed_over_pods
from rpd.states.ports.names import State
from rpd.states.ports.world import JobRef, Remote

LOOK_SECONDS = 0.2
WATCH_SECONDS = 1.0
CHUNK_BYTES = 1 << 20
TAIL_BYTES = 1 << 16
"""To show the last lines of a log in the pod, rpd first fetches this many bytes from its end."""


def show_logs(
    run: str | None, *, follow: bool, tail: int, launch: int | None = None, since_wall: float | None = None
) -> int:
    """Print the log of the newest launch, or of the given one. With `follow`, go on until the job's end. With
    `since_wall` (UTC seconds), leave out what was printed before, as far as the samples of the run say when that was.
    Ctrl-C ends only the following, and so does a reader that went away."""
    with contextlib.suppress(BrokenPipeError):
        return _show(run, follow=follow, tail=tail, launch=launch, since_wall=since_wall)
    return 0


def _show(run: str | None, *, follow: bool, tail: int, launch: int | None, since_wall: float | None) -> int:
    path = find_journal(run, to_act=True)  # it may read from the pod, with our key
    newest = _facts_of(path).launch.number
    if launch is not None and launch != newest:
        return _show_former(_facts_of(path), launch, tail)
    if newest > 1:
        former = "--launch 1 shows the one" if newest == 2 else f"--launch 1 to {newest - 1} show those"
        output.note([f"launch {newest}; {former} before"])
    log = _Log(path, tail, _skipped(path, since_wall) if since_wall is not None else 0)
    while True:
        if holder(path) is not None:
            log.begin()
            if not follow:
                return 0
            log.follow_engine()
        exit_code = log.read_pod(follow=follow)
        if exit_code is not None:
            return exit_code


def _skipped(path: Path, since_wall: float) -> int:
    """How many bytes of the log are too old to be shown."""
    facts = _facts_of(path)
    log = Path(facts.local_log)
    before = printed_before(log.parent, log, since_wall)
    if before is None:
        output.note(["the samples that say when each line was printed are not here yet: this is all of it"])
    return before or 0


def _show_former(facts: Facts, launch: int, tail: int) -> int:
    """The log of a launch that was lost, as far as it was fetched."""
    if not 1 <= launch <= facts.launch.number:
        raise UserError(f"run {facts.run_id} has no launch {launch}; its newest is {facts.launch.number}")
    log = Path(facts.local_log_of(launch))
    if not _is_there(log):
        output.note([f"nothing of the log of launch {launch} was brought here"])
    _print_from(log, _tail_offset(log, tail))
    return 0


class _Log:
    """Prints the job's output to stdout. `_offset` says how much of it is printed. An engine's copy in the run folder
    and a log read from the pod have the same bytes at the same offsets, so rpd can change from one to the other."""

    def __init__(self, journal: Path, tail: int, skipped: int = 0) -> None:
        self._journal = journal
        self._facts = _facts_of(journal)
        self._local = Path(self._facts.local_log)
        self._tail = tail
        self._skipped = skipped
        self._has_begun = False
        self._offset = 0

    def begin(self) -> None:
        """Print the local copy, or the end of it."""
        if not self._has_begun:
            self._has_begun = True
            at = max(self._skipped, _tail_offset(self._local, self._tail))
            self._offset = _print_from(self._local, at)

    def follow_engine(self) -> None:
        """Print what an engine on this machine fetches, until it leaves the run."""
        size = 0
        while holder(self._journal) is not None:
            time.sleep(LOOK_SECONDS)
            self._print_local()
            if size != (size := self._journal.stat().st_size):
                self._look_again()  # the engine may have launched the job again
        self._look_again()

    def read_pod(self, *, follow: bool) -> int | None:
        """Print what the pod has beyond the local copy, while no engine fetches it. Returns the exit code, or None if
        an engine has taken the run up meanwhile."""
        facts = self._facts
        pod = facts.pod
        if facts.state not in (State.LAUNCH, State.MONITOR) or pod is None or pod.id is None or facts.report.outcome:
            self.begin()
            return 0
        from rpd.adapters.local.dirs import state_home
        from rpd.adapters.wiring import world_for

        control = ProcessControl()
        access = recorded_access(self._journal)
        world = world_for(
            facts.opened, facts.run_id, access, control, state_home(), handed_over=handed_over_pods(facts)
        )
        with tempfile.TemporaryDirectory(prefix="rpd-logs-") as folder, signal_requests(control.ask):
            copy = Path(folder) / self._local.name
            try:
                if self._tail and not self._has_begun:
                    self._print_end(world.remote, copy)
                else:
                    self.begin()
                    _with_hole(copy, self._offset, self._base)
                if not follow:
                    world.remote.fetch_log(target(facts), _unmarked(job_ref(facts)), str(copy))
                    self._offset = _print_from(copy, self._offset)
                    return 0
                while not control.pending():
                    claim = world.remote.watch(target(facts), _unmarked(job_ref(facts)), str(copy), WATCH_SECONDS)
                    self._offset = _print_from(copy, self._offset)
                    if claim.phase != "running":
                        return 0
                    if holder(self._journal) is not None:
                        return None
            except RpdError as error:
                if self._has_begun:
                    self._offset = _print_from(copy, self._offset)
                self.begin()
                if self._is_taken_up():
                    return None
                output.note([f"the pod does not answer: {error.message}"])
                return 1
            finally:
                world.remote.close()
        return 0

    def _print_end(self, remote: Remote, copy: Path) -> None:
        """Print the last lines of the log in the pod. Of a long log, rpd fetches only the end, and more and more of it
        until it holds enough lines."""
        facts, size = self._facts, self._local.stat().st_size if _is_there(self._local) else 0
        span = TAIL_BYTES
        while True:
            there = self._base + remote.read_claim(target(facts), _unmarked(job_ref(facts))).log_bytes
            begin = max(there - span, self._base)
            if begin <= size:
                begin = 0
                copy.write_bytes(b"")
                if _is_there(self._local):
                    shutil.copyfile(self._local, copy)
                _with_base(copy, self._base)
            else:
                _with_hole(copy, begin, self._base)
            remote.fetch_log(target(facts), _unmarked(job_ref(facts)), str(copy))
            at = _tail_offset(copy, self._tail, begin)
            if at > begin or begin in (0, self._base):  # nothing before the base is in the pod
                self._has_begun = True
                self._offset = _print_from(copy, at)
                return
            span *= 16

    @property
    def _base(self) -> int:
        """The offset in the local copy at which the present log of the pod begins."""
        base = base_path(self._local)
        return int(base.read_text()) if _is_there(base) else 0

    def _look_again(self) -> None:
        """Read what an engine has written: the facts, and the local copy of the log."""
        self._facts = _facts_of(self._journal)
        self._print_local()
        if self._facts.local_log != str(self._local):  # the next launch has a separate log
            self._local, self._offset = Path(self._facts.local_log), 0
            self._print_local()

    def _print_local(self) -> None:
        self._offset = _print_from(self._local, self._offset)

    def _is_taken_up(self) -> bool:
        """Whether an engine on this machine holds the run, or has held it since its facts were read. Then the pod obeys
        that engine, or the engine has given the pod back."""
        known = self._facts.process.epoch
        is_held = holder(self._journal) is not None
        self._look_again()
        return is_held or self._facts.process.epoch > known


def _facts_of(journal: Path) -> Facts:
    return Inspection(read(journal), SystemClock().now()).facts


def _unmarked(job: JobRef) -> JobRef:
    """The same launch without markers to look for in its log: no code waits for them here."""
    return msgspec.structs.replace(job, success_marker=None, failure_markers=())


def _with_hole(copy: Path, size: int, base: int) -> None:
    """Make a file that reading can extend. It begins with a hole in place of the unwanted part: only the size of that
    part counts."""
    with copy.open("wb") as file:
        file.truncate(size)
    _with_base(copy, base)


def _with_base(copy: Path, base: int) -> None:
    if base:
        base_path(copy).write_text(f"{base}\n")


def _tail_offset(log: Path, lines: int, begin: int = 0) -> int:
    """The offset at which the last `lines` lines begin: `begin` if fewer lines are behind it, and 0 for all."""
    if not lines or not _is_there(log):
        return 0
    size = log.stat().st_size
    with log.open("rb") as file:
        # Read from the end in pieces: a log may be larger than this machine's memory. The end of the last line does not
        # count as one.
        for at in range((max(size - 1, 0) - 1) // CHUNK_BYTES * CHUNK_BYTES, -1, -CHUNK_BYTES):
            file.seek(at)
            data = file.read(min(CHUNK_BYTES, size - 1 - at))
            found = data.count(b"\n")
            if found >= lines:
                end = len(data)
                for _ in range(lines):
                    end = data.rfind(b"\n", 0, end)
                return at + end + 1
            lines -= found
            if at <= begin:
                break
    return begin


def _print_from(log: Path, offset: int) -> int:
    """Print the bytes after `offset`. A file gets control characters, a terminal never does."""
    if not _is_there(log):
        return offset
    with log.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(CHUNK_BYTES):
            offset += len(chunk)
            output.copy(chunk)
    return offset


def _is_there(log: Path) -> bool:
    """Whether the file is there. No, also for a name that cannot be a file: the journal that names it may say
    anything."""
    with contextlib.suppress(OSError):
        return log.exists()
    return False
