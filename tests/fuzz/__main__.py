"""`python -m tests.fuzz [TARGET...] --minutes N`: every target in a process of its own, two or more at a time.

A case that fails is told with its seed, and `python -m tests.fuzz TARGET --seed N` plays it again. A case that ends its
process, takes longer than 10 s, or makes it grow by more than 200 MB fails as well, and ends its target. Time in which
a busy machine gives a case no processor does not count, up to a minute.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import select
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.targets import CASE_SECONDS_MAX, MEMORY_BYTES_MAX, Target, names, peak_bytes

FINDINGS_MAX = 5
"""After so many failed cases a target has said enough."""
START_SECONDS = 60.0
STARVED_SECONDS_MAX = 60.0
"""So long a case may take where a busy machine lets it wait."""
ADDRESS_SPACE_BYTES = 4 << 30
"""A case that wants more gets a MemoryError, and not this machine's memory."""


class Verdict(NamedTuple):
    """What a target's process has said. `findings` are texts for people."""

    name: str
    cases: int
    findings: list[str]


def main() -> int:
    """Exit code 1 when a case failed, 2 for a target that there is not."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names()))
    parser.add_argument("--minutes", type=float, default=1.0, help="for all of them together")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="SEED")
    parser.add_argument("--seed", type=int, help="only this case, with its traceback")
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)  # for the process of a target
    asked = parser.parse_args()
    wanted = asked.targets or names()
    if unknown := set(wanted) - set(names()):
        print(f"error: no such target: {', '.join(sorted(unknown))}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    if asked.until is not None:
        return _play_on(wanted[0], asked.first, asked.until)
    if asked.seed is not None:
        for name in wanted:
            Target(name).play(asked.seed)
        return 0
    at_once = min(len(wanted), os.cpu_count() or 1)
    seconds = asked.minutes * 60.0 * at_once / len(wanted)
    with ThreadPoolExecutor(at_once) as pool:
        verdicts = list(pool.map(lambda name: _watch(name, asked.first, seconds), wanted))
    for verdict in verdicts:
        print(f"{verdict.name}: {verdict.cases} cases, {len(verdict.findings)} failed")
    return 1 if any(verdict.findings for verdict in verdicts) else 0


# The process of one target. It says `seed N` before each case, `failed` with as many lines as follow after one that
# failed, and `over` when it ends by itself.


def _play_on(name: str, seed: int, seconds: float) -> int:
    target, out = Target(name), sys.stdout
    sys.stdout = sys.stderr  # what a case prints is not the harness's word
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, resource.RLIM_INFINITY))
    end = time.monotonic() + seconds
    failed, peak = 0, 0
    while failed < FINDINGS_MAX:
        out.write(f"seed {seed}\n")
        out.flush()
        trouble = _trouble(target, seed)
        peak = peak or peak_bytes()  # the first case has loaded what there is to load
        if trouble is None and peak_bytes() - peak > MEMORY_BYTES_MAX:
            trouble, failed = f"memory grew by {(peak_bytes() - peak) >> 20} MB", FINDINGS_MAX
        if trouble is not None:
            failed += 1
            lines = trouble.splitlines()
            out.write("".join(f"{line}\n" for line in (f"failed {len(lines)}", *lines)))
            out.flush()
        if time.monotonic() > end:
            break
        seed += 1
    out.write("over\n")
    out.flush()
    return 0


def _trouble(target: Target, seed: int) -> str | None:
    try:
        target.play(seed)
    except (Exception, SystemExit):
        return traceback.format_exc()
    return None


# Its watcher.


def _watch(name: str, first: int, seconds: float) -> Verdict:
    words = [sys.executable, "-m", "tests.fuzz", name, "--from", str(first), "--until", str(seconds)]
    findings: list[str] = []
    cases, seed, patience, is_over, before = 0, first, START_SECONDS, False, 0.0
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        lines = _lines(process, lambda: patience, lambda: _is_starved(process.pid, before))
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "seed":
                cases, seed, patience, before = cases + 1, int(rest), CASE_SECONDS_MAX, _scheduled(process.pid)[1]
            elif word == "over":
                is_over = True
            elif word == "failed":
                findings.append(f"seed {seed}\n" + "\n".join(next(lines, "") for _ in range(int(rest))))
                _tell(name, findings[-1])
        if process.poll() is None:
            process.kill()
            findings.append(f"seed {seed} took longer than {patience:.0f} s")
            _tell(name, findings[-1])
        elif process.returncode != 0 or not is_over:
            findings.append(f"seed {seed} ended its process with {process.returncode}")
            _tell(name, findings[-1])
    return Verdict(name, cases, findings)


def _lines(
    process: subprocess.Popen[bytes], patience: Callable[[], float], is_starved: Callable[[], bool]
) -> Iterator[str]:
    """Its lines, until it ends or says nothing for too long."""
    assert process.stdout is not None
    handle, rest = process.stdout.fileno(), b""
    while True:
        until = time.monotonic() + STARVED_SECONDS_MAX
        is_said = bool(select.select([handle], [], [], patience())[0])
        while not is_said and time.monotonic() < until and is_starved():
            is_said = bool(select.select([handle], [], [], 0.2)[0])
        if not is_said:
            return
        got = os.read(handle, 65536)
        if not got:
            process.wait()
            return
        *whole, rest = (rest + got).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)


def _is_starved(pid: int, before: float) -> bool:
    """Whether it would go on if it had a processor, and had less of one than a case may take."""
    state, used = _scheduled(pid)
    return state == "R" and used - before < CASE_SECONDS_MAX


def _scheduled(pid: int) -> tuple[str, float]:
    """The state of a process (R: it runs, or waits for a processor) and the processor time that it has used, in
    seconds; no state where the system does not tell (proc_pid_stat(5))."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return words[0], (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return "", 0.0


def _tell(name: str, finding: str) -> None:
    print(f"{name}: {finding}\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
