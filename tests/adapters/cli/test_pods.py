"""`rpd pods` and `rpd pod`: what is listed, whose it is, and what is done to it. The ledger of the cloud judges."""

from __future__ import annotations

import json
import types
from typing import Any

import msgspec
import pytest

from rpd.adapters.terminal import asking, output
from rpd.engine.errors import Refused
from rpd.engine.protocol import intent_of
from rpd.journal.reader import read
from rpd.journal.records import DebtChange, HandedOver, Intent, Outcome
from rpd.journal.replay import fold
from rpd.states.operations.search import HandOver, HandOverDone
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Paused, PodOrder
from tests.adapters.cli.desk import FIRST, SECOND, Desk, breaks
from tests.fakes import past
from tests.fakes.typed import KEY, Done, type_in

ORIGINAL_NOTE, ORIGINAL_ANSWER = output.note, output.answer


class Person:
    """Types in the state home of the desk, off a terminal."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk, self._patch = desk, monkeypatch
        monkeypatch.setattr(output, "note", ORIGINAL_NOTE)
        monkeypatch.setattr(output, "answer", ORIGINAL_ANSWER)
        self.environ = {"RPD_API_URL": FIRST, "RUNPOD_API_KEY": KEY}

    def __call__(self, *words: str) -> Done:
        mine = {"RPD_HOME": str(self.desk.home), "HOME": str(self.desk.folder.parent / "user"), **self.environ}
        return type_in(self.desk.folder, list(words), mine)

    def pods(self, code: int = 0) -> dict[str, dict[str, Any]]:
        """The rows by the id of the pod, or by its name."""
        done = self("pods", "--json")
        assert done.code == code, done
        document = json.loads(done.stdout)
        assert document["schema"] == "rpd.pods/1"
        return {row["id"] or row["name"]: row for row in document["pods"]}

    def refusal(self, *words: str, code: int = 2) -> dict[str, Any]:
        done = self(*words, "--json")
        assert (done.code, done.stdout) == (code, ""), done
        return dict(json.loads(done.stderr.splitlines()[-1]))

    def at_terminal(self, typed: str) -> list[str]:
        """From now on there is a terminal, on which somebody types this. Returns the questions."""
        asked: list[str] = []
        stdin = types.SimpleNamespace(isatty=lambda: True, readline=lambda: typed + "\n")
        self._patch.setattr(asking, "sys", types.SimpleNamespace(stdin=stdin))
        self._patch.setattr(output, "prompt", asked.append)
        return asked


@pytest.fixture
def rpd(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(desk, monkeypatch)


def parked(desk: Desk, workflow: str = "train") -> tuple[Any, str]:
    """A run with results that nobody has collected, in its stopped pod."""
    with desk.open(workflow) as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id)
        past.parked_with_results(journal, pod.id)
    desk.cloud().stop(pod.id)
    return journal.path, pod.id


def collected(desk: Desk) -> tuple[Any, str]:
    """A run that is over, with all its results here, and its pod stopped."""
    path, pod = parked(desk)
    with desk.reopened(path) as journal:
        past.collected(journal)
    return path, pod


def strange(desk: Desk, name: str = "a-notebook", **env: str) -> str:
    """A pod that no journal here knows."""
    return desk.cloud().create(PodOrder(name, "i", "RTX A5000", 1, "SECURE", (), 20, env, volume_gb=10)).id


def released(path: Any, op: str) -> list[str]:
    """The records of one kind of effect outside the loop: intent, outcome."""
    bodies = [record.body for record in read(path).records]
    return [
        type(each).__name__
        for each in bodies
        if isinstance(each, Intent | Outcome) and "late-" in each.opid and each.op == op
    ]


# What is listed.


def test_every_pod_of_the_account_is_listed_with_its_owner(rpd: Person, desk: Desk) -> None:
    died, alive = desk.died("alive")
    kept, stopped = collected(desk)
    mine, other = strange(desk), strange(desk, "rpd-x-0-a1", RPD_OWNER="ann@elsewhere", RPD_RUN_ID="x-1")
    rows = rpd.pods()
    assert {key: row["owner"]["kind"] for key, row in rows.items()} == {
        alive: "run",
        stopped: "run",
        mine: "not_ours",
        other: "other_rpd",
    }
    assert (rows[alive]["owner"]["run_id"], rows[stopped]["owner"]["run_id"]) == (died.stem, kept.stem)
    assert rows[other]["owner"]["who"] == "ann@elsewhere"
    assert (rows[stopped]["usd_per_hour"], rows[stopped]["storage_usd_per_month"]) == (0.0, 2.0)
    assert rows[alive]["usd_per_hour"] > 0 and rows[alive]["uptime_seconds"] is not None
    assert rows[stopped]["results"] == "collected"
    page = rpd("pods").stdout
    assert "another rpd (ann@elsewhere)" in page and "not rpd's" in page
    assert f"rpd resume {died.stem}" in rpd("pods").stderr, "nobody drives it, and it bills"


def test_a_session_is_shown_as_one(rpd: Person, desk: Desk) -> None:
    with desk.open("2026-01-01-001") as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id)
        past.rented(journal, pod.id)
    entry_of = desk.home / "index" / f"{journal.run_id}.json"
    rpd.pods()
    entry = json.loads(entry_of.read_text())
    entry_of.write_text(json.dumps({**entry, "lifecycle": "session"}))
    assert rpd.pods()[pod.id]["owner"]["kind"] == "session"


def test_a_pod_that_changed_hands_belongs_to_the_run_that_owes_it(rpd: Person, desk: Desk) -> None:
    first, pod = desk.over("first", kept=True)
    name = desk.cloud().pods[pod].order.name
    paused = Paused(str(first), first.stem, first.stem, pod, name, "RTX A5000", "SECURE", 0.27, {})
    with desk.open("second") as second:
        taking = intent_of(HandOver(paused, is_unwanted=False, drift=()), "0001-take_over", "reclaim")
        owed = DebtChange(name, "storage", "open", usd_per_hour=0.0028)
        second.append(msgspec.structs.replace(taking, debts=(owed,)))
        second.append(Outcome("0001-take_over", taking.op, "ok", data=msgspec.to_builtins(HandOverDone(paused, False))))
    paid = DebtChange(name, "storage", "close", proof="handed over")
    desk.append(first, HandedOver(name, second.run_id, str(second.path), (paid,)))
    rows = rpd.pods()
    assert (set(rows), rows[pod]["owner"]["run_id"]) == ({pod}, second.run_id)


def test_what_a_journal_owes_and_the_account_does_not_show_is_listed(rpd: Person, desk: Desk) -> None:
    path, pod = desk.died()
    desk.cloud().delete(pod)
    kept, stopped = desk.over("kept", kept=True)
    desk.cloud().delete(stopped)
    rows = rpd.pods()
    assert [rows[each]["status"] for each in (pod, stopped)] == ["NOT LISTED"] * 2
    assert "rpd gc --yes" in rows[pod]["note"]
    assert f"rpd release {kept.stem} --delete" in rows[stopped]["note"]
    assert rpd("gc", "--yes").code == 0
    assert rpd("release", kept.stem, "--delete").code == 0
    assert (rpd.pods(), desk.debts(path), desk.debts(kept)) == ({}, [], []), "what it says to type helps"


def test_a_cloud_that_is_not_reached_is_named_and_nothing_there_is_called_gone(rpd: Person, desk: Desk) -> None:
    strange(desk)  # so that the ids of the two accounts differ
    _, near = desk.died("near", FIRST)
    _, far = desk.died("far", SECOND)
    desk.cloud(SECOND).broken = breaks("list")
    rows = rpd.pods(code=1)
    assert (rows[near]["is_listed"], rows[far]["status"]) == (True, "NOT KNOWN")
    assert SECOND in rpd("pods").stderr
    assert rpd.refusal("pod", "stop", "nothing", code=1)["reason"] == "not_reached"


def test_a_pod_in_an_account_that_no_journal_names_is_found_by_the_key_at_hand(rpd: Person, desk: Desk) -> None:
    pod = strange(desk)
    assert list(rpd.pods()) == [pod]


def test_without_a_key_and_without_a_journal_the_key_is_asked_for(rpd: Person) -> None:
    del rpd.environ["RUNPOD_API_KEY"]
    assert rpd("pods").code == 4


def test_without_the_key_what_the_journals_owe_is_still_shown(rpd: Person, desk: Desk) -> None:
    _, pod = desk.died()
    del rpd.environ["RUNPOD_API_KEY"]
    assert rpd.pods(code=4)[pod]["status"] == "NOT KNOWN"


def test_a_pod_is_shown_in_full(rpd: Person, desk: Desk) -> None:
    path, pod = parked(desk)
    page = rpd("pod", "info").stdout
    assert pod in page and path.stem in page and "NOT COLLECTED" in page and "$2.00 a month" in page
    told = json.loads(rpd("pod", "info", pod[:4] if len(pod) > 4 else pod, "--json").stdout)
    assert (told["schema"], told["id"]) == ("rpd.pod/1", pod)


# Which one is meant.


def test_with_several_a_name_is_needed(rpd: Person, desk: Desk) -> None:
    (_, first), (_, second) = desk.died("one"), desk.died("two")
    problem = rpd.refusal("pod", "stop", "--yes")
    assert problem["reason"] == "several_pods" and first in problem["message"] and second in problem["message"]
    assert {desk.status(each) for each in (first, second)} == {"RUNNING"}
    assert rpd("pod", "stop", desk.cloud().pods[second].order.name, "--yes").code == 0
    assert (desk.status(first), desk.status(second) == "RUNNING") == ("RUNNING", False)


# What is refused.


@pytest.mark.parametrize("word", ["stop", "delete", "kill"])
def test_a_pod_that_is_not_ours_is_not_touched(rpd: Person, desk: Desk, word: str) -> None:
    desk.over()
    mine, other = strange(desk), strange(desk, "rpd-x-0-a1", RPD_OWNER="ann@elsewhere", RPD_RUN_ID="x-1")
    for pod in (mine, other):
        assert rpd.refusal("pod", word, pod, "--yes")["reason"] == "not_ours"
        assert desk.status(pod) == "RUNNING"
    assert f"rpd gc --yes --adopt {other}" in rpd.refusal("pod", word, other, "--yes")["hint"]
    assert rpd.refusal("pod", word, "--yes")["reason"] == "no_pod", "without a name it is not meant either"


def test_a_name_like_ours_does_not_make_a_pod_ours(rpd: Person, desk: Desk) -> None:
    """Somebody named their pod after our run, and its env names another one."""
    path, pod = desk.died()
    name = desk.cloud().pods[pod].order.name
    for like in (name, f"{name[:-1]}2"):
        theirs = strange(desk, like, RPD_RUN_ID="of-somebody", RPD_OWNER="eve@there")
        assert rpd.refusal("pod", "delete", theirs, "--yes")["reason"] == "not_ours"
        assert desk.status(theirs) == "RUNNING" and path.exists()


def test_a_pod_in_another_cloud_is_not_ours_whatever_it_says(rpd: Person, desk: Desk) -> None:
    path, pod = desk.died("far", SECOND)
    strange(desk)  # so that the ids of the two accounts differ
    name = desk.cloud(SECOND).pods[pod].order.name
    twin = strange(desk, name, RPD_RUN_ID=path.stem, RPD_OWNER="me@here")
    assert rpd.refusal("pod", "delete", twin, "--yes")["reason"] == "not_ours"
    assert (desk.status(twin), desk.status(pod, SECOND), desk.kinds(path)) == ("RUNNING", "RUNNING", ["compute"])


@pytest.mark.parametrize("how", ["stop", "delete"])
def test_a_locked_pod_is_refused_with_the_command_that_unlocks_it(rpd: Person, desk: Desk, how: str) -> None:
    path, pod = desk.died()
    desk.cloud().pods[pod].is_locked = True
    before = path.read_bytes()
    problem = rpd.refusal("pod", how, pod, "--yes", code=8)
    assert problem["reason"] == "locked"
    assert "curl -X PATCH" in problem["hint"] and pod in problem["hint"] and KEY not in problem["hint"]
    assert (desk.status(pod), path.read_bytes()) == ("RUNNING", before), "the run goes on"


def test_the_pod_of_a_damaged_journal_is_refused_with_the_way_out(rpd: Person, desk: Desk) -> None:
    path, pod = desk.died()
    rpd.pods()
    desk.damage(path)
    problem = rpd.refusal("pod", "delete", pod, "--yes", code=9)
    assert f"rpd salvage {path.stem}" in problem["hint"] and desk.status(pod) == "RUNNING"


# The person's word.


@pytest.mark.parametrize("how", ["stop", "delete"])
def test_off_a_terminal_nothing_is_done_without_yes(rpd: Person, desk: Desk, how: str) -> None:
    path, pod = desk.died()
    before = path.read_bytes()
    problem = rpd.refusal("pod", how)
    assert (problem["reason"], f"rpd pod {how} {pod} --yes" in problem["hint"]) == ("needs_yes", True)
    assert (desk.status(pod), path.read_bytes()) == ("RUNNING", before)


@pytest.mark.parametrize("typed", ["y", "yes", "delete", ""])
def test_only_its_name_deletes_a_pod_whose_results_nobody_has(rpd: Person, desk: Desk, typed: str) -> None:
    path, pod = parked(desk)
    before = path.read_bytes()
    asked = rpd.at_terminal(typed)
    done = rpd("pod", "delete")
    assert (done.code, desk.status(pod), path.read_bytes()) == (3, "EXITED", before), done
    assert "type the pod's name" in asked[0] and "its log, artifact out" in done.stderr
    rpd.at_terminal(desk.cloud().pods[pod].order.name)
    assert (rpd("pod", "delete").code, desk.status(pod), desk.debts(path)) == (0, "TERMINATED", [])


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("", 3), ("n", 3)])
def test_a_word_is_enough_where_all_results_are_here(rpd: Person, desk: Desk, typed: str, code: int) -> None:
    path, pod = collected(desk)
    asked = rpd.at_terminal(typed)
    done = rpd("pod", "delete")
    assert (done.code, desk.status(pod)) == (code, "EXITED" if code else "TERMINATED"), done
    assert asked == ["delete it? [y/N] "] and "its disk of 10 GB" in done.stderr and path.stem in done.stderr


def test_a_job_that_was_launched_at_the_question_is_not_deleted_by_a_mere_yes(
    rpd: Person, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk.open() as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id).id
        past.launched(journal, pod, "launch")
    rpd.at_terminal("")

    def answers() -> str:
        with desk.reopened(journal.path) as again:
            past.job_begun(again)
        return "y\n"

    stdin = types.SimpleNamespace(isatty=lambda: True, readline=answers)
    monkeypatch.setattr(asking, "sys", types.SimpleNamespace(stdin=stdin))
    done = rpd("pod", "delete", pod)
    assert (done.code, desk.status(pod)) == (2, "RUNNING") and "launched in pod" in done.stderr


def test_a_run_that_ends_at_the_question_is_given_back_as_a_finished_one(
    rpd: Person, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, pod = parked(desk)
    name = desk.cloud().pods[pod].order.name
    rpd.at_terminal("")

    def answers() -> str:
        with desk.reopened(path) as again:
            past.collected(again)
        return f"{name}\n"

    stdin = types.SimpleNamespace(isatty=lambda: True, readline=answers)
    monkeypatch.setattr(asking, "sys", types.SimpleNamespace(stdin=stdin))
    assert (rpd("pod", "delete", pod).code, desk.status(pod), desk.debts(path)) == (0, "TERMINATED", [])
    assert released(path, "delete_pod") == ["Intent", "Outcome"]


def test_a_copy_of_a_state_home_acts_on_nothing(rpd: Person, desk: Desk) -> None:
    _, pod = collected(desk)
    _, alive = desk.died("alive")
    desk.copy_home()
    for word in (pod, alive):
        assert rpd("pod", "delete", word, "--yes").code == 9
    assert (desk.status(pod), desk.status(alive)) == ("EXITED", "RUNNING")


# What is done, and what the journal says of it.


def test_a_run_that_nobody_drives_is_ended_with_its_pod(rpd: Person, desk: Desk) -> None:
    path, pod = desk.died()
    assert rpd("pod", "stop", "--yes").code == 0
    assert (desk.status(pod) in ("EXITED", "TERMINATED"), "compute" in desk.kinds(path)) == (True, False)
    assert fold(read(path).records).closed is not None


def test_deleting_the_pod_of_a_finished_run_is_journalled_and_proved(rpd: Person, desk: Desk) -> None:
    path, pod = collected(desk)
    assert desk.kinds(path) == ["storage"]
    assert rpd("pod", "kill", pod, "--yes").code == 0
    assert (desk.status(pod), desk.debts(path)) == ("TERMINATED", [])
    assert released(path, "delete_pod") == ["Intent", "Outcome"]


def test_a_pod_that_somebody_started_after_its_run_is_stopped_in_its_journal(rpd: Person, desk: Desk) -> None:
    path, pod = desk.over(kept=True)
    desk.cloud().start(pod)
    assert "rpd gc --yes" in rpd.pods()[pod]["note"]
    assert rpd("pod", "stop", "--yes").code == 0
    assert (desk.status(pod), desk.kinds(path)) == ("EXITED", ["storage"])
    assert released(path, "stop_pod") == ["Intent", "Outcome"]


def test_a_pod_that_appeared_late_is_not_stopped_without_a_debt_for_its_disk(rpd: Person, desk: Desk) -> None:
    path, pod = desk.over()
    late = desk.rent(desk.cloud().pods[pod].order.name[:-1] + "2", path.stem).id
    problem = rpd.refusal("pod", "stop", late, "--yes")
    assert f"rpd pod delete {late}" in problem["hint"] and desk.status(late) == "RUNNING"
    assert (rpd("pod", "delete", late, "--yes").code, desk.status(late)) == (0, "TERMINATED")


def test_a_release_that_the_cloud_refuses_keeps_the_debt(rpd: Person, desk: Desk) -> None:
    path, pod = collected(desk)
    desk.cloud().plan("delete", *[Refused("no", reason=Fault.LOCKED)] * 50)
    assert rpd("pod", "delete", pod, "--yes").code != 0
    assert (desk.status(pod), desk.kinds(path)) == ("EXITED", ["storage"])
    assert released(path, "delete_pod") == ["Intent", "Outcome"]


def test_a_pod_beside_the_one_in_hand_is_left_to_its_run(rpd: Person, desk: Desk) -> None:
    path, pod = desk.died()
    twin = desk.rent(desk.cloud().pods[pod].order.name, path.stem).id
    assert rpd.refusal("pod", "delete", twin, "--yes")["reason"] == "second_pod"
    assert {desk.status(each) for each in (pod, twin)} == {"RUNNING"}


# Starting.


def test_a_stopped_pod_is_started_by_going_on_with_its_run(
    rpd: Person, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = parked(desk)
    went_on: list[Any] = []

    def resume_journal(journal: Any, command: str, **_options: object) -> int:
        went_on.append((journal, command))
        return 75

    monkeypatch.setattr("rpd.adapters.pods.effects.resume_journal", resume_journal)
    done = rpd("pod", "start")
    assert (done.code, went_on) == (75, [(path, "rpd pod start")]), done
    assert f"rpd resume {path.stem}" in done.stderr


def test_a_pod_that_nothing_would_end_is_not_started(rpd: Person, desk: Desk) -> None:
    _, pod = collected(desk)
    problem = rpd.refusal("pod", "start", pod)
    assert (problem["reason"], "rpd run " in problem["hint"], desk.status(pod)) == ("run_over", True, "EXITED")


def test_a_pod_that_runs_is_not_started_again(rpd: Person, desk: Desk) -> None:
    path, pod = desk.died()
    before = path.read_bytes()
    done = rpd("pod", "start", pod)
    assert (done.code, path.read_bytes()) == (8, before) and "already" in done.stderr


def test_debts_of_one_pod_are_counted_once(rpd: Person, desk: Desk) -> None:
    path, pod = desk.died()
    desk.append(path, Intent("0009-x", "x", "boot", debts=(DebtChange("other", "storage", "open", usd_per_hour=0.1),)))
    rows = rpd.pods()
    assert set(rows) == {pod, "other"} and rows["other"]["status"] == "NOT LISTED"
