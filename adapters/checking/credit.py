"""Whether the account can pay for a job. The balance holds for this moment only: other runs spend from it too, and a
person may top it up at any time. So only a balance that cannot even boot a pod is an error."""

from __future__ import annotations

from collections.abc import Iterator

from rpd.adapters.checking.finding import Finding, error, warning
from rpd.adapters.forensics.estimate import BOOT_MINUTES, Estimate
from rpd.adapters.report.words import money, rate
from rpd.adapters.runpod.balance import Balance
from rpd.states.ports.exits import Exit

CREDIT = "credit"


def check_credit(balance: Balance, found: Estimate) -> Iterator[Finding]:
    """What is wrong with this balance for a job with this estimate. Empty if it covers the worst case."""
    left = money(balance.usd)
    if balance.usd <= 0:
        yield error(CREDIT, f"the account has no credit: its balance is {left}", Exit.KEY)
        return
    boot = _least_boot_usd(found)
    if boot is not None and balance.usd < boot:
        minutes = f"{BOOT_MINUTES:.0f} minutes"
        yield error(
            CREDIT, f"the account's balance is {left}, and {minutes} of booting alone cost {money(boot)}", Exit.KEY
        )
        return
    worst = found.worst_usd if found.worst_usd is not None else found.most_usd
    if balance.usd < worst:
        spent = f", from which {rate(balance.usd_per_hour)} is being spent already" if balance.usd_per_hour else ""
        yield warning(
            CREDIT,
            f"the account's balance is {left}{spent}, and this run may cost {money(worst)}; "
            "when it is used up, RunPod takes the pods away",
        )


def _least_boot_usd(found: Estimate) -> float | None:
    """The cost of a boot of the cheapest candidate that may be rented. None if no price is known."""
    rates = [each.with_disks_usd_per_hour for each in found.choices if each.is_affordable]
    return min((each * BOOT_MINUTES / 60.0 for each in rates if each is not None), default=None)
