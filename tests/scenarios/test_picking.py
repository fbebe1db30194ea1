"""`rpd connect` without all of its options: what the settings say, and what a person is asked."""

from __future__ import annotations

import pytest

from tests.scenarios.harness import CommandLine
from tests.scenarios.test_set_up import answer


def test_a_person_picks_and_then_says_no(cli: CommandLine) -> None:
    """Nothing is rented before the price was shown and agreed to."""
    assert cli.rpd("config", "set", "cloud", "secure").returncode == 0
    assert cli.rpd("config", "set", "gpus", "NVIDIA L4").returncode == 0
    screen = cli.start_on_terminal("connect", "--sandbox", "--hours", "2")
    answer(screen, "Region:", "europe\r")
    answer(screen, "GPU:", "\r")
    answer(screen, "How many GPUs", "2\r")
    answer(screen, "What runs in it:", "shell\r")
    answer(screen, "rent it? [y/N]", "n\r")
    assert screen.end() == 3
    assert "2 x NVIDIA L4" in screen.text and "2 h cost at most about" in screen.text
    assert cli.truth()["pods"] == []


def test_enter_takes_no_row_that_does_not_fit_what_was_typed(cli: CommandLine) -> None:
    """The list shows every row again when none fits; Enter must not take the first of them."""
    assert cli.rpd("config", "set", "cloud", "secure").returncode == 0
    screen = cli.start_on_terminal("connect", "--sandbox", "--hours", "1", "--gpu-count", "1", "--preset", "shell")
    answer(screen, "Region:", "\r")
    answer(screen, "GPU:", "L40S\r")
    screen.type("\x7f" * 4 + "more\r")
    answer(screen, "another cloud or region", "L40S\r")
    answer(screen, "rent it? [y/N]", "n\r")
    assert screen.end() == 3
    assert "NVIDIA L40S: $" in screen.text and "2000 Ada: $" not in screen.text, screen.text


def test_leaving_the_picker_rents_nothing(cli: CommandLine) -> None:
    screen = cli.start_on_terminal("connect", "--sandbox")
    answer(screen, "Cloud:", "\x03")
    assert screen.end() == 130 and "nothing was rented" in screen.text
    assert cli.truth()["pods"] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), ("2.5 h cost", "NVIDIA L4")),
        (("--gpu", "A40", "--hours", "1"), ("1 h cost", "NVIDIA A40")),
    ],
)
def test_off_a_terminal_the_settings_say_what_options_do_not(
    cli: CommandLine, options: tuple[str, ...], said: tuple[str, ...]
) -> None:
    done = cli.rpd("connect", "--sandbox")
    assert done.returncode == 2 and "which GPU?" in done.stderr
    cli.variables = {"RPD_GPUS": "NVIDIA L4", "RPD_HOURS": "2.5", "RPD_REGION": "Europe", "RPD_PRESET": "shell"}
    done = cli.rpd("connect", "--sandbox", *options)
    assert done.returncode == 2 and "--yes" in done.stderr, "a price needs a yes"
    assert all(words in done.stderr for words in said), done.stderr
    assert cli.truth()["pods"] == []
