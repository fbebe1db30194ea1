"""The one gate between the content of a journal and the actions of this machine because of it.

A journal names a cloud, folders and commands. rpd believes the journals in this state home, because this user's own rpd
wrote them. It only reads a journal from elsewhere: it sends no key to its cloud, starts no sandbox of its choice, and
uses none of the paths in it to read or write. All code that acts for a journal goes through this module.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rpd.adapters.local.dirs import state_home
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalError, JournalNotOurs
from rpd.journal.index import Index
from rpd.journal.paths import EVENTS_NAME, canonical, journal_path, stands_in
from rpd.journal.reader import read
from rpd.journal.records import Opened
from rpd.states.facts import require_run

if TYPE_CHECKING:
    from rpd.adapters.access.clouds import Access


def journal_at(path: Path) -> Path:
    """The journal that a path means, whether it is ours or not. Raises JournalMissing, JournalNotOurs."""
    return canonical(path, home=_home())


def own_journal(path: Path) -> Path:
    """The journal of this state home that `path` is, by place or by content. Raises JournalNotOurs.

    One journal has one lock, beside its canonical name.
    """
    home = state_home()
    if stands_in(path, home):
        return path
    reading = read(path)
    opened, run_id = reading.opened, reading.records[0].run if reading.records else ""
    if opened is None:
        raise reading.damage or JournalNotOurs(f"{path} holds no run")
    require_run(opened)
    place = journal_path(home, opened.workflow, run_id)
    if stands_in(place, home) and place.exists() and read(place).records[:1] == reading.records[:1]:
        return place
    raise JournalNotOurs(
        f"{path} is not a journal of this state home ({home}); rpd inspect shows it, but nothing acts on it",
        hint=f"if you trust it: mkdir -p {shlex.quote(str(place.parent))} && "
        f"cp {shlex.quote(str(path))} {shlex.quote(str(place))}",
    )


def recorded_access(journal: Path, environ: Mapping[str, str] = os.environ) -> Access:
    """The cloud that a journal of this state home names. If its sandbox is down, rpd starts it again, with its state.

    For a journal in trouble, the index remembers the cloud. Raises JournalNotOurs for a journal from elsewhere,
    JournalError for a journal that names no cloud, and UserError.
    """
    from rpd.adapters.access.clouds import Access, sandbox_access, sandbox_home
    from rpd.adapters.access.config import find_api_key, profile_of

    journal = own_journal(journal)
    home = state_home()
    cloud, own = Index(home).look(journal).cloud, sandbox_home(home)
    if "home" in cloud:
        if Path(cloud["home"]) != own:
            here, there = shlex.quote(str(home)), shlex.quote(str(Path(cloud["home"]).parent))
            raise JournalNotOurs(
                f"{journal} names a sandbox that is not this state home's: {cloud['home']}",
                hint=f"RPD_HOME={there} is its state home; if that was moved, first   mv {here} {there}",
            )
        return sandbox_access(own)
    try:
        profile = profile_of(cloud["url"])
    except (KeyError, UserError) as error:
        what = f"an invalid address: {cloud['url']}" if "url" in cloud else "no cloud"
        raise JournalError(f"{journal} names {what}", hint="rpd inspect --verify   says whether it is whole") from error
    key = find_api_key(environ)
    if key is None:
        raise UserError(
            f"there is no API key for {profile.url}, which this journal names",
            exit_code=4,
            hint="rpd config init   (or export RUNPOD_API_KEY=...)",
            reason="key_missing",
        )
    return Access(profile, key.secret, key.source)


def run_folder(journal: Path, opened: Opened) -> Path | None:
    """The folder with the files of a run: the folder in its journal, if the journal is ours; else the folder beside it,
    if it came in its run folder."""
    home = _home()
    if home is not None and stands_in(journal, home):
        return Path(opened.run_dir) if "\0" not in opened.run_dir else None
    return journal.parent if journal.name == EVENTS_NAME else None


def _home() -> Path | None:
    """None if there can be no state home. Then no journal is ours, and all can be read."""
    try:
        return state_home()
    except UserError:
        return None
