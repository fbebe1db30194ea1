"""Runs driven from Python, in this process: what a listener hears, and who may end a run how."""

from __future__ import annotations

import _thread
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import rpd
from tests.scenarios.harness import GATED, CommandLine, artifact, config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cli(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The same, with this process in its state home and its folder."""
    for name in ("RUNPOD_API_KEY", "RPD_API_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("RPD_HOME", "HOME"):
        monkeypatch.setenv(name, cli.environment[name])
    monkeypatch.chdir(cli.folder)
    return cli


def at_monitor(act: Callable[[str], object]) -> Callable[[rpd.Event], None]:
    """A listener that acts once, when the job runs."""

    def listener(event: rpd.Event) -> None:
        if isinstance(event, rpd.Recorded) and event.name == "launch_to_monitor":
            act(event.run_id)

    return listener


def test_a_job_is_heard_to_its_end_whatever_its_listener_does(cli: CommandLine) -> None:
    heard: list[rpd.Event] = []
    threads, handlers = set(), set()
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP)]

    def listener(event: rpd.Event) -> None:
        heard.append(event)
        threads.add(threading.get_ident())
        handlers.add(signal.getsignal(signal.SIGINT))
        raise SystemExit(f"no {len(heard)}")

    job = rpd.load(
        cli.job(config("mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt", artifacts=artifact()))
    )
    ending = rpd.start(job, sandbox=True, listener=listener)

    assert (ending.exit_code, ending.run_id) == (rpd.Exit.DONE, job.run_id)
    assert str(ending.listener_error) == "no 1"
    assert ending.said[-1] == f"results: {job.folder}"
    assert threads.isdisjoint({threading.get_ident()}) and len(threads) == 1
    after = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP)]
    assert after == before and handlers == {before[0]}

    run = ending.run
    assert (run.id, run.outcome, run.exit_code, run.is_released, run.debts) == (job.run_id, "succeeded", 0, True, ())
    assert run.folder == job.folder and run.cost_usd is not None and 0 < run.cost_usd < job.max_usd
    (result,) = run.artifacts
    assert (result.status, result.files, result.bytes) == ("success", 1, 3)
    assert Path(result.path, "result.txt").read_text() == "42\n"
    assert [each for each in heard if isinstance(each, rpd.Recorded)] == list(run.events())[1:], "but record 0"
    assert [each.text for each in heard if isinstance(each, rpd.Said)] == list(ending.said)
    assert any(isinstance(each, rpd.Waiting) and each.text == "the job runs" for each in heard)
    cli.judge("TERMINATED", starts=1)

    with pytest.raises(rpd.UserError, match="was started already"):
        rpd.start(job, sandbox=True)
    assert cli.statuses() == ["TERMINATED"]


def test_a_run_is_ended_by_its_own_listener_and_driven_by_one_alone(cli: CommandLine) -> None:
    refused: list[Exception] = []
    endings: list[rpd.Ending] = []

    def end(run_id: str) -> None:
        try:
            rpd.resume(run_id)
        except rpd.JournalLocked as locked:
            refused.append(locked)
        endings.append(rpd.cancel(run_id))

    began = time.monotonic()
    ending = rpd.start(cli.job(config(GATED)), sandbox=True, listener=at_monitor(end))
    assert time.monotonic() - began < 60.0
    assert ending.listener_error is None
    assert len(refused) == 1 and [each.exit_code for each in endings] == [0]
    assert (ending.exit_code, ending.run.outcome, ending.run.is_released) == (130, "cancelled", True)
    assert endings[0].run_id == ending.run_id
    cli.nothing_computes()


def test_a_keyboard_interrupt_leaves_a_run_that_goes_on(cli: CommandLine) -> None:
    """Without `signals` Python raises it wherever the run stands."""
    with pytest.raises(KeyboardInterrupt) as stopped:
        rpd.start(cli.job(config(GATED)), sandbox=True, listener=at_monitor(lambda _: _thread.interrupt_main()))
    (run,) = rpd.runs()
    said = "\n".join(stopped.value.__notes__)
    assert "BILLING" in said and f"rpd resume {run.id}" in said
    assert (run.state, run.outcome, run.is_released) == ("monitor", None, False)
    assert [each.kind for each in run.debts] == ["compute"]
    assert [each.name for each in run.events()][-1] == "left"
    cli.go()
    assert rpd.resume(run).exit_code == rpd.Exit.DONE
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_signals_are_the_runs_where_that_is_asked_for(cli: CommandLine) -> None:
    press = at_monitor(lambda _: _thread.interrupt_main(signal.SIGTERM))
    ending = rpd.start(cli.job(config(GATED)), sandbox=True, listener=press, signals=True)
    assert (ending.exit_code, ending.run.outcome) == (rpd.Exit.TERMINATED, "cancelled")
    cli.nothing_computes()


@pytest.mark.slow
def test_runs_are_driven_side_by_side_and_left_detached(cli: CommandLine) -> None:
    endings: dict[str, rpd.Ending] = {}

    def drive(name: str) -> None:
        endings[name] = rpd.start(cli.job(config(GATED, name=name), f"{name}.yaml"), sandbox=True, detach=name == "b")

    threads = [threading.Thread(target=drive, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    threads[1].join()
    assert (endings["b"].exit_code, endings["b"].run.state) == (rpd.Exit.RESUMABLE, "monitor")
    assert all(rpd.cancel(name).exit_code == 0 for name in "ab")
    threads[0].join()
    assert endings["a"].run.outcome == "cancelled" and "a warning" not in endings["a"].said
    cli.nothing_computes()


@pytest.mark.slow
def test_the_example_of_the_documentation_runs(cli: CommandLine) -> None:
    example = (ROOT / "examples" / "python" / "best_seed.py").read_text()
    assert f"```python\n{example}```" in (ROOT / "docs" / "python.md").read_text()
    for name in ("python", "sweep"):
        (cli.folder / name).mkdir()
        for file in (ROOT / "examples" / name).glob("*.*"):
            (cli.folder / name / file.name).write_bytes(file.read_bytes())
    command = [sys.executable, "python/best_seed.py", "--sandbox", "1", "2"]
    done = subprocess.run(command, env=cli.environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert "seed 1: loss " in done.stdout and "released: absent" in done.stdout
    cli.nothing_computes()
