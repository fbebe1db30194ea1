"""`make mutation FILES=...`: change each condition, filter and number of the files a little, and see whether a quick
test fails. Exit code 1 when a mutant survives that is not on the list with a reason (survivors.toml)."""

from __future__ import annotations

import argparse
import bisect
import contextlib
import itertools
import os
import queue
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from tests.plants.mutants import Mutant, mutants
from tests.plants.plant import FOLDER, SURVIVORS
from tests.plants.spawn import Order, Ran
from tests.simulation.planting import ROOMS, ROOT, copied, environment, run_in

SIDE_BY_SIDE = 2
TESTS_SECONDS = 4.0
"""Tests that take so long together are tried on one mutant, the quickest first."""
PROGRESS = 100
HANG_SECONDS = 15.0
"""What a mutant adds to the time of its tests at most; one that takes longer is seen."""
TESTS_OF = {
    "engine": ("tests/engine", "tests/states", "tests/simulation/test_regressions.py"),
    "states": ("tests/states", "tests/engine", "tests/simulation/test_regressions.py"),
    "journal": ("tests/journal", "tests/engine", "tests/states", "tests/adapters/cli"),
    "adapters/transfer": ("tests/adapters/transfer", "tests/adapters/ssh"),
    "adapters/pod": ("tests/adapters/pod", "tests/adapters/transfer"),
    "adapters/cli": ("tests/adapters/cli", "tests/adapters/forensics", "tests/adapters/report"),
    "adapters/cleanup": ("tests/adapters/cli",),
    "adapters/disposal": ("tests/adapters/cli",),
    "adapters/driving": ("tests/adapters/cli",),
}
"""The quick tests near to a folder."""


class Survivor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mutant that no quick test sees: `line` is the text of its line. `reason` says why that is well."""

    file: str
    line: str
    change: str
    reason: str


class Listed(msgspec.Struct, forbid_unknown_fields=True):
    """The file of survivors."""

    survivor: list[Survivor] = []


class Bench:
    """A copy of the source in which mutants are planted one after the other, and the processes that try them there."""

    def __init__(self, copy: Path, tests: Iterable[str]) -> None:
        self.copy = copy
        self.fresh, self.loaded = _Spawn(copy, "fresh"), _Spawn(copy, "loaded", *tests)

    def sees(self, mutant: Mutant, tests: Sequence[str], seconds: float) -> bool:
        """A test fails, or hangs."""
        with planted_in(self.copy, mutant):
            spawn = self.loaded if mutant.names is None else self.fresh
            return spawn.run(Order(list(tests), seconds, mutant.file)) != 0

    def close(self) -> None:
        """Its processes end."""
        self.fresh.close()
        self.loaded.close()


@contextlib.contextmanager
def planted_in(copy: Path, mutant: Mutant) -> Iterator[None]:
    """The file of a copy with the mutant in it, and as it was afterwards: what was compiled of it still holds."""
    path = copy / mutant.file
    source, written = path.read_text(), path.stat()
    path.write_text(mutant.planted(source))
    try:
        yield
    finally:
        path.write_text(source)
        os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))


class _Spawn:
    def __init__(self, copy: Path, how: str, *tests: str) -> None:
        here, there = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.plants.spawn", how, str(there), *tests],
            cwd=copy,
            env=environment(copy),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[there],
        )
        os.close(there)
        self.answers = os.fdopen(here)

    def run(self, order: Order) -> int:
        """Raises RuntimeError when it has ended."""
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(order) + b"\n")
        self.process.stdin.flush()
        answer = self.answers.readline()
        if not answer:
            raise RuntimeError("the process that runs the tests has ended")
        return int(answer)

    def close(self) -> None:
        """The process ends with its input."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.answers.close()


@contextlib.contextmanager
def benches(copies: Sequence[Path], tests: Sequence[str]) -> Iterator[queue.Queue[Bench]]:
    """One bench per copy, to be taken and put back."""
    free: queue.Queue[Bench] = queue.Queue()
    all_of_them = [Bench(copy, tests) for copy in copies]
    for bench in all_of_them:
        free.put(bench)
    try:
        yield free
    finally:
        for bench in all_of_them:
            bench.close()


def near_tests(files: Sequence[str]) -> list[str]:
    """The folders with the quick tests near to any of the files."""
    rooms = [tests for room, tests in TESTS_OF.items() if any(file.startswith(f"{room}/") for file in files)]
    return list(dict.fromkeys(test for tests in rooms for test in tests))


def watched(copy: Path, tests: Sequence[str]) -> Ran:
    """What each of the tests runs. Raises RuntimeError when one fails as it is."""
    told = copy / "build" / "ran.json"
    done = run_in(copy, ["-m", "tests.plants.spawn", "watch", str(told), *tests], quiet=True)
    if done.returncode:
        raise RuntimeError(f"the tests fail without any mutant:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return msgspec.json.decode(told.read_bytes(), type=Ran)


def tests_for(mutant: Mutant, ran: Ran, source: Sequence[tuple[str, int, str]]) -> list[str]:
    """Those that run its line, the quickest first; for what runs at import those in whose file a name stands that it
    defines, and those that run a line with it, then all that run its file."""
    of_file = ran.lines.get(mutant.file, {})
    found = set(of_file.get(mutant.line, ()))
    if mutant.names:
        word = re.compile(rf"\b(?:{'|'.join(map(re.escape, mutant.names))})\b")
        places = [(file, line) for file, line, text in source if word.search(text)]
        mentioning = {file for file, _ in places}
        found.update(test for test in ran.seconds if test.partition("::")[0] in mentioning)
        found.update(test for file, line in places for test in ran.lines.get(file, {}).get(line, ()))
    ordered = sorted(found, key=ran.seconds.__getitem__)
    if mutant.names is not None:
        rest = {test for tests in of_file.values() for test in tests} - found
        ordered += sorted(rest, key=ran.seconds.__getitem__)
    seconds = list(itertools.accumulate(ran.seconds[test] for test in ordered))
    return ordered[: bisect.bisect_left(seconds, TESTS_SECONDS) + 1]


def try_all(chosen: Sequence[Mutant]) -> list[tuple[Mutant, int]]:
    """Those of which no near test says anything, each with the number of tests that were tried."""
    source = [
        (str(path.relative_to(ROOT)), number, text)
        for room in (*ROOMS, "tests")
        for path in sorted((ROOT / room).rglob("*.py"))
        for number, text in enumerate(path.read_text().splitlines(), 1)
    ]
    survived: list[tuple[Mutant, int]] = []
    with contextlib.ExitStack() as stack:
        copies = [stack.enter_context(copied()) for _ in range(SIDE_BY_SIDE)]
        tests = near_tests([mutant.file for mutant in chosen])
        ran = watched(copies[0], tests)
        free = stack.enter_context(benches(copies, tests))

        def attempt(mutant: Mutant) -> None:
            mine = tests_for(mutant, ran, source)
            seconds = HANG_SECONDS + 5 * sum(ran.seconds[test] for test in mine)
            bench = free.get()
            try:
                if not mine or not bench.sees(mutant, mine, seconds):
                    survived.append((mutant, len(mine)))
            finally:
                free.put(bench)

        pool = ThreadPoolExecutor(SIDE_BY_SIDE)
        stack.callback(pool.shutdown, cancel_futures=True)  # also when somebody has enough of it
        for done, _ in enumerate(pool.map(attempt, chosen), 1):
            if done % PROGRESS == 0:
                print(f"{done} of {len(chosen)} tried, {len(survived)} not seen by a test", file=sys.stderr)
        survived = [each for each in survived if is_sound(copies[0], each[0])]
    return sorted(survived, key=lambda each: (each[0].file, each[0].start))


def is_sound(copy: Path, mutant: Mutant) -> bool:
    """It passes the type checker, which is a part of `make test`, too."""
    with planted_in(copy, mutant):
        return run_in(copy, ["-m", "mypy"], quiet=True).returncode == 0


def main(files: Sequence[str], *, as_toml: bool) -> int:
    """The exit code."""
    began = time.perf_counter()
    chosen = [mutant for file in files for mutant in mutants(file, (ROOT / file).read_text())]
    listed = msgspec.toml.decode((FOLDER / SURVIVORS).read_bytes(), type=Listed).survivor
    known = {(each.file, each.line, each.change) for each in listed if each.file in files}
    survived = {(mutant, tests): _entry(mutant) for mutant, tests in try_all(chosen)}
    new = [(mutant, tests, entry) for (mutant, tests), entry in survived.items() if entry not in known]
    for mutant, tests, entry in new:
        _, line, change = entry
        if as_toml:
            values = zip(("file", "line", "change", "reason"), (*entry, ""), strict=True)
            print("\n[[survivor]]\n" + "\n".join(f"{name} = {_quoted(value)}" for name, value in values))
        else:
            print(f"{mutant.file}:{mutant.line}: {line}\n    {change}   ({tests} tests run it)")
    for file, line, change in sorted(known - set(survived.values())):
        print(f"{file}: on the list, and seen now: {change}   in: {line}", file=sys.stderr)
    seconds = time.perf_counter() - began
    print(f"{len(chosen)} mutants in {seconds:.0f} s: {len(survived)} survive, {len(new)} not on the list")
    return 1 if new else 0


def _entry(mutant: Mutant) -> tuple[str, str, str]:
    line = (ROOT / mutant.file).read_text().splitlines()[mutant.line - 1].strip()
    return mutant.file, line, mutant.change


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.plants.mutation")
    parser.add_argument("file", nargs="+", help="source files, relative to the top of the repository")
    parser.add_argument("--toml", action="store_true", help="what survives as entries for survivors.toml")
    asked = parser.parse_args()
    try:
        sys.exit(main(asked.file, as_toml=asked.toml))
    except RuntimeError as error:
        sys.exit(f"error: {error}")
