"""Background processes that the job's script left, for people: which of them rpd waits for, and what became of the
rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rpd.states.facts import Facts
from rpd.states.policy.verdict import is_cut_off
from rpd.states.ports.names import Reason
from rpd.states.ports.world import Claim


def waiting_words(data: Mapping[str, Any]) -> str | None:
    """What a look at the job says of an ended script whose background processes rpd waits for. None if there is
    none."""
    if "claim" not in data:
        return None
    claim = msgspec.convert(data["claim"], Claim)
    if claim.phase != "running" or not claim.waits_for:
        return None
    return (
        f"the script has ended with exit code {claim.body_code} and left something in the background, which is waited "
        f"for within the budget: {claim.waits_for}. To end it: rpd cancel; not to wait: run.wait_for_background: never"
    )


def left_words(facts: Facts) -> list[str]:
    """What became of all background processes, one sentence each."""
    claim = facts.launch.claim
    if claim is None or claim.phase != "ended":
        return []
    words = []
    if is_cut_off(facts) and facts.ending.reason is Reason.JOB_SUCCEEDED and claim.is_vain:
        words.append(f"waited for in vain up to the end of the budget, and ended: {claim.waits_for}")
    elif is_cut_off(facts):
        words.append(f"waited for what ran in the background, which was cut off: {claim.waits_for}")
    elif claim.waits_for:
        words.append(f"waited for what ran in the background, whose exit code nobody knows: {claim.waits_for}")
    if claim.left:
        became = "left alone" if facts.job.lifecycle.kept_hours else "ended"
        words.append(f"{_counted(claim.left)} left in the background, {became}: {_names(claim.left)}")
    if claim.unknown:
        words.append(f"{_counted(claim.unknown)} which the job may have left, nobody can say: {_names(claim.unknown)}")
    return words


def _counted(text: str) -> str:
    count = text.partition(" ")[0]
    return "1 process" if count == "1" else f"{count} processes"


def _names(text: str) -> str:
    return text.partition(" ")[2]
