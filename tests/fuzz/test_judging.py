"""How cases are judged, beside their own promises."""

from __future__ import annotations

import resource
import stat
import sys
from pathlib import Path

import pytest

from tests.fuzz import __main__ as harness
from tests.fuzz import targets, test_share

MEGABYTE = 1_000_000


class Greedy:
    """Its second case takes more than there is for all."""

    share = 2

    def __init__(self, name: str) -> None:
        self.name = name

    def play(self, seed: int) -> None:
        """One case."""
        if seed:
            bytearray(300 * MEGABYTE)  # more than other tests of this process may give back meanwhile


class Ends(Greedy):
    """Its second case ends the process, as if all were well."""

    def play(self, seed: int) -> None:
        """One case."""
        if seed == 1:
            sys.exit(0)


@pytest.mark.skipif(not targets.CLEAR_REFS.exists(), reason="only Linux forgets what a process once needed")
def test_a_greedy_case_is_seen_after_a_greedy_test(monkeypatch: pytest.MonkeyPatch) -> None:
    bytearray(90 * MEGABYTE)  # another test of this process
    monkeypatch.setattr(test_share, "Target", Greedy)
    monkeypatch.setattr(test_share, "MEMORY_BYTES_MAX", 30 * MEGABYTE)
    with pytest.raises(AssertionError):
        test_share.test_a_share_of_the_seeds("greedy")


def test_a_case_that_exits_has_failed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(harness, "Target", Ends)
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # put back afterwards
    assert harness._play_on("ends", 0, 0.05) == 0
    told = capfd.readouterr().out.splitlines()
    assert told[:2] == ["seed 0", "seed 1"] and told[2].startswith("failed ") and told[-1] == "over"
    monkeypatch.setattr(test_share, "Target", Ends)
    with pytest.raises(AssertionError, match="--seed 1"):
        test_share.test_a_share_of_the_seeds("ends")


@pytest.mark.parametrize(("last", "findings"), [("", 1), ("echo over", 0)])
def test_a_process_that_ends_in_a_case_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, findings: int
) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\necho seed 7\n{last}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(script))
    assert len(harness._watch("x", 0, 1.0).findings) == findings


def _watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, seconds_max: float) -> list[str]:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\necho seed 7\n{body}\necho over\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(harness, "CASE_SECONDS_MAX", seconds_max)
    return harness._watch("x", 0, 1.0).findings


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells how a process is scheduled")
@pytest.mark.parametrize("body", ["while :; do :; done", "exec sleep 60"])
def test_a_case_that_computes_or_waits_for_too_long_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    assert len(_watched(tmp_path, monkeypatch, body, 0.3)) == 1


def test_a_case_that_gets_no_processor_has_not_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "_scheduled", lambda pid: ("R", 0.0))
    assert not _watched(tmp_path, monkeypatch, "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done", 0.01)
