"""Where the last lines of a log begin."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rpd.adapters.cli.reading import logs
from rpd.adapters.cli.reading.logs import _Log, _tail_offset, show_logs
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.states.facts import Facts
from tests.adapters.report.samples import facts


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("text", "lines", "tail"),
    [
        (b"", 2, b""),
        (b"one\n", 2, b"one\n"),
        (b"one\ntwo\nthree\n", 2, b"two\nthree\n"),
        (b"one\ntwo\nthree", 2, b"two\nthree"),
        (b"one\ntwo\n", 2, b"one\ntwo\n"),
        (b"\n\n\n", 1, b"\n"),
        (b"one\ntwo\n", 0, b"one\ntwo\n"),
    ],
)
def test_the_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, lines: int, tail: bytes, chunk: int
) -> None:
    monkeypatch.setattr(logs, "CHUNK_BYTES", chunk)
    log = tmp_path / "run.log"
    log.write_bytes(text)
    assert text[_tail_offset(log, lines) :] == tail


class Pod:
    """A log in a pod; how many bytes of it were fetched counts."""

    def __init__(self, text: bytes, base: int) -> None:
        self.text, self.base, self.fetched = text, base, 0

    def read_claim(self, _target: Any, _job: Any) -> Any:
        return SimpleNamespace(log_bytes=len(self.text))

    def fetch_log(self, _target: Any, _job: Any, log_file: str) -> int:
        copy = Path(log_file)
        more = self.text[copy.stat().st_size - self.base :]
        self.fetched += len(more)
        with copy.open("ab") as file:
            file.write(more)
        return len(more)


@pytest.mark.parametrize("base", [0, 7])
@pytest.mark.parametrize("here", [0, 3, 700, 999_999])
@pytest.mark.parametrize("lines", [1, 5, 90, 250, 10_000])
def test_no_more_of_a_long_log_is_fetched_than_its_last_lines_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int, here: int, base: int
) -> None:
    run: Facts = facts(tmp_path)
    text = b"".join(b"line %d\n" % number for number in range(200))
    local = Path(run.local_log)
    local.write_bytes(b"before\n"[:base] + text[:here])
    if base:
        logs.base_path(local).write_text(f"{base}\n")
    printed: list[bytes] = []
    monkeypatch.setattr(output, "copy", printed.append)
    monkeypatch.setattr(logs, "TAIL_BYTES", 32)
    monkeypatch.setattr(logs, "_facts_of", lambda _journal: run)
    monkeypatch.setattr(logs, "target", lambda _facts: None)
    log, pod = _Log(tmp_path / "journal", lines), Pod(text, base)
    log._print_end(pod, tmp_path / "copy.log")  # type: ignore[arg-type]
    whole = b"before\n"[:base] + text
    assert b"".join(printed) == b"".join(whole.splitlines(keepends=True)[-lines:])
    assert log._offset == len(whole)
    if lines == 1 and here < 999_999:
        assert pod.fetched <= 32


class Impatient(Pod):
    """One that is asked a few times only."""

    def read_claim(self, _target: Any, _job: Any) -> Any:
        self.asked = getattr(self, "asked", 0) + 1
        assert self.asked < 20, "the pod is asked for ever"
        return super().read_claim(_target, _job)


@pytest.mark.parametrize("here", [None, b"", b"one\n"])
@pytest.mark.parametrize("lines", [1, 90, 10_000])
def test_a_local_log_that_ends_before_the_one_in_the_pod_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int, here: bytes | None
) -> None:
    """The file here was lost or cut: of the log, nothing before the present one in the pod can be had."""
    run: Facts = facts(tmp_path)
    text = b"".join(b"line %d\n" % number for number in range(60))
    local = Path(run.local_log)
    local.parent.mkdir(parents=True, exist_ok=True)
    if here is not None:
        local.write_bytes(here)
    logs.base_path(local).write_text("5000\n")
    printed: list[bytes] = []
    monkeypatch.setattr(output, "copy", printed.append)
    monkeypatch.setattr(logs, "TAIL_BYTES", 32)
    monkeypatch.setattr(logs, "_facts_of", lambda _journal: run)
    monkeypatch.setattr(logs, "target", lambda _facts: None)
    log = _Log(tmp_path / "journal", lines)
    log._print_end(Impatient(text, 5000), tmp_path / "copy.log")  # type: ignore[arg-type]
    assert b"".join(printed) == b"".join(text.splitlines(keepends=True)[-lines:])
    assert log._offset == 5000 + len(text)


@pytest.mark.parametrize("launch", [0, 4])
def test_a_launch_that_never_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launch: int) -> None:
    run = facts(tmp_path)
    run.launch.number = 3
    monkeypatch.setattr(logs, "_facts_of", lambda _journal: run)
    monkeypatch.setattr(logs, "find_journal", lambda _run, to_act: tmp_path)
    with pytest.raises(UserError, match=f"has no launch {launch}; its newest is 3"):
        show_logs("r", follow=False, tail=0, launch=launch)
