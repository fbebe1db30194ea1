"""What a shell offers for `rpd`, asked of a real one."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.harness import CommandLine, config


def offered(cli: CommandLine, *words: str) -> list[str]:
    """What bash completes the last word to."""
    line = shlex.join(words)
    script = (
        f'eval "$(rpd completion bash)"; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; '
        'complete -p rpd >/dev/null && _rpd_completion rpd; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}:{cli.environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=cli.folder,
        env={**cli.environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.row(17)
@pytest.mark.slow
def test_commands_options_and_runs_are_completed(cli: CommandLine) -> None:
    assert cli.run(config(name="teach")).returncode == 0
    assert offered(cli, "rpd", "val") == ["validate"]
    assert offered(cli, "rpd", "config", "set", "log") == ["log-level"]
    assert "--max-gpu-price" in offered(cli, "rpd", "run", "--max")
    assert sorted(offered(cli, "rpd", "inspect", "tea")) == sorted(["teach", cli.run_id])
    assert offered(cli, "rpd", "inspect", "nothing") == []


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script(cli: CommandLine, shell: str) -> None:
    done = cli.rpd("completion", shell)
    assert done.returncode == 0 and f"complete_{shell}" in done.stdout
    assert cli.rpd("completion", "csh").returncode == 2


@pytest.mark.slow
@pytest.mark.row(14, 106)
def test_a_state_file_has_a_name_of_its_own_for_each_run(cli: CommandLine) -> None:
    cli.job(
        config("true", variables={"seed": "0"}, state_file="pointers/{seed}.json", lifecycle={"on_success": "stop"})
    )
    pods = {}
    for seed in ("1", "2"):
        assert cli.rpd("run", "job.yaml", "--sandbox", "--var", f"seed={seed}").returncode == 0
        pods[seed] = cli.inspect()["pod"]["id"]
    for seed, pod in pods.items():
        pointer = cli.folder / f"pointers/{seed}.json"
        assert pod in pointer.read_text()
        assert cli.inspect(str(pointer))["pod"]["id"] == pod
