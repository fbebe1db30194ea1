"""The machine's clocks: UTC, a clock that runs on while the machine sleeps, and the name of the boot from which it
counts."""

from __future__ import annotations

import functools
import sys
import time
import uuid
from pathlib import Path

from rpd.journal.records import Stamp

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """The real time. Two stamps of one boot are comparable by `up`, also across processes."""

    def now(self) -> Stamp:
        """The present moment."""
        return Stamp(wall=time.time(), up=time.clock_gettime(_AWAKE_AND_ASLEEP), boot=boot_id())


if sys.platform == "linux":
    _AWAKE_AND_ASLEEP = time.CLOCK_BOOTTIME  # CLOCK_MONOTONIC stops while a Linux machine is suspended
else:
    _AWAKE_AND_ASLEEP = time.CLOCK_MONOTONIC  # on macOS this one runs on in sleep


@functools.cache
def boot_id() -> str:
    """The name of this boot of the machine.

    If the system does not say, it is a name that is good for this process alone. Durations across processes then fall
    back to UTC.
    """
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return _boot_id_of_macos() or f"process-{uuid.uuid4()}"


def _boot_id_of_macos() -> str:
    import subprocess

    for name in ("kern.bootsessionuuid", "kern.boottime"):
        try:
            answer = subprocess.run(
                ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False, env={}
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        if answer.returncode == 0 and answer.stdout.strip():
            return answer.stdout.strip()
    return ""
