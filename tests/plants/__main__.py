"""`python -m tests.plants [NAME...]`: plant the bugs, and see whether their tests see them. Exit code 1 when one is not
seen, or when a test fails without any; 2 for a name that is not on file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.plants.plant import plants
from tests.plants.runner import try_all


def main(names: Sequence[str]) -> int:
    """The exit code."""
    on_file = {plant.name: plant for plant in plants()}
    unknown = sorted(set(names) - on_file.keys())
    if unknown:
        print(f"error: there is no plant {', '.join(unknown)}", file=sys.stderr)
        return 2
    return 1 if try_all([on_file[name] for name in names or on_file]) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.plants")
    parser.add_argument("name", nargs="*", help="plants by name; all on file when none is given")
    sys.exit(main(parser.parse_args().name))
