"""Why a session ended, told to somebody who has typed flags and has no job file."""

from __future__ import annotations

import re

import pytest

from rpd.adapters.report.why import WHY, why
from rpd.states.facts import Facts
from rpd.states.ports.boot_signs import BootSign, Sign
from rpd.states.ports.names import Reason, State
from tests.fakes.facts import facts_in

OF_A_FILE = re.compile(
    r"\b(pod|budget|storage|ssh|lifecycle|local)\.[a-z]|\b(gpu_order|datacenters)\b|\bfile\b|rpd run "
)
OF_JOBS = {
    Reason.MARKER_MISSING,
    Reason.FAILURE_MARKER,
    Reason.ARTIFACT_MISSING,
    Reason.RESULTS_UNVERIFIED,
    Reason.IDLE,
    Reason.STAGE_FAILED,
    Reason.JOURNAL_DAMAGED,
}
"""No session ends for these, or nothing in their words depends on what was typed."""


def ended(reason: Reason) -> Facts:
    facts = facts_in(State.RELEASE, life="session", staging=[], artifacts=[], setup=[], preflight=[])
    assert facts.is_session
    facts.ending.reason = reason
    return facts


@pytest.mark.parametrize("reason", sorted(set(WHY) - OF_JOBS))
def test_a_session_hears_of_flags_and_of_no_fields(reason: Reason) -> None:
    assert OF_A_FILE.search(why(ended(reason))) is None


@pytest.mark.parametrize("sign", Sign)
def test_an_image_that_cannot_start_in_a_session_is_mended_with_flags(sign: Sign) -> None:
    facts = ended(Reason.IMAGE_FAILED)
    assert facts.pod is not None
    facts.pod.container.boot_sign = BootSign(sign, "unsatisfied condition: cuda>=12.8")
    assert OF_A_FILE.search(why(facts)) is None


@pytest.mark.parametrize(
    ("reason", "flag"),
    [
        (Reason.NO_CAPACITY, "--gpu"),
        (Reason.PRICE_OVER_CAP, "--max-price"),
        (Reason.HOSTS_NEVER_BOOTED, "--ready-minutes"),
        (Reason.BUDGET, "--hours"),
    ],
)
def test_what_a_person_can_change_is_named(reason: Reason, flag: str) -> None:
    assert flag in why(ended(reason))
