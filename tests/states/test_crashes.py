"""A process may die at every record and at every effect of a life; whoever comes next ends it well.

Places are before a write, after a write that was not synced (the record is lost), after the sync, and before and after
every effect. From each, the run is recovered by `resume` alone and by `gc` first.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rpd.engine.errors import NotSent, Refused
from rpd.engine.runner import Ending
from tests.fakes.fake_world import FakeWorld
from tests.fakes.fuse import Crash, Fuse
from tests.fakes.remote import FakeJob

Life = Callable[[], FakeWorld]


def success() -> FakeWorld:
    return FakeWorld()


def job_fails() -> FakeWorld:
    return FakeWorld(FakeJob(exit_code=3))


def create_is_ambiguous() -> FakeWorld:
    fake = FakeWorld()
    fake.cloud.lag_seconds = 20.0
    fake.cloud.plan("create", "ambiguous")
    return fake


def create_lands_late() -> FakeWorld:
    fake = FakeWorld(FakeJob(seconds=200.0))
    fake.cloud.plan("create", "late:230")
    return fake


def host_never_boots() -> FakeWorld:
    fake = FakeWorld(budget={"ssh_ready_timeout_sec": 60})
    fake.cloud.boot_seconds = [1e9, 20.0]
    return fake


def stopped_by_others() -> FakeWorld:
    fake = FakeWorld(FakeJob(seconds=60.0))
    fake.remote.down_from, fake.remote.down_until = 60.0, 130.0
    fake.clock.after(100.0, lambda: [fake.cloud.halt(pod) for pod in fake.cloud.pods.values() if pod.is_billing])
    return fake


def collected_later() -> FakeWorld:
    fake = FakeWorld(FakeJob(artifacts={"/workspace/out": "corrupt"}))
    fake.clock.after(150.0, fake.remote.job.artifacts.clear)
    return fake


def a_path_is_refused() -> FakeWorld:
    return FakeWorld(FakeJob(artifacts={"/workspace/out": "refused"}))


def not_sent() -> FakeWorld:
    fake = FakeWorld()
    fake.cloud.plan("create", Refused("full", reason="no_capacity"), NotSent("dns", reason="not_sent"))
    fake.cloud.plan("delete", "ambiguous", "nothing")
    return fake


QUICK: tuple[Life, ...] = (success, create_is_ambiguous)
LONG: tuple[Life, ...] = (
    job_fails,
    create_lands_late,
    host_never_boots,
    stopped_by_others,
    collected_later,
    a_path_is_refused,
    not_sent,
)


def places(life: Life) -> list[str]:
    """Every place of the whole life, from its first process to its last."""
    fake, fuse = life(), Fuse()
    ending = fake.process(fuse=fuse)
    assert fake.finish(ending).closed
    return fuse.places


def recover(fake: FakeWorld, how: str) -> Ending:
    """A new process some time later: `resume`, or `gc` and then `resume`."""
    fake.clock.advance(30.0)
    return fake.finish(fake.process("gc", command="gc") if how == "gc" else None)


def check(life: Life, at: int, how: str, second: int | None = None) -> None:
    """Crash at place `at`, perhaps again at place `second` of the recovery, then recover and judge."""
    fake = life()
    place = fake.crash(at)
    if second is not None:
        fake.clock.advance(30.0)
        try:
            fake.process(fuse=Fuse(second), command="resume")
        except Crash as crash:
            place += f", then {crash}"
    try:
        ending = recover(fake, how)
        fake.assert_settled()
    except AssertionError as error:
        raise AssertionError(f"{life.__name__}, {how}, died {place}: {error}") from error
    assert ending.closed
    if how == "resume" and life in (success, create_is_ambiguous, host_never_boots, not_sent, collected_later):
        assert ending.exit_code == 0, (place, ending)
        assert len(fake.remote.starts) == 1


@pytest.mark.parametrize("how", ["resume", "gc"])
@pytest.mark.parametrize("life", QUICK)
def test_every_crash(life: Life, how: str) -> None:
    for at in range(len(places(life))):
        check(life, at, how)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["resume", "gc"])
@pytest.mark.parametrize("life", LONG)
def test_every_crash_of_longer_lives(life: Life, how: str) -> None:
    for at in range(len(places(life))):
        check(life, at, how)


def test_a_crash_inside_the_recovery() -> None:
    """Sampled: every eleventh place, and from there every thirteenth of the recovery."""
    for at in range(0, len(places(success)), 11):
        for second in range(at % 13, 110, 13):
            check(success, at, "gc" if second % 2 else "resume", second)


@pytest.mark.slow
@pytest.mark.parametrize("life", (*QUICK, *LONG))
def test_a_crash_inside_the_recovery_of_every_life(life: Life) -> None:
    for at in range(0, len(places(life)), 11):
        for second in range(at % 13, 140, 13):
            check(life, at, "gc" if second % 2 else "resume", second)
