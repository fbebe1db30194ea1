"""Help pages, and what hints send a person to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from rpd.adapters.cli.arguments.helping import GROUPS
from rpd.adapters.cli.tree import tree_of

PROSE = ("then",)
"""What else may follow the name of the program."""
ROOT = Path(__file__).parents[3]
SHIPPED = [path for room in ("adapters", "states", "engine", "journal") for path in (ROOT / room).rglob("*.py")]


def page(*words: str) -> str:
    return CliRunner(env={"COLUMNS": "80"}).invoke(tree_of(), [*words, "--help"]).output


@pytest.mark.parametrize("words", [(), ("sandbox",), ("volumes",)])
def test_no_sentence_is_cut(words: tuple[str, ...]) -> None:
    lines = page(*words).splitlines()[1:]
    assert len(lines) > 5 and not [line for line in lines if line.endswith("...")]


def test_commands_stand_in_groups_and_none_is_forgotten() -> None:
    text = page()
    assert [line for line in text.splitlines() if line.removesuffix(":") in GROUPS] == [f"{each}:" for each in GROUPS]
    named = {name for names in GROUPS.values() for name in names}
    shown = {name for name, each in get_command(tree_of()).commands.items() if not each.hidden}  # type: ignore[attr-defined]
    assert named == shown, "each command has a heading, and each name is a command"


def texts() -> Iterator[tuple[str, str]]:
    """What the shipped program may say: all its texts but docstrings."""
    for path in SHIPPED:
        tree = ast.parse(path.read_text())
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def test_hints_name_only_what_is_installed() -> None:
    missing = [(where, text) for where, text in texts() if re.search(r"\b(docs|examples)/\w", text)]
    assert missing == [], "a wheel holds neither"


def hints() -> Iterator[tuple[str, str]]:
    """What stands in a `hint` of an error."""
    for path in SHIPPED:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "hint":
                parts = [each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)]
                yield f"{path.relative_to(ROOT)}:{node.value.lineno}", "".join(map(str, parts))


def test_hints_name_only_commands_that_there_are() -> None:
    commands = get_command(tree_of()).commands  # type: ignore[attr-defined]
    said = [(where, name) for where, text in hints() for name in re.findall(r"\brpd ([a-z]+)\b", text)]
    assert len(said) > 30
    assert [each for each in said if each[1] not in (*commands, *PROSE)] == []
