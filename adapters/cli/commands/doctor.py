"""`rpd doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Json


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is safe to mend, after a question for each.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --fix: do not ask. Required off a terminal.")] = False,
    bundle: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--bundle", metavar="FILE", help="Write an archive for a bug report, without secrets."),
    ] = None,
    json: Json = False,
) -> int:
    """Check this machine, the account and the state home, and say what to type about each problem.

    It changes nothing without --fix. It works without a network, without a key and on a full disk.
    """
    from rpd.adapters.doctor.examination import examine

    return examine(fix=fix, yes=yes, as_json=json, bundle=bundle)
