"""Start a run. Find every possible error before anything is rented."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.access.clouds import Access, chosen_access, redactor_for
from rpd.adapters.access.keys import ssh_key
from rpd.adapters.checking.balance import require_credit
from rpd.adapters.checking.beside import Others
from rpd.adapters.checking.day import room_in_the_day
from rpd.adapters.checking.disclosure import disclosed
from rpd.adapters.checking.paused import pause_options
from rpd.adapters.checking.payload import judged, payloads
from rpd.adapters.checking.results import lost_results
from rpd.adapters.checking.room import too_large
from rpd.adapters.driving.driving import drive_journal, held, left_late
from rpd.adapters.local.bad_places import BadPlaces
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import new_token, state_home
from rpd.adapters.local.person import user_name
from rpd.adapters.local.provenance import provenance
from rpd.adapters.local.signals import Early, LeaveNow
from rpd.adapters.local.version import version
from rpd.adapters.report.words import one_line
from rpd.adapters.run_folder.workspace import LocalWorkspace
from rpd.adapters.spec.jobfile import LoadedJob
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.journal.errors import RecordRefused
from rpd.journal.paths import journal_path
from rpd.journal.records import SCHEMA_VERSION, Opened
from rpd.journal.redact import Redactor
from rpd.journal.store import Journal


def run_job(
    loaded: LoadedJob,
    name: str,
    *,
    use_sandbox: bool,
    detach: bool,
    new: bool,
    fresh: bool,
    wait_for_stock_seconds: float | None,
    max_usd_per_day: float | None,
    print_run_dir: bool = False,
    as_json: bool = False,
) -> int:
    """Check, open the journal, drive. Messages call the job `name`. Raises UserError before anything is rented."""
    home = state_home()
    _require_runnable(loaded, name, home)
    others = Others(loaded, home, is_wanted=new)
    others.refuse_dead()
    ssh_key(loaded.job.ssh.key_path, home)
    access = chosen_access(home, use_sandbox=use_sandbox)
    options = _options(loaded, access, home, fresh=fresh, wait_for_stock_seconds=wait_for_stock_seconds)
    opened = _opened(loaded, access, home, {**options, "staging": _sizes(loaded, name, as_json=as_json)})
    redactor = _redactor(access, opened)
    require_credit(loaded.job, access)

    def begin(early: Early) -> Journal | None:
        """None if another run of this job has begun since rpd asked the person. Ctrl-C before leaves nothing."""
        with room_in_the_day(loaded.job.budget, max_usd_per_day, home):
            if early.held:
                raise LeaveNow.on(early.held[0])
            if others.are_new():
                return None
            if print_run_dir:
                output.text([f"RUN_DIR={loaded.run_dir}"])
            return _create(opened, loaded.run_id, redactor)

    while True:
        others.mind()
        early, journal = Early(), None
        try:
            with early.signals():
                journal = begin(early)
                if journal is not None:
                    with held(journal):
                        return drive_journal(journal, access, as_json=as_json, detach=detach, early=early)
        except LeaveNow as leaving:  # before the loop began, or after it
            if journal is not None:
                return left_late(journal.path, leaving)
            output.note([f"{leaving.why}; nothing was rented"])
            return leaving.exit_code


def _require_runnable(loaded: LoadedJob, name: str, home: Path) -> None:
    """Pass if nothing on this machine prevents the run. Raises UserError."""
    problems = [*LocalWorkspace(home).check_inputs(loaded.job, loaded.run_dir)]
    if (problem := too_large(loaded.config)) is not None:
        problems.append(problem)
    if problems:
        raise UserError("\n       ".join([f"{name} cannot run here:", *problems]))
    if shown := disclosed(loaded, home):
        raise UserError("\n       ".join(shown), reason="secret_in_disguise", hint="rpd validate says the same")


def _options(
    loaded: LoadedJob, access: Access, home: Path, *, fresh: bool, wait_for_stock_seconds: float | None
) -> dict[str, Any]:
    """What record 0 keeps beside the job: the options of the person, and the places where hosts have failed lately.
    Raises UserError."""
    options = pause_options(loaded, access, home, fresh=fresh)
    if wait_for_stock_seconds is not None:
        options["wait_for_stock_seconds"] = wait_for_stock_seconds
    if bad := BadPlaces(home, access.profile.url).recent(time.time()):
        options["bad_places"] = msgspec.to_builtins(bad)
    return options


def _sizes(loaded: LoadedJob, name: str, *, as_json: bool) -> list[dict[str, Any]]:
    """The size of every tree to be sent, with a warning about trees larger than meant, and about results that nothing
    fetches. Raises UserError for a tree that cannot be sent."""
    sent = payloads(loaded.job)
    found = [*lost_results(loaded.job), *judged(loaded.job, sent)]
    errors = [each.message for each in found if each.level == "error"]
    if errors:
        raise UserError("\n       ".join([f"{name} cannot run here:", *errors]))
    if not as_json:  # a program reads one document, also for later errors
        output.note(one_line(each.line) for each in found)
    kept = ("label", "destination", "files", "bytes")
    return [{field: getattr(each, field) for field in kept} for each in sent]


def _opened(loaded: LoadedJob, access: Access, home: Path, options: dict[str, Any]) -> Opened:
    """Record 0."""
    path = journal_path(home, loaded.workflow, loaded.run_id)
    token = new_token()
    return Opened(
        tool_version=version(),
        min_reader=SCHEMA_VERSION,
        lifecycle="job",
        workflow=loaded.workflow,
        lineage=loaded.lineage,
        config_path=loaded.config_path,
        config_sha256=loaded.config_sha256,
        config=msgspec.to_builtins(loaded.config),
        journal_path=str(path),
        run_dir=loaded.run_dir,
        cloud=access.as_recorded(token),
        user=user_name(),
        host=socket.gethostname(),
        token=token,
        variables=loaded.variables,
        options=options,
        provenance=msgspec.to_builtins(provenance(Path(loaded.project_root))),
    )


def _redactor(access: Access, opened: Opened) -> Redactor:
    """The redactor for the run's secrets. Raises UserError if the job holds the API key."""
    redactor = redactor_for(access, opened=opened)
    if redactor.mask_data(opened.config) != opened.config:  # earlier checks looked for all secrets but the API key
        raise UserError("the job holds the API key; the journal must not keep it", reason="secret_in_disguise")
    return redactor


def _create(opened: Opened, run_id: str, redactor: Redactor) -> Journal:
    try:
        return Journal.create(
            Path(opened.journal_path), opened, run_id=run_id, now=SystemClock().now, redactor=redactor
        )
    except RecordRefused as refused:
        raise UserError(
            f"the rendered job does not fit into the journal's first record: {refused.message}",
            hint="put long scripts into a staged file and call it from run.body",
        ) from refused
