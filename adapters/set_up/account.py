"""The account as the API shows it, with a few quick reads: is the key good, which SSH keys does the account know, how
far apart are the clocks."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import msgspec

from rpd.adapters.access.config import CloudProfile
from rpd.adapters.runpod.answer import Answer, Failure
from rpd.adapters.runpod.balance import Balance, read_balance
from rpd.adapters.runpod.errors import Kind, judge, judge_failure
from rpd.adapters.runpod.exchange import ApiRequest
from rpd.adapters.runpod.session import Session
from rpd.engine.errors import Refused, RpdError, UserError
from rpd.journal.redact import Secret
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import Fault

SECONDS = 8.0
"""For one answer."""
_MOST_BYTES = 10_000_000
_KEY = (Fault.KEY_REFUSED, Fault.FORBIDDEN, Fault.BLOCKED, Fault.NO_CREDIT)


class AccountView(msgspec.Struct, frozen=True):
    """What was read. `ahead_seconds`: how far this machine's clock is ahead of the API's. `ssh_keys` None, `balance`
    None: the key may not read that, or it could not be read."""

    seconds: float
    ahead_seconds: float | None
    ssh_keys: tuple[str, ...] | None
    balance: Balance | None

    def knows(self, public_line: str) -> bool | None:
        """Whether this SSH key is registered with the account. None if that is not known."""
        if self.ssh_keys is None:
            return None
        return any(line.split()[:2] == public_line.split()[:2] for line in self.ssh_keys)


def look_at(profile: CloudProfile, key: Secret, *, seconds: float = SECONDS, with_balance: bool = True) -> AccountView:
    """Ask the API with this key: a real call, which a wrong key does not survive. Raises UserError (4: the key is
    refused), and the errors of a read if the API cannot be reached."""
    session = Session(profile.url, key, connect_seconds=seconds, body_limit=_MOST_BYTES)
    try:
        began, clock = time.monotonic(), time.time()
        answer = _read(session, "/v2/pods", seconds)
        took = time.monotonic() - began
        keys = _ssh_keys(session, seconds)
    finally:
        session.close()
    balance = read_balance(profile.url, key) if with_balance else None
    return AccountView(took, _ahead(answer, clock + took / 2), keys, balance)


def refused(error: RpdError) -> UserError | None:
    """The error for a person if the key itself is what is wrong."""
    if not isinstance(error, Refused) or error.reason not in _KEY:
        return None
    return UserError(error.message, exit_code=Exit.KEY, reason=error.reason, hint=error.hint)


def _read(session: Session, path: str, seconds: float) -> Answer:
    found = session.send(ApiRequest("GET", path, seconds))
    if isinstance(found, Failure):
        raise judge_failure(Kind.READ, found)
    if found.status != 200 or found.flaw is not None:
        error = judge(Kind.READ, found)
        raise refused(error) or error
    return found


def _ssh_keys(session: Session, seconds: float) -> tuple[str, ...] | None:
    """A key that may rent pods need not be allowed to read these."""
    try:
        told = msgspec.json.decode(_read(session, "/v2/account/ssh-keys", seconds).body, type=dict[str, list[str]])
    except (RpdError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return tuple(told.get("keys", ()))


def _ahead(answer: Answer, clock: float) -> float | None:
    """The header has whole seconds, so half a second is the mean."""
    try:
        return clock - parsedate_to_datetime(answer.headers.get("date", "")).timestamp() - 0.5
    except (ValueError, TypeError):
        return None
