"""What a person asks of `rpd gc` beside compute."""

from __future__ import annotations

import shlex

import msgspec

from rpd.journal.index import Entry


class CleanupScope(msgspec.Struct, frozen=True):
    """What a person asked for beside compute: stopped pods of finished runs (`older_than_seconds` old), pods of others
    by id, one workflow only."""

    stopped: bool = False
    older_than_seconds: float | None = None
    adopt: tuple[str, ...] = ()
    workflow: str | None = None

    def of(self, entries: list[Entry]) -> list[Entry]:
        """The runs that are meant."""
        return [entry for entry in entries if self.workflow in (None, entry.workflow)]

    @property
    def command(self) -> str:
        """The command that does it."""
        words = ["rpd gc --yes"]
        words += ["--stopped"] if self.stopped else []
        words += [f"--older-than {self.older_than_seconds:.0f}s"] if self.older_than_seconds is not None else []
        words += [f"--adopt {pod}" for pod in self.adopt]
        words += [f"--workflow {shlex.quote(self.workflow)}"] if self.workflow is not None else []
        return " ".join(words)
