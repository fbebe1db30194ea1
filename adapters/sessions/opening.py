"""Begin a session: everything that can be wrong is found before anything is rented."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.access.clouds import Access, chosen_access, redactor_for
from rpd.adapters.access.keys import ssh_key
from rpd.adapters.checking.account import offers_of
from rpd.adapters.checking.balance import require_credit
from rpd.adapters.checking.day import room_in_the_day
from rpd.adapters.driving.driving import drive_journal, held, left_late
from rpd.adapters.forensics.estimate import Estimate, estimate
from rpd.adapters.local.bad_places import BadPlaces
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import new_token, state_home
from rpd.adapters.local.person import user_name
from rpd.adapters.local.signals import Early, LeaveNow
from rpd.adapters.local.version import version
from rpd.adapters.report.words import money, one_line, rate
from rpd.adapters.run_folder.workspace import LocalWorkspace
from rpd.adapters.sessions.browsing import OpensBrowser
from rpd.adapters.sessions.naming import claim_name, give_up_name
from rpd.adapters.sessions.wish import Wish, most_usd, source_of
from rpd.adapters.spec.jobfile import LoadedJob, load_job
from rpd.adapters.terminal import output
from rpd.adapters.terminal.asking import ask
from rpd.adapters.wiring import cloud_for
from rpd.engine.errors import UserError
from rpd.journal.paths import journal_path
from rpd.journal.records import SCHEMA_VERSION, Opened
from rpd.journal.store import Journal
from rpd.states.facts import Facts
from rpd.states.ports.job import Budget

SESSIONS_BELOW = "sessions"
"""Where below the state home sessions have their folders."""


class Begun(msgspec.Struct, frozen=True):
    """A session that may begin: checked, agreed to, and named."""

    opened: Opened
    run_id: str


def connect(wish: Wish, *, as_json: bool) -> int:
    """`rpd connect` in the foreground: to the end of the session, or until the person leaves it. Returns the exit code.
    Raises UserError before anything is rented."""
    home = state_home()
    access = chosen_access(home, use_sandbox=wish.use_sandbox)
    begun = prepare(wish, access, home, as_json=as_json)
    page = wish.chosen.page if wish.opens_browser else None
    return drive_session(begun, access, home, as_json=as_json, page=page)


def prepare(wish: Wish, access: Access, home: Path, *, as_json: bool) -> Begun:
    """Check the wish, show its cost, ask, and claim the name. Raises UserError."""
    spec = wish.spec
    first = load_job(source_of(wish, "session", None, home / SESSIONS_BELOW))
    found = _estimated(first, access)
    cap = most_usd(wish, [each.with_disks_usd_per_hour for each in found.choices if each.is_affordable])
    ssh_key(first.job.ssh.key_path, home)
    problems = LocalWorkspace(home).check_inputs(first.job, str(home))
    if found.misnamed or problems:
        raise UserError("\n       ".join(["this session cannot be had:", *found.misnamed, *problems]))
    require_credit(first.job, access)
    _agreed(wish, found, as_json=as_json)
    name = claim_name(home, wish.name, time.time())
    try:
        loaded = load_job(source_of(wish, name, cap, home / SESSIONS_BELOW))
        return Begun(_opened(loaded, access, home, msgspec.to_builtins(spec)), loaded.run_id)
    except BaseException:
        give_up_name(home, name)
        raise


def drive_session(begun: Begun, access: Access, home: Path, *, as_json: bool, page: str | None = None) -> int:
    """Open the journal and drive. A signal that comes before that leaves nothing. `page` is opened in the browser."""
    early, journal = Early(), None

    def browser(read: Callable[[], Facts]) -> list[OpensBrowser]:
        return [OpensBrowser(read, page)] if page is not None else []

    try:
        with early.signals():
            journal = _create(begun, access, home, early)
            with held(journal):
                return drive_journal(journal, access, as_json=as_json, early=early, more=browser)
    except LeaveNow as leaving:
        if journal is not None:
            return left_late(journal.path, leaving)
        give_up_name(home, begun.opened.workflow)
        output.note([f"{leaving.why}; nothing was rented"])
        return leaving.exit_code


def _create(begun: Begun, access: Access, home: Path, early: Early) -> Journal:
    opened = begun.opened
    budget = msgspec.convert(opened.config["budget"], Budget)
    with room_in_the_day(budget, None, home):
        if early.held:
            raise LeaveNow.on(early.held[0])
        return Journal.create(
            Path(opened.journal_path),
            opened,
            run_id=begun.run_id,
            now=SystemClock().now,
            redactor=redactor_for(access, opened=opened),
        )


def _estimated(loaded: LoadedJob, access: Access) -> Estimate:
    """What it costs at the prices of the moment. Raises UserError if the account refuses the key."""
    cloud = cloud_for(access, ProcessControl())
    try:
        centers = cloud.datacenters() if loaded.job.pod.datacenters else ()
        return estimate(loaded.job, offers_of(cloud, loaded.job), centers)
    finally:
        cloud.close()


def _agreed(wish: Wish, found: Estimate, *, as_json: bool) -> None:
    """Show what it costs, and ask if nobody has said yes. Raises UserError."""
    first = next((each for each in found.choices if each.is_affordable and each.usd_per_hour is not None), None)
    if first is not None and found.usd_per_hour is not None:
        gpus = f"{wish.gpu_count} x {first.gpu_id}" if wish.gpu_count > 1 else first.gpu_id
        most = money(found.usd_per_hour * wish.hours)
        line = f"{gpus}: {rate(found.usd_per_hour)} with disks (list price); {wish.hours:g} h cost at most about {most}"
    else:
        line = "no price is known for this choice"
    if not as_json or not wish.yes:
        output.note([one_line(line)])
    hint = "rpd connect ... --yes"
    ask("rent it? [y/N] ", ("y", "yes", "Y"), yes=wish.yes, hint=hint, undone="nothing was rented")


def _opened(loaded: LoadedJob, access: Access, home: Path, spec: Any) -> Opened:
    """Record 0 of the session."""
    token = new_token()
    options: dict[str, Any] = {"session": spec}
    if bad := BadPlaces(home, access.profile.url).recent(time.time()):
        options["bad_places"] = msgspec.to_builtins(bad)
    return Opened(
        tool_version=version(),
        min_reader=SCHEMA_VERSION,
        lifecycle="session",
        workflow=loaded.workflow,
        lineage=loaded.run_id,  # no session takes up the pod of another
        config_path=loaded.config_path,
        config_sha256=loaded.config_sha256,
        config=msgspec.to_builtins(loaded.config),
        journal_path=str(journal_path(home, loaded.workflow, loaded.run_id)),
        run_dir=str(home / SESSIONS_BELOW / loaded.run_id),
        cloud=access.as_recorded(token),
        user=user_name(),
        host=socket.gethostname(),
        token=token,
        options=options,
    )
