"""What a process in the background says in its log: one line a message, without secrets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from rpd.adapters.access.clouds import redactor
from rpd.adapters.local import own_log
from rpd.adapters.local.dirs import state_home
from rpd.adapters.report.words import one_line
from rpd.adapters.settings.settings import log_level
from rpd.adapters.terminal import output
from rpd.engine.errors import RpdError
from rpd.journal.errors import JournalError


def say(text: str) -> None:
    """Effect: write one line."""
    output.note([redactor().mask(one_line(text))])


def in_background(name: str, live: Callable[[], int]) -> int:
    """Live, and say what went wrong and what to type. A fault of this program goes with its traceback to rpd's own log,
    which masks it. Returns the exit code."""
    try:
        return live()
    except (RpdError, JournalError) as error:
        say(error.message + (f" (hint: {error.hint})" if error.hint else ""))
        return getattr(error, "exit_code", 1)
    except Exception as error:
        say(f"internal error: {type(error).__name__}: {error} (hint: rpd logs --rpd shows the traceback)")
        with contextlib.suppress(Exception):  # the error itself is the one to tell
            own_log.begin(state_home(), usual=log_level())
            own_log.keep_trace(error, name)
        return 1
