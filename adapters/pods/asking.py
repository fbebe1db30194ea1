"""Ask every cloud for its pods: those that the journals name, and the one whose key is at hand."""

from __future__ import annotations

import functools

import msgspec

from rpd.adapters.access.clouds import default_access
from rpd.adapters.access.config import find_api_key
from rpd.adapters.cleanup.accounts import Account, accounts_of, key_of
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import ANSWER_SECONDS, Patience
from rpd.adapters.local.side_by_side import Work, side_by_side
from rpd.adapters.local.signals import signal_requests
from rpd.adapters.pods.joining import Join, Joined, journal_entries
from rpd.adapters.pods.row import Ways
from rpd.adapters.tunnels.detached import tunnels_of
from rpd.engine.errors import UserError
from rpd.journal.index import Entry, Index
from rpd.states.ports.exits import Exit


class Survey(msgspec.Struct, frozen=True):
    """All pods, and the clouds that were not reached, each with the reason. `has_key` is false if none of them has a
    key."""

    pods: tuple[Joined, ...]
    unreachable: tuple[str, ...]
    has_key: bool = True

    @property
    def exit_code(self) -> int:
        """0 if every cloud was listed; 4 if no key opens any; else 1."""
        if not self.unreachable:
            return 0
        return Exit.INTERNAL if self.has_key else Exit.KEY


def survey_pods(seconds: float = ANSWER_SECONDS) -> Survey:
    """Read-only; the first signal ends it. Raises UserError if there is no cloud to ask: neither a key nor a journal
    (exit code 4), or after a signal."""
    command = Patience()
    with signal_requests(command.leave_on):
        survey = survey_until(command, seconds)
    if command.leaving is not None:
        raise UserError(command.leaving.why, exit_code=command.leaving.exit_code, reason="interrupted")
    return survey


def survey_until(command: Patience, seconds: float = ANSWER_SECONDS) -> Survey:
    """The same for a caller that takes the signals itself. It returns early once the command has to leave."""
    entries = journal_entries(Index(state_home()).entries())
    accounts = clouds(entries)
    patiences = {key: Patience(seconds) for key in accounts}
    works = [
        Work(functools.partial(accounts[key].read, patience, with_use=True), patience)
        for key, patience in patiences.items()
    ]
    side_by_side(works, command)
    rows = with_tunnels(Join(entries, SystemClock().now()).rows(accounts))
    asked = list(accounts.values())
    problems = tuple(f"{account.name}: {account.problem}" for account in asked if account.problem)
    return Survey(tuple(rows), problems, has_key=any(account.access is not None for account in asked))


def with_tunnels(pods: list[Joined]) -> list[Joined]:
    """The same pods, each with the tunnels that lead into it now."""
    tunnels = tunnels_of(state_home())
    found = []
    for pod in pods:
        mine = [pair for each in tunnels if each.pod_id == pod.row.id for pair in each.ports]
        ways = Ways(pod.row.ways.ssh, tuple(f"{pair.local} -> {pair.remote}" for pair in mine))
        found.append(pod._replace(row=msgspec.structs.replace(pod.row, ways=ways)))
    return found


def clouds(entries: list[Entry]) -> dict[str, Account]:
    """Every cloud worth asking. Raises UserError (exit code 4) if there is none."""
    accounts = accounts_of(entries, state_home())
    if find_api_key() is None and accounts:
        return accounts
    access = default_access(state_home())
    own = Account.of_access(access)
    key = key_of(access.as_recorded(""))
    known = accounts.get(key)
    if known is None or known.access is None:
        accounts[key] = own
    return accounts
