"""`rpd salvage`: what a journal that cannot be driven owes is given back, and its run is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.access.judgement import judged
from rpd.adapters.cli.acting.salvage import salvage_run
from rpd.adapters.cli.reading import inspect
from rpd.adapters.cli.reading.cost import show_cost
from rpd.adapters.disposal import salvage
from rpd.adapters.forensics.listing import all_rows
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalLocked
from rpd.journal.index import Index
from rpd.journal.reader import read
from rpd.journal.records import Closed, DebtChange, Intent, Note, Outcome
from rpd.states.policy.cost import running_disk_usd_per_hour
from tests.adapters.cli.desk import Desk, breaks
from tests.fakes import past

QUIET = 300.0
"""Longer than the quiet window of the desk's clouds."""


@pytest.fixture
def desk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(salvage, "SystemClock", lambda: desk.clock)
    monkeypatch.setattr(salvage, "ProcessControl", desk._control)
    monkeypatch.setattr(salvage, "_last_written", lambda path, entry: desk.clock.now().wall - QUIET)
    return desk


def salvaged(desk: Desk, run: Path, *, delete: bool = False) -> tuple[int, dict[str, Any]]:
    code = salvage_run(run.stem, delete=delete, yes=True, as_json=True)
    return code, desk.told.pop()


def cut(journal: Path, keep: int) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:keep]))


def test_what_a_damaged_journal_owes_is_stopped_and_its_run_is_over(desk: Desk) -> None:
    journal, pod = desk.died()
    whole = journal.read_bytes()
    desk.damage(journal)
    code, told = salvaged(desk, journal)
    assert (code, desk.status(pod), told["open"]) == (0, "EXITED", [])
    assert told["stored_usd_per_month"] > 0, "what is stopped is kept, and said"
    kept = Path(told["kept_as"])
    assert kept.read_bytes()[:-40] == whole[:-40], "the file as it was is kept"
    reading = read(journal)
    assert reading.verified and isinstance(reading.records[-1].body, Closed)
    assert reading.records[-1].body.reason == "journal_damaged"
    assert desk.kinds(journal) == ["storage"]
    entry = Index(desk.home).find(journal.stem)[0]
    assert (entry.problem, entry.outcome) == ("", "lost")
    assert desk.gc()["runs"] == []


DISKS = running_disk_usd_per_hour(20, 10)
HOURS = 5.0


def priced(desk: Desk, monkeypatch: pytest.MonkeyPatch, journal: Path) -> tuple[float | None, str]:
    """What `runs` and `inspect` say that it has cost."""
    (row,) = all_rows()
    pages: list[str] = []
    monkeypatch.setattr(inspect, "SystemClock", lambda: desk.clock)
    monkeypatch.setattr(inspect.output, "text", pages.extend)
    inspect.inspect_run(str(journal), as_json=False, as_graph=False)
    return row.cost_usd, next(line for line in pages if line.startswith("cost "))


@pytest.mark.parametrize("delete", [False, True])
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_run_that_was_damaged_early_has_cost_all_the_hours_it_billed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, is_gone: bool, delete: bool
) -> None:
    journal, pod = desk.died()
    desk.damage(journal)
    desk.clock.advance(HOURS * 3600.0)
    if is_gone:
        desk.cloud().delete(pod)
    code, told = salvaged(desk, journal, delete=delete)
    most = HOURS * (past.RATE + DISKS)
    assert code == 0 and told["cost_usd"] == pytest.approx(most, rel=0.02)
    desk.clock.advance(HOURS * 3600.0)
    known, page = priced(desk, monkeypatch, journal)
    assert known == pytest.approx(most, rel=0.02)
    assert page == f"cost     ${known:.2f} (est.)"


@pytest.mark.parametrize("keep", [1, 3, 4, 5])
def test_what_a_pod_has_cost_that_the_good_part_does_not_know_is_not_known(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    journal, _ = desk.died()
    Index(desk.home).refresh(journal)
    cut(journal, keep)
    desk.clock.advance(HOURS * 3600.0)
    code, told = salvaged(desk, journal)
    assert (code, told["cost_usd"]) == (0, None)
    assert priced(desk, monkeypatch, journal) == (None, "cost     not known")
    if keep == 1:  # no pod is known, so no cloud is asked
        show_cost(str(journal), as_json=True)
        assert desk.told.pop()["estimated_usd"] is None


def test_a_stretch_that_the_good_part_saw_end_and_that_went_on_is_not_known(desk: Desk) -> None:
    journal, pod = desk.died()
    data = {"pod_id": pod}
    name = past.pod_name_in(journal)
    close = DebtChange(name, "compute", "close", proof="seen")
    stopped = Outcome("9", "stop_pod", "ok", data=data, debts=(close,))
    desk.append(journal, Intent("9", "stop_pod", "release", data), stopped, Note("x", "x"))
    desk.damage(journal)
    desk.clock.advance(HOURS * 3600.0)
    assert salvaged(desk, journal)[1]["cost_usd"] is None


def test_without_a_name_the_damaged_run_is_meant(desk: Desk) -> None:
    journal, pod = desk.died()
    desk.damage(journal)
    desk.clock.advance(60.0)
    _, other = desk.died("other")
    assert salvage_run(None, delete=False, yes=True, as_json=True) == 0
    assert desk.told.pop()["run_id"] == journal.stem
    assert (desk.status(pod), desk.status(other)) == ("EXITED", "RUNNING")
    with pytest.raises(UserError, match="there is no run with a damaged journal") as none:
        salvage_run(None, delete=False, yes=True, as_json=True)
    assert none.value.exit_code == 2


def test_without_a_name_none_of_several_damaged_runs_is_meant(desk: Desk) -> None:
    journals = [desk.died(name) for name in ("one", "two")]
    for journal, _ in journals:
        desk.damage(journal)
    with pytest.raises(UserError, match="2 runs have a damaged journal; name one") as several:
        salvage_run(None, delete=False, yes=True, as_json=True)
    assert all(journal.stem in several.value.message for journal, _ in journals)
    assert [desk.status(pod) for _, pod in journals] == ["RUNNING", "RUNNING"]


def test_of_a_workflow_the_damaged_run_is_meant(desk: Desk) -> None:
    journal, _ = desk.died()
    desk.damage(journal)
    desk.clock.advance(60.0)
    desk.died()
    assert salvage_run("job", delete=False, yes=True, as_json=True) == 0
    assert desk.told.pop()["run_id"] == journal.stem


def test_with_delete_nothing_is_left_of_it(desk: Desk) -> None:
    journal, pod = desk.died()
    desk.damage(journal)
    code, told = salvaged(desk, journal, delete=True)
    assert (code, desk.status(pod), desk.kinds(journal)) == (0, "TERMINATED", [])
    assert told["stored_usd_per_month"] == 0.0


@pytest.mark.parametrize("keep", [1, 3])
def test_a_journal_that_was_cut_before_its_pod_knows_it_by_name(desk: Desk, keep: int) -> None:
    journal, pod = desk.died()
    Index(desk.home).refresh(journal)
    cut(journal, keep)
    assert judged(journal).damage is not None, "the index has seen more"
    code, _ = salvaged(desk, journal)
    assert (code, desk.status(pod)) == (0, "EXITED")
    assert desk.kinds(journal) == ["storage"]
    with pytest.raises(UserError, match="is stopped"):
        release_kept(desk, journal, delete=False)
    with pytest.raises(UserError, match="no --yes"):
        release_kept(desk, journal, delete=True)
    assert desk.gc(stopped=True)["stopped"][0]["holds_results"]
    assert desk.status(pod) == "EXITED", "nobody knows what ran in it, and what of that is here"
    release_kept(desk, journal, delete=True, yes=True)
    assert (desk.status(pod), desk.kinds(journal)) == ("TERMINATED", [])


def release_kept(desk: Desk, journal: Path, *, delete: bool, yes: bool = False) -> None:
    from rpd.adapters.runs.release import How, release_run

    how = How.from_options(stop=False, delete=delete, keep_until=None, mode=None)
    release_run(journal.stem, how, state_file=None, as_json=True, yes=yes)


def test_a_journal_without_its_first_record_is_set_aside(desk: Desk) -> None:
    journal, pod = desk.died()
    Index(desk.home).refresh(journal)
    journal.write_bytes(b"{}\n" + journal.read_bytes().split(b"\n", 1)[1])
    code, told = salvaged(desk, journal)
    assert (code, desk.status(pod), journal.exists()) == (9, "EXITED", True), "its disk would be forgotten"
    assert "keeps its disk" in told["open"][0]
    code, told = salvaged(desk, journal, delete=True)
    assert (code, desk.status(pod), journal.exists()) == (0, "TERMINATED", False)
    assert Path(told["kept_as"]).exists()
    assert Index(desk.home).entries() == []


def test_while_its_cloud_is_silent_nothing_is_set_aside(desk: Desk) -> None:
    journal, pod = desk.died()
    desk.damage(journal)
    content = journal.read_bytes()
    desk.cloud().broken.update(breaks("list"))
    code, told = salvaged(desk, journal)
    assert (code, told["kept_as"], desk.status(pod)) == (8, None, "RUNNING")
    assert journal.read_bytes() == content


def test_a_pod_that_does_not_stop_stays_owed(desk: Desk) -> None:
    journal, _ = desk.died()
    desk.damage(journal)
    content = journal.read_bytes()
    desk.cloud().broken.update(breaks("stop"))
    code, told = salvaged(desk, journal)
    assert code == 8 and "not proved at rest" in told["open"][0]
    assert journal.read_bytes() == content


def test_a_pod_that_may_still_appear_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its engine died a moment ago, and nobody heard what became of the order."""
    with desk.open() as journal:
        past.ordered(journal)
    desk.damage(journal.path)
    monkeypatch.setattr(salvage, "_last_written", lambda path, entry: desk.clock.now().wall)
    code, told = salvaged(desk, journal.path)
    assert code == 8 and "may still appear" in told["open"][0]
    monkeypatch.setattr(salvage, "_last_written", lambda path, entry: desk.clock.now().wall - QUIET)
    assert salvaged(desk, journal.path)[0] == 0


def test_a_pod_that_was_handed_over_is_let_alone(desk: Desk) -> None:
    journal, pod = desk.died()
    with desk.open("other") as other:
        past.rented(other, pod)
        other.append(past.debt_of(past.pod_name_in(journal)))
    desk.damage(journal)
    code, _ = salvaged(desk, journal)
    assert (code, desk.status(pod)) == (0, "RUNNING")


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("delete", [True, False])
def test_a_name_that_a_shared_volume_has_said_gives_no_pod_away(desk: Desk, is_named: bool, delete: bool) -> None:
    """Any pod that mounts the volume can write there the name of a live one."""
    with desk.open() as journal:
        pod = desk.rent(past.pod_name(journal), journal.run_id).id
        past.ordered(journal)
        victim = desk.rent("rpd-other-00000000000000000000000009-a1", "other-1" if is_named else None)
        journal.append(past.planted(victim.name))
        journal.append(past.planted("rpd-nobody-00000000000000000000000008-a1"))
    desk.damage(journal.path)
    code, told = salvaged(desk, journal.path, delete=delete)
    assert (desk.status(victim.id), desk.status(pod)) == ("RUNNING", "TERMINATED" if delete else "EXITED")
    assert (code, told["open"], len(told["pods"])) == (0, [], 1), "nor does it keep the run from its end"
    assert any(victim.id in each for each in desk.notes), "in case it is this run's"


@pytest.mark.parametrize("is_named", [True, False])
def test_without_its_first_record_a_name_alone_stops_no_pod(desk: Desk, is_named: bool) -> None:
    journal, pod = desk.died()
    victim = desk.rent("rpd-other-00000000000000000000000009-a1", "other-1" if is_named else None)
    desk.append(journal, past.planted(victim.name))
    Index(desk.home).refresh(journal)
    journal.write_bytes(b"{}\n" + journal.read_bytes().split(b"\n", 1)[1])
    code, told = salvaged(desk, journal, delete=True)
    assert (desk.status(pod), desk.status(victim.id)) == ("TERMINATED", "RUNNING")
    assert (code, any(victim.id in each for each in told["open"])) == ((0, False) if is_named else (8, True))


def test_a_sound_journal_and_a_live_one_are_refused(desk: Desk) -> None:
    journal, pod = desk.died()
    with pytest.raises(UserError, match="is not damaged"):
        salvaged(desk, journal)
    with desk.reopened(journal):
        desk.damage(journal)
        with pytest.raises(JournalLocked):
            salvaged(desk, journal)
    assert desk.status(pod) == "RUNNING"


def test_deleting_needs_a_word(desk: Desk) -> None:
    journal, pod = desk.died()
    desk.damage(journal)
    with pytest.raises(UserError, match="nothing was deleted"):
        salvage_run(journal.stem, delete=True, yes=False, as_json=True)
    assert desk.status(pod) == "RUNNING"


def test_gc_names_the_way_out(desk: Desk) -> None:
    journal, _ = desk.died()
    desk.damage(journal)
    assert f"rpd salvage {journal.stem}" in desk.gc(act=False)["runs"][0]["next"]
