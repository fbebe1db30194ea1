"""Which cloud a run talks to, and with which key. A journal names its cloud, never its key. rpd asks a cloud from a
journal only through `rpd.adapters.access.gate`."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from rpd.adapters.access.config import CloudProfile, cloud_profile, find_api_key, profile_of, require_api_key
from rpd.adapters.local.leaks import environment_secrets
from rpd.adapters.local.secret_content import values_in
from rpd.journal.records import Opened
from rpd.journal.redact import Redactor, Secret

SANDBOX_POLL_SECONDS = 0.1
RUNPOD_POLL_SECONDS = 3.0


class Access(msgspec.Struct, frozen=True):
    """A cloud with the key that opens it."""

    profile: CloudProfile
    key: Secret
    source: str
    sandbox_home: str | None = None

    def key_mark(self, token: str) -> str:
        """A mark that tells this key from others, for the run with this token, without revealing the key."""
        return hashlib.sha256(f"{token} {self.key.reveal()}".encode()).hexdigest()[:16]

    def as_recorded(self, token: str) -> dict[str, str]:
        """What record 0 keeps: name, address, waits and the key's mark, never the key. A sandbox is known by its
        folder; its key may change."""
        is_sandbox = self.profile.name == "sandbox"
        recorded = {
            "name": self.profile.name,
            "url": self.profile.url,
            "quiet_window_seconds": str(self.profile.quiet_window_seconds),
            "proof_interval_seconds": str(self.profile.proof_interval_seconds),
            "poll_seconds": str(SANDBOX_POLL_SECONDS if is_sandbox else RUNPOD_POLL_SECONDS),
        }
        if self.sandbox_home is not None:
            recorded["home"] = self.sandbox_home
        else:
            recorded["key_mark"] = self.key_mark(token)
        return recorded


def sandbox_home(state_home: Path) -> Path:
    """The folder of this state home's own sandbox."""
    return state_home / "sandbox"


def sandbox_access(home: Path) -> Access:
    """The sandbox of this folder. rpd starts it if it is not up."""
    from rpd.adapters.sandbox import daemon

    info = daemon.up(home, boot_seconds=None, scenario=None)
    return Access(profile_of(info.url), Secret(info.api_key), f"the sandbox in {home}", str(home))


def chosen_access(state_home: Path, *, use_sandbox: bool) -> Access:
    """This state home's own sandbox, or the cloud of the environment. Raises UserError (exit code 4)."""
    return sandbox_access(sandbox_home(state_home)) if use_sandbox else default_access(state_home)


def default_access(state_home: Path, environ: Mapping[str, str] = os.environ) -> Access:
    """The cloud of the environment: $RPD_API_URL or RunPod, with the key found there. Raises UserError (exit code
    4)."""
    profile = cloud_profile(environ)
    key = require_api_key(environ)
    own = _own_sandbox(state_home, profile.url)
    return Access(profile, key.secret, key.source, own)


def redactor_for(access: Access, environ: Mapping[str, str] = os.environ, *, opened: Opened | None = None) -> Redactor:
    """What no record may hold: the API key, every secret of this environment (a variable may contain one), and the
    secrets that record 0 names in the job's `secrets`."""
    named = values_in(opened.config, environ, said=msgspec.to_builtins(opened)) if opened is not None else ()
    return Redactor(access.key, *(Secret(value) for value in environment_secrets(environ).values()), *named)


def _own_sandbox(state_home: Path, url: str) -> str | None:
    """The folder of this state home's sandbox, if `url` is its address. With it the journal can start the sandbox
    again."""
    if not url.startswith("http://"):
        return None
    from rpd.adapters.sandbox import daemon

    info = daemon.find(sandbox_home(state_home))
    is_own = info is not None and profile_of(info.url).url == url
    return str(sandbox_home(state_home)) if is_own else None


def redactor() -> Redactor:
    """The redactor for all errors, because an error from elsewhere may quote anything. The code that uses files of
    secrets knows those secrets."""
    redactor = Redactor(*map(Secret, environment_secrets(os.environ).values()))
    with contextlib.suppress(Exception):  # an unreadable settings file may be the error to report
        key = find_api_key()
        redactor.add(*([key.secret] if key is not None else []))
    return redactor
