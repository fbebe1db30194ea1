"""What `gc` finds beside the pods that a journal knows."""

from __future__ import annotations

import pytest

from rpd.adapters.cli.suspects import twins
from rpd.states.world import Pod
from tests.adapters.cli.desk import FIRST, Desk
from tests.fakes.fuse import Crash
from tests.fakes.remote import FakeJob
from tests.fakes.stage import RUN_ID, Stage
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


@pytest.mark.parametrize("is_in_journal", [False, True])
def test_gc_deletes_the_twin_and_spares_the_pod_that_is_kept_up(desk: Desk, *, is_in_journal: bool) -> None:
    """As it does after a gc that was cut short: the twin's debt is in the journal by then."""
    profile = {"url": FIRST, "quiet_window_seconds": "2.0", "proof_interval_seconds": "0.5"}
    lifecycle = {"on_success": "preserve", "preserve_minutes": 30}
    stage = Stage(FakeJob(seconds=30.0), profile=profile, lifecycle=lifecycle)
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
    (plan,) = desk.gc(act=False)["runs"]
    assert plan["plan"].startswith(f"delete {twin.id}, a second pod of its create; the first one is kept up until ")
    assert (plan["is_spared"], plan["next"]) == (False, None)
    done = desk.gc()
    assert (desk.status(pod.id), desk.status(twin.id)) == ("RUNNING", "TERMINATED")
    assert (done["exit_code"], done["runs"][0]["is_spared"], desk.kinds(journal)) == (0, True, ["compute"])
    assert done["runs"][0]["next"] == f"rpd release {RUN_ID}"
    assert desk.gc()["runs"][0]["result"].startswith("spared: kept up until ")
