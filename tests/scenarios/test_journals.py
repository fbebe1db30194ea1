"""Journals that are damaged, locked, copied, too new, or no journals at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from rpd.journal.codec import GENESIS, encode
from rpd.journal.records import Opened
from tests.scenarios.harness import GATED, CommandLine, bare, config


def dead_in_the_run(stage: CommandLine) -> None:
    """A run whose job runs and whose engine was killed."""
    live = stage.begin(config(GATED))
    live.until("monitor")
    live.kill()


@pytest.mark.row(108)
def test_a_damaged_journal_is_shown_and_its_pod_stopped(stage: CommandLine) -> None:
    dead_in_the_run(stage)
    data = bytearray(stage.journal.read_bytes())
    lines = bytes(data).splitlines(keepends=True)
    middle = sum(len(line) for line in lines[: len(lines) // 2]) + 40
    data[middle] ^= 1
    stage.journal.write_bytes(data)
    shown = stage.rpd("inspect", stage.run_id)
    assert shown.returncode == 9, shown.stderr
    assert "DAMAGED" in shown.stdout
    assert "renting NVIDIA L4" in shown.stdout
    refused = stage.rpd("resume", stage.run_id)
    assert refused.returncode == 9, refused.stderr
    assert "damaged" in refused.stderr
    assert f"rpd salvage {stage.run_id}" in refused.stderr
    assert stage.live_pod()["status"] == "RUNNING"
    done = stage.rpd("gc", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    stage.judge("EXITED", starts=1)
    assert stage.journal.read_bytes() == bytes(data)
    done = stage.rpd("salvage", stage.run_id, "--delete", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    stage.judge("TERMINATED", starts=1)
    ended = stage.inspect()
    assert (ended["outcome"], ended["reason"], ended["debts"]) == ("lost", "journal_damaged", [])
    assert ended["verified"] and "rpd salvage ended it" in ended["why"]
    assert stage.rpd("resume", stage.run_id).returncode == 9, "and it is over"


def dead_in_boot(stage: CommandLine, boot_seconds: float = 60) -> None:
    """A run that rented a pod, which still boots, and whose engine was killed."""
    stage.play(boot_seconds=boot_seconds)
    live = stage.begin(config())
    live.until("boot")
    live.kill()


def flip(path: Path, near: bytes, offset: int) -> None:
    """One flipped bit, as a worn disk makes it: what it leaves is no UTF-8."""
    data = bytearray(path.read_bytes())
    data[data.index(near) + offset] ^= 0x80
    path.write_bytes(data)


@pytest.mark.parametrize("words", ["gc --yes", "resume", "release"])
@pytest.mark.slow
def test_one_flipped_bit_in_the_index_keeps_nothing_from_acting(stage: CommandLine, words: str) -> None:
    dead_in_boot(stage, boot_seconds=6)
    flip(next((stage.home / "index").glob("*.json")), b'"workflow":"job"', 13)
    done = stage.rpd(*words.split())
    assert done.returncode == 0, done.stdout + done.stderr
    stage.nothing_computes()


@pytest.mark.slow
def test_one_flipped_bit_in_record_0_does_not_keep_gc_from_acting(stage: CommandLine) -> None:
    dead_in_boot(stage)
    flip(stage.journal, b'"cloud":', 20)
    done = stage.rpd("gc", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    stage.nothing_computes()


@pytest.mark.slow
@pytest.mark.row(108)
def test_one_flipped_bit_in_record_0_is_told_as_damage(stage: CommandLine) -> None:
    dead_in_boot(stage)
    flip(stage.journal, b'"run_dir":', 15)
    for command in ("inspect", "resume", "logs", "cancel"):
        done = stage.rpd(command, str(stage.journal))
        assert done.returncode == 9, (command, done.stderr)
        assert "damaged at line 1" in done.stderr, (command, done.stderr)


@pytest.mark.slow
def test_one_flipped_bit_in_a_held_lock_file(stage: CommandLine) -> None:
    live = stage.begin(config(GATED))
    live.until("monitor")
    flip(stage.journal.with_name(stage.journal.name + ".lock"), b'"command":"run"', 12)
    told = {words: stage.rpd(*words.split()) for words in ("inspect", "gc --yes", "resume", "logs")}
    stage.go()
    assert live.end() == 0, live.text
    assert {words: done.returncode for words, done in told.items()} == {
        "inspect": 0,
        "gc --yes": 0,
        "resume": 9,
        "logs": 0,
    }, told


@pytest.mark.weak_point(27)
@pytest.mark.row(107)
@pytest.mark.slow
def test_a_journal_in_use_is_named_with_its_owner(stage: CommandLine) -> None:
    live = stage.begin(config(GATED))
    live.until("monitor")
    done = stage.rpd("resume", stage.run_id)
    assert done.returncode == 9, done.stderr
    assert str(live.process.pid) in done.stderr
    stage.go()
    assert live.end() == 0, live.text
    stage.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_every_way_to_a_journal_leads_to_its_one_lock(stage: CommandLine, tmp_path: Path) -> None:
    live = stage.begin(config(GATED, state_file="~/pointer"))
    live.until("monitor")
    run_dir = Path(stage.inspect()["run_dir"])
    copy = tmp_path / "copy.jsonl"
    shutil.copyfile(stage.journal, copy)
    held = copy.read_bytes()
    for way in (copy, run_dir, run_dir / "events.jsonl", stage.user / "pointer", stage.journal):
        done = stage.rpd("resume", str(way))
        assert done.returncode == 9, f"{way}: {done.stderr}"
        assert str(live.process.pid) in done.stderr
    live.kill()
    stage.go()
    done = stage.rpd("resume", str(copy))
    assert done.returncode == 0, done.stderr
    assert copy.read_bytes() == held
    assert stage.inspect()["outcome"] == "succeeded"
    assert (run_dir / "events.jsonl").read_bytes() == stage.journal.read_bytes()
    stage.judge("TERMINATED", starts=1)


@pytest.mark.parametrize("content", ["", "hello\n", '{"a": 1}\n', "\0" * 4096], ids=["empty", "text", "json", "zeros"])
@pytest.mark.parametrize("command", ["inspect", "resume"])
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, command: str, content: str) -> None:
    stage = bare(tmp_path)
    path = stage.folder / "notes.jsonl"
    path.write_text(content)
    done = stage.rpd(command, str(path))
    assert done.returncode in (2, 9), done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert path.read_text() == content


@pytest.mark.slow
def test_a_newer_journal_is_read_and_released_but_not_driven(stage: CommandLine) -> None:
    dead_in_the_run(stage)
    lines, prev = [], GENESIS
    for record in stage.records():
        body = record.body
        assert body is not None, "written by this version"
        if isinstance(body, Opened):
            body = msgspec.structs.replace(body, min_reader=99)
        written, line = encode(body, seq=record.seq, prev=prev, run=record.run, epoch=record.epoch, at=record.at)
        lines.append(line)
        prev = written.z
    stage.journal.write_bytes(b"".join(lines))
    shown = stage.rpd("inspect", stage.run_id, "--json")
    assert json.loads(shown.stdout)["pod"]["id"] == stage.live_pod()["id"]
    refused = stage.rpd("resume", stage.run_id)
    assert refused.returncode == 9, refused.stderr
    assert "newer" in refused.stderr
    done = stage.rpd("gc", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    stage.nothing_computes()


@pytest.mark.slow
def test_resume_of_a_run_that_is_over_says_so(stage: CommandLine) -> None:
    assert stage.run(config("exit 3")).returncode == 5
    before = stage.journal.read_bytes()
    done = stage.rpd("resume", stage.run_id)
    assert done.returncode == 5, done.stderr
    assert "is over: failed" in done.stderr
    assert stage.journal.read_bytes() == before


@pytest.mark.slow
@pytest.mark.weak_point(7)
@pytest.mark.row(107)
def test_a_dead_run_is_not_started_twice(stage: CommandLine) -> None:
    dead_in_the_run(stage)
    done = stage.run()
    assert done.returncode == 2, done.stderr
    assert f"rpd resume {stage.run_id}" in done.stderr
    stage.go()
    assert stage.rpd("resume").returncode == 0
    stage.judge("TERMINATED", starts=1)
