"""Run examples/sweep once for each seed, until one is good enough: python best_seed.py [--sandbox] SEED..."""

import json
import sys
from pathlib import Path

import rpd

FILE = Path(__file__).parents[1] / "sweep" / "sweep.yaml"
GOOD_ENOUGH = 0.75


def show(event: rpd.Event) -> None:
    """Print what is worth a line."""
    if isinstance(event, rpd.Recorded) and event.text:
        print(f"  ${event.cost_usd:.4f}  {event.text}")


def loss_of(run: rpd.Run) -> float:
    """What the job wrote into its one artifact."""
    (metrics,) = run.artifacts
    return float(json.loads(Path(metrics.path, "metrics.json").read_text())["loss"])


def main() -> int:
    """Exit code 0 when a seed was good enough."""
    seeds = [word for word in sys.argv[1:] if word != "--sandbox"]
    if not seeds:
        raise SystemExit(__doc__)
    for seed in seeds:
        job = rpd.load(FILE, variables={"seed": seed, "rate": "1e-3"})
        print(f"seed {seed}: {job.run_id}, at most ${job.max_usd:.2f}")
        ending = rpd.start(job, sandbox="--sandbox" in sys.argv, listener=show, signals=True)
        if ending.exit_code == rpd.Exit.STILL_BILLING:  # no other run before somebody has looked at this
            print(*ending.said, sep="\n", file=sys.stderr)
            return ending.exit_code
        if ending.exit_code != rpd.Exit.DONE:
            print(f"seed {seed}: {ending.run.outcome}: {ending.run.why}", file=sys.stderr)
            continue
        loss = loss_of(ending.run)
        print(f"seed {seed}: loss {loss:.3f} for ${ending.run.cost_usd:.4f}")
        if loss < GOOD_ENOUGH:
            return 0
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except rpd.UserError as error:  # the key, the file, a machine that is not ready
        print(f"error: {error}\n{error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (rpd.RpdError, rpd.JournalError) as error:
        print(f"error: {error}\n{error.hint}", file=sys.stderr)
        sys.exit(1)
