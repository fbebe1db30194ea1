"""`rpd completion`."""

from __future__ import annotations

from typing import Annotated

import typer


def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish")]) -> int:
    """The completion script of a shell: eval "$(rpd completion bash)" in its start file."""
    from rpd.adapters.cli.arguments.completion import show_script

    return show_script(shell)
