"""The page for users tells of every fault, in the words of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpd.adapters.sandbox.cloud.faults import KNOWN, SandboxFault

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("fault", KNOWN, ids=lambda fault: fault.id)
def test_fault_has_its_row(fault: SandboxFault) -> None:
    options = "; ".join(f"`{name}`: {text}" for name, text in fault.options.items()).replace("|", "\\|")
    assert f"| {fault.id} | {fault.occasion} | {fault.description} | {options} |" in PAGE.splitlines()
