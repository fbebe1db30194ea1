"""The real clocks."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from rpd.adapters.local.clock import SystemClock


def test_stamps_are_ordered_and_of_this_boot() -> None:
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    assert first.boot == second.boot and second.up >= first.up
    assert abs(first.wall - time.time()) < 5


def test_another_process_names_the_same_boot() -> None:
    code = "from rpd.adapters.local.clock import SystemClock as C; s = C().now(); print(s.boot, s.up)"
    boot, up = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    now = SystemClock().now()
    assert boot == now.boot and 0 <= now.up - float(up) < 60


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_up_counts_sleep_too() -> None:
    assert SystemClock().now().up == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=5)
    assert SystemClock().now().boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
