"""`make mutants`: do the checks see what they are there for? Each mutant is a fault in a copy of the source, and the
checks are run over the copy until one of them breaks, the cheapest first. Then the quick tests are tried with the
plants of `tests/plants`. A patch that is not on file is shown to the quick tests first, those nearest to what it
touches."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.plants.nearest import nearest
from tests.plants.plant import plants
from tests.plants.runner import QUICK, failed, try_all
from tests.simulation.planting import DoesNotApply, Mutant, find_mutant, mutants, planted, run_in

SEEDS_FIRST = 2000
SEEDS_MAX = 20_000
TOUCHED = "touched.txt"
"""In a copy: the files that the fault touches."""
NEAREST = 12
"""So many test files make up the nearest ones."""
STEP = 5
"""Of the crash matrix every so manieth place is tried here."""


class Catch(msgspec.Struct):
    """What saw the fault: the check, what it says, how many schedules had been run by then (with those of the checks
    before it), and the schedule itself. `by` is None when nothing did."""

    by: str | None
    what: str = ""
    schedules: int = 0
    schedule: str | None = None


Check = Callable[[], Iterator[tuple[int, Catch | None]]]


def hunt(checks: Mapping[str, Check]) -> Catch:
    """Run the checks over the source that is imported here, up to the first that breaks."""
    total = 0
    for name, check in checks.items():
        for schedules, catch in check():
            total += schedules
            if catch is not None:
                return msgspec.structs.replace(catch, by=name, schedules=total)
    return Catch(None, "", total)


def _lives() -> Iterator[tuple[int, Catch | None]]:
    """Every scripted life ends as it says."""
    from tests.simulation.lives import LIVES
    from tests.simulation.run import Simulation

    for life in LIVES.values():
        schedule = life.schedule()
        verdict = Simulation(schedule).run()
        text = next((str(each) for each in verdict.violations), None)
        closed, wanted = verdict.closed, (life.outcome, life.reason, life.exit_code)
        if text is None and closed != wanted:
            text = f"the life {life.name!r} ends {closed}, not {wanted}"
        yield 1, _caught(text, schedule)


def _regressions() -> Iterator[tuple[int, Catch | None]]:
    """The schedules of every bug there was."""
    from tests.simulation.regressions import REGRESSIONS
    from tests.simulation.run import Simulation

    for regression in REGRESSIONS:
        broken = Simulation(regression.decoded()).run().violations
        text = f"{regression.name}: {broken[0]}" if broken else None
        yield 1, _caught(text, regression.decoded())


def _crashes() -> Iterator[tuple[int, Catch | None]]:
    """A share of the crash matrix."""
    from tests.simulation.lives import LIVES
    from tests.simulation.matrix import POINTS, RECOVERIES, crashes
    from tests.simulation.run import Simulation

    for life in LIVES.values():
        for point in POINTS:
            for how in RECOVERIES:
                for schedule in crashes(life, point, how, STEP):
                    broken = Simulation(schedule).run().violations
                    yield 1, _caught(str(broken[0]), schedule) if broken else None


def _seeds(first: int, end: int) -> Check:
    """Seeded schedules."""

    def check() -> Iterator[tuple[int, Catch | None]]:
        from tests.simulation.campaign import campaign
        from tests.simulation.draw import draw

        figures = campaign(range(first, end), until_broken=True)
        catch = None
        if figures.broken:
            seed, violation = figures.broken[0]
            catch = _caught(f"seed {seed}: {violation}", draw(seed))
        yield figures.schedules, catch

    return check


def _model() -> Iterator[tuple[int, Catch | None]]:
    """The search over the transition table."""
    done = subprocess.run([sys.executable, "-m", "tests.simulation.model"], check=False, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).strip().splitlines()
    broken = next((line for line in lines if line.startswith("VIOLATION")), lines[-1] if lines else "it fails")
    yield 0, Catch(None, broken) if done.returncode else None


def _real_pods() -> Iterator[tuple[int, Catch | None]]:
    """The contract suite: the shipped adapters and scripts against real processes."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/contract"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    yield 0, Catch(None, failed[0] if failed else done.stdout[-300:]) if done.returncode else None


def _quick_tests(which: slice) -> Check:
    """The tests of `make test`, in the order of their distance to what the patch touches."""

    def check() -> Iterator[tuple[int, Catch | None]]:
        files = nearest(Path(TOUCHED).read_text().split(), Path.cwd())[which]
        command = [sys.executable, *QUICK, "-n", "2", "--dist", "loadgroup", *files]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        yield 0, _caught(failed(done), None)

    return check


CHECKS: dict[str, Check] = {
    "scripted lives": _lives,
    "regressions": _regressions,
    "seeds": _seeds(0, SEEDS_FIRST),
    "model check": _model,
    "crash matrix": _crashes,
    "more seeds": _seeds(SEEDS_FIRST, SEEDS_MAX),
    "contract suite": _real_pods,
}


NEAREST_TESTS, OTHER_TESTS = _quick_tests(slice(NEAREST)), _quick_tests(slice(NEAREST, None))


def in_order(files: Iterable[str], *, is_on_file: bool) -> dict[str, Check]:
    """The checks for a fault: where it touches what runs in real pods, those come first. One that is on file has to be
    seen without the quick tests."""
    rooms = {file.split("/")[1] for file in files if file.startswith("adapters/")}
    first = [] if rooms <= {"renting.py"} else ["contract suite"]
    checks = {name: CHECKS[name] for name in (*first, *(name for name in CHECKS if name not in first))}
    return checks if is_on_file else {"a near quick test": NEAREST_TESTS, **checks, "a quick test": OTHER_TESTS}


def _caught(text: str | None, schedule: msgspec.Struct | None) -> Catch | None:
    encoded = None if schedule is None else msgspec.json.encode(schedule).decode()
    return None if text is None else Catch(None, text, schedule=encoded)


def catch(mutant: Mutant) -> Catch:
    """What sees the fault. Raises DoesNotApply."""
    with planted(mutant) as copy:
        (copy / TOUCHED).write_text("\n".join(mutant.files))
        which = "on file" if mutant.patch is None else "unknown"
        done = run_in(copy, ["-m", "tests.simulation.mutant_run", "--here", which], quiet=True)
    if done.returncode not in (0, 1):
        last = done.stderr.strip().splitlines()[-1:]
        return Catch("import", f"the source does not even run: {last}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Catch)


def try_mutants(chosen: Sequence[Mutant]) -> int:
    """Plant each, and say what saw it: how many were not seen. Raises DoesNotApply."""
    missed = 0
    for mutant in chosen:
        began = time.perf_counter()
        seen = catch(mutant)
        print(f"{mutant.name}: {mutant.why}")
        if seen.by is None:
            missed += 1
            print(f"    NOT SEEN in {seen.schedules} schedules and all other checks")
        else:
            after = f" after {seen.schedules} schedules" if seen.schedules else ""
            print(f"    seen by {seen.by}{after}, in {time.perf_counter() - began:.0f} s: {seen.what[:200]}")
        sys.stdout.flush()
    print(f"{len(chosen) - missed} of {len(chosen)} mutants are caught")
    return missed


def main(names: list[str]) -> int:
    """Exit code 1 when a fault is not seen, 2 when a patch cannot be planted."""
    on_file = {plant.name: plant for plant in plants()}
    chosen = [on_file[name] for name in names if name in on_file] if names else list(on_file.values())
    others = [find_mutant(name) for name in names if name not in on_file] if names else list(mutants().values())
    missed = try_mutants(others) if others else 0
    missed += try_all(chosen) if chosen else 0
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutant_run")
    parser.add_argument("name", nargs="*", help="mutants or plants on file, or paths of patches; all on file without")
    parser.add_argument("--here", choices=("on file", "unknown"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        found = hunt(in_order(Path(TOUCHED).read_text().split(), is_on_file=asked.here == "on file"))
        print(msgspec.json.encode(found).decode())
        sys.exit(1 if found.by else 0)
    try:
        sys.exit(main(asked.name))
    except DoesNotApply as error:
        sys.exit(f"error: {error}")
