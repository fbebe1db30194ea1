"""`rpd exec`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.options import RunOrPod


def exec(
    context: typer.Context,
    run: RunOrPod = None,
    tty: Annotated[bool, typer.Option("-t", "--tty", help="Give the command this terminal.")] = False,
) -> int:
    """Run a command in the pod of a run: rpd exec RUN -- nvidia-smi

    The words go there exactly as they are; for pipes and variables: rpd exec RUN -- sh -c 'du -sh $HOME | cat'
    Its input, output, signals and exit code are those of this command. 255: the link was lost.
    """
    from rpd.adapters.cli.acting.inside import execute_in

    return execute_in(run, context.obj, is_terminal=tty)
