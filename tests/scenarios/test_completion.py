"""What a shell offers for `rpd`, asked of a real one."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.harness import CommandLine, config


def offered(stage: CommandLine, *words: str) -> list[str]:
    """What bash completes the last word to."""
    line = shlex.join(words)
    script = (
        f'eval "$(rpd completion bash)"; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; '
        'complete -p rpd >/dev/null && _rpd_completion rpd; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}:{stage.environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=stage.folder,
        env={**stage.environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.row(17)
@pytest.mark.slow
def test_commands_options_and_runs_are_completed(stage: CommandLine) -> None:
    assert stage.run(config(name="teach")).returncode == 0
    assert offered(stage, "rpd", "val") == ["validate"]
    assert offered(stage, "rpd", "config", "set", "log") == ["log-level"]
    assert "--max-gpu-price" in offered(stage, "rpd", "run", "--max")
    assert sorted(offered(stage, "rpd", "inspect", "tea")) == sorted(["teach", stage.run_id])
    assert offered(stage, "rpd", "inspect", "nothing") == []


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script(stage: CommandLine, shell: str) -> None:
    done = stage.rpd("completion", shell)
    assert done.returncode == 0 and f"complete_{shell}" in done.stdout
    assert stage.rpd("completion", "csh").returncode == 2


@pytest.mark.slow
@pytest.mark.row(14, 106)
def test_a_state_file_has_a_name_of_its_own_for_each_run(stage: CommandLine) -> None:
    stage.job(
        config("true", variables={"seed": "0"}, state_file="pointers/{seed}.json", lifecycle={"on_success": "stop"})
    )
    pods = {}
    for seed in ("1", "2"):
        assert stage.rpd("run", "job.yaml", "--sandbox", "--var", f"seed={seed}").returncode == 0
        pods[seed] = stage.inspect()["pod"]["id"]
    for seed, pod in pods.items():
        pointer = stage.folder / f"pointers/{seed}.json"
        assert pod in pointer.read_text()
        assert stage.inspect(str(pointer))["pod"]["id"] == pod
