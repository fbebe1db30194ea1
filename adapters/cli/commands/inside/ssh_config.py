"""`rpd ssh-config`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.options import RunOrPod


def ssh_config(
    run: RunOrPod = None,
    show: Annotated[bool, typer.Option("--print", help="Print the entry, and change nothing of your own.")] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the entry of this run; without RUN all, and the Include line.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Put the Include line into ~/.ssh/config without a question.")] = (
        False
    ),
) -> int:
    """Let ssh, scp, rsync, sshfs and VS Code reach the pod of a run by name, with its host key pinned.

    The entry is a file under the state home. It goes with its pod.
    """
    from rpd.adapters.cli.acting.ssh_config import remove_entries, show_entry

    return remove_entries(run) if remove else show_entry(run, only_print=show, yes=yes)
