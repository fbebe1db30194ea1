"""What a person is told to type next, and what bills as far as the journal can tell: never what would be wrong."""

from __future__ import annotations

import msgspec
import pytest

from rpd.adapters.cli.reading.inspect import _next, _owed
from rpd.adapters.forensics.inspection import Inspection
from rpd.journal.lock import Owner
from rpd.journal.reader import Reading
from tests.adapters.report.test_every_ending import LIVES
from tests.fakes.fake_world import FakeWorld


def inspected(fake: FakeWorld, later_seconds: float = 0.0) -> Inspection:
    """As somebody looks so much later."""
    now = fake.clock.now()
    at = msgspec.structs.replace(now, wall=now.wall + later_seconds, up=now.up + later_seconds)
    return Inspection(Reading(fake.journal.records(), 0, 0, None, False, True), at)


OWNER = Owner("rpd run", 7, "here", "me")


def advice(inspection: Inspection, owner: Owner | None = None) -> str:
    step = inspection.next_step()
    assert step is not None
    return "\n".join(_next(inspection, step, owner))


def test_nobody_resumes_what_is_driven_or_only_kept_up() -> None:
    detached = inspected(LIVES["detached"]())
    assert "rpd resume" in advice(detached)
    driven = advice(detached, OWNER)
    assert "rpd resume" not in driven and "pid 7 does it" in driven and "rpd logs -f" in driven
    kept = advice(inspected(LIVES["kept up"]()))
    assert "rpd resume" not in kept and "rpd release" in kept


def test_a_detached_run_says_when_its_switch_ends_it() -> None:
    told = "\n".join(_owed(inspected(LIVES["detached"]()), None))
    assert told.startswith("BILLING: ")
    assert "sooner where its job ends and no rpd comes: 10 m 00 s later it stops the pod" in told
    assert "sooner" not in "\n".join(_owed(inspected(LIVES["kept up"]()), None))
    assert "sooner" not in "\n".join(_owed(inspected(LIVES["detached, unarmed"]()), None))


@pytest.mark.parametrize(
    ("later", "word"),
    [
        (599.0, "BILLING: "),
        (601.0, "BILLING unless its job has ended (last seen "),
        (1e6, "stopped by its switch, unless that failed (last seen "),
    ],
)
def test_a_journal_nobody_writes_to_does_not_say_billing_for_ever(later: float, word: str) -> None:
    fake = LIVES["detached"]()
    assert _owed(inspected(fake, later), None)[0].startswith(word)
    assert _owed(inspected(fake, later), OWNER)[0].startswith("BILLING: "), "somebody looks at it"


def test_one_that_no_switch_looks_after_bills_on() -> None:
    assert _owed(inspected(LIVES["detached, unarmed"](), 1e6), None)[0].startswith("BILLING: ")
