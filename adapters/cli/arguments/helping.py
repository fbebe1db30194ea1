"""The list of commands in a help page: in groups, each command with its whole sentence."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

GROUPS: dict[str, tuple[str, ...]] = {
    "The four to know": ("run", "resume", "inspect", "gc"),
    "Job files": ("init", "import", "validate", "estimate", "migrate", "schema"),
    "A run": ("logs", "cancel", "release", "salvage"),
    "Inside a pod": ("connect", "shell", "exec", "tunnel", "pull", "push", "ssh-config"),
    "What runs have left": ("runs", "events", "summary", "compare", "cost", "metrics"),
    "Pods": ("pods", "pod", "top"),
    "The market": ("gpus", "stock", "volumes"),
    "This machine": ("config", "doctor", "sandbox", "completion"),
}
WHOLE = 10_000
"""A limit in characters so high that no sentence is cut."""


class WholeSentences(TyperGroup):
    """A group that lists its commands with their whole first sentences."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands in the order in which they were made."""
        _list(formatter, "Commands", self._sentences(ctx))

    def _sentences(self, ctx: Any) -> dict[str, str]:
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        return {name: each.get_short_help_str(WHOLE) for name, each in found if each is not None and not each.hidden}


class Grouped(WholeSentences):
    """The same under the headings above. A command without a heading comes last."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands group by group."""
        left = self._sentences(ctx)
        for heading, names in GROUPS.items():
            _list(formatter, heading, {name: left.pop(name) for name in names if name in left})
        _list(formatter, "More", left)


def _list(formatter: Any, heading: str, sentences: dict[str, str]) -> None:
    if sentences:
        with formatter.section(heading):
            formatter.write_dl(list(sentences.items()))
