"""A session in a process of its own: `python -m rpd.adapters.sessions.background`, with its order on stdin.

It has no terminal and a log file in the session's folder. Its journal and the lock on it are what `rpd runs` and all
others know of it. `rpd release` ends it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.access.background_log import in_background
from rpd.adapters.access.clouds import chosen_access
from rpd.adapters.driving.driving import left_late
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.local.background import start_module
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.signals import LeaveNow, signal_requests
from rpd.adapters.report.ending import last_words
from rpd.adapters.report.story import sentences_of
from rpd.adapters.run_folder.workspace import prepare_run_dir
from rpd.adapters.sessions.browsing import open_page
from rpd.adapters.sessions.naming import give_up_name
from rpd.adapters.sessions.opening import SESSIONS_BELOW, Begun, drive_session, prepare
from rpd.adapters.sessions.wish import Wish
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.engine.ports import Request
from rpd.journal.errors import JournalMissing
from rpd.journal.reader import Reading, read
from rpd.journal.records import Closed, Left, Transition
from rpd.states.ports.exits import Exit
from rpd.states.ports.names import Trigger

LOG_NAME = "rpd.log"
LOOK_SECONDS = 0.2


class Order(msgspec.Struct, frozen=True):
    """The session that the process shall drive."""

    begun: Begun
    use_sandbox: bool


def connect_in_background(wish: Wish, *, as_json: bool) -> int:
    """`rpd connect --detach`: start the process, tell how far it comes, and leave once it is connected. Ctrl-C before
    that gives the pod back. Raises UserError before anything is rented."""
    home = state_home()
    begun = prepare(wish, chosen_access(home, use_sandbox=wish.use_sandbox), home, as_json=as_json)
    journal, started, requests = Path(begun.opened.journal_path), list[subprocess.Popen[bytes]](), list[Request]()

    def give_up(request: Request) -> None:
        requests.append(request)
        for process in started:
            process.terminate()

    try:
        with signal_requests(give_up):
            started.append(process := _start(Order(begun, wish.use_sandbox), home))
            if requests:
                process.terminate()
            last = _follow(journal, process, _silent if as_json else _say, requests)
    except LeaveNow as leaving:
        output.note([f"pid {each.pid} goes on giving the pod back" for each in started if each.poll() is None])
        return left_late(journal, leaving) if journal.exists() else leaving.exit_code
    if last is None:
        give_up_name(home, begun.opened.workflow)
        raise _not_begun(journal, requests)
    exit_code = _told(last, process, as_json=as_json)
    if exit_code == Exit.DONE and wish.opens_browser:
        open_page(Inspection(last, SystemClock().now()).facts, wish.chosen.page)
    return exit_code


def _told(last: Reading, process: subprocess.Popen[bytes], *, as_json: bool) -> int:
    """Tell how the session stands, and return the exit code. A process that died without a word leaves a debt."""
    now = SystemClock().now()
    inspection = Inspection(last, now)
    run, died = inspection.facts.run_id, process.poll()
    ended = next((each.body for each in last.records if isinstance(each.body, Closed | Left)), None)
    if as_json:
        output.answer(inspection.document())
    elif ended is None and died is None:
        output.note([f"it goes on in the background (pid {process.pid}); rpd release {run}   ends it"])
    else:
        output.note(last_words(inspection.facts, now))
    if ended is not None:
        return ended.exit_code
    if died is None:
        return Exit.DONE
    output.note([f"error: the process of this session (pid {process.pid}) has died, with status {died}"])
    return Exit.STILL_BILLING if inspection.facts.debts.compute else Exit.INTERNAL


def _not_begun(journal: Path, requests: Sequence[Request]) -> UserError:
    if requests:
        return UserError("nothing was rented", exit_code=Exit.INTERRUPTED, reason="interrupted")
    log = journal.parents[2] / SESSIONS_BELOW / f"{journal.stem}.log"
    said = log.read_text(errors="replace").strip() if log.exists() else ""
    return UserError(f"the session did not begin: {said or 'without a word'}", exit_code=Exit.INTERNAL)


def _start(order: Order, home: Path) -> subprocess.Popen[bytes]:
    """Effect: a process without our terminal, descriptors and session."""
    log = prepare_run_dir(Path(order.begun.opened.run_dir).parent) / f"{order.begun.run_id}.log"
    # A process that is dead already is seen by `_follow`.
    return start_module("rpd.adapters.sessions.background", msgspec.json.encode(order), log, home)


def _follow(
    journal: Path, process: subprocess.Popen[bytes], say: Callable[[str], Any], requests: Sequence[Request]
) -> Reading | None:
    """Tell what happens until somebody is connected, or the process ends. Whoever asked for the end sees the end.
    Returns the journal as of then; None if the process ended without one."""
    told = 0
    while True:
        is_over = process.poll() is not None
        reading = _reading(journal)
        if reading is not None:
            texts = sentences_of(reading)
            for record in reading.records[told:]:
                if (text := texts.get(record.z)) is not None:
                    say(text)
            told = len(reading.records)
            if is_over or (_is_connected(reading) and not requests):
                return reading
        elif is_over:
            return None
        time.sleep(LOOK_SECONDS)


def _reading(journal: Path) -> Reading | None:
    try:
        reading = read(journal)
    except (JournalMissing, OSError):
        return None
    return reading if reading.records else None


def _is_connected(reading: Reading) -> bool:
    return any(isinstance(each.body, Transition) and each.body.trigger == Trigger.CONNECTED for each in reading.records)


def _say(text: str) -> None:
    output.note([text])


def _silent(text: str) -> None:
    """A program reads one document."""


def main() -> int:
    """Be the session."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    home = state_home()

    def live() -> int:
        return drive_session(order.begun, chosen_access(home, use_sandbox=order.use_sandbox), home, as_json=False)

    return in_background("a session in the background", live)


if __name__ == "__main__":
    sys.exit(main())
