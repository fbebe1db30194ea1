"""The API key, the account behind it, the clock, and the SSH key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rpd.adapters.access.config import KEY_MISSING, cloud_profile, find_api_key, require_api_key
from rpd.adapters.access.keys import SshKey, named_key
from rpd.adapters.doctor.check import Check, Fix, note, ok, problem, unknown, warning
from rpd.adapters.doctor.home import narrowed
from rpd.adapters.local.dirs import own_key_path, place_of_state_home
from rpd.adapters.report.words import duration, money, plural
from rpd.adapters.set_up.account import AccountView, look_at, refused
from rpd.adapters.set_up.answers import Answers
from rpd.adapters.set_up.wizard import set_up
from rpd.adapters.settings.settings import load
from rpd.adapters.ssh.agent import agent_keys
from rpd.adapters.terminal.prompting import can_prompt
from rpd.engine.errors import RpdError, UserError
from rpd.states.ports.exits import Exit

AHEAD_SECONDS = 30.0
LOW_USD = 1.0


def account_checks() -> Iterator[Check]:
    """Is there a key, is it good, is there money, do the clocks agree. One look at the API answers all of it."""
    profile = cloud_profile()
    try:
        key = require_api_key()
    except UserError as error:
        is_missing = error.reason == KEY_MISSING
        fix = Fix("Set a key up now?", _set_up) if is_missing and can_prompt() else None
        yield problem("api key", error.message, "rpd config init" if is_missing else error.hint, Exit.KEY, fix)
        return
    yield ok("api key", f"from {key.source}")
    try:
        view = look_at(profile, key.secret)
    except RpdError as error:
        known = error if isinstance(error, UserError) else refused(error)
        if known is not None:
            yield problem("account", f"{profile.url}: {known.message}", "rpd config set api-key", Exit.KEY)
        else:
            yield unknown("account", f"{profile.url} cannot be asked: {error.message}", f"curl -I {profile.url}")
        return
    yield from _money(view, profile.url)
    yield from _clock(view)


def ssh_checks() -> Iterator[Check]:
    """The key that jobs use if they name none, and the agent."""
    path = load().settings.ssh_key_path
    home = place_of_state_home()
    where = Path(path) if path is not None else own_key_path(home)
    if path is None and not where.exists():
        yield ok("ssh key", f"a pair of rpd's own; the first run makes it in {where}")
        return
    try:
        key = named_key(where)
    except UserError as error:
        fix = narrowed(where) if error.hint.startswith("chmod") else None
        yield problem("ssh key", error.message, error.hint, Exit.USAGE, fix)
        return
    yield ok("ssh key", f"{where} is usable{_registration(key)}")


def agent_checks() -> Iterator[Check]:
    """rpd needs an agent only for keys that are locked, or that are in no file."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        yield ok("ssh agent", "none; rpd needs one only for keys that are locked")
        return
    keys = agent_keys()
    if keys:
        yield ok("ssh agent", f"holds {plural(len(keys), 'key')}")
    else:
        yield note("ssh agent", "answers with no key, or not at all", "ssh-add -l")


def _set_up() -> None:
    set_up(Answers())


def _money(view: AccountView, url: str) -> Iterator[Check]:
    took = f"{url} answers in {duration(view.seconds)}"
    if view.balance is None:
        yield ok("account", f"{took}; the balance cannot be read with this key")
    elif view.balance.usd <= 0:
        make = "https://console.runpod.io/user/billing   adds credit"
        yield problem("account", f"{took}; no credit: the balance is {money(view.balance.usd)}", make, Exit.KEY)
    elif view.balance.usd < LOW_USD:
        yield warning("account", f"{took}; little credit: {money(view.balance.usd)}")
    else:
        yield ok("account", f"{took}; balance {money(view.balance.usd)}")


def _clock(view: AccountView) -> Iterator[Check]:
    if view.ahead_seconds is None:
        yield note("clock", "the API does not tell its time")
    elif abs(view.ahead_seconds) > AHEAD_SECONDS:
        way = "ahead of" if view.ahead_seconds > 0 else "behind"
        text = f"this machine's clock is {duration(abs(view.ahead_seconds))} {way} the API's; limits end at wrong times"
        yield problem("clock", text, "timedatectl set-ntp true   (macOS: sudo sntp -sS time.apple.com)")
    else:
        yield ok("clock", f"{abs(view.ahead_seconds):.0f} s from the API's")


def _registration(key: SshKey) -> str:
    """Whether the account knows the key. Empty if that cannot be read."""
    try:
        found = find_api_key()
        view = look_at(cloud_profile(), found.secret, with_balance=False) if found is not None else None
    except RpdError:  # the check of the account says what is wrong
        return ""
    knows = view.knows(key.public_line) if view is not None else None
    if knows is None:
        return ""
    return ", and registered with the account" if knows else "; the account does not know it, and pods of rpd need not"
