"""No program that rpd starts finds the API key, or another secret that is not its own, in its environment."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rpd.adapters.local.children import environment_for, plain_environment
from rpd.adapters.local.git_listing import GitListing
from rpd.adapters.local.provenance import provenance
from rpd.adapters.run_folder.workspace import LocalWorkspace
from rpd.adapters.sandbox.daemon import environment
from rpd.journal.redact import Redactor, Secret
from rpd.states.ports.world import Notice

ROOT = Path(__file__).parents[3]
NAMED = "postgres://u:p4ssw0rd@h/db"
OURS = {
    "RUNPOD_API_KEY": "rpa_" + "K3y" * 9,
    "HF_TOKEN": "hf_" + "T0k" * 9,
    "GIT_PASSWORD": "g1tp4ssw0rd",
    "RPD_X_SECRET": "rpdsecr3t",
    "PIN_KEY": "1234",
    "COPY": "Bearer hf_" + "T0k" * 9,
    "OF_THE_CONFIG": NAMED,
}
NEEDED = {"PATH": os.environ["PATH"], "HOME": "/home/x", "LC_ALL": "C"}


@pytest.fixture
def dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, str]]:
    """This process's environment full of secrets, and a `git` that writes down its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\nenv -0 > {tmp_path}/told\nexit 0\n")
    (folder / "git").chmod(0o755)
    for name, value in {**OURS, **NEEDED, "GIT_CONFIG_COUNT": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{folder}:{NEEDED['PATH']}")
    return lambda: dict(each.split("=", 1) for each in (tmp_path / "told").read_text().split("\0") if each)


def secrets_in(environment: dict[str, str]) -> set[str]:
    return {name for name, value in environment.items() if any(secret in value for secret in OURS.values())}


def test_git_gets_what_git_needs(tmp_path: Path, dump: Callable[[], dict[str, str]]) -> None:
    for ask in (lambda: GitListing(tmp_path), lambda: provenance(tmp_path)):
        ask()
        told = dump()
        assert secrets_in(told) == set()
        assert told["HOME"] == "/home/x" and told["GIT_CONFIG_COUNT"] == "0" and told["GIT_TERMINAL_PROMPT"] == "0"
        (tmp_path / "told").unlink()


def test_git_can_read_the_configuration_that_its_environment_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is a secret there, only the value is left out: git refuses a count without its keys."""
    pairs = {
        "safe.directory": "*",
        "http.https://u:p4ss@h/.extraHeader": "AUTHORIZATION: basic x",
        "http.extraheader": "AUTHORIZATION: basic y",
        "credential.helper": "!echo password=p4ss",
        "x.accessToken": "t0k",
        "url.https://oauth2:p4ss@h/.insteadOf": "https://h/",
        "sendemail.smtpPass": "p4ss",
        "core.editor": OURS["HF_TOKEN"],
    }
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "a").write_text("x")
    monkeypatch.setenv("HF_TOKEN", OURS["HF_TOKEN"])
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(pairs)))
    for at, (key, value) in enumerate(pairs.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{at}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{at}", value)
    told = plain_environment("GIT_")
    values = [told[f"GIT_CONFIG_VALUE_{at}"] for at in range(len(pairs))]
    assert values == ["*", "", "", "", "", "https://h/", "", ""]
    assert "p4ss" not in str(told)
    assert "GIT_CONFIG_KEY_0" in environment_for("git status", Redactor())
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'http.extraheader'='AUTHORIZATION: basic p4ss'")
    assert "GIT_CONFIG_PARAMETERS" not in plain_environment("GIT_")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'safe.directory'='*'")
    assert "GIT_CONFIG_PARAMETERS" in plain_environment("GIT_")
    assert GitListing(tmp_path).holds("a", False)


def test_a_sandbox_gets_no_secret(dump: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPD_SANDBOX_IDLE_SECONDS", "3")
    told = environment()
    assert secrets_in(told) == set()
    assert told["HOME"] == "/home/x" and told["RPD_SANDBOX_IDLE_SECONDS"] == "3"


def test_the_command_of_a_notice_gets_what_it_names(tmp_path: Path, dump: Callable[[], dict[str, str]]) -> None:
    workspace = LocalWorkspace(tmp_path, redactor=Redactor(Secret(NAMED)))

    def told(command: str) -> dict[str, str]:
        assert workspace.notify(Notice("end", "r", "w", "text", f"env -0 > {tmp_path}/told; : {command}"))
        return dump()

    assert secrets_in(told("")) == set()
    assert told("")["RPD_NOTICE"] == "end" and told("")["LC_ALL"] == "C"
    assert secrets_in(told('"$HF_TOKEN"')) == {"HF_TOKEN"}
    assert secrets_in(told("${OF_THE_CONFIG:-none} $PIN_KEY $HOME")) == {"OF_THE_CONFIG", "PIN_KEY"}
    assert secrets_in(told("HF_TOKEN")) == set(), "a word alone names no variable"


def test_every_program_is_started_with_an_environment_of_its_own() -> None:
    starter = re.compile(r"subprocess\.\w+|asyncio\.create_subprocess_\w+|os\.(system|popen|spawn\w+|exec\w+)")
    starts = []
    for file in sorted((ROOT / "adapters").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and starter.fullmatch(called := ast.unparse(node.func)):
                given = [*map(ast.unparse, node.args), *(f"env={ast.unparse(each.value)}" for each in node.keywords)]
                has_own = any("env" in each for each in given) and not any("os.environ" in each for each in given)
                starts.append((file.relative_to(ROOT).as_posix(), called, has_own))
    assert len(starts) >= 6, "this test has to see them"
    assert [each for each in starts if not each[-1]] == []
