"""What often goes wrong in a pod, read off jobs and trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.checking.scan import scan
from rpd.states.ports.job import Command, Job, PodSpec, RemoteEnv, Run, Staging, Storage


def job(body: str = "true", **fields: Any) -> Job:
    return Job(name="j", pod=PodSpec(image="i", gpu_order=("G",)), run=Run(body=body), **fields)


def told(made: Job) -> list[str]:
    found = list(scan(made))
    assert all(each.level == "warning" for each in found)
    return [f"{each.check}: {each.message}" for each in found]


NETWORK = Storage(mode="network_volume", volume_name="v")


@pytest.mark.row(26)
@pytest.mark.parametrize("phase", ["setup", "preflight", "run.body"])
@pytest.mark.parametrize("text", ["cd /workspace/src\nuv sync --frozen", "uv --quiet pip install x", "uv run a.py"])
def test_uv_on_a_network_volume_in_every_phase(phase: str, text: str) -> None:
    def made(command: str, **fields: Any) -> Job:
        if phase == "run.body":
            return job(command, **fields)
        return job(**{phase: (Command(command, with_env=True),)}, **fields)

    (line,) = told(made(text, storage=NETWORK))
    assert line.startswith(f"uv: {phase}") and "UV_LINK_MODE" in line
    assert told(made(text)) == [], "only there"
    assert told(made(f"export UV_LINK_MODE=copy\n{text}", storage=NETWORK)) == []
    assert told(made(text, storage=NETWORK, remote_env=RemoteEnv(exports={"UV_LINK_MODE": "copy"}))) == []


def test_exports_do_not_reach_a_command_without_them() -> None:
    exports = RemoteEnv(exports={"UV_LINK_MODE": "copy"})
    assert len(told(job(storage=NETWORK, remote_env=exports, preflight=(Command("uv sync"),)))) == 1


@pytest.mark.row(25)
@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("pip install torch", True),
        ("python3 -m pip install -U numpy 'torch==2.4.0' \\\n  rich", True),
        ("uv pip install torchvision", True),
        ("pip install torch --index-url https://download.pytorch.org/whl/cu124", False),
        ("pip install --extra-index-url x torch", False),
        ("uv pip install torch --torch-backend=auto", False),
        ("export PIP_INDEX_URL=x; pip install torch", False),
        ("pip install torchmetrics", False),
        ("pip install numpy; echo torch", False),
        ("pip install /w/torch-2.4-cp311.whl", False),
    ],
)
def test_torch_needs_an_index(text: str, is_told: bool) -> None:
    assert bool(told(job(setup=(Command(text),)))) is is_told


@pytest.mark.parametrize(
    ("body", "is_told"),
    [
        ("yes | head -n 1", True),
        ("if nvidia-smi | grep -q L4; then true; fi", True),
        ("nvidia-smi | grep -i -q L4", True),
        ("yes | pip uninstall x", True),
        ("python train.py | tee log", False),
        ("grep -q a b; cat header.txt", False),
        ("set -euo pipefail; yes | head", False),
        ("set +o pipefail; yes | head", False),
    ],
)
def test_a_pipe_that_may_be_read_no_further_is_told_of(body: str, is_told: bool) -> None:
    assert bool(told(job(body))) is is_told
    assert told(Job(name="j", pod=PodSpec(image="i", gpu_order=("G",)), run=Run(body=body, shell="bash"))) == []


@pytest.mark.row(24, 27)
def test_paths_and_dependencies_of_what_is_sent(tmp_path: Path) -> None:
    tree = tmp_path / "src"
    (tree / "data").mkdir(parents=True)
    (tree / ".venv").mkdir()
    (tree / "a.py").write_text("x = 1\nopen('/home/ann/data.csv')\n" + "p = '/Users/bob/x'\n" * 5)
    (tree / ".venv/b.py").write_text("/home/ann")
    (tree / "data/c.bin").write_bytes(b"\0/home/ann")
    (tree / "data/d.txt").write_text("/home/ann\n")
    (tree / "data/big.txt").write_text("/home/ann\n" * 200_000)
    (tree / "ok.py").write_text("https://example.org/home/ann ~/home/x /workspace/home/x\n")
    (tree / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "0"\ndependencies = ["torch>=2", "rpd-cli"]\n'
        '[dependency-groups]\ndev = ["runpod-deploy"]\n'
    )
    (tree / "requirements.txt").write_text("# torch\nnumpy\n")
    staged = Staging(str(tree), "/workspace/src", label="code", excludes=("data/d.txt",), excludes_default=True)
    lines = told(job("cat /home/ann/x /home/ann/y", staging=(staged,)))
    assert lines[0] == "paths: run.body names /home/ann, which is a path of your machine and not of the pod"
    assert [line.split(" ", 3)[2] for line in lines if "code: a.py" in line] == ["a.py:2", "a.py:3", "a.py:4"]
    assert [line for line in lines if "d.txt" in line or "big" in line or ".venv" in line or "ok.py" in line] == []
    assert sum("depends on" in line for line in lines) == 2
    assert sum(line.startswith("torch: code: pyproject.toml") for line in lines) == 1
    source = '\n[tool.uv.sources]\ntorch = {index = "cu"}\n'
    (tree / "pyproject.toml").write_text((tree / "pyproject.toml").read_text() + source)
    assert not any(line.startswith("torch") for line in told(job(staging=(staged,))))


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("nohup python train.py > log 2>&1 &", True),
        ("nohup python train.py \\\n  > log 2>&1 &\necho started", True),
        ("setsid python train.py &", True),
        ("setsid -f python train.py", True),
        ("python train.py & disown", True),
        ("tmux new -d -s t 'python train.py'", True),
        ("tmux new-session -ds t 'python train.py'", True),
        ("tmux -L x new -s t -d 'python train.py'", True),
        ("screen -dmS t python train.py", True),
        ("screen -S t -dm python train.py", True),
        ("screen -S t -d -m python train.py", True),
        ("nohup python train.py > log 2>&1 &\nwait", False),
        ("nohup python train.py > log & tail --pid=$! -f log", False),
        ("nohup python train.py && echo done", False),
        ("nohup python train.py 2>&1", False),
        ("# nohup python train.py &\npython train.py", False),
        ("python server.py &\npython train.py", False),
        ("tmux new -s t 'python train.py'", False),
    ],
)
def test_what_is_left_in_the_background(text: str, is_told: bool, tmp_path: Path) -> None:
    assert [line.startswith("background: run.body leaves") for line in told(job(text))] == [True] * is_told
    (tmp_path / "start.sh").write_text(text)
    sent = job(staging=(Staging(str(tmp_path), "/workspace/src", "src"),))
    assert [line.startswith("background: src: start.sh leaves") for line in told(sent)] == [True] * is_told
    said = Job(name="j", pod=PodSpec(image="i", gpu_order=("G",)), run=Run(body=text, wait_for_background="always"))
    assert told(said) == []
