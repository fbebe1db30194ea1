"""The last words about a failure: why, what to try, what was kept and what that costs, and one command."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rpd.adapters.report.ending import last_words
from rpd.adapters.report.last_lines import LINES, last_lines
from rpd.adapters.report.why import why
from rpd.journal.redact import Redactor, Secret
from rpd.states.facts import Facts
from rpd.states.ports.log_reading import LogReading, SeenSign, read_text
from rpd.states.ports.signs import advice_on
from rpd.states.ports.world import StepResult
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob

MISSING = "ModuleNotFoundError: No module named 'no_such_module_xyz'"


def ended(job: FakeJob | None = None, said: str = "", **config: object) -> FakeWorld:
    fake = FakeWorld(job, **config)
    fake.workspace.log_reading = read_text(said)
    fake.process()
    return fake


def words(fake: FakeWorld) -> list[str]:
    return last_words(fake.facts, fake.clock.now())


def test_a_failed_job_is_told_of_in_five_lines() -> None:
    fake = ended(FakeJob(exit_code=1), f"Traceback (most recent call last):\n  File 'x'\n{MISSING}\n")
    head, because, advice, kept, following = words(fake)
    assert head.startswith("failed (job_failed) in ")
    assert because == f"why:     the job's exit code was 1; its log says: {MISSING}"
    assert advice == f"try:     {advice_on('missing_module')}"
    assert kept == (
        "kept:    log and results in /run; pod pod1, stopped, with 20 GB at about $4.00 a month until: "
        f"rpd release {fake.facts.run_id} --delete"
    )
    assert following == f"next:    rpd inspect {fake.facts.run_id}"


def test_what_was_deleted_costs_nothing() -> None:
    fake = ended(FakeJob(exit_code=1), lifecycle={"on_failure": "delete"})
    assert "kept:    log and results in /run; nothing of this run bills" in words(fake)
    fake = FakeWorld()
    fake.workspace.problems = ("/src is not there",)
    fake.process()
    assert any(line.endswith("; nothing was rented") for line in words(fake))


def test_a_success_in_doubt_says_so() -> None:
    fake = ended(said="torch.OutOfMemoryError: CUDA out of memory.\n")
    told = words(fake)
    assert told[0].startswith("succeeded in ")
    assert told[2].startswith("beware:  this counts as a success, but the job's log says: torch.OutOfMemoryError")
    assert told[3:5] == [f"         {advice_on('cuda_memory')}", "         look before you rely on the results"]


@pytest.mark.parametrize(
    ("code", "body", "told"),
    [
        (137, {}, "the job's exit code was 137 (signal 9, KILL, often for want of memory); see rpd metrics"),
        (141, {}, "as `yes | head` does); rpd runs the body with pipefail"),
        (127, {}, "the job's exit code was 127 (a command was not found); install it"),
        (3, {}, "the job's exit code was 3; read the end of its log"),
    ],
)
def test_an_exit_code_that_says_something_by_itself_is_read(code: int, body: dict[str, str], told: str) -> None:
    assert told in why(ended(FakeJob(exit_code=code)).facts)


def test_a_folder_of_nothing_but_links_that_cannot_be_had_says_where_they_lead() -> None:
    fake = ended(FakeJob(artifacts={"/workspace/out": "only links"}))
    assert why(fake.facts) == (
        "no file in the folder at the remote path of: model; model: 1 link was left out: "
        "base -> /cache/x (leads to nothing); name what the links lead to as artifacts of their own"
    )


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_results_that_are_missing_point_to_what_was_ended_in_the_background(kind: str) -> None:
    facts = ended(FakeJob(artifacts={"/workspace/out": kind})).facts
    assert "background" not in why(facts) and facts.launch.claim is not None
    facts.launch.claim = msgspec.structs.replace(facts.launch.claim, left="2 bash (301), sleep (302)")
    assert "end run.body with `wait`, or set run.wait_for_background: always; else compare artifacts" in why(facts)


@pytest.mark.parametrize(("place", "is_lost"), [("/root/out", True), ("/workspace/out", False)])
def test_results_that_the_stop_has_wiped_are_not_said_to_be_in_the_pod(place: str, is_lost: bool) -> None:
    """A stop wipes the container's own disk; a resume finds nothing there, whatever the job wrote."""
    artifact = {"label": "model", "remote_path": place, "local_path": "/run/out"}
    fake = FakeWorld(FakeJob(artifacts={place: "corrupt"}), artifacts=[artifact])
    fake.process()
    assert fake.facts.report.outcome is None and fake.cloud.pods["pod1"].status == "EXITED"
    told = "\n".join(words(fake))
    assert ("lost:    model: the stop has wiped what is not on the volume (/workspace)" in told) == is_lost
    assert ("results that nobody has collected are on it" in told) != is_lost


@pytest.mark.parametrize("place", ["/root/out", "/workspace/out"])
def test_what_a_new_container_lacks_is_not_called_a_wrong_path(place: str) -> None:
    artifact = {"label": "model", "remote_path": place, "local_path": "/run/out"}
    facts = ended(FakeJob(artifacts={place: "missing"}), artifacts=[artifact]).facts
    assert "new container" not in why(facts) and facts.pod is not None
    facts.launch.prepared = (facts.pod.name, "another")
    assert ("new container since, without what was not on the volume" in why(facts)) == (place == "/root/out")


def test_no_advice_on_pipefail_where_the_file_names_its_shell() -> None:
    fake = ended(FakeJob(exit_code=141), run={"body": "yes | head", "shell": "bash -o pipefail"})
    assert "rpd runs the body" not in why(fake.facts)


def test_neither_exit_code_is_told_without_whose_it_is() -> None:
    for job in (FakeJob(exit_code=3), FakeJob(exit_code=3, artifacts={"/workspace/out": "missing"})):
        for line in words(ended(job)):
            assert line.count("exit code") == line.count("the job's exit code") + line.count("rpd's exit code")


def step_failed(fake: FakeWorld) -> Facts:
    said = [f"line {number}" for number in range(30)]
    trace = ["Traceback (most recent call last):", "  File 'x'", MISSING]
    fake.remote.run_step = lambda target, step: StepResult(1, (*said, *trace))  # type: ignore[method-assign]
    fake.process()
    return fake.facts


def test_the_output_of_a_failed_command_is_shown_with_its_exception() -> None:
    fake = FakeWorld()
    facts = step_failed(fake)
    assert facts.ending.text == f"setup command 1 exited with 1: {MISSING}"
    assert why(facts) == f"{facts.ending.text}; {advice_on('missing_module')}"
    shown = last_lines(facts, fake.clock.now(), Redactor(), with_log=False)
    assert len(shown) == 1 + LINES and shown[-1] == f"  | {MISSING}"


def test_the_end_of_the_log_is_shown_where_the_screen_has_lost_it(tmp_path: Path) -> None:
    fake = ended(FakeJob(exit_code=1))
    fake.facts.opened = msgspec.structs.replace(fake.facts.opened, run_dir=str(tmp_path))
    log = tmp_path / "run.log"
    log.write_text("".join(f"line {number}\n" for number in range(40)) + "10%\r20% \x1b[2Jhunter22\nthe end")
    redactor = Redactor(Secret("hunter22"))
    now = fake.clock.now()
    shown = last_lines(fake.facts, now, redactor, with_log=True)
    assert shown[0] == f"the last lines of {log}:" and len(shown) == 1 + LINES
    assert shown[-3:] == ["  | line 39", "  | 20% ***", "  | the end"]
    assert last_lines(fake.facts, now, redactor, with_log=False) == []
    log.unlink()
    assert last_lines(fake.facts, now, redactor, with_log=True) == []
    assert last_lines(ended().facts, now, redactor, with_log=True) == [], "a success"


def test_a_sign_of_a_later_version_has_no_advice() -> None:
    fake = ended(FakeJob(exit_code=1))
    fake.facts.results.reading = LogReading(SeenSign("strange words", "of_tomorrow"))
    assert why(fake.facts) == "the job's exit code was 1; its log says: strange words; read the end of its log"
