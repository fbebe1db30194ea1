"""Steps that a job marks in its log are told with their times, whoever followed it."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.harness import CommandLine, config, eventually

BODY = """
echo __RUNPOD_STEP_START__load__
sleep 1.2
echo __RUNPOD_STEP_DONE__load__
echo __RUNPOD_STEP_START__train__
until [ -e /workspace/go ]; do sleep 0.05; done
echo __RUNPOD_STEP_DONE__train__
printf __RUNPOD_STEP_START__export__
"""


@pytest.mark.row(80)
@pytest.mark.slow
def test_the_steps_of_a_job_are_told(cli: CommandLine) -> None:
    done = cli.run(config("echo __RUNPOD_STEP_START__a__; sleep 1; echo __RUNPOD_STEP_DONE__a__"))
    assert done.returncode == 0, done.stderr
    seen = cli.inspect()
    (step,) = seen["steps"]
    assert (step["name"], step["launch"]) == ("a", 1) and step["start"] <= step["end"]
    assert step["seconds"] + step["uncertain_seconds"] >= 0.9
    lines = cli.rpd("events").stdout.splitlines()
    marks = [at for at, line in enumerate(lines) if "remote_step_" in line]
    assert len(marks) == 2 and lines[marks[0]].endswith("remote_step_started name=a launch=1")
    assert marks[1] < len(lines) - 1, "the job's marks stand among the records of its run"


@pytest.mark.slow
@pytest.mark.row(80)
def test_a_killed_engine_neither_loses_nor_repeats_a_step(cli: CommandLine) -> None:
    live = cli.begin(config(BODY))
    live.until("monitor")
    steps = cli.run_folder() / "steps.jsonl"
    eventually(lambda: steps.exists() and "train" in steps.read_text())
    live.kill()
    cli.go()
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr
    told = json.loads(cli.rpd("summary", "--json").stdout)["steps"]
    assert [(step["name"], step["launch"]) for step in told] == [("load", 1), ("train", 1), ("export", 1)]
    assert cli.inspect()["steps"] == told
    load, train, export = told
    assert load["seconds"] + load["uncertain_seconds"] >= 1.0 and load["seconds"] < 10.0
    assert train["seconds"] > 0 and train["start"] <= train["end"]
    assert export["start"] is not None and export["end"] is None and export["seconds"] is None
    events = json.loads(cli.rpd("events", "--json").stdout)["events"]
    marks = [(row["event"], row["name"]) for row in events if row["event"].startswith("remote_step_")]
    assert [name for _, name in marks] == ["load", "load", "train", "train", "export"]
    names = [row["event"] for row in events]
    assert names.index("opened") == 0 and names.index("remote_step_completed") < names.index("closed")
    lines = cli.rpd("events").stdout
    assert lines.count("remote_step_started name=load launch=1") == 1
    assert "step      load: " in cli.rpd("summary").stdout
    assert "export: begun " in cli.rpd("inspect").stdout
    manifest = json.loads((cli.run_folder() / "runpod_deploy_pull_manifest.json").read_text())
    assert "steps.jsonl" in manifest["telemetry_files"]
    cli.judge("TERMINATED", starts=1)
