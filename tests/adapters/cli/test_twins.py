"""What `gc` finds beside the pods that a journal knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpd.adapters.disposal.suspects import twins
from rpd.adapters.driving import takeover
from rpd.journal.errors import JournalUnwritable
from rpd.states.ports.world import Pod
from tests.adapters.cli.desk import FIRST, Desk
from tests.fakes.driven import RUN_ID
from tests.fakes.fake_world import FakeWorld
from tests.fakes.fuse import Crash
from tests.fakes.remote import FakeJob
from tests.states.situations import add_pod, facts_of


@pytest.mark.parametrize(
    ("changes", "is_twin"),
    [
        ({}, True),
        ({"status": "STARTING"}, True),
        ({"status": "unheard-of"}, True),
        ({"status": "EXITED"}, False),
        ({"status": "TERMINATED"}, False),
        ({"id": "pod1"}, False),
        ({"env": {"RPD_RUN_ID": "another-run"}}, False),
        ({"name": "somebody-s"}, False),
    ],
)
def test_a_second_pod_of_a_create_is_a_twin(changes: dict[str, object], is_twin: bool) -> None:
    facts = facts_of()
    pod = add_pod(facts)
    usual = {"id": "pod9", "name": pod.name, "status": "RUNNING", "env": {"RPD_RUN_ID": facts.run_id}}
    other = Pod(**{**usual, **changes})  # type: ignore[arg-type]
    assert (other.id in twins(facts, [Pod("pod1", pod.name, "RUNNING"), other])) is is_twin


def _dies() -> None:
    raise Crash("before delete")


def kept_with_twin(desk: Desk, *, is_in_journal: bool) -> tuple[Path, str, str]:
    """A run whose pod is kept up on purpose, and what its create has made beside it; a gc that died has written that
    down, or nobody has."""
    profile = {"url": FIRST, "quiet_window_seconds": "2.0", "proof_interval_seconds": "0.5"}
    lifecycle = {"on_success": "preserve", "preserve_minutes": 30}
    stage = FakeWorld(FakeJob(seconds=30.0), profile=profile, lifecycle=lifecycle)
    stage.process()
    (pod,) = stage.cloud.pods.values()
    twin = stage.cloud.make_twin(pod, 0.0)
    if is_in_journal:
        stage.cloud.plan("delete", _dies)
        with pytest.raises(Crash):
            stage.process(command="gc")
    assert (f"{pod.order.name}#{twin.id}" in stage.compute_debts) is is_in_journal
    journal = desk.home / "journals" / "train" / f"{RUN_ID}.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"".join(stage.journal.lines))
    desk.clock, desk.clouds[FIRST] = stage.clock, stage.cloud
    return journal, pod.id, twin.id


@pytest.mark.parametrize("is_in_journal", [False, True])
def test_gc_deletes_the_twin_and_spares_the_pod_that_is_kept_up(desk: Desk, *, is_in_journal: bool) -> None:
    """Also after a gc that was cut short: the twin's debt is in the journal by then."""
    journal, pod, twin = kept_with_twin(desk, is_in_journal=is_in_journal)
    (plan,) = desk.gc(act=False)["runs"]
    assert plan["plan"].startswith(f"delete {twin}, a second pod of its create; the first one is kept up until ")
    assert (plan["is_spared"], plan["next"]) == (False, None)
    done = desk.gc()
    assert (desk.status(pod), desk.status(twin)) == ("RUNNING", "TERMINATED")
    assert (done["exit_code"], done["runs"][0]["is_spared"], desk.kinds(journal)) == (0, True, ["compute"])
    assert done["runs"][0]["next"] == f"rpd release {RUN_ID}"
    assert desk.gc()["runs"][0]["result"].startswith("spared: kept up until ")


@pytest.mark.parametrize("is_in_journal", [False, True])
def test_gc_that_can_write_no_record_stops_the_twin_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, is_in_journal: bool
) -> None:
    journal, pod, twin = kept_with_twin(desk, is_in_journal=is_in_journal)

    def full(*_: object, **__: object) -> None:
        raise JournalUnwritable("no room", hint="make room")

    monkeypatch.setattr(takeover, "open_journal", full)
    done = desk.gc()
    assert (done["exit_code"], desk.status(pod), desk.status(twin)) == (8, "RUNNING", "EXITED")
    assert "no record of it was written" in done["runs"][0]["result"]
    assert done["runs"][0]["pod_status"] == "RUNNING"
    assert "compute" in desk.kinds(journal)
