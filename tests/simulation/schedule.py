"""What happens in one simulated run, as data: which life, which faults strike where, and what the person does.

A schedule is everything: the same one gives the same run to the byte. A seed is only a way to draw one.
"""

from __future__ import annotations

import msgspec

ANYWHERE = "*"


class Strike(msgspec.Struct, frozen=True, omit_defaults=True):
    """`fault` strikes at the `nth` moment (from 0) that it applies to while the run is in `state`.

    `amount` is what the fault takes it for: seconds of an outage, bytes of a torn write, a share.
    """

    fault: str
    state: str = ANYWHERE
    nth: int = 0
    amount: float = 0.0

    def __str__(self) -> str:
        where = "" if self.state == ANYWHERE else f" in {self.state}"
        return f"{self.fault}{where}, moment {self.nth}" + (f", amount {self.amount:g}" if self.amount else "")


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One simulated run.

    `acts` are what the person does after each end of a process ("resume", "gc", "cancel", "release", "keep", which is a
    release with a moment, "away"); then `end` says how it is brought to its end: "resume", "gc", or "never" (nobody
    comes back before the switch in the pod must have acted). `seed` is where it was drawn from.
    """

    life: str
    strikes: tuple[Strike, ...] = ()
    acts: tuple[str, ...] = ()
    end: str = "resume"
    seed: int = 0
