"""`python -m tests.simulation`: seeds (`make sim`), and the story of one of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main() -> int:
    """Exit code 1 when a promise is broken, 2 for a mutant that is not on file."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    commands = parser.add_subparsers(dest="command", required=True)
    seeds = commands.add_parser("seeds", help="many seeded schedules")
    seeds.add_argument("--count", type=int, default=1000)
    seeds.add_argument("--from", dest="first", type=int, default=0)
    seeds.add_argument("--mutant", help="with this fault planted: a patch on file by its name, or any by its path")
    one = commands.add_parser("story", help="one schedule, told second by second")
    one.add_argument("schedule", help="a seed, or a schedule as JSON")
    one.add_argument("--shrink", action="store_true", help="the simplest one that still breaks the same promise")
    one.add_argument("--mutant")
    asked = parser.parse_args()
    if asked.mutant is not None:
        rest = [word for word in sys.argv[1:] if word not in ("--mutant", asked.mutant)]
        return _planted(asked.mutant, [word for word in rest if not word.startswith("--mutant=")])
    if asked.command == "seeds":
        from tests.simulation.campaign import main as campaign

        return campaign(asked.count, asked.first)
    return _story(asked.schedule, asked.shrink)


def _planted(mutant: str, arguments: Sequence[str]) -> int:
    """The same in a copy with the fault in it."""
    from tests.simulation.planting import DoesNotApply, find_mutant, planted, run_in

    try:
        with planted(find_mutant(mutant)) as copy:
            return run_in(copy, ["-m", "tests.simulation", *arguments], quiet=False).returncode
    except DoesNotApply as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _story(text: str, is_short: bool) -> int:
    import msgspec

    from tests.simulation.draw import draw
    from tests.simulation.run import Simulation
    from tests.simulation.schedule import Schedule
    from tests.simulation.shrink import shrink, story

    schedule = draw(int(text)) if text.isdecimal() else msgspec.json.decode(text, type=Schedule)
    if is_short:
        schedule = shrink(schedule)[0]
    print(msgspec.json.encode(schedule).decode())
    print("\n".join(story(schedule)))
    return 1 if Simulation(schedule).run().violations else 0


if __name__ == "__main__":
    sys.exit(main())
