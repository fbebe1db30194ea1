"""One-off values of the command line, under the names that scripts know."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.harness import IMAGE, CommandLine, config


@pytest.mark.slow
@pytest.mark.row(10, 39, 52, 132)
def test_one_run_may_differ_from_its_file(cli: CommandLine) -> None:
    job = config("echo {word} {other}", variables={"word": "file", "other": "x"})
    del job["budget"]
    cli.job(job)
    (cli.folder / "vars.json").write_text('{"word": "from a file", "other": "y"}')
    done = cli.rpd(
        "run",
        "--config",
        "job.yaml",
        "--sandbox",
        "--gpu-id",
        "NVIDIA RTX A5000",
        "--datacenter-id",
        "EU-RO-1",
        "--cost-cap-usd",
        "0.5",
        "--max-runtime-minutes",
        "5",
        "--max-gpu-price",
        "2",
        "--vars-file",
        "vars.json",
        "--var",
        "other=z",
        "--print-run-dir",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"RUN_DIR={cli.run_folder()}"
    assert "from a file z" in cli.result("run.log")
    seen = cli.inspect()
    assert (seen["pod"]["gpu"], seen["pod"]["datacenter"]) == ("NVIDIA RTX A5000", "EU-RO-1")
    recorded = cli.records()[0].body
    budget = recorded.config["budget"]  # type: ignore[union-attr]
    assert (budget["max_usd"], budget["max_runtime_minutes"], budget["max_gpu_price_usd"]) == (0.5, 5, 2)


@pytest.mark.slow
def test_words_that_make_no_sense_are_told_apart(cli: CommandLine) -> None:
    cli.job(config())
    (cli.folder / "vars.json").write_text('{"a": 1}')
    for words, told in (
        (("run",), "name one job file"),
        (("run", "--image", "x", "--"), "there is no command after --"),
        (("run", "job.yaml", "--", "true"), "and not both"),
        (("run", "--", "true"), "pod.image"),
        (("run", "job.yaml", "--config", "job.yaml"), "name one job file"),
        (("validate", "job.yaml", "--vars-file", "vars.json"), "not a JSON object of strings"),
        (("validate", "job.yaml", "--vars-file", "none.json"), "cannot be read"),
        (("run", "job.yaml", "--sandbox", "--print-run-dir", "--json"), "cannot both have stdout"),
        (("run", "job.yaml", "--sandbox", "--cost-cap-usd", "-1"), "budget"),
        (("run", "job.yaml", "--sandbox", "--wait-for-stock", "soon"), "is no age"),
    ):
        done = cli.rpd(*words)
        assert done.returncode == 2, (words, done.stderr)
        assert told in done.stderr, (words, done.stderr)
    assert cli.statuses() == []


@pytest.mark.slow
@pytest.mark.row(30, 31)
def test_the_older_words_for_a_plan_are_known(cli: CommandLine) -> None:
    cli.job(config())
    assert cli.rpd("run", "--config", "job.yaml", "--sandbox", "--dry-run").returncode == 0
    done = cli.rpd("run", "--config", "job.yaml", "--offline-dry-run", "--json")
    assert json.loads(done.stdout)["offline"] is True
    assert cli.statuses() == []


@pytest.mark.slow
@pytest.mark.row(8, 11, 12, 52)
def test_a_command_runs_without_a_file(cli: CommandLine) -> None:
    (cli.folder / "train.py").write_text(
        "import sys\nprint('seen', sys.argv[1:])\nopen('/workspace/out/m.txt', 'w').write(sys.argv[2])\n"
    )
    words = ("--image", IMAGE, "--gpu", "NVIDIA L4", "--datacenter", "EUR-IS-1", "--volume-gb", "10", "--sandbox")
    command = ("--", "python3", "train.py", "--json", "{run_id} ${HOME} it's")
    plan = cli.rpd("run", "--plan", *words, *command)
    assert plan.returncode == 0, plan.stderr
    assert cli.statuses() == []
    done = cli.rpd("run", *words, *command)
    assert done.returncode == 0, done.stderr
    seen = cli.inspect()
    assert seen["workflow"] == "train"
    assert (cli.run_folder() / "out/m.txt").read_text() == "{run_id} ${HOME} it's", "words arrive as they are"
    assert "seen ['--json'" in cli.result("run.log")
    opened = cli.records()[0].body
    assert opened.lineage == f"train@{cli.folder}/(command line)"  # type: ignore[union-attr]
    assert opened.config["storage"]["volume_gb"] == 10  # type: ignore[union-attr]
