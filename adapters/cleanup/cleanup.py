"""What `rpd gc` does in one cloud. Each cloud is separate work, and none waits for another."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from rpd.adapters.cleanup.accounts import Account, accounts_of, key_of
from rpd.adapters.cleanup.acting import act_on
from rpd.adapters.cleanup.foreign import foreign_pods, stop_foreign
from rpd.adapters.cleanup.planning import planned
from rpd.adapters.cleanup.rows import GcRow
from rpd.adapters.cleanup.scope import CleanupScope
from rpd.adapters.cleanup.stopped import Stopped, release_stopped, stopped_rows
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.side_by_side import Work, side_by_side
from rpd.journal.index import Entry, Index


class Cleanup:
    """One cloud and the runs in it. `account` is None if the journals of these runs name no cloud to ask. rpd leaves a
    cloud that does not answer within `seconds`."""

    def __init__(self, entries: Sequence[Entry], account: Account | None, seconds: float, command: Patience) -> None:
        self.account = account
        self.rows: list[GcRow] = []
        self.foreign: list[dict[str, Any]] = []
        self.stopped: list[Stopped] = []
        self._entries = entries
        self._seconds = seconds
        self._command = command
        self._reading = Patience(seconds / 2.0)
        self._is_planned = False

    def look(self, everything: Sequence[Entry]) -> None:
        """List the account, and plan."""
        if self.account is not None:
            self.account.read(self._reading)
        self.plan(everything)

    def plan(self, everything: Sequence[Entry]) -> None:
        """Plan once, with what is known of the account by now. A plan that is not ready when the command ends does not
        count, because the command makes its own."""
        if self._is_planned:
            return
        rows = [row for entry in self._entries if (row := planned(entry, self.account)) is not None]
        pods = self.account.pods if self.account is not None else ()
        found = rows, foreign_pods(everything, pods), stopped_rows(self._entries)
        if not self._is_planned:
            self.rows, self.foreign, self.stopped = found
            self._is_planned = True

    def act(self, everything: Sequence[Entry], wanted: CleanupScope) -> None:
        """Plan, and act on the plan. Pods that compute come first."""
        self.look(everything)
        named = [pod for pod in self.foreign if pod["id"] in wanted.adopt]
        self._side_by_side(
            *(functools.partial(act_on, row, self.account) for row in self.rows if not row.is_spared),
            *(functools.partial(stop_foreign, pod, self.account) for pod in named),
        )
        if self.rows:
            runs = {entry.run_id for entry in self._entries}
            self.stopped = stopped_rows([entry for entry in Index(state_home()).entries() if entry.run_id in runs])
        self._side_by_side(
            *(functools.partial(release_stopped, row) for row in self.stopped if row.is_wanted(wanted)),
        )

    def as_work(self, do: functools.partial[None]) -> Work:
        """Work to be done beside other clouds."""
        return Work(do, self._reading)

    def _side_by_side(self, *deeds: functools.partial[None]) -> None:
        """Do each with its own patience. If a cloud has not answered yet, only the rest of its patience is left."""
        is_silent = self.account is not None and self.account.problem is not None
        seconds = self._seconds / 2.0 if is_silent else self._seconds
        patiences = [Patience(seconds) for _ in deeds]
        works = [Work(functools.partial(do, patience), patience) for do, patience in zip(deeds, patiences, strict=True)]
        side_by_side(works, self._command)


def cleanups_of(entries: Sequence[Entry], seconds: float, command: Patience) -> list[Cleanup]:
    """One cleanup for each cloud, and one for the runs of clouds that are not asked."""
    accounts = accounts_of(entries, state_home())
    runs: dict[str, list[Entry]] = {}
    for entry in entries:
        key = key_of(entry.cloud)
        runs.setdefault(key if key in accounts else "", []).append(entry)
    return [Cleanup(found, accounts.get(key), seconds, command) for key, found in runs.items()]
