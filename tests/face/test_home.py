"""The face on a machine without a sandbox: job files, runs of the past, and what is refused."""

from __future__ import annotations

import io
import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import rpd
from rpd.adapters.api.driving import _driven
from rpd.adapters.terminal import asking
from rpd.journal import codec
from rpd.journal.lock import holder
from rpd.journal.records import Closed, Opened, Transition
from rpd.journal.store import Journal
from tests.fakes import past

KEY = "rpa_0123456789abcdef0123456789"
TOKEN = "hush-hush-hush-hush"
JOB = """name: train
pod: {image: "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04", gpu_order: [NVIDIA L4]}
storage: {volume_gb: 10}
variables: {word: hello}
run: {body: "echo {word}"}
budget: {max_usd: 1.5}
lifecycle: {on_success: stop}
"""
CLOUD = {"name": "custom", "url": "http://127.0.0.1:9/v2"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state home, in a user's folder without a key."""
    user, home = tmp_path / "user", tmp_path / "home"
    user.mkdir()
    for name in ("RUNPOD_API_KEY", "RPD_API_URL", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("RPD_HOME", str(home))
    yield home.resolve()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A job file that is right."""
    path = tmp_path / "project" / "train.yaml"
    path.parent.mkdir()
    path.write_text(JOB)
    return path


def died(home: Path, file: Path, token: str = "0" * 26) -> Path:
    """The journal of a run whose engine is gone before it rented anything."""
    with past.open_run(home, file.parent, CLOUD, token=token) as journal:
        pass
    return journal.path


def over(home: Path, file: Path) -> Journal:
    """The journal of a run that has ended."""
    with past.open_run(home, file.parent, CLOUD, token="1" * 26) as journal:
        journal.append(Transition("spec_accepted", "validate", "reclaim"))
        journal.append(Closed("refused", "price_over_cap", 6, 0.0))
    return journal


def test_a_job_is_loaded_as_the_command_does(home: Path, file: Path) -> None:
    job = rpd.load(file, variables={"word": "twice"})
    assert (job.name, job.path, job.max_usd) == ("train", file.resolve(), 1.5)
    assert job.variables == {"word": "twice"} and job.config["run"]["body"] == "echo twice"
    assert job.run_id.startswith("train-") and job.folder.name == job.run_id
    assert rpd.load(str(file)).run_id != job.run_id
    assert not (home / "journals").exists()


def test_every_problem_has_its_line(home: Path, file: Path) -> None:
    assert rpd.validate(file) == []
    file.write_text(JOB.replace("NVIDIA L4", "").replace("volume_gb: 10", "volume_gb: ten") + "runn: 1\n")
    problems = rpd.validate(file)
    assert {(each.level, each.check) for each in problems} == {("error", "file")}
    assert [(each.line, each.field) for each in problems] == [
        (2, "pod.gpu_order"),
        (3, "storage.volume_gb"),
        (8, "runn"),
    ]
    assert [each.column for each in problems][1:] == [11, 1]
    with pytest.raises(rpd.SpecError) as refused:
        rpd.load(file)
    assert [each.line for each in refused.value.problems] == [each.line for each in problems]


def test_what_this_machine_lacks_is_a_problem_without_a_line(home: Path, file: Path) -> None:
    file.write_text(JOB.replace("on_success: stop", "on_success: delete") + "local: {required_paths: [data.csv]}\n")
    (lacking, warning) = rpd.validate(file)
    assert (lacking.level, lacking.check, lacking.line) == ("error", "local", None)
    assert "data.csv" in lacking.message
    assert (warning.level, warning.check) == ("warning", "results")
    with pytest.raises(rpd.UserError, match=r"data\.csv"):
        rpd.start(file)
    assert not (home / "journals").exists()


@pytest.mark.parametrize("call", [rpd.load, rpd.validate, rpd.start])
def test_what_is_no_job_file_is_refused(home: Path, file: Path, call: object) -> None:
    assert callable(call)
    with pytest.raises(rpd.UserError, match="no-such-file"):
        call(file.parent / "no-such-file.yaml")
    with pytest.raises(rpd.UserError, match="project"):
        call(file.parent)
    file.write_bytes(b"\x00\xff\xfe")
    if call is not rpd.validate:
        with pytest.raises(rpd.UserError):
            call(file)
    file.write_text("services: {web: {image: nginx}}\n")
    with pytest.raises(rpd.UserError, match="docker-compose"):
        call(file)
    for variables in ({"word": 3}, {"not a name": "x"}, {1: "x"}):
        with pytest.raises(rpd.UserError, match="is not a name with a text"):
            call(file, variables=variables)


def test_without_a_key_nothing_is_begun(home: Path, file: Path) -> None:
    heard: list[rpd.Event] = []
    with pytest.raises(rpd.UserError) as refused:
        rpd.start(file, listener=heard.append)
    assert (refused.value.exit_code, refused.value.reason) == (rpd.Exit.KEY, "key_missing")
    assert "RUNPOD_API_KEY" in refused.value.hint
    assert not (home / "journals").exists()


def test_no_run_of_that_name(home: Path, file: Path) -> None:
    died(home, file)
    for call in (rpd.Run, rpd.resume, rpd.cancel):
        for name in ("nothing", "", "./nothing", file.parent / "nothing"):
            with pytest.raises((rpd.UserError, rpd.JournalMissing)):
                call(name)  # type: ignore[operator]
        with pytest.raises(TypeError, match="a run is named by a text or a path"):
            call(None)  # type: ignore[operator]


def test_a_call_that_makes_no_sense_begins_nothing(home: Path, file: Path) -> None:
    for seconds in (-1.0, math.nan, math.inf):
        with pytest.raises(rpd.UserError, match="is no time to wait"):
            rpd.start(file, sandbox=True, wait_for_stock_seconds=seconds)
    with pytest.raises(rpd.UserError, match="the variables of a loaded job are set"):
        rpd.start(rpd.load(file), variables={"word": "x"})
    with _driven(None, False), pytest.raises(rpd.UserError, match="this thread drives a run"):
        rpd.cancel("job")  # as a handler of a signal would call it
    assert not (home / "journals").exists()


def test_an_unfinished_run_is_resumed_before_another_is_started(
    home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = died(home, file)
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    with pytest.raises(rpd.UserError, match=journal.stem) as refused:
        rpd.start(file.parent / "job.yaml")
    assert refused.value.reason == "unfinished_run"


def test_a_run_tells_what_its_journal_does(home: Path, file: Path) -> None:
    journal = over(home, file)
    (run,) = rpd.runs()
    assert repr(run) == f"<rpd.Run {journal.run_id}: refused>"
    assert (run.id, run.workflow, run.journal) == (journal.run_id, "job", journal.path)
    assert (run.outcome, run.reason, run.cost_usd, run.is_released) == ("refused", "price_over_cap", 0.0, True)
    assert (run.debts, run.problem, run.exit_code) == ((), None, None)
    assert run.why is not None and run.row()["outcome"] == "refused"
    assert [(each.label, each.status, each.files) for each in run.artifacts] == [("out", "failed", None)]
    assert [(each.seq, each.name, each.state) for each in run.events()] == [
        (0, "opened", "validate"),
        (1, "validate_to_reclaim", "reclaim"),
        (2, "closed", "reclaim"),
    ]
    for name in (run.id, run.id[:-3], "job", journal.path, str(journal.path)):
        assert rpd.Run(name).id == run.id
    assert rpd.resume(run).exit_code == 6
    ending = rpd.cancel(run)
    assert (ending.exit_code, ending.run_id, ending.said[0]) == (0, run.id, f"run {run.id} is over already")


def test_a_damaged_run_is_shown_and_promises_nothing(home: Path, file: Path) -> None:
    path = died(home, file)
    with path.open("ab") as damaged:
        damaged.write(b"nonsense\n{}\n")
    (run,) = rpd.runs()
    assert run.problem is not None and run.is_released is None
    with pytest.raises(rpd.JournalDamaged):
        rpd.resume(run)
    path.write_bytes(b"nonsense\n" * 3)
    (run,) = rpd.runs()
    assert run.problem is not None and run.is_released is None and run.artifacts == () and list(run.events()) == []
    assert run.why is None and list(run.metrics()) == []


def test_nothing_acts_on_a_journal_from_elsewhere(home: Path, file: Path, tmp_path: Path) -> None:
    sent = shutil.move(died(home, file), tmp_path / "events.jsonl")
    run = rpd.Run(Path(sent))
    assert run.outcome is None and run.journal == Path(sent)
    for call in (rpd.resume, rpd.cancel):
        for name in (run, Path(sent), str(sent)):
            with pytest.raises(rpd.JournalNotOurs, match="not a journal of this state home"):
                call(name)


def test_a_journal_from_elsewhere_does_not_stand_for_a_run_of_ours(home: Path, file: Path, tmp_path: Path) -> None:
    """Its record 0 says where it belongs, and whoever sent it may have written there what he liked."""
    ours = died(home, file)
    there = tmp_path / "there"
    with past.open_run(there, file.parent, CLOUD, token="2" * 26) as journal:
        record = journal.records[0]
    assert isinstance(record.body, Opened)
    forged = msgspec.structs.replace(record.body, journal_path=str(ours), run_dir=str(file.parent))
    _, line = codec.encode(forged, seq=0, prev=record.prev, run=record.run, epoch=record.epoch, at=record.at)
    sent = tmp_path / "sent.jsonl"
    sent.write_bytes(line)
    run = rpd.Run(sent)
    assert run.journal == sent and run.folder is None
    with pytest.raises(rpd.JournalNotOurs):
        rpd.cancel(run)
    assert rpd.Run(ours.stem).outcome is None


def test_a_run_that_could_not_begin_can_be_resumed_again(
    home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process lives on: a lock that it kept would keep everybody out."""
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(past, "JOB", past.JOB.replace("echo hello", "echo ***HF_TOKEN***"))
    journal = died(home, file)
    for _ in range(2):
        with pytest.raises(rpd.UserError, match="HF_TOKEN"):
            rpd.resume(journal)
        assert holder(journal) is None


def test_a_program_is_asked_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it runs on a terminal: nobody there knows what a question would be about."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    assert asking.can_ask()
    with _driven(None, False), pytest.raises(rpd.UserError, match="kept: there is no terminal"):
        asking.ask("delete it? ", ("yes",), yes=False, hint="", undone="kept")


def test_no_secret_is_shown(home: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    file.write_text(JOB.replace('"echo {word}"', '"echo {HF_TOKEN}"').replace("word: hello", "HF_TOKEN: null"))
    job = rpd.load(file, variables={"HF_TOKEN": TOKEN})
    assert TOKEN in job._loaded.job.run.body, "the job itself has it"
    shown = repr([job, job.variables, job.config, rpd.validate(file, variables={"HF_TOKEN": TOKEN})])
    assert TOKEN not in shown and "***HF_TOKEN***" in shown
    for call in (rpd.load, rpd.Run, rpd.resume, rpd.cancel, rpd.runs):
        with pytest.raises((rpd.RpdError, rpd.JournalError)) as refused:
            call(file.parent / f"{KEY}-{TOKEN}")  # type: ignore[operator]
        error: BaseException | None = refused.value
        while error is not None:
            assert KEY not in f"{error!r} {error}" and TOKEN not in f"{error!r} {error}", call
            error = error.__cause__ or error.__context__
