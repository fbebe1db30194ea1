"""Which account the present key opens. Under the key of another account every pod of a run is absent, which proves
nothing."""

from __future__ import annotations

import contextlib

from rpd.adapters.access.clouds import Access
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.patience import Patience
from rpd.engine.errors import RpdError, UserError
from rpd.states.facts import Facts
from rpd.states.policy.reuse import handed_over_pods
from rpd.states.ports.exits import Exit
from rpd.states.ports.world import Cloud


def require_own_account(facts: Facts, access: Access, patience: Patience | None = None) -> None:
    """Pass if the key is the one with which this run began, or provably opens the same account: the account shows one
    of the run's pods, or has it in its bills.

    Raises UserError (exit code 8 while something may bill), Refused or Unavailable.
    """
    recorded = facts.opened.cloud.get("key_mark")
    if recorded is None or not facts.pods or recorded == access.key_mark(facts.opened.token):
        return
    from rpd.adapters.wiring import cloud_of_run

    control = ProcessControl(patience=patience)
    cloud = cloud_of_run(facts.opened, facts.run_id, access, control, handed_over=handed_over_pods(facts))
    if _shows_a_pod(facts, cloud) or _bills(facts, access, control):
        return
    raise UserError(
        f"run {facts.run_id} was begun with another API key than {access.source}, whose account shows none of its "
        "pods: their absence there proves nothing",
        exit_code=Exit.STILL_BILLING if facts.debts.compute else Exit.KEY,
        reason="other_account",
        hint="export RUNPOD_API_KEY=...   the key it was begun with, or another one of the same account",
    )


def _shows_a_pod(facts: Facts, cloud: Cloud) -> bool:
    if any(pod.id is not None and cloud.get(pod.id) is not None for pod in facts.pods.values()):
        return True
    return any(pod.name.startswith(facts.name_prefix) for pod in cloud.list())


def _bills(facts: Facts, access: Access, control: ProcessControl) -> bool:
    """Whether the account has paid for one of the pods. Bills come late, so an empty answer proves nothing."""
    from rpd.adapters.runpod.billing import pod_bill
    from rpd.adapters.wiring import client_for

    client = client_for(access, control)
    with contextlib.suppress(RpdError):
        return any(pod.id is not None and pod_bill(client, pod.id).records > 0 for pod in facts.pods.values())
    return False
