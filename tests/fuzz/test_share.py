"""A share of every fuzz target's seeds; `make fuzz` plays more of them."""

from __future__ import annotations

import gc
import time

import pytest

from tests.fuzz.targets import CASE_SECONDS_MAX, MEMORY_BYTES_MAX, Target, forget_peak, names, peak_bytes


@pytest.mark.parametrize("name", names())
def test_a_share_of_the_seeds(name: str) -> None:
    target = Target(name)
    peak = 0
    for seed in range(target.share):
        begin = time.process_time()
        try:
            target.play(seed)
        except SystemExit as error:
            raise AssertionError(f"python -m tests.fuzz {name} --seed {seed} ends its process") from error
        except Exception as error:
            error.add_note(f"python -m tests.fuzz {name} --seed {seed}")
            raise
        assert time.process_time() - begin < CASE_SECONDS_MAX, f"seed {seed} of {name} took too long"
        if not peak:  # the first case has loaded what there is to load
            gc.collect()
            forget_peak()
            peak = peak_bytes()
    assert peak_bytes() - peak < MEMORY_BYTES_MAX
