"""Whether a job fits into the records of a journal. This is known before anything is rented."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.states.policy.bounds import JOB_BYTES, size_of


def too_large(config: Any) -> str | None:
    """Why the rendered job cannot be kept in the journal, and what to do. None if it fits."""
    size = size_of(msgspec.to_builtins(config))
    if size <= JOB_BYTES:
        return None
    return (
        f"the rendered job takes {size} bytes of a record, which has room for {JOB_BYTES}; put a long script into a "
        "staged file and call it from run.body, and many files into one folder"
    )
