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


def dead_in_the_run(cli: CommandLine) -> None:
    """A run whose job runs and whose engine was killed."""
    live = cli.begin(config(GATED))
    live.until("monitor")
    live.kill()


@pytest.mark.row(108)
def test_a_damaged_journal_is_shown_and_its_pod_stopped(cli: CommandLine) -> None:
    dead_in_the_run(cli)
    data = bytearray(cli.journal.read_bytes())
    lines = bytes(data).splitlines(keepends=True)
    middle = sum(len(line) for line in lines[: len(lines) // 2]) + 40
    data[middle] ^= 1
    cli.journal.write_bytes(data)
    shown = cli.rpd("inspect", cli.run_id)
    assert shown.returncode == 9, shown.stderr
    assert "DAMAGED" in shown.stdout
    assert "renting NVIDIA L4" in shown.stdout
    refused = cli.rpd("resume", cli.run_id)
    assert refused.returncode == 9, refused.stderr
    assert "damaged" in refused.stderr
    assert f"rpd salvage {cli.run_id}" in refused.stderr
    assert cli.live_pod()["status"] == "RUNNING"
    done = cli.rpd("gc", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    cli.judge("EXITED", starts=1)
    assert cli.journal.read_bytes() == bytes(data)
    done = cli.rpd("salvage", cli.run_id, "--delete", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    cli.judge("TERMINATED", starts=1)
    ended = cli.inspect()
    assert (ended["outcome"], ended["reason"], ended["debts"]) == ("lost", "journal_damaged", [])
    assert ended["verified"] and "rpd salvage ended it" in ended["why"]
    assert cli.rpd("resume", cli.run_id).returncode == 9, "and it is over"


def dead_in_boot(cli: CommandLine, boot_seconds: float = 60) -> None:
    """A run that rented a pod, which still boots, and whose engine was killed."""
    cli.play(boot_seconds=boot_seconds)
    live = cli.begin(config())
    live.until("boot")
    live.kill()


def flip(path: Path, near: bytes, offset: int) -> None:
    """One flipped bit, as a worn disk makes it: what it leaves is no UTF-8."""
    data = bytearray(path.read_bytes())
    data[data.index(near) + offset] ^= 0x80
    path.write_bytes(data)


@pytest.mark.parametrize("words", ["gc --yes", "resume", "release"])
@pytest.mark.slow
def test_one_flipped_bit_in_the_index_keeps_nothing_from_acting(cli: CommandLine, words: str) -> None:
    dead_in_boot(cli, boot_seconds=6)
    flip(next((cli.home / "index").glob("*.json")), b'"workflow":"job"', 13)
    done = cli.rpd(*words.split())
    assert done.returncode == 0, done.stdout + done.stderr
    cli.nothing_computes()


@pytest.mark.slow
def test_one_flipped_bit_in_record_0_does_not_keep_gc_from_acting(cli: CommandLine) -> None:
    dead_in_boot(cli)
    flip(cli.journal, b'"cloud":', 20)
    done = cli.rpd("gc", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    cli.nothing_computes()


@pytest.mark.slow
@pytest.mark.row(108)
def test_one_flipped_bit_in_record_0_is_told_as_damage(cli: CommandLine) -> None:
    dead_in_boot(cli)
    flip(cli.journal, b'"run_dir":', 15)
    for command in ("inspect", "resume", "logs", "cancel"):
        done = cli.rpd(command, str(cli.journal))
        assert done.returncode == 9, (command, done.stderr)
        assert "damaged at line 1" in done.stderr, (command, done.stderr)


@pytest.mark.slow
def test_one_flipped_bit_in_a_held_lock_file(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until("monitor")
    flip(cli.journal.with_name(cli.journal.name + ".lock"), b'"command":"run"', 12)
    told = {words: cli.rpd(*words.split()) for words in ("inspect", "gc --yes", "resume", "logs")}
    cli.go()
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
def test_a_journal_in_use_is_named_with_its_owner(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until("monitor")
    done = cli.rpd("resume", cli.run_id)
    assert done.returncode == 9, done.stderr
    assert str(live.process.pid) in done.stderr
    cli.go()
    assert live.end() == 0, live.text
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_every_way_to_a_journal_leads_to_its_one_lock(cli: CommandLine, tmp_path: Path) -> None:
    live = cli.begin(config(GATED, state_file="~/pointer"))
    live.until("monitor")
    run_dir = Path(cli.inspect()["run_dir"])
    copy = tmp_path / "copy.jsonl"
    shutil.copyfile(cli.journal, copy)
    held = copy.read_bytes()
    for way in (copy, run_dir, run_dir / "events.jsonl", cli.user / "pointer", cli.journal):
        done = cli.rpd("resume", str(way))
        assert done.returncode == 9, f"{way}: {done.stderr}"
        assert str(live.process.pid) in done.stderr
    live.kill()
    cli.go()
    done = cli.rpd("resume", str(copy))
    assert done.returncode == 0, done.stderr
    assert copy.read_bytes() == held
    assert cli.inspect()["outcome"] == "succeeded"
    assert (run_dir / "events.jsonl").read_bytes() == cli.journal.read_bytes()
    cli.judge("TERMINATED", starts=1)


@pytest.mark.parametrize("content", ["", "hello\n", '{"a": 1}\n', "\0" * 4096], ids=["empty", "text", "json", "zeros"])
@pytest.mark.parametrize("command", ["inspect", "resume"])
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, command: str, content: str) -> None:
    cli = bare(tmp_path)
    path = cli.folder / "notes.jsonl"
    path.write_text(content)
    done = cli.rpd(command, str(path))
    assert done.returncode in (2, 9), done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert path.read_text() == content


@pytest.mark.slow
def test_a_newer_journal_is_read_and_released_but_not_driven(cli: CommandLine) -> None:
    dead_in_the_run(cli)
    lines, prev = [], GENESIS
    for record in cli.records():
        body = record.body
        assert body is not None, "written by this version"
        if isinstance(body, Opened):
            body = msgspec.structs.replace(body, min_reader=99)
        written, line = encode(body, seq=record.seq, prev=prev, run=record.run, epoch=record.epoch, at=record.at)
        lines.append(line)
        prev = written.z
    cli.journal.write_bytes(b"".join(lines))
    shown = cli.rpd("inspect", cli.run_id, "--json")
    assert json.loads(shown.stdout)["pod"]["id"] == cli.live_pod()["id"]
    refused = cli.rpd("resume", cli.run_id)
    assert refused.returncode == 9, refused.stderr
    assert "newer" in refused.stderr
    done = cli.rpd("gc", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    cli.nothing_computes()


@pytest.mark.slow
def test_resume_of_a_run_that_is_over_says_so(cli: CommandLine) -> None:
    assert cli.run(config("exit 3")).returncode == 5
    before = cli.journal.read_bytes()
    done = cli.rpd("resume", cli.run_id)
    assert done.returncode == 5, done.stderr
    assert "is over: failed" in done.stderr
    assert cli.journal.read_bytes() == before


@pytest.mark.slow
@pytest.mark.weak_point(7)
@pytest.mark.row(107)
def test_a_dead_run_is_not_started_twice(cli: CommandLine) -> None:
    dead_in_the_run(cli)
    done = cli.run()
    assert done.returncode == 2, done.stderr
    assert f"rpd resume {cli.run_id}" in done.stderr
    cli.go()
    assert cli.rpd("resume").returncode == 0
    cli.judge("TERMINATED", starts=1)
