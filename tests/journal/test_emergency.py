"""Records that the journal cannot take go to the emergency file, then to standard error."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path

import pytest

from rpd.journal.emergency import EmergencyLog
from rpd.journal.reader import parse, read
from rpd.journal.records import Note
from tests.journal.fake_disk import FakeDisk
from tests.journal.samples import RUN, Ticker


def test_the_file_reads_like_a_journal_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for round_ in range(3):
        log = EmergencyLog(home, RUN, epoch=round_ + 1, now=Ticker())
        for number in range(2):
            log.append(Note("release", str(number)), sync=bool(number))
        log.close()
        log.close()
        with log.path.open("ab") as file:
            file.write(b"torn")
    reading = read(log.path)
    assert reading.verified
    assert [record.epoch for record in reading.records] == [1, 1, 2, 2, 3, 3]
    assert log.path == home / f"emergency-{RUN}.jsonl"


@pytest.mark.parametrize("call", ["create", "write", "sync", "make_folder", "stat", "status"])
def test_a_broken_disk_leaves_standard_error(call: str) -> None:
    disk, stream = FakeDisk(), io.StringIO()
    disk.fail(call, errno.EIO, times=100)
    log = EmergencyLog(Path("/state"), RUN, epoch=1, now=Ticker(), disk=disk, stream=stream)
    records = [log.append(Note("n", str(number))) for number in range(3)]
    assert parse(stream.getvalue().encode()).records == records


def test_a_full_disk_leaves_no_half_line_and_standard_error() -> None:
    disk, stream = FakeDisk(), io.StringIO()
    log = EmergencyLog(Path("/state"), RUN, epoch=1, now=Ticker(), disk=disk, stream=stream)
    log.append(Note("fits"))
    disk.room = 50
    log.append(Note("does not"))
    kept = parse(disk.read(log.path))
    assert (len(kept.records), kept.torn_bytes) == (1, 0)
    assert "does not" in stream.getvalue()


def test_a_closed_terminal_stops_nothing() -> None:
    disk, stream = FakeDisk(), io.StringIO()
    stream.close()
    disk.fail("create", errno.EROFS)
    assert EmergencyLog(Path("/s"), RUN, epoch=1, now=Ticker(), disk=disk, stream=stream).append(Note("n")).seq == 0


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    disk = FakeDisk()
    disk.fail("create", errno.EROFS)
    EmergencyLog(Path("/s"), RUN, epoch=1, now=Ticker(), disk=disk).append(Note("n"))
    assert parse(capsys.readouterr().err.encode()).verified


def test_an_emergency_file_that_cannot_be_read_is_left_alone() -> None:
    disk, stream = FakeDisk(), io.StringIO()
    disk.put(Path("/state"), b"")
    disk.put(Path(f"/state/emergency-{RUN}.jsonl"), b"")
    disk.fail("read", errno.EIO)
    log = EmergencyLog(Path("/state"), RUN, epoch=1, now=Ticker(), disk=disk, stream=stream)
    log.append(Note("n"))
    assert parse(stream.getvalue().encode()).verified


def kept_by(disk: FakeDisk, epoch: int = 1) -> EmergencyLog:
    return EmergencyLog(Path("/state"), RUN, epoch=epoch, now=Ticker(), disk=disk, stream=io.StringIO())


@pytest.mark.parametrize("is_there", [False, True], ids=["no folder yet", "the folder is there"])
def test_what_was_written_survives_a_power_cut_with_its_name(is_there: bool) -> None:
    disk = FakeDisk()
    if is_there:
        disk.put_folders(["/state"])
    log = kept_by(disk)
    records = [log.append(Note("release", str(number))) for number in range(3)]
    disk.cut_power()
    assert parse(disk.read(log.path)).records == records


def test_a_disk_that_cannot_keep_the_name_leaves_standard_error() -> None:
    disk, stream = FakeDisk(), io.StringIO()
    disk.put_folders(["/state"])
    disk.fail("sync_folder", errno.EIO, times=100)
    log = EmergencyLog(Path("/state"), RUN, epoch=1, now=Ticker(), disk=disk, stream=stream)
    records = [log.append(Note("release", str(number))) for number in range(3)]
    assert parse(stream.getvalue().encode()).records == records


def test_records_behind_a_damage_are_set_aside_and_not_cut_off() -> None:
    disk = FakeDisk()
    first = kept_by(disk)
    for number in range(4):
        first.append(Note("release", str(number)))
    first.close()
    broken = bytearray(disk.read(first.path))
    broken[len(broken) // 3] ^= 1
    disk.put(first.path, bytes(broken))
    second = kept_by(disk, epoch=2)
    record = second.append(Note("release", "later"))
    disk.cut_power()
    assert disk.read(Path(f"{first.path}.damaged-1")) == bytes(broken)
    assert parse(disk.read(first.path)).records == [record]


def test_a_torn_tail_is_cut_off_before_the_next_record() -> None:
    disk = FakeDisk()
    first = kept_by(disk)
    records = [first.append(Note("release"))]
    disk.put(first.path, disk.read(first.path) + b"torn")
    records.append(kept_by(disk, epoch=2).append(Note("later")))
    assert parse(disk.read(first.path)).records == records


def test_what_a_sync_has_failed_for_is_said_and_all_that_follows() -> None:
    disk, stream = FakeDisk(), io.StringIO()
    log = EmergencyLog(Path("/state"), RUN, epoch=1, now=Ticker(), disk=disk, stream=stream)
    log.append(Note("kept"))
    disk.fail("sync", errno.EIO)
    for topic in ("said", "said too"):
        log.append(Note(topic))
    assert [json.loads(line)["data"]["topic"] for line in stream.getvalue().splitlines()] == ["said", "said too"]
