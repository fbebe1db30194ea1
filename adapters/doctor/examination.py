"""All checks side by side, each with a deadline, and what becomes of what they found."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from rpd.adapters.doctor import account, debts, home, machine
from rpd.adapters.doctor.check import Check, Status, problem, unknown, warning
from rpd.adapters.report.words import one_line, plural
from rpd.adapters.terminal import output
from rpd.adapters.terminal.prompting import can_prompt, confirmed
from rpd.engine.errors import RpdError, UserError
from rpd.journal.errors import JournalError
from rpd.states.ports.exits import Exit

SCHEMA = "rpd.doctor/1"


class Examiner(NamedTuple):
    """What finds checks, the name for the case that it finds none in time, and that time in seconds."""

    name: str
    look: Callable[[], Iterator[Check]]
    seconds: float


EXAMINERS = (
    Examiner("python", machine.python, 5.0),
    Examiner("programs", machine.versions, 12.0),
    Examiner("proxies", machine.proxies, 5.0),
    Examiner("settings", home.settings_checks, 5.0),
    Examiner("state home", home.state_home_checks, 10.0),
    Examiner("leftovers", home.leftovers, 10.0),
    Examiner("account", account.account_checks, 25.0),
    Examiner("ssh key", account.ssh_checks, 25.0),
    Examiner("ssh agent", account.agent_checks, 5.0),
    Examiner("debts", debts.debt_checks, 40.0),
    Examiner("sandbox", debts.sandbox_checks, 20.0),
)
ASKING = ("account", "debts")
"""Those that ask accounts."""


def examine(*, fix: bool, yes: bool, as_json: bool, bundle: Path | None) -> int:
    """Look at everything, mend what may be mended if a person agrees, and tell. Exit code 0 if no problem is left; else
    8 if something bills, 4 for the key or the money, 9 for the state home, 1 for the rest and for an account that could
    not be asked. Raises UserError."""
    if fix and not yes and (as_json or not can_prompt()):
        raise UserError(
            "--fix asks before each mend, and nobody can be asked here",
            reason="needs_yes",
            hint="rpd doctor --fix --yes",
        )
    checks: list[Check] = []
    for found in looked(EXAMINERS):
        checks.append(found)
        if not as_json:
            output.text(lines_of(found))
    if fix:
        checks = [_mended(each, yes=yes) for each in checks]
    code = exit_code(checks)
    document = {"schema": SCHEMA, "checks": [each.document() for each in checks], "exit_code": code}
    if bundle is not None:
        from rpd.adapters.doctor.bundle import write_bundle

        output.note(write_bundle(bundle, document))
    if as_json:
        output.answer(document)
    else:
        output.text([_verdict(checks)])
    return code


def looked(examiners: Sequence[Examiner]) -> Iterator[Check]:
    """What each finds, in their order. All of them work at the same time; one that hangs is left behind."""
    began = time.monotonic()
    waiting = [(each, _begun(each)) for each in examiners]
    for each, found in waiting:
        try:
            yield from found.get(timeout=max(0.0, began + each.seconds - time.monotonic()))
        except queue.Empty:
            tell = unknown if each.name in ASKING else warning
            yield tell(each.name, f"no answer in {each.seconds:.0f} s")


def exit_code(checks: Sequence[Check]) -> int:
    """The worst code among the checks that are left."""
    codes = {each.exit_code for each in checks if not each.is_fixed} - {Exit.DONE}
    order = (Exit.STILL_BILLING, Exit.KEY, Exit.JOURNAL)
    return next((code for code in order if code in codes), Exit.INTERNAL if codes else Exit.DONE)


def lines_of(check: Check) -> list[str]:
    """A line, and below it what to type."""
    head = f"{check.status + ':':<9}{check.name:<11} "
    lines = [head + one_line(check.message)]
    if check.mend and check.status is not Status.OK:
        lines.append(f"{'':<9}{'':<11} {one_line(check.mend)}")
    return lines


def _begun(examiner: Examiner) -> queue.SimpleQueue[list[Check]]:
    """Begin in a thread of its own, which ends with the process if it hangs."""
    found: queue.SimpleQueue[list[Check]] = queue.SimpleQueue()

    def work() -> None:
        checks: list[Check] = []
        try:
            checks.extend(examiner.look())
        except (RpdError, JournalError) as error:
            checks.append(problem(examiner.name, error.message, error.hint))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            checks.append(problem(examiner.name, f"{where}{error.strerror or error}"))
        except Exception as error:  # a doctor does not die of one disease
            said = f"this check failed: {type(error).__name__}"
            checks.append(problem(examiner.name, said, "rpd doctor --bundle FILE"))
        found.put(checks)

    threading.Thread(target=work, daemon=True).start()
    return found


def _mended(check: Check, *, yes: bool) -> Check:
    if check.fix is None or not (yes or confirmed(check.fix.question, default=False)):
        return check
    try:
        check.fix.do()
    except (UserError, OSError) as error:
        output.note([f"{check.name}: not mended: {error}"])
        return check
    output.note([f"{check.name}: mended"])
    return msgspec.structs.replace(check, is_fixed=True)


def _verdict(checks: Sequence[Check]) -> str:
    left = sum(each.is_open for each in checks)
    doubts = sum(each.status is Status.WARNING and not each.is_fixed for each in checks)
    fixable = any(each.fix is not None and not each.is_fixed for each in checks)
    more = "; rpd doctor --fix   mends some of it" if fixable else ""
    return f"{plural(left, 'problem')}, {plural(doubts, 'warning')}{more}"
