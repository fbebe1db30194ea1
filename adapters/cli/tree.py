"""The command tree. A file in `commands` has the options of its command, its help text and one call. It imports typer
and the standard library only. What it calls is imported when it is called."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from keyword import iskeyword
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from rpd.adapters.cli.arguments.helping import GROUPS, Grouped

COMMANDS = "rpd.adapters.cli.commands"
NAMES = tuple(name for names in GROUPS.values() for name in names)
FOLDERS = {
    **dict.fromkeys(GROUPS["Job files"], "job_files."),
    **dict.fromkeys(GROUPS["Inside a pod"], "inside."),
    **dict.fromkeys(GROUPS["Pods"], "pods."),
}
"""The folder of a command's file, if it is not with the others."""
WITH_COMMAND = ("run", "exec")
"""Commands that take the words after `--` as a command for the pod."""
EPILOG = (
    "Exit codes: 0 done, 2 bad input, 4 key or credit, 5 job failed, 6 no capacity, 7 budget, 8 something still bills, "
    "9 journal, 10 lost, 75 resumable, 130/143 interrupted."
)

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def call() -> int:
    """Run the command of `sys.argv` and return its exit code. Raises UserError for words that mean nothing here, and
    the errors of the command's body."""
    try:
        words, command = _cut(sys.argv[1:])
        if "_RPD_COMPLETE" in os.environ:
            from rpd.adapters.cli.arguments.completion import prepare

            prepare()
            tree = tree_of()
        else:
            tree = tree_of(*_asked(words))
        code = tree(words, prog_name="rpd", standalone_mode=False, obj=command)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except TyperException as error:
        return _misused(error)
    return code if isinstance(code, int) else 0


def tree_of(*commands: str) -> typer.Typer:
    """The tree with these commands, or with all if none is named."""
    tree = typer.Typer(
        name="rpd",
        cls=Grouped,
        help="Run jobs on rented GPU pods. Whatever dies, the journal says the one next step.",
        epilog=EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    tree.callback()(_globals)
    for name in commands or NAMES:
        own = f"{name}_" if iskeyword(name) else name.replace("-", "_")
        module = import_module(f"{COMMANDS}.{FOLDERS.get(name, '')}{own}")
        if hasattr(module, "app"):
            tree.add_typer(module.app, name=name)
        else:
            tree.command(name)(getattr(module, own))
    return tree


def _asked(words: list[str]) -> tuple[str, ...]:
    """Only the named command, if there is one: reading the options of all the others takes longer than most commands
    do."""
    name = next((word for word in words if word != "--debug"), None)
    return (name,) if name in NAMES else ()


def _cut(words: list[str]) -> tuple[list[str], list[str] | None]:
    """Split the words at `--`. The words after it are a command for the pod, not for the option parser; None if there
    is no `--`."""
    at = words.index("--") if "--" in words else len(words)
    if at == len(words) or next((word for word in words[:at] if not word.startswith("-")), None) not in WITH_COMMAND:
        return words, None
    return words[:at], words[at + 1 :]


def _misused(error: Any) -> int:
    """A group without a command gets its help page. Every other error is reported as usual."""
    from rpd.engine.errors import UserError

    text = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(text, err=True)
        return 2
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "rpd"
    if (unknown := re.match(r"No such command '(.*?)'", text)) is not None and context is not None:
        from rpd.adapters.cli.meant import meant

        hint = meant(unknown[1], list(context.command.commands), command)
        raise UserError(f"there is no command {command} {unknown[1]}", hint=hint) from error
    raise UserError(text[:1].lower() + text[1:].rstrip("."), hint=f"{command} --help") from error


def _globals(debug: Debug = False) -> None:
    if debug:
        os.environ["RPD_DEBUG"] = "1"
