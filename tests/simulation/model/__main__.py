"""`python -m tests.simulation.model [JOB ...]`: check the shipped table over the named jobs, or over all."""

from __future__ import annotations

import argparse
import sys

from rpd.states.lifecycle import JOB_LIFECYCLE
from tests.simulation.model.check import check, report
from tests.simulation.model.jobs import JOBS


def main() -> int:
    """Print the report; 1 when a rule of the model is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.model", description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"one of: {', '.join(JOBS)}")
    names = parser.parse_args().jobs or list(JOBS)
    if unknown := [name for name in names if name not in JOBS]:
        parser.error(f"no such job: {', '.join(unknown)}; there are: {', '.join(JOBS)}")
    checked = check(JOB_LIFECYCLE, {name: JOBS[name] for name in names})
    for line in report(checked, JOB_LIFECYCLE.table):
        print(line)
    return 1 if checked.faults else 0


if __name__ == "__main__":
    sys.exit(main())
