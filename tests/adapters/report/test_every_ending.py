"""Every way in which a run can end or be left, and every text about it: none of them shows a value that is not there,
or one as the program spells it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.cli.reading.cost import _page as cost_page
from rpd.adapters.cli.reading.events import _words
from rpd.adapters.cli.reading.inspect import _page, _then
from rpd.adapters.cli.reading.summary import block
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.forensics.run import row_of_journal
from rpd.adapters.report.ending import last_words
from rpd.adapters.report.plain import cost_line
from rpd.adapters.report.story import sentences_of
from rpd.adapters.report.why import WHY, words_of
from rpd.engine.errors import Ambiguous, NotSent, Refused, RpdError, Unavailable
from rpd.journal import tolerant
from rpd.journal.reader import Reading
from rpd.journal.records import Intent, Left, Outcome, Transition
from rpd.states.facts import Facts
from tests.fakes.driven import Ear
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob

UNSPOKEN = re.compile(
    r"\b(None|nan|inf|NaN|Infinity)\b|-0\.0|-\$0|\$-|\b(Reason|Trigger|State|Op|Fault|Outcome|Exit)\.\w"
    r"|[{}]|\(\)|(?<!\w)\[\]|\['|\('|<[A-Za-z_.]+ object| {2,}$|\w: ?$|\( | ,"
)
MARKED = {"body": "x", "success_marker": "OK", "done_on": "marker"}
GONE = Unavailable("gone", reason="link_lost")
Life = Callable[[], FakeWorld]


def life(job: FakeJob | None = None, *requests: str, **config: Any) -> Life:
    """A run that goes to its end, or to where it is left."""

    def live() -> FakeWorld:
        fake = FakeWorld(job, notify={"command": "cat"}, **config)
        fake.process(*requests)
        return fake

    return live


def trouble(job: FakeJob | None, meet: Callable[[FakeWorld], object], **config: Any) -> Life:
    """The same for one that meets something."""

    def live() -> FakeWorld:
        fake = FakeWorld(job, notify={"command": "cat"}, **config)
        meet(fake)
        fake.process()
        return fake

    return live


def asked(moment: float, what: str, **detail: Any) -> Callable[[FakeWorld], object]:
    return lambda fake: fake.control.ask_after(moment, what, **detail)


def answers(name: str, *plan: RpdError | str) -> Callable[[FakeWorld], object]:
    return lambda fake: fake.cloud.plan(name, *plan)


def broken(name: str, error: RpdError) -> Callable[[FakeWorld], object]:
    return lambda fake: fake.cloud.broken.update({name: error})


def in_pod(name: str, *plan: RpdError | str) -> Callable[[FakeWorld], object]:
    return lambda fake: fake.remote.plans.update({name: list(plan)})


def halted(moment: float, status: str) -> Callable[[FakeWorld], object]:
    return lambda fake: fake.clock.after(moment, lambda: fake.cloud.halt(fake.cloud.only(), status))


def unarmed(fake: FakeWorld) -> None:
    fake.remote.switch_probe = "key_refused"


def parked() -> FakeWorld:
    return life(FakeJob(seconds=1e6, artifacts={"/workspace/out": "corrupt"}), budget={"cost_cap_usd": 0.05})()


def ended_as_told() -> FakeWorld:
    fake = parked()
    fake.control.ask("release", how="delete")
    fake.process(command="release")
    return fake


LIVES: dict[str, Life] = {
    "success": life(),
    "exit code 3": life(FakeJob(exit_code=3)),
    "exit code 3, deleted": life(FakeJob(exit_code=3), lifecycle={"on_failure": "delete"}),
    "ended by its marker": life(FakeJob(seconds=1e6, says={"OK": 20.0}), run=MARKED),
    "ended by a failure marker": life(FakeJob(says={"BAD": 9.0}), run={**MARKED, "failure_markers": ["BAD"]}),
    "its marker and an exit code": life(FakeJob(seconds=20.0, says={"OK": 20.0}), run=MARKED),
    "no exit code": life(FakeJob(exit_code=None)),  # type: ignore[arg-type]
    "no exit code and a marker": life(FakeJob(exit_code=None, says={"OK": 60.0}), run=MARKED),  # type: ignore[arg-type]
    "marker missing": life(FakeJob(has_marker=False), run={"body": "x", "success_marker": "OK"}),
    "artifact missing": life(FakeJob(artifacts={"/workspace/out": "missing"})),
    "links left out": life(FakeJob(artifacts={"/workspace/out": "links left out"})),
    "artifact empty": life(FakeJob(artifacts={"/workspace/out": "empty"})),
    "artifact refused": life(FakeJob(artifacts={"/workspace/out": "refused"})),
    "artifact corrupt": life(FakeJob(artifacts={"/workspace/out": "corrupt"})),
    "setup failed": life(FakeJob(commands={"pip install .": 1})),
    "setup timed out": life(FakeJob(command_seconds={"pip install .": 1e6})),
    "preflight failed": life(FakeJob(commands={"nvidia-smi": 9})),
    "staging refused": trouble(None, in_pod("push", Refused("", reason="path_refused"))),
    "nothing here": trouble(None, lambda fake: setattr(fake.workspace, "problems", ("/src is not there",))),
    "price cap": life(budget={"max_gpu_price_usd": 0.1}),
    "no capacity": trouble(None, answers("create", *[Refused("none", reason="no_capacity")] * 2)),
    "no credit": trouble(None, answers("create", Refused("pay", reason="no_credit"))),
    "key refused": trouble(None, answers("create", Refused("", reason="key_refused"))),
    "order rejected": trouble(None, answers("create", Refused("", reason="invalid"))),
    "catalog out of reach": trouble(None, broken("offers", Unavailable("", reason="server_error"))),
    "no such volume": life(storage={"mode": "network_volume", "volume_name": "v"}),
    "never sent": trouble(None, answers("create", *[NotSent("no name", reason="not_sent")] * 40)),
    "never answered": trouble(None, answers("create", *["nothing"] * 4)),
    "no host boots": trouble(None, lambda fake: setattr(fake.cloud, "boot_seconds", [1e9])),
    "too few GPUs": trouble(None, lambda fake: setattr(fake.remote, "gpus", 0), provision={"attempts": 1}),
    "unarmed": trouble(None, unarmed),
    "launch failed": trouble(None, in_pod("launch", *[Refused("no sh", reason="no_tool")] * 9)),
    "vanished at once": trouble(None, halted(5.0, "TERMINATED")),
    "vanished": trouble(FakeJob(seconds=600.0), halted(100.0, "TERMINATED")),
    "stopped by others": trouble(FakeJob(seconds=600.0), halted(100.0, "EXITED")),
    "stopped by others, launched again": trouble(FakeJob(seconds=600.0), halted(100.0, "EXITED"), retries=1),
    "idle": life(FakeJob(seconds=1e6, idle_from=60.0), budget={"idle_minutes": 5}),
    "out of time": life(FakeJob(seconds=1e6), budget={"max_runtime_minutes": 10, "cost_cap_usd": 50}),
    "out of money": life(FakeJob(seconds=1e6), budget={"cost_cap_usd": 0.05}),
    "kept up": life(FakeJob(exit_code=3), lifecycle={"on_failure": "preserve"}),
    "kept up, marker": life(FakeJob(seconds=1e6, says={"OK": 9.0}), run=MARKED, lifecycle={"on_success": "preserve"}),
    "paused for the next": life(lifecycle={"on_success": "recycle"}),
    "parked": parked,
    "parked and ended": ended_as_told,
    "detached": life(FakeJob(seconds=300.0), "detach"),
    "detached, unarmed": trouble(FakeJob(seconds=300.0), lambda fake: (unarmed(fake), asked(60.0, "detach")(fake))),
    "another owner": trouble(None, in_pod("run_step", *[Refused("epoch 7", reason="taken_over")] * 9)),
    **{
        f"{what} after {moment:g} s": trouble(FakeJob(seconds=1e6), asked(moment, what, terminal=False))
        for what in ("interrupt", "terminate", "cancel", "release", "gc")
        for moment in (0.05, 26.0, 100.0)
    },
    "cancelled, results gone": trouble(
        FakeJob(seconds=1e6), lambda fake: (asked(100.0, "cancel")(fake), in_pod("pull", *[GONE] * 400)(fake))
    ),
    "a delete without an answer": trouble(None, broken("delete", Ambiguous("", reason="timeout"))),
    "a key revoked at the end": trouble(None, broken("delete", Refused("", reason="key_refused"))),
}


@pytest.mark.parametrize("name", LIVES)
def test_no_text_shows_what_is_not_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(Ear, "doing", lambda self, what, deadline: told.append(("doing", what)))
    fake = LIVES[name]()
    told += [("manifest", text) for text in told_in(fake.workspace.manifest or {})]
    told += list(texts_of(fake, tmp_path))
    wrong = sorted({f"{place}: {text!r}" for place, text in told if UNSPOKEN.search(text)})
    assert wrong == []
    assert len(told) > 20


def texts_of(fake: FakeWorld, folder: Path) -> Iterator[tuple[str, str]]:
    """All that a person can be shown of a run, at its end and at each of its records."""
    records, now = fake.journal.records(), fake.clock.now()
    whole = Reading(records, 0, 0, None, False, True)
    for count in range(1, len(records) + 1):
        inspection = Inspection(Reading(records[:count], 0, 0, None, False, True), records[count - 1].at)
        yield from (("then", line) for line in _then(inspection))
        yield from (("last words", line) for line in last_words(inspection.facts, inspection.now))
        yield "next", inspection.next_step() or "nothing"
        yield "status line", cost_line(inspection.facts, inspection.now)
    yield from (("story", line) for line in sentences_of(whole).values())
    inspection = Inspection(whole, now)
    yield from (("page", line) for line in _page(inspection, folder / "r.jsonl"))
    yield "why", inspection.why() or "because"
    row = row_of_journal(whole, now)
    yield from (("summary", line) for line in block(row, None, inspection.why()))
    yield from (("summary", line) for line in block(row, fake.workspace.manifest, words_of(row.reason)))
    yield from (("cost", line) for line in cost_page(cost_of(inspection.facts)))
    for record in records:
        yield "event", _words(tolerant.decode(fake.journal.lines[record.seq]))
        body = record.body
        if isinstance(body, Intent) and body.op == "notify":
            yield "notice", body.args["notice"]["text"]
        if isinstance(body, Transition | Left):
            yield record.event, body.why or "so"
        if isinstance(body, Outcome):
            yield record.event, body.error or "well"


def told_in(value: Any, name: str = "") -> Iterator[str]:
    """The texts of a manifest that are sentences; null is its word for what is not there."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from told_in(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from told_in(item, name)
    elif isinstance(value, str) and value and name not in ("remote_path", "local_path", "body"):
        yield value


def cost_of(facts: Facts) -> dict[str, Any]:
    """What `rpd cost` prints from, where the books do not answer."""
    pods = [
        {
            "pod_id": pod.id,
            "gpu": pod.origin.candidate.gpu_id,
            "computed_seconds": 1.0,
            "estimated_usd": 0.0,
            "booked_usd": None,
            "estimated": {"computing_usd": 0.0, "disks_usd": 0.0, "stopped_usd": 0.0},
            "difference": "the books are empty",
        }
        for pod in facts.pods.values()
        if pod.id is not None
    ]
    return {"run_id": facts.run_id, "pods": pods, "estimated_usd": 0.0, "stored_usd_per_month": 0.0, "problem": None}


@pytest.mark.parametrize("reason", WHY)
def test_no_reason_is_told_as_the_program_spells_it(reason: Any) -> None:
    assert not UNSPOKEN.search(words_of(str(reason)) or "")


def test_a_job_that_its_marker_ended_is_told_of_so(tmp_path: Path) -> None:
    fake = LIVES["ended by its marker"]()
    told = [text for _, text in texts_of(fake, tmp_path)]
    assert "job ended by its marker" in told
    assert any(re.match(r"succeeded, ended by its marker in ", line) for line in told)
    assert (fake.workspace.manifest or {})["reason_text"] is None
    fake = LIVES["no exit code"]()
    assert "job ended without an exit code" in [text for _, text in texts_of(fake, tmp_path)]
    assert (fake.workspace.manifest or {})["reason_text"] == "the job ended without an exit code"
    fake = LIVES["ended by a failure marker"]()
    assert "job ended by a failure marker in its log" in [text for _, text in texts_of(fake, tmp_path)]
