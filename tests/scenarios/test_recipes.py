"""The pages of docs/recipes do what they promise, judged by the sandbox's truth."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.features import used
from tests.scenarios.harness import GATED, CommandLine, artifact, config, eventually
from tests.scenarios.recipes import FOLDER, PAGES, Recipe


@pytest.mark.row(136)
def test_the_index_names_every_page_and_its_example_runs_in_the_sandbox(cli: CommandLine) -> None:
    index = (FOLDER / "README.md").read_text()
    assert all(f"({page})" in index for page in PAGES if page != "README.md")
    recipe = Recipe(cli, "README.md", cloud=False)
    recipe.play()
    cli.judge("TERMINATED", starts=1)
    assert cli.result("run.log").startswith("hello from ")


@pytest.mark.slow
@pytest.mark.row(136)
def test_recycle(cli: CommandLine) -> None:
    recipe = Recipe(cli, "recycle.md")
    recipe.play("The same job again and again", "Run it twice")
    cli.judge("EXITED", starts=2)
    assert "taking up paused pod" in recipe.said
    assert recipe.out.splitlines()[-2:] == ["download"] * 2, "each result holds the one download there was"
    assert cli.result("out/bytes.txt").strip() == "1000000"
    recipe.play("What the pause costs")
    assert "$0.20 a day" in recipe.out
    assert cli.truth()["pods"][0]["id"] in recipe.out
    recipe.play("From scratch")
    cli.judge("TERMINATED", "EXITED", starts=3)
    recipe.play("Delete the paused pod")
    cli.judge("TERMINATED", "TERMINATED", starts=3)


@pytest.mark.slow
@pytest.mark.row(136)
def test_postprocess(cli: CommandLine) -> None:
    recipe = Recipe(cli, "postprocess.md")
    recipe.play("Tables and plots from the results", "Run, then look")
    cli.judge("TERMINATED", "TERMINATED", starts=2)
    table, latest = "table.csv", "latest.csv"
    assert recipe.out.count("model,items,mean,gpu,usd\n") == 2
    rows = (cli.folder / table).read_text().splitlines()[1:]
    assert sorted(row.rpartition(",")[0] for row in rows) == ["large,4,0.50,NVIDIA L4", "small,4,0.50,NVIDIA L4"]
    assert [row.split(",")[0] for row in (cli.folder / latest).read_text().splitlines()] == ["model", "large"]
    recipe.play("Change the table, not the run")
    assert "large,4,0.5000,NVIDIA L4" in recipe.out
    cli.judge("TERMINATED", "TERMINATED", starts=2)


@pytest.mark.slow
@pytest.mark.row(131, 136)
def test_sweeps(cli: CommandLine) -> None:
    cli.fault("F1", times=3)  # however two points share them, one has both of its candidates refused
    recipe = Recipe(cli, "sweeps.md", PAUSE="0")
    recipe.play("Sweeps", "From bash")
    told = recipe.out.splitlines()
    assert "seed 3: exit code 5, 1 tries" in told, "a job that fails is not tried again"
    assert sorted(line.split(":")[0] for line in told[:4]) == ["seed 1", "seed 2", "seed 3", "seed 4"]
    assert told[4] == "some points failed"
    assert sum(int(line.split(", ")[1].split()[0]) for line in told[:4]) == 5, told
    assert cli.starts() == 4
    recipe.play("From make")
    assert set(recipe.out.split()) >= {"5", "6"}
    assert cli.starts() == 7
    recipe.play("A limit per day")
    assert recipe.out.endswith("refused, exit code 7\n")
    assert cli.starts() == 7
    recipe.play("Results")
    assert {"1,0.1,10", "2,0.1,20", "4,0.1,40", "5,0.1,50", "6,0.1,60"} <= set(recipe.out.splitlines())
    assert recipe.out.endswith("nothing computes that is ours to release\n")
    assert cli.statuses() == ["TERMINATED"] * 7
    _two_at_a_time(cli)


def _two_at_a_time(cli: CommandLine) -> None:
    """By the cloud's ledger there were two pods at some time, and never three."""
    pods = json.loads((cli.sandbox_home / "state.json").read_text())["pods"].values()
    spans = [(span["since"], span["until"]) for pod in pods for span in pod["spans"] if span["kind"] == "compute"]
    assert max(sum(since <= moment < until for since, until in spans) for moment, _ in spans) == 2


@pytest.mark.slow
@pytest.mark.row(100, 102, 136)
def test_stale_pods(cli: CommandLine) -> None:
    assert cli.run(config("exit 3", artifacts=artifact(), name="failed")).returncode == 5
    runs = cli.begin(config(GATED, name="runs"))
    runs.until_text("job started")
    runs.kill()
    running = cli.live_pod()["id"]
    cli.play(boot_seconds=60)
    boots = cli.begin(config(name="boots"))
    eventually(lambda: len(cli.truth()["pods"]) == 3, tell=lambda: boots.text)
    boots.kill()

    recipe = Recipe(cli, "stale-pods.md")
    recipe.play("By hand")
    assert recipe.out.count("exit code 8") == 2, "there was something to do, and then a job was spared"
    assert cli.statuses() == ["EXITED", "RUNNING", "TERMINATED"]

    recipe.play("The API key for cron and systemd")
    assert (cli.user / ".config" / "rpd" / "config.toml").stat().st_mode & 0o777 == 0o600
    told = _typed(cli, recipe.block("crontab").text.split(maxsplit=5)[5])
    assert running in told.stdout, "cron would mail that a job runs unwatched"

    recipe.play("From systemd")
    units = cli.user / ".config" / "systemd" / "user"
    _verified(units, cli)
    service, alarm = (_exec_start(units / name, cli) for name in ("rpd-gc.service", "rpd-gc-alarm.service"))
    assert _typed(cli, service).returncode == 8
    assert _typed(cli, alarm).returncode == 0
    assert running in (cli.user / "PODS-MAY-STILL-BILL").read_text()

    (cli.sandbox_home / "pods" / running / "volume" / "go").touch()
    eventually(lambda: _typed(cli, service).returncode == 0)
    assert cli.statuses() == ["EXITED", "EXITED", "TERMINATED"]
    recipe.play("Once a month")
    assert "$4.00 a month" in recipe.out
    assert cli.statuses() == ["TERMINATED", "EXITED", "TERMINATED"], "results that nobody has are kept"
    assert cli.starts() == 2
    cli.nothing_computes()


def _exec_start(unit: Path, cli: CommandLine) -> str:
    (line,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    return line.removeprefix("ExecStart=").replace("%h", str(cli.user))


def _typed(cli: CommandLine, command: str) -> subprocess.CompletedProcess[str]:
    """As cron and systemd run it: without anything of a shell's environment."""
    used.add("gc")
    bare = {name: cli.environment[name] for name in ("HOME", "RPD_HOME")}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=cli.user,
        env={**bare, "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _verified(units: Path, cli: CommandLine) -> None:
    """systemd itself finds nothing wrong with them, where there is one."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    names = [str(path) for path in sorted(units.iterdir())]
    environment = {**cli.environment, "XDG_RUNTIME_DIR": str(cli.user)}
    command = [analyze, "verify", "--user", *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "rpd-gc" not in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.row(46, 136)
def test_payload_reuse(cli: CommandLine) -> None:
    cli.call("POST", "/v2/network-volumes", {"name": "shared", "size": 10, "dataCenter": "EUR-IS-1"})
    corpus = cli.folder / "corpus"
    corpus.mkdir()
    for name in ("a.txt", "b.txt"):
        (corpus / name).write_text("some words to count\n" * 100)
    recipe = Recipe(cli, "payload-reuse.md")
    recipe.play("Fill it")
    assert cli.result("run.log") == "v1 is there already\n"
    (volume,) = (cli.sandbox_home / "volumes").iterdir()
    assert sorted(path.name for path in (volume / "data" / "v1").iterdir()) == ["SHA256SUMS", "a.txt", "b.txt"]
    assert list((volume / "incoming").iterdir()) == [], "no second copy is left to pay for"
    shutil.rmtree(corpus)  # from here on the data are in the cloud only
    recipe.play("Use it")
    assert recipe.out.split()[:2] == ["800", "800"]
    assert "exit code 2" in recipe.out
    cli.judge(*["TERMINATED"] * 4, starts=4)
    assert len(list((volume / "runs").iterdir())) == 2
    (volume / "data" / "v1" / "a.txt").write_text("damaged")
    assert cli.rpd("run", "train.yaml", "--sandbox").returncode == 5
    assert cli.starts() == 4, "damaged data are found before the job starts"


@pytest.mark.slow
@pytest.mark.row(28, 136)
def test_secrets(cli: CommandLine) -> None:
    tokens = {"HF_TOKEN": "hf-0123456789-token", "WANDB_API_KEY": "w4ndb-k3y-0123456789"}
    (cli.folder / "deploy-key").write_text("deploy-key-0123456789\n")
    recipe = Recipe(cli, "secrets.md", **tokens)
    recipe.play("Secrets", "Run it")
    assert recipe.out.splitlines() == ["hf 19, wandb 20, key 22", "exit code 2", "exit code 2"]
    assert "HF_TOKEN is not set" in recipe.said
    cli.judge("EXITED", starts=1)
    recipe.play("Check that nothing leaked")
    assert "remove_secrets" in recipe.out
    (cli.folder / "deploy-key").unlink()
    kept = [path for home in (cli.home, cli.folder) for path in home.rglob("*") if path.is_file()]
    texts = [*tokens.values(), "deploy-key-0123456789"]
    assert not [path for path in kept if any(text.encode() in path.read_bytes() for text in texts)]
    recipe.play("Release the pod")
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.row(128, 136)
def test_reproducibility(cli: CommandLine) -> None:
    names = {f"GIT_{who}_{what}": "me" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    recipe = Recipe(cli, "reproducibility.md", GIT_CONFIG_NOSYSTEM="1", **names)
    subprocess.run(["git", "init", "-q"], cwd=cli.folder, env=recipe.environment, check=True)
    recipe.play("Reproduce a run", "Run what is committed", "Reproduce from git")
    known = json.loads((cli.folder / "what.json").read_text())
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=cli.folder, capture_output=True, text=True, check=True)
    assert known["deploy_metadata"]["local_git_sha"] == head.stdout.strip()
    assert known["deploy_metadata"]["local_git_dirty"] is False
    assert known["deploy_metadata"]["payload_lockfile"] == "requirements.lock"
    assert known["variables"] == {"seed": "7"}
    assert known["image_digest"].startswith("sha256:")
    assert "chain intact" in recipe.out
    assert "* run_id: " in recipe.out
    assert not [name for name in ("variables", "config_sha256", "image", "gpu_id") if f"* {name}" in recipe.out]
    recipe.play("Reproduce from the manifest alone")
    cli.judge(*["TERMINATED"] * 3, starts=3)
    first, third = cli.folder.glob("artifacts/runpod/train-*/out/loss.txt")
    assert first.parent != third.parent and first.read_text() == third.read_text()


@pytest.mark.slow
@pytest.mark.row(91, 129, 136)
def test_forensics(cli: CommandLine) -> None:
    recipe = Recipe(cli, "forensics.md")
    recipe.play("It failed. What now?", "A good run and a bad one")
    assert recipe.out == "exit code 5\n"
    cli.judge("TERMINATED", "EXITED", starts=2)
    recipe.play("Why")
    assert "the job's exit code was 1; its log says: torch.cuda.OutOfMemoryError: CUDA out of memory" in recipe.out
    assert "step 2 of batch 64" in recipe.out
    recipe.play("What is different")
    assert "* variables.batch: 8 -> 64" in recipe.out
    recipe.play("Events and samples")
    assert "launch_job_ok" in recipe.out
    assert {"run.log", "events.jsonl", "runpod_deploy_pull_manifest.json", "2"} <= set(recipe.out.split())
    recipe.play("Release the pod")
    assert "$0.13 a day" in recipe.out
    assert recipe.out.endswith("nothing computes that is ours to release\n")
    cli.judge("TERMINATED", "TERMINATED", starts=2)
