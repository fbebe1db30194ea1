"""Each bug is planted in a copy of its own, and the tests that are said to see it are run there."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.plants.plant import Plant
from tests.simulation.planting import copied, run_in

HANGING_SECONDS = 30
"""A quick test that takes so long was never seen to pass: what is planted makes it hang."""
QUICK = ("-m", "pytest", "-x", "-q", "-m", "not slow", "-p", "no:randomly", "-p", "no:cacheprovider")
SIDE_BY_SIDE = 2


def failed(done: subprocess.CompletedProcess[str]) -> str | None:
    """The first test that failed; None when all passed. Raises RuntimeError where the tests did not run at all."""
    if done.returncode == 0:
        return None
    lines = (done.stdout + done.stderr).splitlines()
    first = next((line for line in lines if line.startswith(("FAILED", "ERROR"))), None)
    if first is None:
        raise RuntimeError("\n".join(lines[-15:]))
    return first.partition(" ")[2].partition(" - ")[0]


def seen(plant: Plant) -> str | None:
    """The test that sees it. Raises RuntimeError or ValueError where it cannot be tried."""
    with copied() as copy:
        (copy / plant.file).write_text(plant.made_in(copy))
        return failed(run_in(copy, [*QUICK, f"--timeout={HANGING_SECONDS}", "-n", "0", *plant.seen_by], quiet=True))


def without_any(tests: Iterable[str]) -> str | None:
    """The named test that fails where nothing is planted."""
    with copied() as copy:
        return failed(run_in(copy, [*QUICK, "-n", "0", *sorted(set(tests))], quiet=True))


def _tried(plant: Plant) -> tuple[bool, str]:
    began = time.perf_counter()
    try:
        by = seen(plant)
    except (RuntimeError, ValueError) as error:
        return False, f"CANNOT BE TRIED: {error}"
    if by is None:
        return False, f"NOT SEEN by {', '.join(plant.seen_by)}"
    return True, f"seen by {by}, in {time.perf_counter() - began:.0f} s"


def try_all(chosen: Sequence[Plant]) -> int:
    """Plant each, and say who saw it: how many were not seen."""
    broken = without_any(test for plant in chosen for test in plant.seen_by) if chosen else None
    if broken is not None:
        print(f"{broken} fails without any plant")
        return len(chosen)
    missed = 0
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for plant, (is_seen, text) in zip(chosen, pool.map(_tried, chosen), strict=True):
            missed += not is_seen
            print(f"{plant.name}: {plant.why}\n    {text}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} plants are seen")
    return missed
