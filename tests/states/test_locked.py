"""A pod that somebody locks while its job runs: told once, when it is seen, and not first when a stop is refused."""

from __future__ import annotations

from rpd.adapters.report.ending import debt_lines
from rpd.adapters.report.story import tell
from rpd.states.policy.rules import locked_words, released_by
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob


def told(fake: FakeWorld) -> list[str]:
    facts = fake.facts
    return [text for record in fake.journal.records() if (text := tell(record, facts)) is not None]


def lock(fake: FakeWorld, is_locked: bool) -> None:
    fake.cloud.only().is_locked = is_locked


def test_it_is_told_once_while_the_job_runs() -> None:
    fake = FakeWorld(FakeJob(seconds=300.0))
    fake.clock.after(100.0, lambda: lock(fake, True))
    fake.clock.after(200.0, lambda: setattr(fake.cloud.only(), "rate", 0.31))  # the look shows something else
    fake.control.ask_after(280.0, "detach")
    assert fake.process().exit_code == 75
    (text,) = (text for text in told(fake) if "is locked" in text)
    assert text.startswith("beware: pod pod1 is locked") and text.endswith(
        "whoever may edit it in the account unlocks it"
    )
    facts, now = fake.facts, fake.clock.now()
    who = released_by(facts, now)
    assert who is not None and who.at is None and who.who.startswith("nobody as long as the pod is locked")
    assert any("is locked" in line for line in debt_lines(facts, now)) and locked_words(facts) is not None


def test_it_is_forgotten_when_it_is_unlocked_and_told_again_when_it_is_locked_again() -> None:
    fake = FakeWorld(FakeJob(seconds=400.0))
    for moment, is_locked in ((100.0, True), (180.0, False), (260.0, True), (340.0, False)):
        fake.clock.after(moment, lambda is_locked=is_locked: lock(fake, is_locked))  # type: ignore[misc]
    assert fake.process().outcome == "succeeded"
    assert sum("is locked" in text for text in told(fake)) == 2
    assert locked_words(fake.facts) is None
    fake.assert_settled()
