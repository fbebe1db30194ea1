"""Giving one pod back outside a run's loop: what proves it, and what is not believed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from rpd.adapters.access.gate import recorded_access
from rpd.adapters.disposal import giveback, unrecorded
from rpd.adapters.disposal.giveback import StillThere, delete_pod, release_and_prove, stop_owed, stop_pod
from rpd.adapters.driving import ending
from rpd.adapters.forensics.inspection import facts_of
from rpd.adapters.local.control import request_file
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.signals import LeaveNow
from rpd.adapters.runs.release import How, moment, release_run
from rpd.engine.errors import Interrupted, Refused, Unavailable, UserError
from rpd.journal.errors import JournalUnwritable
from rpd.journal.lock import holder
from rpd.journal.reader import read
from rpd.journal.records import Body, HandedOver, Intent, Outcome, Requested
from rpd.states.operations.pod import DeletePod, GiveBack, StopPod
from rpd.states.ports.faults import Fault
from tests.adapters.cli.desk import FIRST, SECOND, SILENCE, Desk, Patiently, breaks
from tests.fakes import past

INTERVAL = 30.0


def looks(desk: Desk) -> list[float]:
    """When the pod is looked at, from here on."""
    seen: list[float] = []
    cloud = desk.cloud()
    get = cloud.get

    def noted(pod_id: str):  # type: ignore[no-untyped-def]
        seen.append(desk.clock.real)
        return get(pod_id)

    cloud.get = noted  # type: ignore[method-assign]
    return seen


@pytest.fixture
def pod(desk: Desk) -> str:
    return desk.rent("rpd-job-0-a1", "job-1").id


# The proof.


@pytest.mark.parametrize("interval", [0.01, 0.5, 30.0])
@pytest.mark.parametrize("kind", [DeletePod, StopPod])
def test_three_looks_and_the_time_between_them(desk: Desk, pod: str, kind: type[GiveBack], interval: float) -> None:
    seen = looks(desk)
    proof = release_and_prove(desk.cloud(), kind(pod), interval)
    assert len(seen) >= 3
    assert interval <= seen[-1] - seen[0] <= interval * 2.0 + 1.0
    assert f"seen {len(seen)} times over {seen[-1] - seen[0]:.1f} s" in proof


def test_looks_that_come_too_soon_prove_nothing_sooner(desk: Desk, pod: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patiently, "wait", lambda _control, seconds: desk.clock.advance(seconds / 10.0))
    seen = looks(desk)
    release_and_prove(desk.cloud(), DeletePod(pod), INTERVAL)
    assert len(seen) > 10
    assert seen[-1] - seen[0] >= INTERVAL


def test_a_pod_that_shows_again_begins_the_proof_anew(desk: Desk, pod: str) -> None:
    cloud, clock = desk.cloud(), desk.clock
    clock.after(20.0, lambda: cloud.pods.update({pod: cloud._make(cloud.pods[pod].order)}))
    seen = looks(desk)
    release_and_prove(cloud, DeletePod(pod), INTERVAL)
    assert desk.status(pod) == "TERMINATED"
    assert seen[-1] >= 20.0 + INTERVAL


def test_a_look_that_fails_begins_the_proof_anew(desk: Desk, pod: str) -> None:
    cloud = desk.cloud()
    cloud.plan("get", "work", "work", SILENCE)
    seen = looks(desk)
    proof = release_and_prove(cloud, DeletePod(pod), INTERVAL)
    assert len(seen) >= 6
    assert f"over {seen[-1] - seen[3]:.1f} s" in proof
    assert seen[-1] - seen[3] >= INTERVAL


def test_what_is_stopped_is_not_deleted(desk: Desk, pod: str) -> None:
    desk.cloud().plan("delete", *["ignored"] * 100)
    desk.cloud().halt(desk.cloud().pods[pod])
    with pytest.raises(StillThere):
        release_and_prove(desk.cloud(), DeletePod(pod), 0.5)


def test_what_is_gone_needs_no_stop(desk: Desk, pod: str) -> None:
    desk.cloud().delete(pod)
    desk.cloud().plan("stop", "ignored")
    cloud = desk.cloud()
    cloud.stop = lambda pod_id: None  # type: ignore[method-assign]
    assert "stopped by id" in release_and_prove(cloud, StopPod(pod), 0.5)


def test_one_that_computes_on_is_told_again_until_it_obeys(desk: Desk, pod: str) -> None:
    desk.cloud().plan("delete", "ignored", "ignored", "ignored", "work")
    release_and_prove(desk.cloud(), DeletePod(pod), 0.5)
    assert desk.status(pod) == "TERMINATED"


def test_one_that_never_obeys_is_said_to_be_there(desk: Desk, pod: str) -> None:
    desk.cloud().plan("stop", *["ignored"] * 1000)
    seen = looks(desk)
    with pytest.raises(StillThere, match=pod):
        release_and_prove(desk.cloud(), StopPod(pod), 0.5)
    assert len(seen) == 30


@pytest.mark.parametrize("call", ["delete", "get"])
def test_a_cloud_that_does_not_answer_is_left(desk: Desk, pod: str, call: str) -> None:
    desk.cloud().broken = breaks(call)
    before = desk.cloud().calls
    with pytest.raises(Unavailable):
        release_and_prove(desk.cloud(), DeletePod(pod), 0.5)
    assert desk.cloud().calls - before == (5 if call == "delete" else 10)


def test_troubles_that_pass_do_no_harm(desk: Desk, pod: str) -> None:
    desk.cloud().plan("delete", SILENCE, "ambiguous", "nothing", SILENCE)
    release_and_prove(desk.cloud(), DeletePod(pod), 0.5)
    assert desk.status(pod) == "TERMINATED"


def test_a_refusal_ends_it(desk: Desk, pod: str) -> None:
    desk.cloud().broken = {"delete": Refused("no", reason=Fault.KEY_REFUSED)}
    with pytest.raises(Refused):
        release_and_prove(desk.cloud(), DeletePod(pod), 0.5)


def test_a_signal_ends_it(desk: Desk, pod: str) -> None:
    patience = Patience()
    desk.cloud().plan("get", lambda: patience.leave(LeaveNow("interrupted", 130)))
    with pytest.raises(Interrupted, match="interrupted"):
        release_and_prove(desk.cloud(), DeletePod(pod), 0.5, patience)


# What it writes.


def give(desk: Desk, journal: Path, pod_id: str, name: str) -> str:
    return delete_pod(journal, recorded_access(journal), desk.cloud(), pod_id, name, command="test")


def test_the_effect_has_its_intent_and_the_debt_its_proof(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    proof = give(desk, journal, pod, past.pod_name_in(journal))
    intent, outcome = [each.body for each in read(journal).records[-2:]]
    assert isinstance(intent, Intent)
    assert isinstance(outcome, Outcome)
    assert (intent.opid, intent.args, outcome.opid, outcome.status) == (
        outcome.opid,
        {"pod_id": pod},
        intent.opid,
        "ok",
    )
    assert [(debt.change, debt.kind, debt.proof) for debt in outcome.debts] == [("close", "storage", proof)]
    assert holder(journal) is None


@pytest.mark.parametrize("effect", [delete_pod, stop_pod])
def test_a_pod_that_another_run_took_up_meanwhile_is_left_alone(desk: Desk, effect: Callable[..., str]) -> None:
    """A person may think about the question for long."""
    journal, pod = desk.over(kept=True)
    name = past.pod_name_in(journal)
    desk.append(journal, HandedOver(name, "another-run", "/elsewhere"))
    desk.cloud().start(pod)
    named = {"name": name} if effect is delete_pod else {}
    with pytest.raises(UserError, match="another-run"):
        effect(journal, recorded_access(journal), desk.cloud(), pod, **named, command="test")
    assert desk.status(pod) == "RUNNING"


def test_a_failure_is_written_and_closes_nothing(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    desk.cloud().broken = breaks("delete")
    with pytest.raises(Unavailable):
        give(desk, journal, pod, past.pod_name_in(journal))
    outcome = read(journal).records[-1].body
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.debts, desk.kinds(journal)) == ("failed", (), ["storage"])


def test_a_pod_of_that_name_with_another_id_closes_no_debt(desk: Desk) -> None:
    journal, _ = desk.over(kept=True)
    twin = desk.rent(past.pod_name_in(journal), journal.stem)
    give(desk, journal, twin.id, past.pod_name_in(journal))
    assert (desk.status(twin.id), desk.kinds(journal)) == ("TERMINATED", ["storage"])


def test_a_pod_of_another_name_closes_no_debt(desk: Desk) -> None:
    journal, _ = desk.over(kept=True)
    other = desk.rent("rpd-job-other-a2", journal.stem)
    give(desk, journal, other.id, "rpd-job-other-a2")
    assert desk.kinds(journal) == ["storage"]


def test_what_the_loop_cannot_give_back_is_stopped_and_its_disk_is_owed(desk: Desk) -> None:
    journal, pod = desk.died()
    written: list[Body] = []
    stop_owed(written.append, recorded_access(journal), desk.cloud(), facts_of(read(journal)))
    assert desk.status(pod) == "EXITED"
    outcome = written[-1]
    assert isinstance(outcome, Outcome)
    changes = [(each.kind, each.change, each.usd_per_hour) for each in outcome.debts]
    assert changes == [("compute", "close", None), ("storage", "open", pytest.approx(10 * 0.20 / 730, rel=0.05))]
    assert all(each.key == past.pod_name_in(journal) for each in outcome.debts)


def test_what_is_not_owed_is_not_stopped_with_it(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    desk.cloud().start(pod)
    written: list[Body] = []
    stop_owed(written.append, recorded_access(journal), desk.cloud(), facts_of(read(journal)))
    assert (desk.status(pod), written) == ("RUNNING", [])


# Where nothing can be written.


def full_disk(_path: Path, _access: object, _command: str) -> None:
    raise JournalUnwritable("no room", hint="make room")


def unwritable(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from rpd.adapters.driving import resuming

    monkeypatch.setattr(resuming, "open_journal", full_disk)
    monkeypatch.setattr(giveback, "open_journal", full_disk)
    assert desk.home.exists()


def test_gc_stops_what_it_cannot_write_down(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, pod = desk.died()
    unwritable(desk, monkeypatch)
    done = desk.gc()
    assert (done["exit_code"], desk.status(pod), desk.kinds(journal)) == (8, "EXITED", ["compute"])
    assert "no record of it was written" in done["runs"][0]["result"]
    assert done["runs"][0]["pod_status"] == "EXITED"
    assert "make room" in done["runs"][0]["next"]


@pytest.mark.parametrize("state", ["launch", "monitor"])
def test_gc_does_not_stop_a_job_that_may_run(desk: Desk, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    with desk.open() as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id)
        past.launched(journal, pod.id, state)
    unwritable(desk, monkeypatch)
    done = desk.gc()
    assert (done["exit_code"], desk.status(pod.id)) == (8, "RUNNING")
    assert f"rpd cancel {journal.run_id}" in done["runs"][0]["next"]


def stopped_without(desk: Desk, journal: Path) -> unrecorded.Stopped:
    return unrecorded.stop_unrecorded(journal, recorded_access(journal), "rpd cancel", Patience())


def test_pods_that_only_the_list_knows_are_stopped_too(desk: Desk) -> None:
    """A create whose answer was lost."""
    with desk.open() as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id)
        past.ordered(journal)
    done = stopped_without(desk, journal.path)
    assert (desk.status(pod.id), done.is_at_rest) == ("EXITED", True)


def test_a_pod_that_is_not_listed_is_not_proved_stopped(desk: Desk) -> None:
    with desk.open() as journal:
        past.ordered(journal)
    assert stopped_without(desk, journal.path) == unrecorded.Stopped((), is_at_rest=False)


@pytest.mark.parametrize("call", ["list", "stop"])
def test_one_that_cannot_be_stopped_is_said(desk: Desk, call: str) -> None:
    journal, pod = desk.died()
    desk.cloud().broken = breaks(call)
    done = stopped_without(desk, journal)
    assert not done.is_at_rest
    assert any("no whole answer" in each for each in done.results)
    assert desk.status(pod) == ("EXITED" if call == "list" else "RUNNING")


def test_what_another_run_owes_is_not_stopped(desk: Desk) -> None:
    journal, pod = desk.died()
    with desk.open("next") as following:
        following.append(past.debt_of(past.pod_name_in(journal)))
    done = stopped_without(desk, journal)
    assert (desk.status(pod), done.results, done.is_at_rest) == ("RUNNING", (), True)


@pytest.mark.parametrize("is_named", [True, False])
def test_a_name_that_a_shared_volume_has_said_stops_no_pod(desk: Desk, is_named: bool) -> None:
    journal, pod = desk.died()
    victim = desk.rent("rpd-other-00000000000000000000000009-a1", "other-1" if is_named else None)
    desk.append(journal, past.planted(victim.name))
    assert stopped_without(desk, journal).is_at_rest
    assert (desk.status(pod), desk.status(victim.id)) == ("EXITED", "RUNNING")


# `rpd release` and `rpd cancel`.


def test_release_of_a_run_that_is_over_deletes_only_on_a_clear_word(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    for how in (How(), How("stop")):
        with pytest.raises(UserError, match="is stopped and keeps 10 GB"):
            release_run(journal.stem, how, state_file=None, as_json=True)
    with pytest.raises(UserError, match="nothing to keep up"):
        release_run(journal.stem, How("preserve", until=9e9), state_file=None, as_json=True)
    assert (desk.status(pod), desk.kinds(journal)) == ("EXITED", ["storage"])
    assert release_run(journal.stem, How("delete"), state_file=None, as_json=True) == 0
    assert (desk.status(pod), desk.debts(journal)) == ("TERMINATED", [])


def test_release_of_a_run_that_owes_nothing(desk: Desk) -> None:
    journal, _ = desk.over()
    before = journal.read_bytes()
    assert release_run(journal.stem, How("delete"), state_file=None, as_json=True) == 0
    assert journal.read_bytes() == before


@pytest.mark.parametrize("what", ["cancel", "release"])
def test_a_command_for_one_run_waits_longer_and_is_bounded_too(desk: Desk, what: str) -> None:
    journal, pod = desk.died()
    desk.cloud().plan("delete", "work")
    desk.cloud().broken = breaks("list")
    begun = desk.clock.real
    assert desk.ends(journal.stem, what) == 8
    assert desk.kinds(journal) == ["compute"]
    assert 900.0 <= desk.clock.real - begun <= 1000.0
    assert desk.status(pod) == "TERMINATED"
    desk.cloud().broken = {}
    assert desk.ends(journal.stem, what) == 0
    assert desk.debts(journal) == []


@pytest.mark.parametrize("calls", [("list",), ("delete",), ("get", "delete", "list")])
def test_gc_leaves_a_cloud_that_answers_in_part(desk: Desk, calls: tuple[str, ...]) -> None:
    """A delete was accepted and only the survey fails; or the other way round."""
    journal, _ = desk.died()
    desk.cloud().plan("list", "work")
    desk.gc(act=False)
    desk.cloud().broken = breaks(*calls)
    begun = desk.clock.real
    done = desk.gc()
    assert (done["exit_code"], desk.kinds(journal)) == (8, ["compute"])
    assert desk.clock.real - begun <= 75.0
    assert "has not answered" in done["runs"][0]["result"]
    assert FIRST in done["unreachable"][0]
    assert SECOND not in str(done)


def test_moments_and_contradictions() -> None:
    assert moment("2h", 1000.0) == 8200.0
    assert moment("1970-01-01T01:00:00Z", 1000.0) == 3600.0
    for over in ("1970-01-01T01:00:00Z", "1970-01-01T00:59:00Z"):
        with pytest.raises(UserError, match="is over"):
            moment(over, 3600.0)
    for words in (
        {"stop": True, "delete": True},
        {"stop": True, "mode": "delete"},
        {"delete": True, "mode": "preserve"},
    ):
        with pytest.raises(UserError, match="contradict"):
            How.from_options(**{"stop": False, "delete": False, "keep_until": None, "mode": None, **words})  # type: ignore[arg-type]
    with pytest.raises(UserError, match="not known"):
        How.from_options(stop=False, delete=False, keep_until=None, mode="destroy")
    assert How.from_options(stop=False, delete=True, keep_until=None, mode=None).detail == {"how": "delete"}
    assert How.from_options(stop=False, delete=False, keep_until=None, mode=None).detail == {}


class Deaf:
    """The engine of a run, which holds its lock and hears nothing. `then` is what happens each time when whoever asked
    it has looked once."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.pod = desk.died()
        self.journal = desk.reopened(self.path)
        self.then: list[Callable[[], None]] = []
        sleep = time.sleep
        monkeypatch.setattr(
            ending.time, "sleep", lambda seconds: self.then.pop(0)() if self.then else sleep(min(seconds, 0.01))
        )

    def asked_epoch(self) -> int:
        """For the owner of which epoch a request lies there."""
        return int(msgspec.json.decode(request_file(self.path).read_bytes())["epoch"])


def test_who_asked_an_engine_that_died_obeys_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = Deaf(desk, monkeypatch)
    deaf.then = [lambda: None, deaf.journal.close]
    assert desk.ends(deaf.path.stem, "cancel") == 0
    assert (desk.status(deaf.pod), desk.debts(deaf.path)) == ("TERMINATED", [])
    assert desk.told.pop()["outcome"] == "cancelled"


def test_who_asked_an_engine_that_was_replaced_asks_the_new_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = Deaf(desk, monkeypatch)
    epochs: list[int] = []

    def replace() -> None:
        epochs.append(deaf.asked_epoch())
        deaf.journal.close()
        deaf.journal = desk.reopened(deaf.path)

    def obey() -> None:
        epochs.append(deaf.asked_epoch())
        deaf.journal.append(Requested("cancel", "rpd cancel"))
        past.given_back(deaf.journal, deaf.pod, kept=False)
        desk.cloud().delete(deaf.pod)
        deaf.journal.close()

    deaf.then = [replace, obey]
    assert desk.ends(deaf.path.stem, "cancel") == 0
    assert len(epochs) == 2 and epochs[0] < epochs[1], "each was asked as the owner of its own epoch"
    assert desk.status(deaf.pod) == "TERMINATED"
