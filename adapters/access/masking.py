"""Mask the secrets of this machine in errors."""

from __future__ import annotations

import contextlib
import os

from rpd.adapters.access.config import find_api_key
from rpd.adapters.local.leaks import environment_secrets
from rpd.journal.redact import Redactor, Secret


def redactor() -> Redactor:
    """The redactor for all errors, because an error from elsewhere may quote anything. The code that uses files of
    secrets knows those secrets."""
    redactor = Redactor(*map(Secret, environment_secrets(os.environ).values()))
    with contextlib.suppress(Exception):  # an unreadable settings file may be the error to report
        key = find_api_key()
        redactor.add(*([key.secret] if key is not None else []))
    return redactor
