"""What a test has measured is shown under the results: `record_property(MEASURED, sentence)`."""

from __future__ import annotations

import pytest

MEASURED = "measured"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, sentence in report.user_properties:
            if name == MEASURED:
                terminalreporter.write_line(str(sentence))
