"""`rpd run` looks at the account's balance before it rents. It refuses a run that cannot be paid for before anything
begins. It warns about a run that may not be paid to its end. A balance that cannot be read does not stop a run."""

from __future__ import annotations

from rpd.adapters.access.clouds import Access
from rpd.adapters.checking.account import offers_of
from rpd.adapters.checking.credit import check_credit
from rpd.adapters.forensics.estimate import estimate
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.report.words import one_line
from rpd.adapters.runpod.balance import Balance, read_balance
from rpd.adapters.terminal import output
from rpd.engine.errors import RpdError, UserError
from rpd.states.ports.exits import Exit
from rpd.states.ports.job import Job
from rpd.states.ports.world import Offer


def balance_of(access: Access) -> Balance | None:
    """Read: the money left in this account. None if that cannot be known."""
    return read_balance(access.profile.url, access.key)


def require_credit(job: Job, access: Access) -> None:
    """Pass, perhaps with a warning. Raises UserError (exit code 4) if there is no money to pay a pod with."""
    balance = balance_of(access)
    if balance is None or (balance.usd > 0 and balance.usd >= job.budget.most_usd):
        return  # the budget ends the run before the account does, so the prices are not needed
    found = estimate(job, _offers(job, access) if balance.usd > 0 else ())
    for finding in check_credit(balance, found):
        if finding.level == "error":
            raise UserError(
                f"{finding.message}; nothing was rented",
                exit_code=Exit.KEY,
                reason="no_credit",
                hint=_hint(access),
            )
        output.note([one_line(finding.line)])


def _offers(job: Job, access: Access) -> tuple[Offer, ...]:
    """Prices, as far as they can be read. The run itself will report a problem with the provider."""
    from rpd.adapters.wiring import cloud_for

    cloud = cloud_for(access, ProcessControl())
    try:
        return offers_of(cloud, job)
    except RpdError:
        return ()
    finally:
        cloud.close()


def _hint(access: Access) -> str:
    if access.profile.name == "sandbox":
        return "rpd sandbox set --balance 100"
    return "add credit in RunPod's console, under Billing; then the same command again"
