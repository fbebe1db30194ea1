"""The store on a disk that misbehaves: what was acknowledged is there, what was refused is not."""

from __future__ import annotations

import errno
from hashlib import sha256
from pathlib import Path

import pytest

from rpd.journal.errors import (
    JournalDamaged,
    JournalLocked,
    JournalLost,
    JournalMissing,
    JournalNotOurs,
    JournalTooNew,
    JournalUnwritable,
)
from rpd.journal.reader import Reading, parse
from rpd.journal.records import Note, Record, Repaired, Resumed, Stamp
from rpd.journal.store import Journal
from tests.journal.fake_disk import FakeDisk
from tests.journal.samples import RUN, Ticker, create, life, opened, reopen

HOME = Path("/state")
PATH = HOME / "journals" / "foo" / f"{RUN}.jsonl"
FOLDER = PATH.parent


def reading(disk: FakeDisk, path: Path = PATH) -> Reading:
    return parse(disk.read(path))


def test_records_come_back_as_they_were_returned() -> None:
    disk = FakeDisk()
    with create(HOME, disk=disk) as journal:
        returned = [journal.append(body) for body in life(3)]
        assert journal.records[1:] == returned
        assert journal.head == (returned[-1].seq, returned[-1].z)
    found = reading(disk)
    assert found.records[1:] == returned
    assert found.verified
    assert found.opened is not None
    assert found.opened.journal_path == str(PATH)
    assert disk.files(FOLDER) == [PATH.name, f"{PATH.name}.lock"]


def test_a_journal_is_born_whole_or_not_at_all() -> None:
    probe = FakeDisk()
    create(HOME, disk=probe, ballast_bytes=100)
    for call, count in probe.calls.items():
        for number in range(count):
            disk = FakeDisk()
            disk.fail(call, errno.EIO, after=number)
            try:
                journal = create(HOME, disk=disk, ballast_bytes=100)
            except (JournalUnwritable, JournalNotOurs):
                disk.kill()
                assert disk.stat(PATH) is None or call in ("unlink", "close", "write"), (call, number)
                create(HOME, disk=disk, ballast_bytes=100) if disk.stat(PATH) is None else reopen(PATH, disk=disk)
            else:
                disk.cut_power()
                assert reading(disk).records == journal.records


def test_a_born_journal_survives_a_power_cut_with_its_folders() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    journal.append(Note("a"))
    disk.cut_power()
    assert [record.event for record in reading(disk).records] == ["opened", "note"]


def test_a_name_is_never_taken_twice() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    with pytest.raises(JournalNotOurs, match="there already"):
        create(HOME, disk=disk)
    create_again = disk.read(PATH)
    assert parse(create_again).verified


def test_unsynced_records_may_go_synced_ones_stay() -> None:
    for keep_all in (False, True):
        disk = FakeDisk()
        journal = create(HOME, disk=disk)
        journal.append(Note("synced"))
        journal.append(Note("unsynced"), sync=False)
        disk.cut_power(lambda path, durable, seen, keep_all=keep_all: seen if keep_all else durable)
        again = reopen(PATH, disk=disk)
        topics = [record.body.topic for record in again.records if isinstance(record.body, Note)]
        assert topics == (["synced", "unsynced"] if keep_all else ["synced"])


def test_a_torn_tail_is_set_aside_and_the_journal_goes_on() -> None:
    disk = FakeDisk()
    with create(HOME, disk=disk) as journal:
        journal.append(Note("kept"))
    good = disk.read(PATH)
    disk.put(PATH, good + b'{"boot":"bo')
    with reopen(PATH, disk=disk) as again:
        assert [record.event for record in again.records] == ["opened", "note", "repaired", "resumed"]
        assert again.epoch == 2
        repaired = again.records[2].body
    assert isinstance(repaired, Repaired)
    assert (repaired.cause, repaired.bytes, repaired.kept_as) == ("torn_tail", 11, f"{PATH.name}.torn-2-1")
    assert disk.read(FOLDER / repaired.kept_as) == b'{"boot":"bo'
    assert reading(disk).verified
    disk.put(PATH, good + b"zz")
    with reopen(PATH, disk=disk) as third:
        assert third.records[2].body.kept_as == f"{PATH.name}.torn-2-2"  # type: ignore[union-attr]


def test_a_full_disk_does_not_stop_the_repair() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    disk.put(PATH, disk.read(PATH) + b"x" * 5000)
    disk.fail("create", errno.ENOSPC, times=2)  # neither a copy of the journal nor one of the tail
    with reopen(PATH, disk=disk) as journal:
        repaired = journal.records[1].body
        assert isinstance(repaired, Repaired)
        assert (repaired.bytes, repaired.kept_as) == (5000, "")


def test_damage_stops_resume_and_leaves_the_file_alone() -> None:
    disk = FakeDisk()
    with create(HOME, disk=disk) as journal:
        for body in life():
            journal.append(body)
    broken = bytearray(disk.read(PATH))
    broken[len(broken) // 2] ^= 1
    disk.put(PATH, bytes(broken))
    with pytest.raises(JournalDamaged) as caught:
        reopen(PATH, disk=disk)
    assert caught.value.line > 1
    assert disk.read(PATH) == bytes(broken)
    with pytest.raises(JournalDamaged):  # the lock was given back
        reopen(PATH, disk=disk)


def test_a_journal_shorter_than_its_anchor_is_refused() -> None:
    disk = FakeDisk()
    with create(HOME, disk=disk) as journal:
        kept = disk.read(PATH)
        anchor = (journal.append(Note("launch")).seq, journal.head[1])
    with reopen(PATH, disk=disk, anchor=anchor) as again:
        assert again.epoch == 2
    disk.put(PATH, kept)
    with pytest.raises(JournalLost, match="record 1 had been written"):
        reopen(PATH, disk=disk, anchor=anchor)


@pytest.mark.parametrize("taken", [0, 1, 37])
def test_a_short_write_is_taken_back_and_tried_once_more(taken: int) -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    for sync in (True, False):
        disk.tear_next_write(taken)
        journal.append(Note("whole"), sync=sync)
        assert reading(disk).records == journal.records
        assert reading(disk).torn_bytes == 0
    assert [record.event for record in journal.records] == ["opened", "note", "note"], "no other file was needed"


def test_a_full_disk_gives_its_ballast_to_the_last_records() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk, ballast_bytes=4000)
    assert f"{PATH.name}.ballast" in disk.files(FOLDER)
    disk.room = 100
    written = []
    with pytest.raises(JournalUnwritable, match="disk full"):
        for number in range(100):
            written.append(journal.append(Note("n", str(number))))
    assert len(written) > 8
    assert f"{PATH.name}.ballast" not in disk.files(FOLDER)
    assert reading(disk).records == journal.records
    assert reading(disk).torn_bytes == 0
    disk.room = 10_000
    written.append(journal.append(Note("again")))
    assert reading(disk).records[1:] == written


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_after_a_failed_sync_the_journal_lives_in_a_new_file(code: int) -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    events = HOME / "events.jsonl"
    disk.link(PATH, events)
    relinked: list[Path] = []

    def relink(path: Path) -> None:
        relinked.append(path)
        disk.unlink(events)
        disk.link(path, events)

    journal.on_replaced = relink
    before = disk.stat(PATH)
    disk.fail("sync", code)
    record = journal.append(Note("must survive"))
    assert (journal.moves, relinked) == (1, [PATH])
    assert disk.stat(PATH) != before
    assert [record.event for record in journal.records] == ["opened", "note", "repaired"]
    assert journal.records[2].body == Repaired(errno.errorcode[code].lower())
    journal.append(Note("goes on"))
    assert disk.read(events) == disk.read(PATH)
    disk.cut_power()
    assert reading(disk).records[1] == record
    assert reading(disk).records == journal.records


def test_a_disk_that_never_syncs_is_unwritable_and_may_recover() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    disk.fail("sync", errno.EIO, times=1000)
    for _ in range(3):
        with pytest.raises(JournalUnwritable):
            journal.append(Note("lost"))
    assert len(journal.records) == 1
    disk.kill()  # also forgets the faults


def test_every_single_storage_error_leaves_acknowledged_records_only() -> None:
    bodies = life(2)

    def live(disk: FakeDisk) -> tuple[list[Record], Journal]:
        journal = create(HOME, disk=disk, ballast_bytes=500)
        acknowledged = []
        for body in bodies:
            try:
                acknowledged.append(journal.append(body))
            except JournalUnwritable:
                continue
        return acknowledged, journal

    probe = FakeDisk()
    start = FakeDisk()
    create(HOME, disk=start, ballast_bytes=500)
    live(probe)
    for call, total in probe.calls.items():
        for number in range(start.calls[call], total):
            for code in (errno.EIO, errno.ENOSPC):
                disk = FakeDisk()
                disk.fail(call, code, after=number)
                acknowledged, journal = live(disk)
                assert len(acknowledged) >= len(bodies) - 1
                disk.cut_power()
                found = reading(disk)
                assert found.damage is None
                there = {record.z for record in found.records}
                assert all(record.z in there for record in acknowledged), (call, number, code)
                assert found.records == journal.records


def test_a_vanished_journal_is_written_anew() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    disk.unlink(PATH)
    disk.unlink(PATH.with_name(f"{PATH.name}.lock"))
    journal.append(Note("still here"))
    assert reading(disk).records == journal.records
    assert journal.records[-1].body == Repaired("path_vanished")
    with pytest.raises(JournalLocked):
        reopen(PATH, disk=disk)


def test_a_replaced_journal_is_set_aside() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    disk.put(PATH, b"somebody's notes\n")
    journal.append(Note("ours"))
    assert reading(disk).records == journal.records
    assert disk.read(FOLDER / f"{PATH.name}.foreign-1") == b"somebody's notes\n"


def test_who_lost_the_journal_to_a_new_owner_stops() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    copy = disk.read(PATH)
    disk.unlink(PATH)
    disk.unlink(PATH.with_name(f"{PATH.name}.lock"))
    disk.put(PATH, copy)
    other = reopen(PATH, disk=disk)
    for sync in (True, True, False):
        with pytest.raises(JournalLocked):
            journal.append(Note("not mine any more"), sync=sync)
    other.append(Note("mine"))
    assert reading(disk).records == other.records


def test_opening_syncs_what_a_dead_process_left_unsynced() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    journal.append(Note("written, not synced"), sync=False)
    disk.kill()
    reopen(PATH, disk=disk)
    disk.cut_power()
    assert [record.event for record in reading(disk).records] == ["opened", "note", "resumed"]


def test_opening_saves_what_a_process_before_failed_to_sync() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    disk.fail("sync", errno.EIO)
    disk.fail("create", errno.ENOSPC)
    with pytest.raises(JournalUnwritable):
        journal.append(Note("seen by all, on no disk"))
    disk.kill()
    seen = reading(disk).records
    with reopen(PATH, disk=disk) as again:
        held = again.records
    disk.cut_power()
    assert [record.z for record in reading(disk).records] == [record.z for record in held]
    assert [record.z for record in held[: len(seen)]] == [record.z for record in seen]


def test_each_owner_has_its_epoch() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    for epoch in (2, 3, 4):
        with reopen(PATH, disk=disk) as journal:
            assert journal.epoch == epoch
            resumed = journal.records[-1]
            assert resumed.epoch == epoch
            assert isinstance(resumed.body, Resumed)
            assert resumed.body.command == "resume"
    assert [record.epoch for record in reading(disk).records] == [1, 2, 3, 4]


def test_two_owners_of_one_disk() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    with pytest.raises(JournalLocked, match=r"journal in use by pid \d+ on host .* \(rpd run, since 2026-") as caught:
        reopen(PATH, disk=disk)
    assert caught.value.owner["command"] == "run"
    assert caught.value.owner["epoch"] == 1
    journal.close()
    journal.close()
    reopen(PATH, disk=disk).close()


def test_a_missing_journal_is_missing() -> None:
    with pytest.raises(JournalMissing):
        reopen(PATH, disk=FakeDisk())


def test_a_closed_journal_takes_nothing() -> None:
    journal = create(HOME, disk=FakeDisk())
    journal.close()
    with pytest.raises(JournalUnwritable, match="closed"):
        journal.append(Note("late"))


def test_a_clock_that_steps_is_written_down() -> None:
    disk, tick = FakeDisk(), Ticker()
    journal = Journal.create(PATH, opened(), run_id=RUN, now=tick, disk=disk, ballast_bytes=0)
    tick.wall -= 3600
    journal.append(Note("after"))
    journal.append(Note("later"))
    topics = [record.body.topic for record in journal.records if isinstance(record.body, Note)]
    assert topics == ["clock_step", "after", "later"]
    assert journal.records[1].body.data == {"seconds": -3600.0}  # type: ignore[union-attr]


def test_a_weak_place_is_named() -> None:
    disk = FakeDisk()
    disk.weak = "/state is on a nfs4 file system, where locks and syncs may not hold"
    assert create(HOME, disk=disk).warnings == (disk.weak,)


@pytest.mark.weak_point(28)
def test_whatever_call_the_process_dies_in_the_journal_is_an_exact_prefix() -> None:
    class Killed(BaseException):
        pass

    bodies = life(1)
    probe = FakeDisk()
    journal = create(HOME, disk=probe)
    for body in bodies:
        journal.append(body)
    whole = probe.read(PATH)
    for limit in range(sum(probe.calls.values())):
        for power in (False, True):
            disk, acknowledged, count = FakeDisk(), 0, 0

            def die(call: str, limit: int = limit) -> None:
                nonlocal count
                count += 1
                if count > limit:
                    raise Killed

            disk.before = die
            try:
                victim = create(HOME, disk=disk)
                acknowledged = 1
                for body in bodies:
                    victim.append(body)
                    acknowledged += 1
            except Killed:
                pass
            disk.before = None
            disk.cut_power() if power else disk.kill()
            if disk.stat(PATH) is None:
                assert acknowledged == 0
                continue
            assert whole.startswith(disk.read(PATH))
            assert len(reading(disk).records) >= acknowledged
            with reopen(PATH, disk=disk) as again:
                assert again.epoch == 2


def test_the_stamp_is_the_clock_s() -> None:
    journal = create(HOME, disk=FakeDisk(), now=lambda: Stamp(1_763_855_712.1239, 5, "b"))
    assert journal.records[0].at == Stamp(1_763_855_712.1239, 5.0, "b")
    assert journal.records[0].ts_utc == "2025-11-22T23:55:12.123Z"


def test_a_file_system_without_hard_links_will_do() -> None:
    disk = FakeDisk()
    disk.fail("link", errno.EPERM)
    with create(HOME, disk=disk) as journal:
        journal.append(Note("n"))
    assert reading(disk).records == journal.records
    assert disk.files(FOLDER) == [PATH.name, f"{PATH.name}.lock"]


def test_a_name_taken_at_the_last_moment_is_not_overwritten() -> None:
    disk = FakeDisk()

    def meddle(call: str) -> None:
        if call == "link":
            disk.put(PATH, b"theirs\n")

    disk.before = meddle
    with pytest.raises(JournalNotOurs, match="there already"):
        create(HOME, disk=disk)
    assert disk.read(PATH) == b"theirs\n"


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOLCK, JournalNotOurs), (errno.ELOOP, JournalNotOurs), (errno.EROFS, JournalUnwritable)]
)
def test_a_place_that_cannot_lock_is_refused(code: int, kind: type[Exception]) -> None:
    disk = FakeDisk()
    disk.fail("try_lock", code)
    with pytest.raises(kind):
        create(HOME, disk=disk)
    create(HOME, disk=disk).close()


def test_a_lock_without_text_is_still_a_lock() -> None:
    disk = FakeDisk()
    with create(HOME, disk=disk):
        disk.truncate(disk.open_append(PATH.with_name(f"{PATH.name}.lock")), 0)
        with pytest.raises(JournalLocked, match="another process"):
            reopen(PATH, disk=disk)


def test_a_large_journal_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpd.journal.store.SOFT_LIMIT_BYTES", 2000)
    journal = create(HOME, disk=FakeDisk())
    for number in range(10):
        journal.append(Note("n", str(number)))
    topics = [record.body.topic for record in journal.records if isinstance(record.body, Note)]
    assert topics.count("journal_large") == 1
    assert journal.is_large


def test_a_journal_of_another_beginning_is_damaged() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    disk.put(PATH, b"")
    with pytest.raises(JournalDamaged, match="does not begin"):
        reopen(PATH, disk=disk)


def test_a_newer_journal_is_not_carried_on() -> None:
    disk = FakeDisk()
    Journal.create(PATH, opened(min_reader=7), run_id=RUN, now=Ticker(), disk=disk).close()
    before = disk.read(PATH)
    with pytest.raises(JournalTooNew, match=r"format 7.*inspect and gc work"):
        reopen(PATH, disk=disk)
    assert disk.read(PATH) == before


def test_a_sync_error_while_taking_over_moves_the_journal() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    disk.fail("sync", errno.EIO)
    with reopen(PATH, disk=disk) as journal:
        assert [record.event for record in journal.records] == ["opened", "repaired", "resumed"]
        assert journal.moves == 1
    assert reading(disk).records == journal.records


class _PressedAgain(BaseException):
    """What a signal handler raises wherever the program is."""


class _Interrupted(list[Record]):
    def append(self, record: Record) -> None:
        raise _PressedAgain


def test_an_exception_right_after_a_line_was_safe_does_not_break_the_chain(tmp_path: Path) -> None:
    with create(tmp_path) as journal:
        journal.records = _Interrupted(journal.records)
        with pytest.raises(_PressedAgain):
            journal.append(Note("one"))
        journal.append(Note("two"))
        path = journal.path
    found = parse(path.read_bytes())
    assert found.damage is None and not found.torn_bytes
    assert [record.body.topic for record in found.records if isinstance(record.body, Note)] == ["one", "two"]


def test_a_tail_that_was_set_aside_survives_a_power_cut() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    disk.put(PATH, disk.read(PATH) + b"half a line")
    journal = reopen(PATH, disk=disk)
    repaired = journal.records[1].body
    disk.cut_power()
    assert isinstance(repaired, Repaired)
    assert disk.read(FOLDER / repaired.kept_as) == b"half a line"
    assert reading(disk).records == journal.records


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_tail_for_which_there_is_no_room_does_not_stop_a_release(code: int) -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    disk.put(PATH, disk.read(PATH) + b"half a line")
    disk.fail("create", code, times=2)
    with reopen(PATH, disk=disk) as journal:
        assert journal.records[1].body == Repaired("torn_tail", 11, sha256(b"half a line").hexdigest(), "")
    assert reading(disk).verified


def test_a_tail_that_was_kept_in_part_is_not_kept_and_no_file_of_it_stays() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    disk.put(PATH, disk.read(PATH) + b"half a line")
    disk.fail("create", errno.ENOSPC)  # no copy of the journal: it is synced in its place
    disk.tear_next_write(0)  # the lock's text
    disk.tear_next_write(3)
    with reopen(PATH, disk=disk) as journal:
        assert journal.records[1].body.kept_as == ""  # type: ignore[union-attr]
    assert not [name for name in disk.files(FOLDER) if ".torn" in name]


def test_a_tail_that_a_broken_disk_cannot_keep_stays_where_it_is() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    disk.put(PATH, disk.read(PATH) + b"half a line")
    disk.fail("create", errno.EIO, after=1)  # the copy of the journal is made, the one of the tail is not
    with pytest.raises(JournalUnwritable):
        reopen(PATH, disk=disk)
    assert disk.read(PATH).endswith(b"half a line"), "it is cut off only after it was kept"
    reopen(PATH, disk=disk).close()


def test_what_nobody_was_told_is_safe_is_gone_after_a_failed_sync() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    before = disk.read(PATH)
    disk.fail("sync", errno.EIO)
    disk.fail("create", errno.EIO)
    with pytest.raises(JournalUnwritable):
        journal.append(Note("on no disk"))
    assert disk.read(PATH) == before, "a later reader must not find it"


def test_a_copy_that_does_not_fit_is_none() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    kept = [*journal.records, journal.append(Note("kept"))]
    disk.fail("sync", errno.EIO)
    disk.room = 600  # for the line, and not for all of them
    with pytest.raises(JournalUnwritable):
        journal.append(Note("not kept"))
    assert reading(disk).records == kept
    assert disk.files(FOLDER) == [PATH.name, f"{PATH.name}.lock"]
    disk.room = 10_000
    kept.append(journal.append(Note("again")))
    disk.cut_power()
    assert reading(disk).records[: len(kept)] == kept


@pytest.mark.parametrize("room", [0, 1, 300])
def test_a_journal_that_does_not_fit_is_not_born(room: int) -> None:
    disk = FakeDisk()
    disk.room = room
    with pytest.raises(JournalUnwritable):
        create(HOME, disk=disk)
    assert disk.files(FOLDER) == [f"{PATH.name}.lock"]


@pytest.mark.parametrize("call", ["link", "rename"])
def test_no_file_takes_the_name_before_it_is_synced(call: str) -> None:
    disk, met = FakeDisk(), []

    def check() -> None:
        inode = disk.find(PATH.with_name(f"{PATH.name}.new"))
        assert inode is not None
        met.append(inode.is_synced)

    disk.hooks[call] = check
    if call == "rename":  # as a file system without hard links has it, and as every move
        disk.fail("link", errno.EPERM)
    journal = create(HOME, disk=disk)
    disk.fail("sync", errno.EIO)
    journal.append(Note("moves"))
    journal.close()
    reopen(PATH, disk=disk).close()
    assert met == [True] * (1 if call == "link" else 3)


def test_opening_saves_what_was_lost_with_a_process_that_died_of_its_sync() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    journal.append(Note("seen by all, on no disk"), sync=False)
    inode = disk.find(PATH)
    assert inode is not None
    inode.is_lost = True  # its sync has failed, and nobody lived to take it back
    disk.kill()
    held = reopen(PATH, disk=disk).records
    disk.cut_power()
    assert [record.event for record in held] == ["opened", "note", "resumed"] and reading(disk).records == held


def test_a_closed_journal_is_durable_to_its_end() -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk)
    journal.append(Note("advisory"), sync=False)
    journal.close()
    disk.cut_power()
    assert reading(disk).records == journal.records


def test_where_a_copy_has_no_room_the_old_file_is_synced() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).append(Note("advisory"), sync=False)
    disk.kill()
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        disk.fail("create", code)
        synced: list[bool] = []
        inode = disk.find(PATH)
        assert inode is not None
        disk.hooks["truncate"] = lambda: synced.append(inode.is_synced)  # noqa: B023
        disk.hooks["write"] = lambda: synced.append(inode.is_synced)  # noqa: B023
        journal = reopen(PATH, disk=disk, ballast_bytes=0)
        assert synced[-1], "before anything new is written"
        disk.hooks.clear()
        journal.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("call", ["write", "sync"])
def test_every_word_for_a_full_disk_frees_the_ballast(call: str, code: int) -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk, ballast_bytes=4000)
    disk.fail(call, code, times=1 if call == "write" else 2)  # the sync of the file, and of its copy
    journal.append(Note("kept"))
    assert f"{PATH.name}.ballast" not in disk.files(FOLDER)
    disk.cut_power()
    assert [record.event for record in reading(disk).records][:2] == ["opened", "note"]


def test_a_journal_without_room_for_its_ballast_is_not_born() -> None:
    probe = FakeDisk()
    create(HOME, disk=probe).close()
    disk = FakeDisk()
    disk.room = len(probe.read(PATH)) + 1000  # for record 0 and the lock's text
    with pytest.raises(JournalUnwritable, match="ballast"):
        create(HOME, disk=disk, ballast_bytes=4000)
    assert disk.files(FOLDER) == [f"{PATH.name}.lock"]
    with create(HOME, disk=disk, ballast_bytes=300):
        assert len(disk.read(PATH.with_name(f"{PATH.name}.ballast"))) == 300


def test_who_takes_over_has_a_ballast_a_signed_lock_and_the_warnings_of_the_place() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk, ballast_bytes=1000).close()
    assert disk.files(FOLDER) == [PATH.name, f"{PATH.name}.lock"], "the room goes back when it is closed"
    disk.weak = "a weak place"
    journal = reopen(PATH, disk=disk, ballast_bytes=1000)
    assert len(disk.read(PATH.with_name(f"{PATH.name}.ballast"))) == 1000
    assert journal.warnings == ("a weak place",)
    with pytest.raises(JournalLocked) as caught:
        reopen(PATH, disk=disk)
    assert caught.value.owner["epoch"] == journal.epoch == 2, "requests are addressed to an epoch"


def test_a_full_disk_keeps_nobody_from_taking_over() -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    disk.room = 2500
    with reopen(PATH, disk=disk, ballast_bytes=100_000) as journal:
        assert journal.epoch == 2
    assert disk.files(FOLDER) == [PATH.name, f"{PATH.name}.lock"]


def test_a_sync_error_at_the_very_end_moves_the_journal_and_says_so() -> None:
    disk, told = FakeDisk(), []
    journal = create(HOME, disk=disk)
    journal.on_replaced = told.append
    journal.append(Note("last"), sync=False)
    disk.fail("sync", errno.EIO)
    journal.close()
    disk.cut_power()
    assert told == [PATH]
    assert [record.event for record in reading(disk).records] == ["opened", "note", "repaired"]
    reopen(PATH, disk=disk).close()


@pytest.mark.parametrize("call", ["open_append", "sync", "create", "write", "rename", "sync_folder"])
def test_who_could_not_take_over_lets_go_of_the_lock(call: str) -> None:
    disk = FakeDisk()
    create(HOME, disk=disk).close()
    disk.fail(call, errno.EIO, times=50)
    with pytest.raises(JournalUnwritable):
        reopen(PATH, disk=disk)
    disk._faults.clear()
    assert not disk._handles and not disk._locks
    with reopen(PATH, disk=disk) as journal:
        assert reading(disk).records == journal.records


@pytest.mark.parametrize(("code", "moves"), [(errno.EIO, 1), (errno.EROFS, 1), (errno.ENOSPC, 0)])
def test_a_file_whose_write_failed_is_not_trusted_and_a_full_disk_is_no_fault_of_the_file(
    code: int, moves: int
) -> None:
    disk = FakeDisk()
    journal = create(HOME, disk=disk, ballast_bytes=500)
    disk.fail("write", code)
    journal.append(Note("kept"))
    assert journal.moves == moves
    assert f"{PATH.name}.ballast" in disk.files(FOLDER) if moves else f"{PATH.name}.ballast" not in disk.files(FOLDER)
    assert reading(disk).records == journal.records
