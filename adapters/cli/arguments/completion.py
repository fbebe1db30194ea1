"""`rpd completion`: the script by which a shell completes the words of `rpd`, and the names that it can offer."""

from __future__ import annotations

from rpd.adapters.terminal import output
from rpd.engine.errors import UserError

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_RPD_COMPLETE"
"""The shell's script sets this variable when it asks."""


def show_script(shell: str) -> int:
    """Print the script for one shell."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    if shell not in SHELLS:
        raise UserError(
            f"there is no completion for {shell!r}; for {', '.join(SHELLS)} there is",
            hint='eval "$(rpd completion bash)"',
        )
    output.exact([get_completion_script(prog_name="rpd", complete_var=VARIABLE, shell=shell)])
    return 0


def prepare() -> None:
    """Make typer able to answer the shell."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()


def run_names(begun: str) -> list[str]:
    """Workflows and runs of this state home whose names begin with `begun`, the newest runs first. Empty if they cannot
    be read."""
    from rpd.adapters.local.dirs import state_home
    from rpd.journal.index import Index

    try:
        entries = Index(state_home()).entries()
    except Exception:  # a shell waits: no names are better than an error inside a line
        return []
    names = [name for entry in reversed(entries) for name in (entry.run_id, entry.workflow)]
    return [name for name in dict.fromkeys(names) if name.startswith(begun)]
