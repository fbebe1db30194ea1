"""What bills: open debts of this state home's runs, pods that nobody here knows, storage, and the sandbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rpd.adapters.access.clouds import default_access, sandbox_home
from rpd.adapters.cleanup.accounts import key_of
from rpd.adapters.cleanup.cleanup import Cleanup, cleanups_of
from rpd.adapters.cleanup.copies import originals
from rpd.adapters.cleanup.foreign import foreign_pods
from rpd.adapters.disposal.suspects import AT_REST, understood
from rpd.adapters.doctor.check import Check, note, ok, problem, unknown, warning
from rpd.adapters.doctor.machine import sandbox_extras
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import place_of_state_home, state_home
from rpd.adapters.local.patience import Patience
from rpd.adapters.report.words import money, one_line, plural, rate
from rpd.adapters.wiring import cloud_for
from rpd.engine.errors import RpdError
from rpd.journal.index import Entry, Index
from rpd.states.ports.exits import Exit

SECONDS = 15.0
"""How long one cloud is asked."""


def debt_checks() -> Iterator[Check]:
    """What `rpd gc` would do, and the pods that no journal here accounts for. No sandbox is started to be asked."""
    home = place_of_state_home()
    entries = Index(state_home()).entries() if home.exists() else []
    meant = [understood(entry) for entry in entries]
    copies = originals(meant)
    meant = [entry for entry in meant if entry.journal not in copies]
    asleep = [entry for entry in meant if _is_asleep(entry)]
    asked = cleanups_of([entry for entry in meant if entry not in asleep], SECONDS, Patience()) if meant else []
    cleanups = [*asked, *([Cleanup(asleep, None, SECONDS, Patience())] if asleep else [])]
    for each in cleanups:
        each.look(entries)
    yield from _owed(cleanups)
    yield from _storage(cleanups)
    seen = {key_of(account.access.as_recorded("")) for each in asked if (account := each.account) and account.access}
    foreign = [pod for each in cleanups for pod in each.foreign]
    for pod in [*foreign, *_of_the_default_account(entries, seen)]:
        text = f"{pod['id']} {pod['name']} computes ({rate(pod['usd_per_hour'] or 0.0)}), and no journal here knows it"
        yield warning("pods", one_line(text), f"rpd gc --yes --adopt {pod['id']}   stops it")


def sandbox_checks() -> Iterator[Check]:
    """The cloud on this machine."""
    from rpd.adapters.sandbox import daemon

    missing = sandbox_extras()
    if missing:
        yield note("sandbox", f"not installed: {', '.join(missing)}", "pip install 'rpd-cli[sandbox]'")
        return
    found = daemon.status(sandbox_home(place_of_state_home()))
    if not found["running"]:
        yield ok("sandbox", "is not running")
    elif found.get("hangs"):
        yield problem("sandbox", f"pid {found['pid']} lives and does not answer", "rpd sandbox down")
    else:
        pods = f"{found['live_pods']} live, {found['stopped_pods']} stopped"
        yield ok("sandbox", f"answers at {found['url']}, pods: {pods}; isolation: {found['isolation']}")


def _is_asleep(entry: Entry) -> bool:
    """Whether its cloud is a sandbox that is down. To ask it would start it."""
    if "home" not in entry.cloud:
        return False
    from rpd.adapters.sandbox import daemon

    return daemon.find(Path(entry.cloud["home"])) is None


def _owed(cleanups: list[Cleanup]) -> Iterator[Check]:
    rows = [row for each in cleanups for row in each.rows]
    for row in rows:
        bills = f" ({rate(row.usd_per_hour)})" if row.usd_per_hour and row.pod_status not in AT_REST else ""
        where = f"pod {row.pod_id}{bills}" if row.pod_id else "no pod is known"
        text = one_line(f"{row.run_id}: {where}; {row.plan}")
        if row.is_spared:
            yield note("debts", text, row.next or "")
        else:
            yield problem("debts", text, row.next or "rpd gc --yes", Exit.STILL_BILLING)
    if not rows:
        yield ok("debts", "no run here owes anything that computes")
    for account in (each.account for each in cleanups):
        if account is not None and account.problem:
            yield unknown("debts", one_line(f"could not ask {account.name}: {account.problem}"), "rpd gc")


def _storage(cleanups: list[Cleanup]) -> Iterator[Check]:
    stopped = [row for each in cleanups for row in each.stopped]
    if stopped:
        monthly = money(sum(row.usd_per_month for row in stopped))
        text = f"{plural(len(stopped), 'stopped pod')} cost {monthly} a month for their disks"
        yield note("storage", text, "rpd gc   lists them; rpd gc --yes --stopped   deletes those of finished runs")


def _of_the_default_account(entries: list[Entry], seen: set[str]) -> list[dict[str, object]]:
    """The foreign pods of the account in use, if no journal has named it. Empty if it cannot be asked: the check of the
    account says so."""
    try:
        access = default_access(place_of_state_home())
        if key_of(access.as_recorded("")) in seen:
            return []
        with contextlib.closing(cloud_for(access, ProcessControl(patience=Patience(SECONDS)))) as cloud:
            return foreign_pods(entries, cloud.list())
    except RpdError:
        return []
