"""What comes from outside may be of any size; a record holds 64 KiB. No run that owes something ends of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from rpd.adapters.checking.room import too_large
from rpd.engine.decision import Do, Look
from rpd.engine.errors import Refused
from rpd.engine.operation import Result
from rpd.engine.runner import Ending
from rpd.journal.codec import RECORD_BYTES_MAX
from rpd.journal.records import Intent, Observation, Outcome, Stamp, Transition
from rpd.states.facts import Facts
from rpd.states.lifecycle import JOB_LIFECYCLE
from rpd.states.operations import search
from rpd.states.operations.account import Survey
from rpd.states.policy.bounds import JOB_BYTES, size_of
from rpd.states.policy.manifest import checksum, manifest
from rpd.states.policy.reuse import shape
from rpd.states.ports.job import Job
from rpd.states.ports.names import Op, State
from rpd.states.ports.world import Holder, Offer, Paused, Pod, PodOrder
from rpd.states.shared.preserve import NO_MORE_TIME, why_not_kept
from tests.fakes.facts import data_of, seen
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob
from tests.states.session_life import FakeSession
from tests.states.test_lives import ended

TAILS = {
    "ascii": ("x" * 1660,) * 40,
    "cjk": ("進捗" * 145,) * 40,
    "bars": ("█" * 290,) * 40,
    "astral": ("🟩" * 2000,) * 40,
    "quotes": ('"\\' * 1000,) * 40,
    "surrogates": ("\udc80" * 2000,) * 40,
    "one": ("進" * 30_000,),
}


def bodies(fake: FakeWorld, kind: type[Any], op: str = "") -> list[Any]:
    found = [record.body for record in fake.journal.records() if isinstance(record.body, kind)]
    return [body for body in found if not op or body.op == op]


# Four ordinary ways.


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
@pytest.mark.parametrize("exit_code", [0, 3])
def test_the_last_lines_of_a_command_may_be_long(tail: tuple[str, ...], exit_code: int) -> None:
    fake = FakeWorld(FakeJob(commands={"pip install .": exit_code}, tail=(*tail[:-1], tail[-1] + " the end")))
    wanted = ("failed", "setup", 5) if exit_code else ("succeeded", "job_succeeded", 0)
    assert ended(fake.process()) == wanted
    fake.assert_settled()
    told = bodies(fake, Outcome, Op.RUN_STEP)[0]
    assert told.status == "ok" and (len(tail) == 1 or told.data["tail"][-1].endswith(" the end"))
    assert len(told.data["tail"]) + told.data.get("left_out", 0) == len(tail)
    assert max(map(len, fake.journal.lines)) <= RECORD_BYTES_MAX


def test_two_hundred_artifacts_are_collected_and_the_run_ends() -> None:
    artifacts = [
        {
            "label": f"checkpoint of epoch {n:03}",
            "remote_path": f"/workspace/project/training/results/checkpoints/epoch-{n:03}",
            "local_path": f"/home/user/project/artifacts/runpod/train-20270115/checkpoints/{n:03}",
        }
        for n in range(200)
    ]
    fake = FakeWorld(artifacts=artifacts)
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()
    assert fake.workspace.manifest is not None
    assert [each["status"] for each in fake.workspace.manifest["artifacts"]] == ["success"] * 200


def test_the_manifest_is_made_again_from_the_journal() -> None:
    fake = FakeWorld()
    fake.process()
    intent = bodies(fake, Intent, Op.WRITE_MANIFEST)[0]
    assert set(intent.args) == {"run_dir", "at", "checksum"}
    records = fake.journal.records()
    facts = JOB_LIFECYCLE.new_facts(records[0].body, records[0].run)  # type: ignore[arg-type]
    for record in records[: next(n for n, each in enumerate(records) if each.body == intent)]:
        JOB_LIFECYCLE.apply(facts, record)
    again = manifest(facts, msgspec.convert(intent.args["at"], Stamp))
    assert again == fake.workspace.manifest and checksum(again) == intent.args["checksum"]


def test_a_great_many_candidates_without_stock() -> None:
    gpus, places = [f"NVIDIA RTX {n:02} Ada Generation" for n in range(22)], [f"EU-RO-{n:02}" for n in range(20)]
    fake = FakeWorld(pod={"image": "i", "gpu_order": gpus, "datacenters": places})
    fake.cloud.prices, fake.cloud.places = dict.fromkeys(gpus, 0.5), tuple(places)
    fake.cloud.broken["create"] = Refused("no machines available" + "." * 400, reason="no_capacity")
    assert ended(fake.process()) == ("refused", "no_capacity", 6)
    assert "and 420 more" in bodies(fake, Transition)[-3].why
    assert fake.workspace.manifest is not None and len(fake.workspace.manifest["candidates_refused"]) == 440
    fake.assert_settled()


ORDER = PodOrder("", "runpod/pytorch", "RTX A5000", 1, "SECURE", (), 20, {}, volume_gb=20)
RECYCLE = {"on_success": "recycle", "on_drift": "ask"}


def leave_paused(fake: FakeWorld, count: int, drifted: int = 0, filler: str = "") -> None:
    """So many pods that runs of the lineage before have left, of which the newest have drifted."""
    wanted = shape(msgspec.convert(fake.opened.config, Job))
    for n in range(count):
        name, run = f"rpd-train-{n:026}-a1", f"train-20270101T{n:06}Z-aaaaaa"
        pod = fake.cloud._make(msgspec.structs.replace(ORDER, name=name, env={"RPD_RUN_ID": run}))
        pod.visible_at = pod.listed_at = -1.0
        fake.cloud.halt(pod)
        pod.billed.clear()
        asked = {**wanted, "pod.image": f"old{filler}"} if n < drifted else wanted
        paused = Paused(f"/j{n}", run, run, pod.id, name, "RTX A5000", "SECURE", 0.27, asked)
        fake.lineage.left.append(paused)


def test_of_eighty_paused_pods_the_one_that_fits_is_found() -> None:
    fake = FakeWorld(lifecycle=RECYCLE)
    leave_paused(fake, 80, drifted=79)
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()
    assert list(fake.lineage.owners) == [f"rpd-train-{79:026}-a1"] and not fake.cloud.creates
    looks = bodies(fake, Observation, Op.FIND_PAUSED)
    assert len(looks) > 1 and [look.data["left_out"] for look in looks][-1] == 0
    assert fake.replayed().lineage.paused == fake.facts.lineage.paused and len(fake.facts.lineage.paused or ()) == 80


def test_where_none_of_eighty_fits_a_fresh_one_is_rented_and_the_text_names_some() -> None:
    fake = FakeWorld(lifecycle=RECYCLE)
    leave_paused(fake, 80, drifted=80, filler="x" * 300)
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    (move,) = [each for each in bodies(fake, Transition) if each.source == State.RECLAIM]
    assert move.why.endswith("and 60 more") and len(fake.cloud.creates) == 1


def test_fresh_takes_every_one_of_many() -> None:
    fake = FakeWorld(lifecycle=RECYCLE)
    fake.opened.options["fresh"] = True
    leave_paused(fake, 160)
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()
    assert len(fake.lineage.owners) == 160
    assert [pod.status for pod in fake.cloud.pods.values()] == ["TERMINATED"] * 160 + ["EXITED"]


def test_a_paused_pod_that_no_record_holds_is_left_alone() -> None:
    fake = FakeWorld(lifecycle={**RECYCLE, "on_drift": "replace"})
    leave_paused(fake, 2, drifted=1, filler="x" * 100_000)
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert list(fake.lineage.owners) == [f"rpd-train-{1:026}-a1"]


@pytest.mark.parametrize("count", [1, 900])
def test_problems_of_the_inputs_are_told_as_far_as_there_is_room(count: int) -> None:
    fake = FakeWorld()
    fake.workspace.problems = tuple(f"/home/user/data/part-{n:04}/" + "x" * 100 for n in range(count))
    assert ended(fake.process()) == ("refused", "spec_invalid", 2)
    assert not fake.cloud.pods
    told = bodies(fake, Observation, Op.CHECK_INPUTS)[0].data["problems"]
    assert told[0] == fake.workspace.problems[0]
    assert (told[-1] == f"and {count - len(told) + 1} more problems") == (count > 1)


def test_a_survey_tells_of_as_many_pods_as_it_has_room_for_and_proves_nothing_by_the_rest() -> None:
    fake = FakeWorld()
    fake.process()
    prefix = "rpd-train-" + "a" * 26 + "-a"
    gone = [Pod(f"gone{n}", f"{prefix}1", "TERMINATED") for n in range(900)]
    live = [Pod(f"live{n}", f"{prefix}2", "RUNNING") for n in range(900)]
    look = Survey(prefix, "r", known={}, makers={}, owed=(), ends={}, born={})

    def survey(pods: list[Pod]) -> dict[str, Any]:
        fake.cloud.list = lambda: tuple(pods)  # type: ignore[method-assign]
        return data_of(look.perform(fake.ports))

    few = survey([*gone[:2], *live[:2]])
    assert "left_out" not in few and [each["status"] for each in few["found"]] == ["RUNNING"] * 2 + ["TERMINATED"] * 2
    many = survey([*gone, *live])
    assert {each["status"] for each in many["found"]} == {"RUNNING"}
    assert many["left_out"] == 900 - len(many["found"]) > 0
    assert "left_out" not in survey(gone), "those that are gone bill nobody"
    for data, clean in ((many, 0), ({"found": []}, 1), ({"found": [], "left_out": 1}, 0)):
        seen(fake.facts, Op.SURVEY, at=0.0, **data)
        assert (fake.facts.release.proof.surveys, fake.facts.release.proof.is_complete) == (clean, False)


def test_every_offer_is_told_once_and_with_its_price() -> None:
    none, dear = Offer("A", "SECURE", None, "LOW", ("x",)), Offer("A", "SECURE", 2.0)
    other, foreign = Offer("A", "COMMUNITY", 1.0), Offer("B", "SECURE", 1.0)
    assert search._relevant((none, dear, other, foreign) * 900, {"A"}) == (dear, other)


@pytest.mark.parametrize("where", ["run", "setup", "env"])
def test_the_largest_job_that_is_accepted_fits_into_every_record(where: str) -> None:
    def config(length: int) -> dict[str, Any]:
        text = "x" * length
        return {
            "run": {"run": {"body": text}},
            "setup": {"setup": [{"command": text, "with_env": True}]},
            "env": {"remote_env": {"exports": {"TEXT": text}}, "setup": [{"command": "a", "with_env": True}]},
        }[where]

    room = JOB_BYTES - size_of(FakeWorld(**config(1)).opened.config)
    fake = FakeWorld(**config(1 + room))
    assert size_of(fake.opened.config) == JOB_BYTES and too_large(fake.opened.config) is None
    assert too_large(FakeWorld(**config(2 + room)).opened.config) is not None
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert not [each for each in bodies(fake, Outcome) if each.reason == "record_refused"]


# Every other one.


def bloated(result: Result) -> Result:
    """The same with more in it than a record can hold, whatever is cut of its texts."""
    more = {"more": [f"line {n} of what nobody expected" for n in range(4000)]}
    error = result.error and result.error + "!" * 90_000
    return msgspec.structs.replace(result, detail={**result.detail, **more}, error=error)


ON_A_NETWORK_VOLUME = (Op.FIND_VOLUME, Op.TAKE_LEASE, Op.READ_HOLDERS, Op.DROP_LEASE)
OPERATIONS = (
    *(Op.CHECK_INPUTS, Op.FIND_PAUSED, Op.HAND_OVER, Op.READ_OFFERS, Op.READ_DATACENTERS, Op.FIND_VOLUME),
    *(
        Op.CREATE_POD,
        Op.READ_POD,
        Op.READ_SYSTEM_LOG,
        Op.START_POD,
        Op.GREET,
        Op.ARM_SWITCH,
        Op.RUN_STEP,
        Op.PLACE_SECRETS,
        Op.REMOVE_SECRETS,
    ),
    *(Op.PUSH_TREE, Op.LAUNCH_JOB, Op.READ_CLAIM, Op.WATCH_JOB, Op.READ_SAMPLES, Op.STOP_JOB, Op.FETCH_LOG),
    *(Op.READ_LOG,),
    *(Op.PULL_CHECKPOINT, Op.PULL_ARTIFACT, Op.STOP_POD, Op.DELETE_POD, Op.SURVEY, Op.WRITE_MANIFEST, Op.NOTIFY),
    *ON_A_NETWORK_VOLUME[1:],
    Op.ATTEND,
)


def test_every_operation_is_walked() -> None:
    assert set(OPERATIONS) == set(Op)


def eventful(op: Op) -> FakeWorld:
    """A run that comes by the operation."""
    if op is Op.ATTEND:
        session = FakeSession()
        session.leave_after(900.0, "delete")
        return session
    config: dict[str, Any] = {
        "notify": {"command": "true"},
        "checkpoints": {"paths": ["/workspace/ckpt"], "every_minutes": 1},
        "secrets": [{"name": "token", "destination": "/run/token", "env": ["TOKEN"]}],
        "budget": {"cost_cap_usd": 10.0, "ssh_ready_timeout_sec": 300, "idle_minutes": 60},
    }
    if op is Op.READ_DATACENTERS:
        config["pod"] = {"image": "i", "gpu_order": ["RTX A5000"], "datacenters": ["EU-RO-1"]}
    if op in ON_A_NETWORK_VOLUME:
        config["storage"] = {"mode": "network_volume", "volume_name": "data"}
    if op in (Op.FIND_PAUSED, Op.HAND_OVER, Op.START_POD, Op.REMOVE_SECRETS):
        config["lifecycle"] = {"on_success": "recycle"}
    if op in (Op.STOP_JOB, Op.STOP_POD, Op.FETCH_LOG):
        config["budget"] = {"cost_cap_usd": 10.0, "max_runtime_minutes": 30}
    fake = FakeWorld(FakeJob(seconds=3600.0), **config)
    if op in ON_A_NETWORK_VOLUME[1:]:
        fake.cloud.volume_ids["data"] = "vol1"
    if op is Op.READ_HOLDERS:
        fake.remote.held.append(Holder("old", "another-run", "gone", "mark", "/src"))
    if op is Op.READ_SYSTEM_LOG:
        fake.cloud.boot_seconds = [120.0]
    if op in (Op.HAND_OVER, Op.START_POD):
        leave_paused(fake, 1)
    if op is Op.READ_CLAIM:  # read by whoever comes back to a stopped pod
        fake.remote.job.artifacts["/workspace/out"] = "corrupt"
    return fake


def meddled(lifecycle: Any, change: Callable[[str, Result], Result], grow: Callable[[Do], Do]) -> Any:
    """The lifecycle, with what its operations return and its states decide changed on the way."""

    def changed(decide: Callable[[Facts, Stamp], Any]) -> Callable[[Facts, Stamp], Any]:
        def wrapped(facts: Facts, now: Stamp) -> Any:
            decision = decide(facts, now)
            decision = grow(decision) if isinstance(decision, Do) else decision
            if not isinstance(decision, Do | Look):
                return decision
            return msgspec.structs.replace(decision, operation=_like(decision.operation, change))

        return wrapped

    return replace(lifecycle, decide={state: changed(each) for state, each in lifecycle.decide.items()})


def _like(operation: Any, change: Callable[[str, Result], Result], **more: Any) -> Any:
    """The same operation, with `more` arguments, whose result is changed."""
    kind = type(operation)

    def perform(self: Any, *args: Any) -> Result:
        return change(self.name, kind.perform(self, *args))

    extra = [(name, type(value)) for name, value in more.items()]
    own = {"perform": perform}
    like = msgspec.defstruct(kind.__name__, extra, bases=(kind,), frozen=True, kw_only=True, namespace=own)
    return like(**{name: getattr(operation, name) for name in operation.__struct_fields__}, **more)


def finished(fake: FakeWorld) -> Ending:
    """Through to the end, by as many processes as it takes."""
    ending = fake.process()
    fake.remote.job.artifacts.clear()
    return fake.finish(ending)


@pytest.mark.parametrize("op", OPERATIONS)
def test_a_result_that_no_record_holds_ends_nothing(op: Op) -> None:
    fake, met = eventful(op), []

    def change(done: str, result: Result) -> Result:
        if done != op or len(met) > 2:
            return result
        met.append(op)
        return bloated(result)

    fake.lifecycle = meddled(fake.lifecycle, change, lambda do: do)
    ending = finished(fake)
    assert met, f"the run never came by {op}: {sorted(set(fake.journal.events()))}"
    fake.assert_settled()
    assert ending.reason not in ("internal_error", "cancelled")
    told = [*bodies(fake, Outcome, op), *bodies(fake, Observation, op)]
    assert any(each.reason == "record_refused" and "too large" in (each.error or "") for each in told)


EFFECTS = (
    *(Op.HAND_OVER, Op.CREATE_POD, Op.START_POD, Op.ARM_SWITCH, Op.RUN_STEP, Op.PLACE_SECRETS, Op.REMOVE_SECRETS),
    *(Op.PUSH_TREE, Op.LAUNCH_JOB, Op.FETCH_LOG, Op.PULL_CHECKPOINT, Op.PULL_ARTIFACT, Op.WRITE_MANIFEST, Op.NOTIFY),
    Op.TAKE_LEASE,
)
"""Without those that end something, whose arguments are a few words of our own."""


@pytest.mark.parametrize("op", EFFECTS)
def test_an_intent_that_no_record_holds_is_never_acted_on(op: Op) -> None:
    fake, met, acted = eventful(op), [], []

    def grow(do: Do) -> Do:
        if do.op != op:
            return do
        met.append(op)
        more = [f"item {n}" for n in range(9000)]
        return msgspec.structs.replace(do, operation=_like(do.operation, change, more=more))

    def change(done: str, result: Result) -> Result:
        acted.append(done)
        return result

    fake.lifecycle = meddled(fake.lifecycle, change, grow)
    ending = fake.process() if op in (Op.FETCH_LOG, Op.PULL_ARTIFACT) else finished(fake)
    assert ending.closed or ending.exit_code == 75, "results that cannot be asked for wait in the stopped pod"
    fake.assert_settled()
    assert met and op not in acted
    told = bodies(fake, Outcome, op)
    assert told and all("not begun" in each.error and each.status == "failed" for each in told)


# A fault of this program, which is what a refused record was before.


@pytest.mark.parametrize("after", [0.5, 60.0], ids=["before the launch", "while the job runs"])
@pytest.mark.parametrize(
    ("detail", "reason", "exit_code", "words"),
    [
        (
            {"internal_error": True, "fault": "KeyError: 'x'"},
            "internal_error",
            1,
            "a fault of rpd itself: KeyError: 'x'",
        ),
        ({"storage_error": True}, "storage_error", 9, "the journal could not be kept"),
        ({}, "cancelled", 130, "somebody asked for the end"),
    ],
)
def test_an_ending_that_nobody_asked_for_says_what_happened(
    after: float, detail: dict[str, Any], reason: str, exit_code: int, words: str
) -> None:
    fake = FakeWorld(FakeJob(seconds=300.0), lifecycle={"on_failure": "preserve", "on_success": "preserve"})
    fake.control.ask_after(after, "release", how="stop", **detail)
    ending = finished(fake)
    assert (ending.reason, ending.exit_code) == (reason, exit_code)
    move = next(each for each in bodies(fake, Transition) if each.trigger == "cancel")
    assert move.why == words and fake.facts.ending.text == words
    assert {pod.status for pod in fake.cloud.pods.values()} <= {"EXITED", "TERMINATED"}
    fake.assert_settled()
    if reason != "cancelled":
        assert why_not_kept(fake.facts) in (None, NO_MORE_TIME[fake.facts.ending.reason])  # type: ignore[index]


def test_results_that_a_fault_of_rpd_left_behind_are_not_deleted_by_the_word_for_a_failed_job() -> None:
    fake = FakeWorld(
        FakeJob(seconds=300.0, artifacts={"/workspace/out": "corrupt"}), lifecycle={"on_failure": "delete"}
    )
    fake.control.ask_after(60.0, "release", how="stop", internal_error=True)
    assert fake.process().exit_code == 75
    assert fake.process(command="resume").exit_code == 75
    assert fake.cloud.only().status == "EXITED" and fake.facts.uncollected
    fake.remote.job.artifacts.clear()
    assert ended(fake.finish()) == ("failed", "internal_error", 1)
