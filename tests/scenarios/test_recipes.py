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
def test_the_index_names_every_page_and_its_example_runs_in_the_sandbox(stage: CommandLine) -> None:
    index = (FOLDER / "README.md").read_text()
    assert all(f"({page})" in index for page in PAGES if page != "README.md")
    recipe = Recipe(stage, "README.md", cloud=False)
    recipe.play()
    stage.judge("TERMINATED", starts=1)
    assert stage.result("run.log").startswith("hello from ")


@pytest.mark.slow
@pytest.mark.row(136)
def test_recycle(stage: CommandLine) -> None:
    recipe = Recipe(stage, "recycle.md")
    recipe.play("The same job again and again", "Run it twice")
    stage.judge("EXITED", starts=2)
    assert "taking up paused pod" in recipe.said
    assert recipe.out.splitlines()[-2:] == ["download"] * 2, "each result holds the one download there was"
    assert stage.result("out/bytes.txt").strip() == "1000000"
    recipe.play("What the pause costs")
    assert "$0.20 a day" in recipe.out
    assert stage.truth()["pods"][0]["id"] in recipe.out
    recipe.play("From scratch")
    stage.judge("TERMINATED", "EXITED", starts=3)
    recipe.play("Delete the paused pod")
    stage.judge("TERMINATED", "TERMINATED", starts=3)


@pytest.mark.slow
@pytest.mark.row(136)
def test_postprocess(stage: CommandLine) -> None:
    recipe = Recipe(stage, "postprocess.md")
    recipe.play("Tables and plots from the results", "Run, then look")
    stage.judge("TERMINATED", "TERMINATED", starts=2)
    table, latest = "table.csv", "latest.csv"
    assert recipe.out.count("model,items,mean,gpu,usd\n") == 2
    rows = (stage.folder / table).read_text().splitlines()[1:]
    assert sorted(row.rpartition(",")[0] for row in rows) == ["large,4,0.50,NVIDIA L4", "small,4,0.50,NVIDIA L4"]
    assert [row.split(",")[0] for row in (stage.folder / latest).read_text().splitlines()] == ["model", "large"]
    recipe.play("Change the table, not the run")
    assert "large,4,0.5000,NVIDIA L4" in recipe.out
    stage.judge("TERMINATED", "TERMINATED", starts=2)


@pytest.mark.slow
@pytest.mark.row(131, 136)
def test_sweeps(stage: CommandLine) -> None:
    stage.fault("F1", times=3)  # however two points share them, one has both of its candidates refused
    recipe = Recipe(stage, "sweeps.md", PAUSE="0")
    recipe.play("Sweeps", "From bash")
    told = recipe.out.splitlines()
    assert "seed 3: exit code 5, 1 tries" in told, "a job that fails is not tried again"
    assert sorted(line.split(":")[0] for line in told[:4]) == ["seed 1", "seed 2", "seed 3", "seed 4"]
    assert told[4] == "some points failed"
    assert sum(int(line.split(", ")[1].split()[0]) for line in told[:4]) == 5, told
    assert stage.starts() == 4
    recipe.play("From make")
    assert set(recipe.out.split()) >= {"5", "6"}
    assert stage.starts() == 7
    recipe.play("A limit per day")
    assert recipe.out.endswith("refused, exit code 7\n")
    assert stage.starts() == 7
    recipe.play("Results")
    assert {"1,0.1,10", "2,0.1,20", "4,0.1,40", "5,0.1,50", "6,0.1,60"} <= set(recipe.out.splitlines())
    assert recipe.out.endswith("nothing computes that is ours to release\n")
    assert stage.statuses() == ["TERMINATED"] * 7
    _two_at_a_time(stage)


def _two_at_a_time(stage: CommandLine) -> None:
    """By the cloud's ledger there were two pods at some time, and never three."""
    pods = json.loads((stage.sandbox_home / "state.json").read_text())["pods"].values()
    spans = [(span["since"], span["until"]) for pod in pods for span in pod["spans"] if span["kind"] == "compute"]
    assert max(sum(since <= moment < until for since, until in spans) for moment, _ in spans) == 2


@pytest.mark.slow
@pytest.mark.row(100, 102, 136)
def test_stale_pods(stage: CommandLine) -> None:
    assert stage.run(config("exit 3", artifacts=artifact(), name="failed")).returncode == 5
    runs = stage.begin(config(GATED, name="runs"))
    runs.until_text("job started")
    runs.kill()
    running = stage.live_pod()["id"]
    stage.play(boot_seconds=60)
    boots = stage.begin(config(name="boots"))
    eventually(lambda: len(stage.truth()["pods"]) == 3, tell=lambda: boots.text)
    boots.kill()

    recipe = Recipe(stage, "stale-pods.md")
    recipe.play("By hand")
    assert recipe.out.count("exit code 8") == 2, "there was something to do, and then a job was spared"
    assert stage.statuses() == ["EXITED", "RUNNING", "TERMINATED"]

    recipe.play("The API key for cron and systemd")
    assert (stage.user / ".config" / "rpd" / "config.toml").stat().st_mode & 0o777 == 0o600
    told = _typed(stage, recipe.block("crontab").text.split(maxsplit=5)[5])
    assert running in told.stdout, "cron would mail that a job runs unwatched"

    recipe.play("From systemd")
    units = stage.user / ".config" / "systemd" / "user"
    _verified(units, stage)
    service, alarm = (_exec_start(units / name, stage) for name in ("rpd-gc.service", "rpd-gc-alarm.service"))
    assert _typed(stage, service).returncode == 8
    assert _typed(stage, alarm).returncode == 0
    assert running in (stage.user / "PODS-MAY-STILL-BILL").read_text()

    (stage.sandbox_home / "pods" / running / "volume" / "go").touch()
    eventually(lambda: _typed(stage, service).returncode == 0)
    assert stage.statuses() == ["EXITED", "EXITED", "TERMINATED"]
    recipe.play("Once a month")
    assert "$4.00 a month" in recipe.out
    assert stage.statuses() == ["TERMINATED", "EXITED", "TERMINATED"], "results that nobody has are kept"
    assert stage.starts() == 2
    stage.nothing_computes()


def _exec_start(unit: Path, stage: CommandLine) -> str:
    (line,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    return line.removeprefix("ExecStart=").replace("%h", str(stage.user))


def _typed(stage: CommandLine, command: str) -> subprocess.CompletedProcess[str]:
    """As cron and systemd run it: without anything of a shell's environment."""
    used.add("gc")
    bare = {name: stage.environment[name] for name in ("HOME", "RPD_HOME")}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=stage.user,
        env={**bare, "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _verified(units: Path, stage: CommandLine) -> None:
    """systemd itself finds nothing wrong with them, where there is one."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    names = [str(path) for path in sorted(units.iterdir())]
    environment = {**stage.environment, "XDG_RUNTIME_DIR": str(stage.user)}
    command = [analyze, "verify", "--user", *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "rpd-gc" not in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.row(46, 136)
def test_payload_reuse(stage: CommandLine) -> None:
    stage.call("POST", "/v2/network-volumes", {"name": "shared", "size": 10, "dataCenter": "EUR-IS-1"})
    corpus = stage.folder / "corpus"
    corpus.mkdir()
    for name in ("a.txt", "b.txt"):
        (corpus / name).write_text("some words to count\n" * 100)
    recipe = Recipe(stage, "payload-reuse.md")
    recipe.play("Fill it")
    assert stage.result("run.log") == "v1 is there already\n"
    (volume,) = (stage.sandbox_home / "volumes").iterdir()
    assert sorted(path.name for path in (volume / "data" / "v1").iterdir()) == ["SHA256SUMS", "a.txt", "b.txt"]
    assert list((volume / "incoming").iterdir()) == [], "no second copy is left to pay for"
    shutil.rmtree(corpus)  # from here on the data are in the cloud only
    recipe.play("Use it")
    assert recipe.out.split()[:2] == ["800", "800"]
    assert "exit code 2" in recipe.out
    stage.judge(*["TERMINATED"] * 4, starts=4)
    assert len(list((volume / "runs").iterdir())) == 2
    (volume / "data" / "v1" / "a.txt").write_text("damaged")
    assert stage.rpd("run", "train.yaml", "--sandbox").returncode == 5
    assert stage.starts() == 4, "damaged data are found before the job starts"


@pytest.mark.slow
@pytest.mark.row(28, 136)
def test_secrets(stage: CommandLine) -> None:
    tokens = {"HF_TOKEN": "hf-0123456789-token", "WANDB_API_KEY": "w4ndb-k3y-0123456789"}
    (stage.folder / "deploy-key").write_text("deploy-key-0123456789\n")
    recipe = Recipe(stage, "secrets.md", **tokens)
    recipe.play("Secrets", "Run it")
    assert recipe.out.splitlines() == ["hf 19, wandb 20, key 22", "exit code 2", "exit code 2"]
    assert "HF_TOKEN is not set" in recipe.said
    stage.judge("EXITED", starts=1)
    recipe.play("Check that nothing leaked")
    assert "remove_secrets" in recipe.out
    (stage.folder / "deploy-key").unlink()
    kept = [path for home in (stage.home, stage.folder) for path in home.rglob("*") if path.is_file()]
    texts = [*tokens.values(), "deploy-key-0123456789"]
    assert not [path for path in kept if any(text.encode() in path.read_bytes() for text in texts)]
    recipe.play("Release the pod")
    stage.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.row(128, 136)
def test_reproducibility(stage: CommandLine) -> None:
    names = {f"GIT_{who}_{what}": "me" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    recipe = Recipe(stage, "reproducibility.md", GIT_CONFIG_NOSYSTEM="1", **names)
    subprocess.run(["git", "init", "-q"], cwd=stage.folder, env=recipe.environment, check=True)
    recipe.play("Reproduce a run", "Run what is committed", "Reproduce from git")
    known = json.loads((stage.folder / "what.json").read_text())
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=stage.folder, capture_output=True, text=True, check=True)
    assert known["deploy_metadata"]["local_git_sha"] == head.stdout.strip()
    assert known["deploy_metadata"]["local_git_dirty"] is False
    assert known["deploy_metadata"]["payload_lockfile"] == "requirements.lock"
    assert known["variables"] == {"seed": "7"}
    assert known["image_digest"].startswith("sha256:")
    assert "chain intact" in recipe.out
    assert "* run_id: " in recipe.out
    assert not [name for name in ("variables", "config_sha256", "image", "gpu_id") if f"* {name}" in recipe.out]
    recipe.play("Reproduce from the manifest alone")
    stage.judge(*["TERMINATED"] * 3, starts=3)
    first, third = stage.folder.glob("artifacts/runpod/train-*/out/loss.txt")
    assert first.parent != third.parent and first.read_text() == third.read_text()


@pytest.mark.slow
@pytest.mark.row(91, 129, 136)
def test_forensics(stage: CommandLine) -> None:
    recipe = Recipe(stage, "forensics.md")
    recipe.play("It failed. What now?", "A good run and a bad one")
    assert recipe.out == "exit code 5\n"
    stage.judge("TERMINATED", "EXITED", starts=2)
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
    stage.judge("TERMINATED", "TERMINATED", starts=2)
