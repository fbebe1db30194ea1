"""Other runs of the very same job. A dead run is resumed rather than started twice. Beside a live run rpd rents a
second pod only if a person wants that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.report.words import one_line
from rpd.adapters.spec.fingerprint import fingerprint
from rpd.adapters.spec.inline_job import NO_FILE
from rpd.adapters.spec.jobfile import LoadedJob
from rpd.adapters.terminal import output
from rpd.adapters.terminal.asking import DECLINED, answer, can_ask
from rpd.engine.errors import UserError
from rpd.journal.index import Entry, Index
from rpd.journal.lock import Owner, holder
from rpd.journal.reader import read
from rpd.states.ports.names import State
from rpd.states.shared.preserve import is_kept


class Others:
    """The unfinished runs of one rendered config. `is_wanted` is true if a person has said that this run is to be
    another one."""

    def __init__(self, loaded: LoadedJob, home: Path, *, is_wanted: bool) -> None:
        self._loaded, self._home, self._is_wanted = loaded, home, is_wanted
        self._known: set[str] = set()

    def refuse_dead(self) -> None:
        """Raise UserError for a run that is to be resumed."""
        for entry in self._new():
            if holder(Path(entry.journal)) is None and not _is_kept(entry):
                raise UserError(
                    f"run {entry.run_id} of this job is unfinished (state {entry.state or State.VALIDATE})",
                    hint=f"rpd resume {entry.run_id}   (or start another beside it: {_words(self._loaded)})",
                    reason="unfinished_run",
                )

    def mind(self) -> None:
        """Report each run once, and ask about a live one. Raises UserError as `refuse_dead` does, and if a person does
        not want a second run."""
        self.refuse_dead()
        for entry in self._new():
            if (owner := holder(Path(entry.journal))) is not None:
                _accept(entry, owner)
            elif _is_kept(entry):
                output.note([f"run {entry.run_id} of this job still keeps its pod up:   rpd release {entry.run_id}"])
            else:
                continue  # it has ended, or died, just now
            self._known.add(entry.run_id)

    def are_new(self) -> bool:
        """Whether there are runs by now that were not reported."""
        return any(True for _ in self._new())

    def _new(self) -> Iterator[Entry]:
        if self._is_wanted:
            return
        wanted = fingerprint(self._loaded.config, self._loaded.run_id)
        for entry in Index(self._home).entries():
            is_over = entry.outcome is not None or not Path(entry.journal).exists()
            if entry.workflow != self._loaded.workflow or is_over or entry.run_id in self._known:
                continue
            opened = read(Path(entry.journal)).opened
            if opened is not None and fingerprint(opened.config, entry.run_id) == wanted:
                yield entry


def _accept(entry: Entry, owner: Owner) -> None:
    """A live run: on a terminal rpd asks the person, elsewhere it only reports the run. Raises UserError if the answer
    is no."""
    who = f"run {entry.run_id} of this job is already running (state {entry.state or State.VALIDATE}, "
    who += f"pid {owner.pid} on {owner.host})"
    if not can_ask():
        output.note([one_line(f"warning: {who}; this one rents a second pod (--new says that it is meant)")])
        return
    output.note([one_line(who)])
    undone = "nothing was rented"
    if answer("rent a second pod for the same job? [yes/no] ", undone=undone).lower() not in ("y", "yes"):
        raise UserError(undone, exit_code=DECLINED, reason="declined", hint=f"rpd logs -f {entry.run_id}   follows it")


def _is_kept(entry: Entry) -> bool:
    """The run is over, except for a pod that a person wanted to look at."""
    if entry.state != State.RELEASE or entry.problem:
        return False
    inspection = Inspection(read(Path(entry.journal)), SystemClock().now())
    return is_kept(inspection.facts, inspection.now)


def _words(loaded: LoadedJob) -> str:
    path = loaded.config_path
    return "the same words with --new" if path.endswith(f"/{NO_FILE}") else f"rpd run --new {path}"
