"""Another process of rpd itself, in the background: without our terminal, descriptors, folder and session."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from rpd.adapters.local.children import own_environment


def start_module(module: str, order: bytes, log: Path, home: Path) -> subprocess.Popen[bytes]:
    """Effect: start `python -m MODULE` with its order on stdin. What it says goes to `log`, which only its owner may
    read. `home` is the state home. A process that is dead at once has not read its order; the caller sees its end.
    Raises OSError."""
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd="/",
            env=own_environment(home),
        )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(order)
    return process
