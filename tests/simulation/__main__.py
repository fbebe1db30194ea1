"""`python -m tests.simulation`: seeds (make sim), story SEED, matrix, mutants."""

from __future__ import annotations

import argparse
import sys


def main() -> int:
    """Exit code 1 when a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    commands = parser.add_subparsers(dest="command", required=True)
    seeds = commands.add_parser("seeds", help="many seeded schedules")
    seeds.add_argument("--count", type=int, default=1000)
    seeds.add_argument("--from", dest="first", type=int, default=0)
    one = commands.add_parser("story", help="one seed, told second by second")
    one.add_argument("seed", type=int)
    one.add_argument("--shrink", action="store_true")
    asked = parser.parse_args()
    if asked.command == "seeds":
        from tests.simulation.campaign import main as campaign

        return campaign(asked.count, asked.first)
    return _story(asked.seed, asked.shrink)


def _story(seed: int, is_short: bool) -> int:
    from tests.simulation.draw import draw
    from tests.simulation.run import Simulation
    from tests.simulation.shrink import shrink, story

    schedule = shrink(draw(seed))[0] if is_short else draw(seed)
    print(schedule)
    print("\n".join(story(schedule)))
    return 1 if Simulation(schedule).run().violations else 0


if __name__ == "__main__":
    sys.exit(main())
