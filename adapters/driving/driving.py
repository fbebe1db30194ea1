"""Drive a run from the command line: signals, view, index, and the exit code at the end."""

from __future__ import annotations

import contextlib
import copy
import functools
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rpd.adapters.access.clouds import Access
from rpd.adapters.disposal.giveback import stop_owed
from rpd.adapters.driving.leaving import SessionControl
from rpd.adapters.driving.records_seen import RecordsSeen
from rpd.adapters.forensics.inspection import Inspection, facts_of
from rpd.adapters.local import own_log
from rpd.adapters.local.bad_places import BadPlaces
from rpd.adapters.local.caller import program
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.signals import Early, LeaveNow, signal_requests
from rpd.adapters.reaching.tidying import tidy
from rpd.adapters.report.ending import last_words
from rpd.adapters.report.last_lines import last_lines
from rpd.adapters.report.own_story import OwnStory
from rpd.adapters.report.paint import is_terminal
from rpd.adapters.run_folder.workspace import LocalWorkspace, link_events, prepare_run_dir
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.engine.ports import Request
from rpd.engine.runner import Listener
from rpd.journal.errors import JournalError, JournalLocked
from rpd.journal.index import Index
from rpd.journal.reader import read
from rpd.journal.records import (
    Body,
    Intent,
    Left,
    Note,
    Observation,
    Opened,
    Outcome,
    Record,
    Resumed,
    Stamp,
    Transition,
)
from rpd.journal.redact import Redactor
from rpd.journal.replay import fold
from rpd.journal.store import Journal
from rpd.states.facts import Facts
from rpd.states.fold import replayed
from rpd.states.policy.places import OF_THE_PLACE
from rpd.states.policy.reuse import handed_over_in
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import Op, State, Trigger
from rpd.states.ports.world import Notice

MoreListeners = Callable[[Callable[[], Facts]], Sequence[Listener]]
"""Makes listeners that may read the present facts."""


class Pointers:
    """A listener that updates what is derived from the journal: the index, the pointer file of the config, and the list
    of places where hosts have failed."""

    def __init__(self, journal: Journal, home: Path) -> None:
        opened = journal.records[0].body
        assert isinstance(opened, Opened), "record 0 opens the journal"
        self._opened = opened
        self._journal = journal
        self._index = Index(home)
        self._workspace = LocalWorkspace(home)
        self._bad_places = BadPlaces(home, str(opened.cloud.get("url", "")))
        self._is_placed = True

    def recorded(self, record: Record) -> None:
        """Update what this record makes stale."""
        body = record.body
        if isinstance(body, Intent | Transition):  # with an intent, the index also knows what is about to cost money
            self._index.refresh(self._journal.path)
        if isinstance(body, Transition) and body.trigger == Trigger.HOST_FAILED and body.reason in OF_THE_PLACE:
            self._remember_place(record.at)
        pointer = self._opened.config.get("state_file")
        if not pointer:
            return
        with contextlib.suppress(OSError, UserError):  # a pointer is a convenience and never stops a run
            pod = self._shown(body)
            if pod is not None:
                self._write(str(pointer), pod)
            elif isinstance(body, Outcome) and body.op == Op.DELETE_POD and body.status == "ok":
                self._workspace.remove_pointer(str(pointer), str(body.data["pod_id"]))

    def doing(self, what: str, deadline: float | None) -> None:
        """Nothing derived depends on it."""

    def _remember_place(self, at: Stamp) -> None:
        """Record the place where a host has failed now, for other runs."""
        with contextlib.suppress(JournalError):
            facts = replayed(self._opened, self._journal.records)
            newest = tuple(each for each in facts.search.bad_places if each.at == at.wall)
            self._bad_places.remember(newest, at.wall)

    def _shown(self, body: object) -> dict[str, Any] | None:
        """A new pod, or the first look at it that shows where it is."""
        match body:
            case Outcome(op=Op.HAND_OVER, status="ok", data={"is_unwanted": False, "paused": dict() as paused}):
                return {"id": paused["pod_id"], **paused, "image": paused["shape"].get("pod.image")}
            case Outcome(op=Op.CREATE_POD, status="ok", data={"pod": dict() as pod}):
                self._is_placed = pod.get("datacenter_id") is not None
                return pod
            case Observation(op=Op.READ_POD, data={"pod": {"datacenter_id": str()} as pod}) if not self._is_placed:
                self._is_placed = True
                return dict(pod)
            case _:
                return None

    def _write(self, pointer: str, pod: dict[str, Any]) -> None:
        content = {
            "journal": str(self._journal.path),
            "pod_id": pod["id"],
            "gpu_id": pod.get("gpu_id"),
            "image": pod.get("image"),
            "datacenter_id": pod.get("datacenter_id"),
        }
        self._workspace.write_pointer(pointer, content)


class DetachWhenRunning:
    """A listener that asks the loop to leave once the job runs."""

    def __init__(self, control: ProcessControl) -> None:
        self._control = control

    def recorded(self, record: Record) -> None:
        """Ask when the run moves to monitor."""
        body = record.body
        if isinstance(body, Transition) and body.dest == State.MONITOR and body.trigger == Trigger.JOB_STARTED:
            self._control.ask(Request("detach", "rpd run --detach", {}))

    def doing(self, what: str, deadline: float | None) -> None:
        """Nothing to do."""


def drive_journal(
    journal: Journal,
    access: Access,
    *,
    as_json: bool,
    detach: bool = False,
    request: Request | None = None,
    quiet: bool = False,
    patience: Patience | None = None,
    early: Early | None = None,
    more: MoreListeners = lambda read: (),
) -> int:
    """Run the loop on an open journal, show it, close the journal, and return the exit code. With `patience` the first
    signal ends it. `more` makes listeners that may read the present facts. The code that made or opened the journal
    already takes signals with `early`, so that no signal is lost in between."""
    from rpd.adapters.wiring import drive

    home = state_home()
    refresh_events = _events(journal)
    seen = RecordsSeen(journal, home)
    control, on_signal = _control(journal, request, patience, early, seen)
    facts, lacks, needs_secrets = _facts(journal, seen, needs_secrets=request is None and not _is_launched(journal))
    if lacks is not None:
        request = lacks
        control.ask(lacks)
    if request is None and not as_json:
        _tell_of_resuming(journal)
    story = OwnStory(copy.deepcopy(facts), journal.records)
    was_erased = False  # whether the job's output is gone from the screen

    def loop() -> int:
        nonlocal was_erased
        hears = signal_requests(on_signal) if early is None else contextlib.nullcontext()
        with hears, own_log.of_run(journal.run_id), _view(facts, journal, quiet=quiet, live=not as_json) as views:
            was_erased = any(view.erases_log for view in views)
            more_listeners = [story, *_listeners(journal, seen, home, views, control, detach=detach, more=more)]
            needs_key = request is None
            ending = drive(
                journal, access, control, more_listeners, home, needs_secrets=needs_secrets, needs_key=needs_key
            )
            return ending.exit_code

    try:
        exit_code = _whatever_ends_it(loop, journal, access, seen, home)
    finally:
        _leave(journal, home, refresh_events)
    return _last_words(seen, exit_code, journal.redactor, as_json=as_json, quiet=quiet, was_erased=was_erased)


def _listeners(
    journal: Journal,
    seen: RecordsSeen,
    home: Path,
    views: Sequence[Any],
    control: ProcessControl,
    *,
    detach: bool,
    more: MoreListeners,
) -> list[Listener]:
    """Who is seen of each record. The question to a person who leaves a session needs room on the screen."""
    if isinstance(control, SessionControl) and any(view.erases_log for view in views):
        control.shown = views[0].paused
    leaver = [DetachWhenRunning(control)] if detach else []
    return [seen, Pointers(journal, home), *views, *leaver, *more(functools.partial(facts_of_records, seen))]


def _tell_of_resuming(journal: Journal) -> None:
    if isinstance(journal.records[-1].body, Resumed):
        output.note([f"resuming {journal.run_id} in state {fold(journal.records).state or State.VALIDATE}"])


def _leave(journal: Journal, home: Path, refresh_events: Callable[[], None]) -> None:
    """Close the journal, remember what it says, and take away what led into a pod that is gone."""
    with contextlib.suppress(JournalError):  # all records are durable; what could not be kept was reported
        journal.close()
    refresh_events()
    Index(home).refresh(journal.path)
    tidy(home)


def _whatever_ends_it(loop: Callable[[], int], journal: Journal, access: Access, seen: RecordsSeen, home: Path) -> int:
    """The exit code of the loop, also if a signal or a fault of rpd ends it. Raises KeyboardInterrupt and
    JournalLocked."""
    try:
        return loop()
    except LeaveNow as leaving:
        return _left_at_once(journal, seen, leaving)
    except KeyboardInterrupt:  # a program that handles its signals itself gets it
        _left_at_once(journal, seen, LeaveNow("interrupted (KeyboardInterrupt)", Exit.INTERRUPTED))
        raise
    except JournalLocked:
        raise  # another process drives the run now: this process must not touch its pod
    except Exception as fault:  # after any fault, a rented pod must not stay unnoticed
        return _rescue(journal, access, seen, home, fault)


def _control(
    journal: Journal, request: Request | None, patience: Patience | None, early: Early | None, told: RecordsSeen
) -> tuple[ProcessControl, Callable[[Request], None]]:
    """The control that takes requests for the run. It also knows what a signal asks for."""
    control = ProcessControl(journal.path, epoch=journal.epoch, patience=patience)
    if is_session(journal):
        read_facts = functools.partial(facts_of_records, told)
        control = SessionControl(journal.path, epoch=journal.epoch, patience=patience, read=read_facts)
    if request is not None:
        control.ask(request)
    on_signal = control.ask if patience is None else patience.leave_on
    if early is not None:
        early.hand_over(on_signal)
        if isinstance(control, SessionControl):
            early.is_answered = control.is_answered
    return control, on_signal


def is_session(journal: Journal) -> bool:
    """Whether a person works in the pod, and no job."""
    opened = journal.records[0].body
    return isinstance(opened, Opened) and opened.lifecycle == "session"


def facts_of_records(seen: RecordsSeen) -> Facts:
    """The present facts."""
    return facts_of(seen.reading()[0])


def _facts(journal: Journal, seen: RecordsSeen, *, needs_secrets: bool) -> tuple[Facts, Request | None, bool]:
    """The facts of the job, and whether its secrets are still needed. If one is missing, the request is to cancel: a
    rented pod must not bill until the secret is found. Raises UserError."""
    from rpd.adapters.wiring import facts_of

    opened = journal.records[0].body
    assert isinstance(opened, Opened), "record 0 opens the journal"
    try:
        return facts_of(opened, journal.run_id, needs_secrets=needs_secrets), None, needs_secrets
    except UserError as error:
        if error.reason != Fault.SECRET_MISSING or not seen.owes:
            raise
        output.note([f"error: {error.message}", "giving the pod back rather than let it wait; then run the job anew"])
        lacks = Request("cancel", "a secret is missing", {"missing": error.message})
        return facts_of(opened, journal.run_id, needs_secrets=False), lacks, False


@contextlib.contextmanager
def held(journal: Journal) -> Iterator[None]:
    """Close the journal after this block, in every case. This process may live on, and would keep the lock."""
    try:
        yield
    finally:
        with contextlib.suppress(JournalError):
            journal.close()


def _events(journal: Journal) -> Callable[[], None]:
    """Link the run folder's `events.jsonl`, and keep the link right when the journal is replaced; return the function
    that does so at other times. A resumed run goes on without its folder too, because rpd must give back what the run
    rented. Raises UserError for a new run, which has rented nothing."""
    opened = journal.records[0].body
    assert isinstance(opened, Opened), "record 0 opens the journal"
    try:
        events = link_events(journal.path, prepare_run_dir(Path(opened.run_dir)))
    except UserError as error:
        if len(journal.records) == 1:
            raise
        output.note([f"warning: {error.message}"])
        return lambda: None

    def refresh() -> None:
        with contextlib.suppress(UserError):
            events.refresh()

    journal.on_replaced = lambda path: refresh()
    return refresh


def _is_launched(journal: Journal) -> bool:
    """The pod has confirmed that the job started: rpd has sent all secrets, and never starts the job again. An intent
    to launch proves neither."""
    claim = facts_of(read(journal.path)).launch.claim
    return claim is not None and claim.phase not in ("none", "claimed")


def _rescue(journal: Journal, access: Access, seen: RecordsSeen, home: Path, fault: Exception) -> int:
    """A fault of this program while something may bill: keep the trace, and give the pod back by the shortest way
    (stopped, so that nothing in it is lost). Raises the fault itself if the run owes nothing."""
    from rpd.adapters.wiring import drive

    trace = "".join(traceback.format_exception(fault))
    own_log.keep_trace(fault, "internal error while something may bill")
    if not seen.owes:
        raise fault
    with contextlib.suppress(JournalError):
        seen.recorded(journal.append(Note("internal_error", trace)))
    output.note(["error: internal error; the trace is in the journal; giving the pod back", trace.splitlines()[-1]])
    control = ProcessControl()
    detail = {"how": "stop", "internal_error": True, "fault": trace.splitlines()[-1]}
    control.ask(Request("release", "internal error", detail))
    try:
        journal.records = read(journal.path).records
        with signal_requests(control.ask):
            drive(journal, access, control, [seen], home, needs_secrets=False, needs_key=False)
    except LeaveNow as leaving:
        return _left_at_once(journal, seen, leaving)
    except JournalLocked:
        raise
    except Exception:  # the ordinary way to give the pod back is broken too
        _stop_outright(journal, access, seen)
    return Exit.STILL_BILLING if seen.owes else Exit.INTERNAL


def _stop_outright(journal: Journal, access: Access, seen: RecordsSeen) -> None:
    """The loop cannot go on: stop what it rented, by pod id. What is not proved stopped stays owed."""
    from rpd.adapters.wiring import cloud_of_run

    opened = journal.records[0].body
    assert isinstance(opened, Opened), "record 0 opens the journal"

    def record(body: Body) -> None:
        with contextlib.suppress(JournalError):  # a failing journal must not keep a pod computing
            seen.recorded(journal.append(body))

    with contextlib.suppress(JournalError):
        cloud = cloud_of_run(
            opened, journal.run_id, access, ProcessControl(), handed_over=handed_over_in(journal.records)
        )
        stop_owed(record, access, cloud, facts_of(seen.reading()[0]))


def _left_at_once(journal: Journal, seen: RecordsSeen, leaving: LeaveNow) -> int:
    """A second Ctrl-C, or the end of patience: record it in the journal and leave the debt open. Returns 8 if something
    may bill."""
    exit_code = Exit.STILL_BILLING if seen.owes else leaving.exit_code
    with contextlib.suppress(Exception):
        seen.recorded(journal.append(Left(leaving.why, exit_code)))
    return exit_code


def left_late(journal: Path, leaving: LeaveNow) -> int:
    """A second Ctrl-C when no loop can take it: report what may bill. Returns 8 if something may bill."""
    inspection = Inspection(read(journal), SystemClock().now())
    output.note([leaving.why, *last_words(inspection.facts, inspection.now, elsewhere=None)])
    return Exit.STILL_BILLING if inspection.facts.debts.compute else leaving.exit_code


def _last_words(
    seen: RecordsSeen, exit_code: int, redactor: Redactor, *, as_json: bool, quiet: bool, was_erased: bool
) -> int:
    reading, elsewhere = seen.reading()
    inspection = Inspection(reading, SystemClock().now())
    if as_json:
        output.answer({**inspection.document(), "ended_with": exit_code})
    if exit_code == Exit.STILL_BILLING:
        _tell_of_debt(inspection, redactor)
    if not quiet:
        output.note(last_lines(inspection.facts, inspection.now, redactor, with_log=was_erased))
        output.note(last_words(inspection.facts, inspection.now, elsewhere=elsewhere))
    return exit_code


def _tell_of_debt(inspection: Inspection, redactor: Redactor) -> None:
    """Send the notices of the job if a pod could not be given back."""
    facts = inspection.facts
    notify = facts.job.notify
    owed = ", ".join(pod.id or name for name, pod in facts.pods.items() if name in facts.debts.compute)
    text = f"NOT RELEASED: {owed or 'a pod'} may bill on; rpd gc --yes"
    notice = Notice("debt", facts.run_id, facts.opened.workflow, text, notify.command, notify.webhook)
    try:
        LocalWorkspace(state_home(), redactor=redactor).notify(notice)
    except UserError as error:
        output.note([f"warning: {error.message}"])


@contextlib.contextmanager
def _view(facts: Any, journal: Journal, *, quiet: bool, live: bool) -> Iterator[list[Any]]:
    """The live view on a terminal, plain lines elsewhere, or the view of a program. It first gets the records of the
    journal."""
    caller = program()
    if quiet and caller is None:
        yield []
        return
    from rpd.states.fold import apply

    for record in journal.records:
        apply(facts, record)
    if caller is not None:
        with caller.view(facts, journal) as listener:
            yield [listener]
    elif live and is_terminal(sys.stderr):
        from rpd.adapters.report.live import LiveView

        with LiveView(facts) as block:
            yield [block]
    else:
        from rpd.adapters.report.plain import PlainView

        with PlainView(facts) as plain:
            yield [plain]
