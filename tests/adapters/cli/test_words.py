"""What somebody is told who typed the wrong word, or has not all of it installed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.cli.meant import ELSEWHERE, meant
from rpd.adapters.sandbox import daemon
from rpd.adapters.sandbox.daemon_files import DaemonFiles
from tests.adapters.cli.conftest import Typist
from tests.adapters.cli.test_foreign import leaves

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("prune", "rpd runs prune"),
        ("delete", "rpd cancel RUN, or rpd release RUN"),
        ("ps", "rpd runs"),
        ("resme", "rpd resume"),
        ("inspct", "rpd inspect"),
        ("train", "rpd --help"),
        ("x", "rpd --help"),
    ],
)
def test_an_unknown_command_is_told_what_it_is_called_here(word: str, hint: str) -> None:
    names = [words[0] for words, _ in leaves()]
    assert meant(word, names, "rpd") == hint


def test_what_is_called_otherwise_here_is_there() -> None:
    names = {words[0] for words, _ in leaves()}
    assert {hint.split()[1] for hint in ELSEWHERE.values()} <= names
    assert meant("prune", ["list"], "rpd volumes") == "rpd volumes --help"


def test_the_hint_is_what_to_type(rpd: Typist) -> None:
    said = rpd.refused("prune")
    assert said == "error: there is no command rpd prune\nhint:  rpd runs prune\n"


def test_a_sandbox_that_is_not_installed_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = DaemonFiles(tmp_path / "sandbox")
    files.make_home()
    trace = "Traceback (most recent call last):\n  File ...\nModuleNotFoundError: No module named 'starlette'\n"
    files.log.write_text(trace)
    told = daemon._no_start(files)
    assert told.message == "this rpd was installed without its sandbox: starlette is not here"
    assert "rpd-cli[sandbox]" in told.hint and told.reason == "sandbox_missing"


def texts(tree: ast.AST) -> list[str]:
    """Every text of a module that is no docstring."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs)
    return [node.value for node in constants if isinstance(node.value, str)]


def test_no_text_names_a_file_that_a_wheel_does_not_hold() -> None:
    named: list[Any] = []
    for room in ("adapters", "states", "engine", "journal"):
        for path in (ROOT / room).rglob("*.py"):
            found = [text for text in texts(ast.parse(path.read_text())) if "docs/" in text or "examples/" in text]
            named += [(path.name, text) for text in found]
    assert named == []
