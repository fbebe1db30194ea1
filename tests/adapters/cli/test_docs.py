"""docs/exit-codes.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rpd.adapters.cli.tree import tree_of
from rpd.states.ports.names import ENDINGS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "exit-codes.md").read_text()


def test_every_ending_reason_is_there_with_its_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert rows == [(str(reason), str(outcome), str(code)) for reason, (outcome, code) in ENDINGS.items()]


def test_every_code_is_explained() -> None:
    explained = {int(code) for code in re.findall(r"^\| (\d+) \| ", PAGE, re.MULTILINE)}
    assert explained >= {code for _, code in ENDINGS.values()} | {0, 1, 2, 4, 8, 9, 75, 130, 143}


@pytest.mark.weak_point(33)
def test_commands_and_options_of_the_page_on_looking_back_exist() -> None:
    from typer.main import get_command

    page = (ROOT / "docs" / "forensics.md").read_text()
    commands = get_command(tree_of()).commands  # type: ignore[attr-defined]
    named = re.findall(r"(?:`|\$ |^    )rpd (\w+)([^`\n|]*)", page, re.MULTILINE)
    assert len(named) > 15
    for name, words in named:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", words)) <= known, (name, words)
