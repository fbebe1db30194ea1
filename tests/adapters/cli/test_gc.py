"""What `gc` may touch and what it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.cleanup import acting, planning, stopped
from rpd.adapters.cleanup.scope import CleanupScope
from rpd.adapters.cli.acting import gc
from rpd.adapters.local.signals import LeaveNow
from rpd.engine.ports import Request
from rpd.journal.errors import JournalNotOurs
from rpd.journal.paths import emergency_path
from rpd.journal.records import DebtChange, HandedOver, Left
from rpd.journal.store import Journal
from tests.adapters.cli.conftest import Typist
from tests.adapters.cli.desk import FIRST, SECOND, Desk, breaks, names
from tests.fakes import past

DAY = 86400.0


# A run whose engine died.


def test_it_is_planned_first_and_then_given_back(desk: Desk) -> None:
    journal, pod = desk.died()
    plan = desk.gc(act=False)
    assert (plan["exit_code"], desk.status(pod)) == (8, "RUNNING")
    assert plan["runs"][0]["usd_per_hour"] == past.RATE
    assert plan["runs"][0]["pod_status"] == "PROVISIONING"
    done = desk.gc()
    assert (done["exit_code"], desk.status(pod), desk.debts(journal)) == (0, "TERMINATED", [])
    assert done["runs"][0]["is_done"]
    assert desk.gc()["runs"] == []


def test_one_that_a_live_engine_drives_is_spared(desk: Desk) -> None:
    with desk.open() as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id)
        past.rented(journal, pod.id)
        for act in (False, True):
            done = desk.gc(act=act)
            assert (done["exit_code"], desk.status(pod.id)) == (0, "RUNNING")
            assert f"driven by pid {os.getpid()}" in done["runs"][0]["plan"]
    assert done["runs"][0]["result"].startswith("spared: driven")


def test_only_runs_of_the_workflow_that_is_meant(desk: Desk) -> None:
    _, mine = desk.died("mine")
    _, other = desk.died("other")
    done = desk.gc(workflow="mine")
    assert (done["exit_code"], desk.status(mine), desk.status(other)) == (0, "TERMINATED", "RUNNING")
    assert desk.gc()["exit_code"] == 0
    assert desk.status(other) == "TERMINATED"


def test_a_debt_that_cannot_be_closed_is_exit_code_8(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpd.states.release.RELEASE_SECONDS", 20.0)
    journal, pod = desk.died()
    desk.cloud().plan("delete", *["ignored"] * 2000)
    done = desk.gc()
    assert (done["exit_code"], desk.status(pod), desk.kinds(journal)) == (8, "RUNNING", ["compute"])
    assert not done["runs"][0]["is_done"]
    assert "does not release" in done["runs"][0]["result"]


def test_a_cloud_that_is_not_owed_anything_is_asked_only_where_that_disturbs_nobody(desk: Desk) -> None:
    desk.over(url=FIRST)
    desk.over("there", url="http://127.0.0.1:9/v2")
    before = {url: cloud.calls for url, cloud in desk.clouds.items()}
    assert desk.gc()["exit_code"] == 0
    assert {url: cloud.calls - before[url] for url, cloud in desk.clouds.items()} == {
        FIRST: 1,
        "http://127.0.0.1:9/v2": 0,
    }


def test_a_cloud_that_cannot_be_reached_is_named_and_keeps_nobody_from_another(desk: Desk) -> None:
    here, near = desk.died("near", FIRST)
    there, far = desk.died("far", SECOND)
    desk.cloud(SECOND).broken = breaks("list", "get", "delete")
    done = desk.gc()
    assert done["exit_code"] == 8
    assert (desk.status(near), desk.status(far, SECOND)) == ("TERMINATED", "RUNNING")
    assert (desk.debts(here), desk.kinds(there)) == ([], ["compute"])
    assert [SECOND in each for each in done["unreachable"]] == [True]
    far_row = desk.rows(done)["far"]
    assert "has not answered" in far_row["result"]
    assert far_row["next"].startswith("rpd gc --yes")
    desk.cloud(SECOND).broken = {}
    assert (desk.gc()["exit_code"], desk.status(far, SECOND)) == (0, "TERMINATED")


@pytest.mark.parametrize("act", [False, True])
def test_a_cloud_that_is_not_owed_anything_and_cannot_be_reached_is_exit_code_8(
    desk: Desk, capsys: pytest.CaptureFixture[str], *, act: bool
) -> None:
    """A pod that appeared late, or that a lost journal rented, may compute there."""
    desk.over()
    desk.cloud().broken = breaks("list")
    done = desk.gc(act=act)
    assert (done["exit_code"], done["runs"], [FIRST in each for each in done["unreachable"]]) == (8, [], [True])
    assert gc.collect_garbage(CleanupScope(), act=act, as_json=False) == 8
    told = capsys.readouterr().out
    assert f"could not reach runpod ({FIRST})" in told
    assert "nothing computes" not in told and "what computes there is not known" in told
    desk.cloud().broken = {}
    assert gc.collect_garbage(CleanupScope(), act=act, as_json=False) == 0
    assert capsys.readouterr().out == "nothing computes that is ours to release\n"


def test_a_cloud_that_is_not_owed_anything_and_whose_key_is_not_here_is_exit_code_0(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.over()
    monkeypatch.delenv("RUNPOD_API_KEY")
    assert gc.collect_garbage(CleanupScope(), act=True, as_json=False) == 0
    assert "what computes there is not known" in capsys.readouterr().out


@pytest.mark.parametrize("is_foreign", [True, False])
def test_the_first_journal_that_is_believed_opens_the_cloud(desk: Desk, *, is_foreign: bool) -> None:
    """Before it and after it is one that is a link to a stranger's, or in ruins."""
    (last, last_pod), (sound, pod), (first, first_pod) = (desk.died(name) for name in ("alien", "sound", "stranger"))
    desk.gc(act=False)  # the index has seen them whole
    for bad in (first, last):
        if is_foreign:
            bad.symlink_to(bad.rename(desk.folder / bad.name))
        else:
            bad.write_bytes(b"?" + bad.read_bytes()[1:])
    plan = desk.gc(act=False)
    assert [Path(row["journal"]) for row in plan["runs"]] == [first, sound, last]
    done = desk.gc()
    assert (plan["unreachable"], done["unreachable"]) == ([], [])
    rows = desk.rows(done)
    assert (rows["sound"]["is_done"], desk.status(pod), desk.debts(sound)) == (True, "TERMINATED", [])
    for name, its_pod in (("stranger", first_pod), ("alien", last_pod)):
        if is_foreign:
            assert (done["exit_code"], desk.status(its_pod)) == (8, "RUNNING"), "a stranger's word stops nothing"
            assert "not a journal of this state home" in rows[name]["result"]
            assert rows[name]["next"].startswith("if you trust it: ")
        else:
            assert (done["exit_code"], desk.status(its_pod), rows[name]["is_done"]) == (0, "EXITED", True)


def test_a_fault_at_one_journal_is_told_in_its_row(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run that is to be released, and of one whose stopped pod is to be deleted."""
    bad, its_pod = desk.died("bad")
    _, pod = desk.died("good")
    worse, its_stopped = desk.over("worse", kept=True)
    _, stopped_pod = desk.over("fine", kept=True)
    resume_journal, release_kept = acting.resume_journal, stopped.release_kept

    def broken(path: Path, *words: Any, **more: Any) -> Any:
        if path in (bad, worse):
            raise RuntimeError("a fault of this program")
        return (release_kept if path.parent.name == "fine" else resume_journal)(path, *words, **more)

    monkeypatch.setattr(acting, "resume_journal", broken)
    monkeypatch.setattr(stopped, "release_kept", broken)
    done = desk.gc(stopped=True)
    words = "failed: internal error: a fault of this program"
    assert done["exit_code"] == 8
    assert (desk.rows(done)["bad"]["result"], desk.rows(done)["bad"]["is_done"]) == (words, False)
    assert {row["workflow"]: row["result"] for row in done["stopped"]}["worse"] == words
    assert [desk.status(each) for each in (its_pod, pod, its_stopped, stopped_pod)] == [
        "RUNNING", "TERMINATED", "EXITED", "TERMINATED",
    ]  # fmt: skip


def test_a_fault_in_the_plan_of_one_run_ends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, its_pod = desk.died("bad")
    _, pod = desk.died("good")
    holder = planning.holder

    def broken(path: Path) -> Any:
        if path == bad:
            raise RuntimeError("a fault of this program")
        return holder(path)

    monkeypatch.setattr(planning, "holder", broken)
    plan = desk.gc(act=False)
    assert (plan["exit_code"], len(plan["runs"])) == (8, 2)
    assert desk.rows(plan)["bad"]["plan"] == "look at it yourself: a fault of this program"
    assert desk.gc()["exit_code"] == 0, "it is done all the same where only the plan could not be told"
    assert (desk.status(its_pod), desk.status(pod)) == ("TERMINATED", "TERMINATED")


def test_half_of_the_patience_is_for_the_list_of_a_silent_cloud(desk: Desk) -> None:
    desk.died("near", FIRST)
    desk.died("far", SECOND)
    desk.cloud(SECOND).broken = breaks("list", "get", "delete")
    desk.gc()
    assert sorted({each.seconds for each in desk.patiences}) == [30.0, 60.0]


# Pods of a run that is over.


def test_a_pod_that_appears_after_its_run_is_over_is_deleted(desk: Desk) -> None:
    journal, _ = desk.over()
    with_name = past.pod_name_in(journal)
    late = desk.rent(with_name, journal.stem)
    assert desk.gc(act=False)["exit_code"] == 8
    assert desk.status(late.id) == "RUNNING"
    done = desk.gc()
    assert (done["exit_code"], desk.status(late.id)) == (0, "TERMINATED")
    assert "deleted: absent by id" in done["runs"][0]["result"]


@pytest.mark.parametrize("status", ["EXITED", "TERMINATED"])
def test_one_that_is_at_rest_is_none(desk: Desk, status: str) -> None:
    journal, _ = desk.over()
    late = desk.rent(past.pod_name_in(journal), journal.stem)
    desk.cloud().halt(desk.cloud().pods[late.id], status)
    assert desk.gc()["runs"] == []


def test_one_of_our_name_whose_env_names_another_run_is_left_alone(desk: Desk) -> None:
    journal, _ = desk.over()
    other = desk.rent(past.pod_name_in(journal), "job-20200101T000000Z-aaaaaa")
    desk.gc()
    assert desk.status(other.id) == "RUNNING"


def test_one_whose_env_names_our_run_under_another_name_is_left_alone(desk: Desk) -> None:
    journal, _ = desk.over()
    for name in ("rpd-job-ffffffffffffffffffffffffff-a1", "mine"):
        other = desk.rent(name, journal.stem)
        desk.gc()
        assert desk.status(other.id) == "RUNNING", name


def test_one_that_the_run_keeps_stopped_and_somebody_started_is_stopped_again(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    desk.cloud().start(pod)
    done = desk.gc()
    assert (done["exit_code"], desk.status(pod), desk.kinds(journal)) == (0, "EXITED", ["storage"])
    assert "stopped by id" in done["runs"][0]["result"]


def test_one_that_was_handed_over_is_not_its_first_run_s(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    desk.append(
        journal,
        HandedOver(
            past.pod_name_in(journal),
            "job-20300101T000000Z-aaaaaa",
            "/elsewhere",
            (DebtChange(past.pod_name_in(journal), "storage", "close", proof="handed over"),),
        ),
    )
    desk.cloud().start(pod)
    assert desk.gc()["runs"] == []
    assert desk.status(pod) == "RUNNING"


def test_nothing_is_done_about_a_pod_of_a_run_that_is_written_to_now(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    desk.cloud().start(pod)
    with desk.reopened(journal):
        desk.gc()
        assert desk.status(pod) == "RUNNING"


# A journal that cannot be driven.


def test_what_a_damaged_journal_names_is_stopped_and_not_deleted(desk: Desk) -> None:
    journal, pod = desk.died()
    stranger = desk.rent("rpd-job-ffffffffffffffffffffffffff-a1", "job-20200101T000000Z-aaaaaa")
    desk.damage(journal)
    done = desk.gc()
    assert (done["exit_code"], desk.status(pod), desk.status(stranger.id)) == (0, "EXITED", "RUNNING")


def test_a_name_in_a_damaged_journal_alone_stops_no_pod(desk: Desk) -> None:
    """Its env is not told, and the name came from a volume that other pods write."""
    journal, pod = desk.died()
    victim = desk.rent("rpd-other-00000000000000000000000009-a1", None)
    desk.append(journal, past.planted(victim.name))
    desk.damage(journal)
    desk.gc()
    assert (desk.status(pod), desk.status(victim.id)) == ("EXITED", "RUNNING")


def test_what_a_damaged_journal_names_and_was_handed_over_to_it_is_stopped(desk: Desk) -> None:
    """Nothing of the pod itself names the run that has it now, and what the index knew of its debt is lost."""
    first, pod = desk.over(kept=True)
    name = past.pod_name_in(first)
    with desk.open("next") as second:
        second.append(past.planted(name))
    paid = DebtChange(name, "storage", "close", proof="handed over")
    desk.append(first, HandedOver(name, second.run_id, str(second.path), (paid,)))
    desk.damage(second.path)
    desk.cloud().start(pod)
    assert desk.gc()["exit_code"] == 0
    assert desk.status(pod) == "EXITED"


def test_what_a_damaged_journal_names_and_another_owes_is_the_other_s(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    name = past.pod_name_in(journal)
    with desk.open("next") as following:
        following.append(Left("it goes on", 75))
        following.append(past.debt_of(name))
        desk.damage(journal)
        desk.cloud().start(pod)
        desk.gc()
    assert desk.status(pod) == "RUNNING"


def test_a_damaged_journal_in_debt_is_not_done_while_its_cloud_is_silent(desk: Desk) -> None:
    journal, _ = desk.died()
    desk.gc(act=False)
    desk.damage(journal)
    desk.cloud().broken = breaks("list")
    for act in (False, True):
        done = desk.gc(act=act)
        assert (done["exit_code"], len(done["runs"])) == (8, 1)
    assert "cannot be reached" in done["runs"][0]["result"]


# Pods of others.


def test_others_are_shown_and_stopped_only_where_a_person_names_them(desk: Desk) -> None:
    desk.over()
    first = desk.rent("rpd-far-ffffffffffffffffffffffffff-a1", "far-20200101T000000Z-aaaaaa")
    second = desk.rent("rpd-far-gggggggggggggggggggggggggg-a1", "far-20200101T000000Z-bbbbbb")
    desk.rent("my-own-pod", None)
    done = desk.gc(stopped=True)
    assert (done["exit_code"], names(done["foreign"])) == (0, [first.id, second.id])
    assert done["foreign"][0]["owner"] == "me@here"
    plan = desk.gc(act=False, adopt=(first.id,))
    assert (plan["exit_code"], desk.status(first.id)) == (0, "RUNNING")
    done = desk.gc(adopt=(first.id,))
    assert (done["exit_code"], desk.status(first.id), desk.status(second.id)) == (0, "EXITED", "RUNNING")
    assert names(desk.gc()["foreign"]) == [second.id]


def test_what_is_no_pod_of_others_is_not_adopted(desk: Desk) -> None:
    desk.over()
    mine = desk.rent("my-own-pod", None)
    with desk.open("live") as live:
        pod = desk.rent(past.pod_name(live), live.run_id)
        past.rented(live, pod.id)
        for pod_id in (mine.id, pod.id, "nosuch"):
            done = desk.gc(adopt=(pod_id,))
            assert done["exit_code"] == 8
            assert f"--adopt {pod_id}: no pod of others" in desk.notes[-1]
        assert (desk.status(mine.id), desk.status(pod.id)) == ("RUNNING", "RUNNING")


def test_one_that_was_to_be_adopted_and_could_not_be_stopped_is_exit_code_8(desk: Desk) -> None:
    desk.over()
    far = desk.rent("rpd-far-ffffffffffffffffffffffffff-a1", "far-20200101T000000Z-aaaaaa")
    desk.cloud().plan("stop", *["ignored"] * 100)
    done = desk.gc(adopt=(far.id,))
    assert done["exit_code"] == 8
    assert "still there" in done["foreign"][0]["result"]


def test_runs_of_another_workflow_are_no_others(desk: Desk) -> None:
    desk.died("mine")
    desk.died("other")
    assert desk.gc(workflow="mine")["foreign"] == []


# Stopped pods.


def test_stopped_pods_are_listed_with_their_price_and_deleted_only_on_request(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    for wanted in ({}, {"older_than_seconds": DAY}):
        done = desk.gc(**wanted)
        assert (done["exit_code"], desk.status(pod), desk.kinds(journal)) == (0, "EXITED", ["storage"])
        assert done["stopped"][0]["usd_per_month"] == done["stopped_usd_per_month"] == 2.04
    assert desk.gc(act=False, stopped=True)["stopped"][0]["result"] is None
    assert desk.status(pod) == "EXITED"
    done = desk.gc(stopped=True)
    assert (done["exit_code"], desk.status(pod), desk.debts(journal)) == (0, "TERMINATED", [])
    assert (done["stopped"][0]["is_released"], done["stopped_usd_per_month"]) == (True, 0.0)


def test_an_age_is_held_against_the_last_record(desk: Desk) -> None:
    _, old = desk.over("old", kept=True)
    desk.clock.advance(2 * DAY)
    _, young = desk.over("young", kept=True)
    desk.clock.advance(DAY)
    done = desk.gc(older_than_seconds=2 * DAY)
    assert (done["exit_code"], desk.status(old), desk.status(young)) == (0, "TERMINATED", "EXITED")
    assert [row["workflow"] for row in done["stopped"]] == ["old", "young"]


def test_an_age_counts_where_both_are_given(desk: Desk) -> None:
    _, young = desk.over(kept=True)
    desk.gc(stopped=True, older_than_seconds=DAY)
    assert desk.status(young) == "EXITED"


def test_one_of_a_run_that_is_not_over_is_not_deleted_with_the_rest(desk: Desk) -> None:
    with desk.open("parked") as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id)
        past.parked(journal, pod.id)
    desk.cloud().stop(pod.id)
    done = desk.gc(stopped=True, older_than_seconds=0.0)
    assert (desk.status(pod.id), done["stopped"][0]["is_over"]) == ("EXITED", False)


@pytest.mark.parametrize(("ending", "is_left"), [(past.renounced, True), (past.collected, False)])
def test_what_nobody_has_collected_is_not_deleted_with_the_rest(
    desk: Desk, ending: Callable[[Journal], None], is_left: bool
) -> None:
    """Somebody ended the run without its results, and has not said that they may go."""
    with desk.open() as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id)
        past.parked_with_results(journal, pod.id)
        ending(journal)
    desk.cloud().stop(pod.id)
    done = desk.gc(stopped=True)
    assert desk.status(pod.id) == ("EXITED" if is_left else "TERMINATED")
    assert done["stopped"][0]["holds_results"] is is_left


def test_one_of_a_damaged_journal_is_not_deleted_with_the_rest(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    desk.gc()
    desk.damage(journal)
    desk.gc(stopped=True, older_than_seconds=0.0)
    assert desk.status(pod) == "EXITED"


def test_one_whose_journal_is_gone_is_not_deleted_with_the_rest(desk: Desk) -> None:
    """It is remembered that its run was over, and that is all that is known."""
    journal, pod = desk.over(kept=True)
    desk.gc()
    journal.unlink()
    done = desk.gc(stopped=True, older_than_seconds=0.0)
    assert (done["stopped"][0]["is_over"], desk.status(pod)) == (False, "EXITED")


def test_one_that_was_not_deleted_is_exit_code_8(desk: Desk) -> None:
    journal, _ = desk.over(kept=True)
    desk.cloud().plan("delete", *["ignored"] * 100)
    done = desk.gc(stopped=True)
    assert (done["exit_code"], desk.kinds(journal)) == (8, ["storage"])
    assert "still there" in done["stopped"][0]["result"]


# One signal.


def test_a_signal_before_anything_was_done_names_what_is_owed(desk: Desk) -> None:
    _, pod = desk.died()
    cloud = desk.cloud()
    desk.signal_at_first_call(cloud, Request("interrupt", "SIGINT"))
    done = desk.gc()
    assert (done["exit_code"], desk.status(pod)) == (8, "RUNNING")
    assert "interrupted" in done["runs"][0]["result"]


def test_a_signal_where_nothing_is_owed(desk: Desk) -> None:
    desk.over()
    desk.signal_at_first_call(desk.cloud(), Request("terminate", "SIGTERM"))
    assert desk.gc()["exit_code"] == 143


def test_a_signal_while_the_plan_is_made_hides_no_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    _, pod = desk.died()
    plan, is_first = planning.planned, [True]

    def planned(*words: Any) -> Any:
        if is_first.pop() if is_first else False:
            raise LeaveNow("interrupted (SIGINT)", 130)
        return plan(*words)

    monkeypatch.setattr("rpd.adapters.cleanup.cleanup.planned", planned)
    done = desk.gc(act=False)
    assert (done["exit_code"], len(done["runs"]), desk.status(pod)) == (8, 1, "RUNNING")


# A copy of the state home.


def test_a_copy_leaves_to_the_original_what_it_drives(desk: Desk) -> None:
    with desk.open() as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id)
        past.rented(journal, pod.id)
        desk.copy_home()
        done = desk.gc()
        assert (done["exit_code"], desk.status(pod.id)) == (0, "RUNNING")
        assert f"drives its original {journal.path}" in done["runs"][0]["result"]


def test_a_copy_names_what_its_original_owes_and_who_can_release_it(desk: Desk) -> None:
    journal, pod = desk.died()
    first = desk.home
    desk.copy_home()
    before = journal.read_bytes()
    done = desk.gc()
    assert (done["exit_code"], desk.status(pod), journal.read_bytes()) == (8, "RUNNING", before)
    assert done["runs"][0]["next"] == f"RPD_HOME={first} rpd gc --yes"
    assert done["runs"][0]["usd_per_hour"] == past.RATE
    desk.at_home(first)
    assert desk.gc()["exit_code"] == 0
    desk.copy_home(anew=False)
    done = desk.gc()
    assert (done["exit_code"], done["runs"][0]["is_done"]) == (0, True)


def test_a_copy_whose_original_is_gone_is_the_journal(desk: Desk) -> None:
    journal, pod = desk.died()
    first = desk.home
    desk.copy_home()
    shutil.rmtree(first)
    done = desk.gc()
    assert (done["exit_code"], desk.status(pod)) == (0, "TERMINATED")
    assert desk.debts(desk.home / journal.relative_to(first)) == []
    assert not first.exists()


def test_a_copy_touches_no_pod_that_the_original_has_handed_over(desk: Desk) -> None:
    journal, pod = desk.over(kept=True)
    desk.copy_home()
    desk.cloud().start(pod)
    done = desk.gc(stopped=True)
    assert (done["runs"], done["stopped"], desk.status(pod)) == ([], [], "RUNNING")
    assert desk.kinds(journal) == ["storage"]


def test_a_copy_touches_no_pod_of_a_run_that_was_over_when_it_was_made(desk: Desk) -> None:
    journal, _ = desk.over()
    desk.copy_home()
    late = desk.rent(past.pod_name_in(journal), journal.stem)
    assert (desk.gc()["runs"], desk.status(late.id)) == ([], "RUNNING")


def test_nothing_is_written_by_a_copy(desk: Desk) -> None:
    journal, pod = desk.died()
    desk.copy_home()
    copied = desk.only_journal()
    before = {path: path.read_bytes() for path in (journal, copied)}
    with pytest.raises(Exception, match="is a copy of") as caught:
        desk.ends(copied.stem, "cancel")
    assert f"RPD_HOME={journal.parents[2]} rpd cancel" in str(getattr(caught.value, "hint", ""))
    assert {path: path.read_bytes() for path in before} == before
    assert desk.status(pod) == "RUNNING"
    assert not emergency_path(desk.home, copied.stem).exists()


@pytest.mark.parametrize("is_moved", [True, False])
def test_no_sandbox_is_started_where_a_state_home_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, is_moved: bool
) -> None:
    """Journals of a sandbox name its folder. The state home was moved, or copied; what to type is said."""

    def up(home: Path, **_: object) -> None:
        raise AssertionError(f"a sandbox was started in {home}")

    monkeypatch.setattr("rpd.adapters.sandbox.daemon.up", up)
    first = desk.home
    desk.died(cloud={"name": "sandbox", "home": str(first / "sandbox")})
    desk.copy_home()
    if is_moved:
        shutil.rmtree(first)
    here = desk.only_journal()
    for act in (False, True):
        done = desk.gc(act=act)
        (row,) = done["runs"]
        assert (done["exit_code"], row["is_done"]) == (8, False)
        assert f"RPD_HOME={first} " in (row["next"] or "".join(done["unreachable"]))
        assert any(f"mv {desk.home} {first}" in text for text in done["unreachable"]) is is_moved
    for what in ("cancel", "release"):
        with pytest.raises(JournalNotOurs) as caught:
            desk.ends(here.stem, what)
        assert f"RPD_HOME={first} " in caught.value.hint
    assert first.exists() is not is_moved
    assert not (first / "sandbox").exists()
    assert desk.kinds(here) == ["compute"]


# What the plan says.


def page(desk: Desk, capsys: pytest.CaptureFixture[str], **wanted: Any) -> str:
    """What `rpd gc` prints without `--yes`."""
    capsys.readouterr()
    gc.collect_garbage(CleanupScope(**wanted), act=False, as_json=False)
    return capsys.readouterr().out


def test_a_plan_that_only_spares_names_no_command_that_acts(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    with desk.open() as journal:
        past.rented(journal, desk.rent(past.pod_name(journal), journal.run_id).id)
        told = page(desk, capsys)
        assert "spare: driven by pid" in told and "nothing to do" in told and "--yes" not in told
    assert page(desk, capsys).endswith("nothing was done; rpd gc --yes acts\n")


def test_a_plan_shows_the_disks_that_would_go_and_the_command_that_deletes_them(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, pod = desk.over(kept=True)
    plain = page(desk, capsys)
    assert f"rpd release {journal.stem} --delete" in plain and "nothing was done" not in plain
    assert page(desk, capsys, stopped=True).endswith("nothing was done; rpd gc --yes --stopped acts\n")
    assert "    delete, with its disk\n" in page(desk, capsys, stopped=True)
    assert "rpd gc --yes --older-than 0s acts" in page(desk, capsys, older_than_seconds=0.0)
    young = page(desk, capsys, older_than_seconds=9e9)
    assert f"rpd release {journal.stem} --delete" in young and "nothing was done" not in young
    assert desk.status(pod) == "EXITED"


def test_a_total_of_disks_that_no_option_deletes_names_none(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    with desk.open() as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id)
        past.parked(journal, pod.id)
    desk.cloud().stop(pod.id)
    assert "--stopped" not in page(desk, capsys, stopped=True)


def test_a_cloud_that_was_not_asked_is_named(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.over(url="http://127.0.0.1:9/v2")
    assert "not asked, since no run here owes anything there: runpod (http://127.0.0.1:9/v2)" in page(desk, capsys)


# What leads into pods that are gone.

TUNNEL = """
import os, pathlib, signal, sys
from rpd.adapters.tunnels.detached import Tunnel, held
home = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
with held(home, Tunnel("t", os.getpid(), 1.0, "job-1", "/nowhere/j.jsonl", "abc", state="up")):
    print("up", flush=True)
    signal.pause()
"""


def test_tunnels_that_lead_nowhere_are_listed_and_closed_with_json_too(rpd: Typist) -> None:
    rpd.home.mkdir(mode=0o700)
    tunnel = subprocess.Popen([sys.executable, "-c", TUNNEL, str(rpd.home)], stdout=subprocess.PIPE)
    try:
        assert tunnel.stdout is not None and tunnel.stdout.readline() == b"up\n"
        way = {"kind": "tunnel", "name": "t", "pod_id": "abc", "pid": tunnel.pid, "is_gone": False}
        assert json.loads(rpd("gc", "--json").stdout)["ways"] == [way]
        assert tunnel.poll() is None
        assert json.loads(rpd("gc", "--yes", "--json").stdout)["ways"] == [{**way, "is_gone": True}]
        assert tunnel.wait(10.0) == 0
        assert json.loads(rpd("gc", "--yes", "--json").stdout)["ways"] == []
    finally:
        tunnel.kill()
        tunnel.wait()
