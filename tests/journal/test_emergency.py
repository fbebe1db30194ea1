"""Records that the journal cannot take go to the emergency file, then to standard error."""

from __future__ import annotations

import errno
import io
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
