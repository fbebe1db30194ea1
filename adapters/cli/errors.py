"""One place where errors become words and exit codes: what happened, what it costs now, what to type next."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec, get_type_hints

import typer

from rpd.engine.errors import RpdError, UserError
from rpd.journal.errors import JournalError, JournalMissing

P = ParamSpec("P")

INTERNAL, USAGE, JOURNAL = 1, 2, 9


def told(body: Callable[P, int]) -> Callable[P, None]:
    """A command whose body returns its exit code and raises only errors that can be explained."""

    @functools.wraps(body)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        raise typer.Exit(run(body, *args, **kwargs))

    del command.__dict__["__wrapped__"]
    # typer reads the parameters from here; the annotations are text until they are evaluated where the body stands.
    command.__signature__ = inspect.signature(body, eval_str=True)  # type: ignore[attr-defined]
    command.__annotations__ = get_type_hints(body, include_extras=True)
    return command


def run(body: Callable[P, int], *args: P.args, **kwargs: P.kwargs) -> int:
    """Call `body`; turn what it raises into a message on stderr and an exit code."""
    try:
        return body(*args, **kwargs)
    except UserError as error:
        return say(error.message, error.hint, error.exit_code)
    except JournalMissing as error:
        return say(error.message, error.hint, USAGE)
    except JournalError as error:
        return say(error.message, error.hint, JOURNAL)
    except RpdError as error:
        return say(error.message, error.hint, 4 if error.reason == "key_refused" else 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader went away; nothing more can be said to it
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        return say(f"{error.strerror or error}: {error.filename}" if error.filename else str(error), "", INTERNAL)


def say(message: str, hint: str, exit_code: int) -> int:
    """Print an error and what to type next; gives back the exit code."""
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    if hint:
        print(f"hint:  {hint}", file=sys.stderr)  # noqa: T201
    if os.environ.get("RPD_DEBUG"):
        traceback.print_exc()
    return exit_code
