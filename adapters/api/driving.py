"""Drive runs from Python, in this process, with the functions behind `rpd run`, `resume` and `cancel`."""

from __future__ import annotations

import contextlib
import math
import queue
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.api.events import Event, Listener, Said, Waiting, recorded
from rpd.adapters.api.jobs import Job, load
from rpd.adapters.api.runs import Run, word_for
from rpd.adapters.api.telling import without_secrets
from rpd.adapters.local.caller import called_by, program
from rpd.engine.errors import UserError
from rpd.journal.records import Record
from rpd.journal.store import Journal
from rpd.states.facts import Facts
from rpd.states.fold import apply
from rpd.states.ports.exits import Exit


class Ending(msgspec.Struct, frozen=True):
    """The end of a call that has driven a run. `exit_code` is the exit code of the command (docs/exit-codes.md): 0 is a
    success, and 8 (`Exit.STILL_BILLING`) wins over all others. `said` is the text that the command prints for people on
    stderr: warnings, how the run ended, what it cost, what still bills, what to type. `listener_error` is the first
    error that the listener raised."""

    run_id: str
    journal: Path
    exit_code: int
    said: tuple[str, ...] = ()
    listener_error: BaseException | None = None

    @property
    def run(self) -> Run:
        """The run. Each call reads it again. Raises the errors of `Run`."""
        return Run(self.journal)


@without_secrets
def start(
    job: Job | str | Path,
    *,
    variables: Mapping[str, str] | None = None,
    sandbox: bool = False,
    detach: bool = False,
    new: bool = False,
    fresh: bool = False,
    wait_for_stock_seconds: float | None = None,
    max_usd_per_day: float | None = None,
    listener: Listener | None = None,
    signals: bool = False,
) -> Ending:
    """Rent a pod, run the job, bring the verified results back, give the pod back. Blocks until then, as `rpd run`.

    A `Job` can be started once. `variables` are for a file, and win over its own. `sandbox`: run in this machine's
    sandbox, and start the sandbox if it is not up. `detach`: leave once the job runs (exit code 75); `resume` comes
    back. `new`: start also if an unfinished run of the same job exists. `fresh`: rent a fresh pod, and release a paused
    one. `wait_for_stock_seconds`: how long to try when everything is sold out. `max_usd_per_day`: refuse a run that
    could bring the day (UTC) above this amount.

    rpd calls `listener` with each `Event`, in order, in a separate thread. A slow listener delays only the end of this
    call. A listener that raises still gets the next event. `signals`: in the main thread, SIGINT and SIGTERM ask the
    run to end, as they do for the command. Without `signals`, rpd leaves the signals of this process alone. A
    KeyboardInterrupt then ends the call and leaves the pod as it is: `resume` or `cancel` the run.

    A failed job gives an `Ending`, not an error. Raises UserError for an error that is found before anything is rented
    (SpecError for an error in the file), and JournalError if the journal cannot be kept.
    """
    from rpd.adapters.runs.start import run_job

    if isinstance(job, Job) and variables is not None:
        raise UserError("the variables of a loaded job are set: rpd.load(file, variables=...)")
    if wait_for_stock_seconds is not None and not 0 <= wait_for_stock_seconds < math.inf:
        raise UserError(f"wait_for_stock_seconds={wait_for_stock_seconds!r} is no time to wait")
    found = job if isinstance(job, Job) else load(job, variables=variables)
    if found._journal.exists():
        raise UserError(f"{found!r} was started already: it is for one run", hint="rpd.load makes another one")
    with _driven(listener, signals) as caller:
        code = run_job(
            found._loaded,
            str(job.path if isinstance(job, Job) else job),
            use_sandbox=sandbox,
            detach=detach,
            new=new,
            fresh=fresh,
            wait_for_stock_seconds=wait_for_stock_seconds,
            max_usd_per_day=max_usd_per_day,
        )
    return caller.ending(code)


@without_secrets
def resume(run: Run | str | Path, *, listener: Listener | None = None, signals: bool = False) -> Ending:
    """Go on with an unfinished run after any interruption, to its end. Blocks until then, like `rpd resume`. If the run
    is over, this call returns its ending again.

    `run` is a `Run`, or an argument of `Run(...)`, of this state home. `listener` and `signals` work as in `start`.
    Raises JournalLocked if another process or thread already drives the run, JournalNotOurs if the run is not of this
    state home, JournalError if the journal cannot be driven, UserError if no run matches or if a secret or the key is
    missing.
    """
    from rpd.adapters.runs.finding import find_journal, unfinished
    from rpd.adapters.runs.resume import resume_run

    with _driven(listener, signals) as caller:
        caller.journal = find_journal(_name(run), only=unfinished, to_act=True)
        code = resume_run(str(caller.journal), as_json=False)
    return caller.ending(code)


@without_secrets
def cancel(
    run: Run | str | Path,
    *,
    delete: bool = False,
    yes: bool = False,
    listener: Listener | None = None,
    signals: bool = False,
) -> Ending:
    """End a run: stop its job, collect its results, release the pod. Blocks until then, like `rpd cancel`. If another
    thread or process drives the run, this call asks that one to end it. Otherwise this call ends the run itself, and
    `listener` gets the events.

    rpd keeps the pod's disk. With `delete`, rpd deletes it once all results are here. With `delete` and `yes`, rpd
    deletes it even if uncollected results are lost. The exit code is 0 when nothing computes any more, and 8 when
    something may still compute. A workflow's name stands for its one unfinished run. Raises the errors of `resume`,
    except JournalLocked.
    """
    from rpd.adapters.runs.cancel import cancel_run
    from rpd.adapters.runs.finding import find_journal, unfinished

    with _driven(listener, signals) as caller:
        caller.journal = find_journal(_name(run), only=unfinished, ends=True, to_act=True)
        code = cancel_run(str(caller.journal), delete=delete, yes=yes, as_json=False)
    return caller.ending(code)


def _name(run: Run | str | Path) -> str:
    if isinstance(run, Run):
        if run.journal is None:
            raise UserError(f"of {run.id} only a run folder is here, and no journal: nothing can act on it")
        return str(run.journal)
    return word_for(run)


@contextlib.contextmanager
def _driven(listener: Listener | None, signals: bool) -> Iterator[_Program]:
    """Within this block the caller is a program. After the block the listener has got all events. Raises UserError if
    this thread already drives a run, which stands still meanwhile: the call comes from a signal handler."""
    if program() is not None:
        raise UserError("this thread drives a run", reason="busy", hint="signals=True, or a call in another thread")
    _load_ssh()
    caller = _Program(listener, takes_signals=signals)
    try:
        with called_by(caller):
            yield caller
    except KeyboardInterrupt as stop:
        caller.tell_where_it_stands(stop)
        raise
    finally:
        caller.close()


def _load_ssh() -> None:
    """Effect: load the SSH library without `invoke` (rpd.adapters.ssh), because the program may want `invoke` later."""
    import rpd.adapters.wiring  # noqa: F401 - this import loads it

    if "invoke" in sys.modules and sys.modules["invoke"] is None:
        del sys.modules["invoke"]


class _Program:
    """The calling program. It gets what a command would print and show (`rpd.adapters.local.caller.Program`)."""

    erases_log = False

    def __init__(self, listener: Listener | None, *, takes_signals: bool) -> None:
        self.takes_signals = takes_signals
        self.journal: Path | None = None
        self._run_id = ""
        self._facts: Facts | None = None
        self._what = ""
        self._said: list[str] = []
        self._ear = _Ear(listener) if listener is not None else None

    def told(self, lines: list[str]) -> None:
        """Collect lines that a command prints for people."""
        self._said += lines
        for line in lines:
            self._tell(Said(self._run_id, line))

    def view(self, facts: Any, journal: Journal) -> AbstractContextManager[Any]:
        """Pass the events of this run to the listener from now on."""
        self._facts, self._run_id, self.journal = facts, journal.run_id, journal.path
        return contextlib.nullcontext(self)

    def recorded(self, record: Record) -> None:
        """A record is durable."""
        assert self._facts is not None, "the view has begun"
        apply(self._facts, record)
        if self._ear is not None:
            self._tell(recorded(record, self._facts))

    def doing(self, what: str, deadline: float | None) -> None:
        """The loop waits, or does something that takes a while."""
        if what != self._what:
            self._what = what
            self._tell(Waiting(self._run_id, what, deadline))

    def ending(self, exit_code: int) -> Ending:
        """The result of the call. Raises UserError if the call was interrupted before there was a run."""
        if self.journal is None:
            raise UserError(" ".join(self._said[-1:]) or "interrupted", exit_code=exit_code, reason="interrupted")
        error = self._ear.error if self._ear is not None else None
        return Ending(self.journal.stem, self.journal, int(exit_code), tuple(self._said), error)

    def tell_where_it_stands(self, stop: KeyboardInterrupt) -> None:
        """Add to the traceback what may bill and what to type."""
        from rpd.adapters.driving.driving import left_late
        from rpd.adapters.local.signals import LeaveNow

        if self.journal is None:
            return
        heard = len(self._said)
        with contextlib.suppress(Exception), called_by(self):
            left_late(self.journal, LeaveNow("the run was left where it stood", Exit.INTERRUPTED))
        for line in self._said[heard:]:
            stop.add_note(line)

    def close(self) -> None:
        """Give the listener the remaining events, and no more."""
        if self._ear is not None:
            self._ear.close()

    def _tell(self, event: Event) -> None:
        if self._ear is not None:
            self._ear.hear(event)


class _Ear:
    """Calls a listener in a separate thread. The listener may be slow, may raise, or may ask for the end of the run and
    wait for it. None of this delays the release of a pod."""

    def __init__(self, listener: Listener) -> None:
        self.error: BaseException | None = None
        self._listener = listener
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._listen, name="rpd-listener", daemon=True)
        self._thread.start()

    def hear(self, event: Event) -> None:
        """Queue one more event."""
        self._queue.put(event)

    def close(self) -> None:
        """Wait until the listener got all events."""
        self._queue.put(None)
        self._thread.join()

    def _listen(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._listener(event)
            except BaseException as error:  # also its sys.exit(): a listener cannot end the run
                self.error = self.error or error
