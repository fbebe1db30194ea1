"""`python -m tests.simulation.model [JOB ...]`: check the shipped table over the named jobs, or over all."""

from __future__ import annotations

import argparse
import sys

from rpd.states.lifecycles import lifecycle_of
from tests.simulation.model.check import check, report
from tests.simulation.model.jobs import JOBS, SESSIONS


def main() -> int:
    """Print the report; 1 when a rule of the model is broken."""
    known = {
        **{name: ("job", job) for name, job in JOBS.items()},
        **{name: ("session", job) for name, job in SESSIONS.items()},
    }
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.model", description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"one of: {', '.join(known)}")
    names = parser.parse_args().jobs or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no such job: {', '.join(unknown)}; there are: {', '.join(known)}")
    faults = 0
    for kind in dict.fromkeys(known[name][0] for name in names):
        lifecycle = lifecycle_of(kind)
        checked = check(lifecycle, {name: known[name][1] for name in names if known[name][0] == kind})
        for line in report(checked, lifecycle.table):
            print(line)
        faults += len(checked.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
