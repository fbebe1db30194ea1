"""What a test has measured is shown under the results (`record_property(MEASURED, sentence)`); which features it shows
is written down on request (`--features FILE`)."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

# Modules of the tests import each other as `tests.*`, whichever way pytest was started.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests import canary, features, shares

MEASURED = "measured"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--features", metavar="FILE", help="write down which rows of the feature table were shown")
    parser.addoption("--share", metavar="I/N", default="1/1", help="of the long tests, only the I-th of N shares")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = shares.select(items, shares.parse(config.getoption("--share")))
    if left_out:
        config.hook.pytest_deselected(items=left_out)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(features.Features())
    config.pluginmanager.register(canary.Canary())
    # Commands under test would inherit what a shell's background job, or nohup, has set.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, sentence in report.user_properties:
            if name == MEASURED:
                terminalreporter.write_line(str(sentence))
    wanted = terminalreporter.config.getoption("--features")
    if wanted:
        calls = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
        features.write(Path(wanted), [report for report in calls if report.when == "call"])
