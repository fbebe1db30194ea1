"""The one place that turns errors into words and exit codes: what happened, why, and what to type next.

For people this is `error: ...` and `hint: ...` on stderr; under `--json` it is one JSON object on stderr, schema
`rpd.error/1`.
"""

from __future__ import annotations

import contextlib
import json
from typing import NamedTuple

from rpd.adapters.report.words import clean
from rpd.adapters.terminal import output
from rpd.engine.errors import RpdError, UserError
from rpd.journal.errors import JournalError, JournalMissing
from rpd.states.ports.exits import Exit


class Problem(NamedTuple):
    """An error as rpd reports it. `code` is the exit code, `reason` a lower snake word, `hint` one command or empty."""

    code: int
    reason: str
    message: str
    hint: str


def problem_of(error: Exception) -> Problem:
    """What an error means to the person. An unknown error is this program's own fault."""
    match error:
        case UserError():
            return Problem(error.exit_code, error.reason, error.message, error.hint)
        case RpdError():
            return Problem(
                Exit.KEY if error.reason == "key_refused" else Exit.INTERNAL, error.reason, error.message, error.hint
            )
        case JournalMissing():
            return Problem(Exit.USAGE, "journal_missing", error.message, error.hint)
        case JournalError():
            return Problem(Exit.JOURNAL, _snake(type(error).__name__), error.message, error.hint)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return Problem(Exit.INTERNAL, "local_disk", f"{where}{error.strerror or error}", "")
        case _:
            return Problem(
                Exit.INTERNAL,
                "internal",
                f"internal error: {type(error).__name__}: {error}",
                "rpd gc   shows what may still bill; rpd logs --rpd shows the traceback",
            )


def say(problem: Problem, *, as_json: bool = False) -> int:
    """Report the problem on stderr, without secrets. Returns the exit code."""
    from rpd.adapters.access.clouds import redactor

    mask = redactor().mask
    problem = problem._replace(message=mask(problem.message), hint=mask(problem.hint))
    if as_json:
        document = {"schema": "rpd.error/1", **problem._asdict()}
        output.note([json.dumps(document)])
        return problem.code
    first, *more = clean(problem.message).split("\n")
    lines = [f"error: {first}", *(line if line.startswith(" ") else f"       {line}" for line in more)]
    if problem.hint:
        lines.append(f"hint:  {clean(problem.hint)}")
    output.note(lines)
    return problem.code


def show_trace(error: Exception) -> None:
    """Print the traceback on stderr, for `--debug`. Its texts may come from a pod or a journal, as all others may."""
    import traceback

    from rpd.adapters.access.clouds import redactor

    output.note(redactor().mask("".join(traceback.format_exception(error))).splitlines())


def keep(error: Exception, problem: Problem, words: list[str]) -> None:
    """Note the error in rpd's own log: with its traceback if it is a fault of this program, else in one line."""
    from rpd.adapters.access.clouds import redactor
    from rpd.adapters.local import own_log
    from rpd.adapters.local.dirs import state_home
    from rpd.adapters.settings.settings import log_level

    with contextlib.suppress(Exception):  # the error itself is the one to report
        redactor()
        name = " ".join(words[:1])
        if problem.reason == "internal":
            own_log.begin(state_home(), usual=log_level())
            own_log.keep_trace(error, f"rpd {name}")
        own_log.logger("command").warning("rpd %s ends with %d: %s", name, problem.code, problem.message)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
