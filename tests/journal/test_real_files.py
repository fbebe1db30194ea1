"""The store on the machine's own file system, against real processes, limits, links and permissions."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpd.journal.disk import OsDisk
from rpd.journal.errors import JournalLocked, JournalMissing, JournalNotOurs
from rpd.journal.lock import holder, lock_path
from rpd.journal.paths import canonical
from rpd.journal.reader import read
from rpd.journal.records import Note
from rpd.journal.store import Journal
from tests.journal.samples import RUN, create, life, reopen

ROOT = Path(__file__).resolve().parents[2]
PRELUDE = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from rpd.journal.errors import *
from rpd.journal.records import *
from tests.journal.samples import *
home = Path(sys.argv[1])
def say(word):
    print(word, flush=True)
"""


class Process:
    """Another interpreter running `code` with the state home as its argument; it speaks in lines."""

    def __init__(self, home: Path, code: str, *prefix: str) -> None:
        command = [*prefix, sys.executable, "-c", PRELUDE + textwrap.dedent(code), str(home)]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)

    def hear(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def end(self) -> list[str]:
        words, _ = self.popen.communicate(timeout=30)
        return words.split()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        process.popen.kill()
        process.popen.communicate()


HOLD = """
journal = create(home)
say(journal.path)
sys.stdin.read()
"""


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with create(tmp_path / "home", ballast_bytes=1000) as journal:
            for file in (journal.path, lock_path(journal.path), journal.path.with_name(f"{journal.path.name}.ballast")):
                assert stat.S_IMODE(file.stat().st_mode) == 0o600
            for folder in (journal.path.parent, journal.path.parent.parent, tmp_path / "home"):
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        os.umask(old)
    assert sorted(file.name for file in journal.path.parent.iterdir()) == [f"{RUN}.jsonl", f"{RUN}.jsonl.lock"]


def test_a_life_on_a_real_disk(tmp_path: Path) -> None:
    with create(tmp_path) as journal:
        for body in life():
            journal.append(body)
    with journal.path.open("ab") as file:
        file.write(b"torn")
    with reopen(journal.path) as again:
        pass
    assert read(journal.path).records == again.records
    assert read(journal.path).verified


def test_two_processes_through_two_names_meet_at_one_lock(tmp_path: Path, processes: list[Process]) -> None:
    processes.append(Process(tmp_path, HOLD))
    path = Path(processes[0].hear())
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    os.link(path, run_folder / "events.jsonl")
    before = path.read_bytes()
    for name in (path, run_folder, run_folder / "events.jsonl"):
        code = f"""
        try:
            reopen(Path({str(name)!r}))
        except JournalLocked as error:
            say(error.owner["pid"])
        """
        assert Process(tmp_path, code).end() == [str(processes[0].popen.pid)]
    assert path.read_bytes() == before
    owner = holder(path)
    assert owner is not None
    assert owner.pid == processes[0].popen.pid
    processes[0].end()
    assert holder(path) is None
    reopen(run_folder).close()
    assert len(read(path).records) == 2


def test_asking_who_holds_a_lock_does_not_get_in_the_way(tmp_path: Path) -> None:
    with create(tmp_path) as journal:
        assert holder(journal.path) is not None
    for _ in range(20):
        assert holder(journal.path) is None
        reopen(journal.path).close()


def test_sigkill_frees_the_lock_even_with_a_living_child(tmp_path: Path, processes: list[Process]) -> None:
    code = """
    import subprocess
    journal = create(home)
    child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
    say(journal.path); say(child.pid)
    sys.stdin.read()
    """
    processes.append(Process(tmp_path, code))
    path, child = Path(processes[0].hear()), int(processes[0].hear())
    try:
        with pytest.raises(JournalLocked):
            reopen(path)
        processes[0].popen.send_signal(signal.SIGKILL)
        processes[0].popen.wait()
        if Path("/proc/self/fd").exists():
            held = {str(link.readlink()) for link in Path(f"/proc/{child}/fd").iterdir()}
            assert not any(RUN in name for name in held)
        os.kill(child, 0)  # still alive
        with reopen(path) as journal:
            assert journal.epoch == 2
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_real_size_limit_leaves_whole_records_only(tmp_path: Path) -> None:
    code = """
    import resource
    journal = create(home)
    for body in life():
        journal.append(body)
    size = journal.path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
    try:
        journal.append(Note("too much"))
    except JournalUnwritable as error:
        say("refused")
    say(journal.path.stat().st_size - size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append(Note("room again"))
    journal.close()
    """
    assert Process(tmp_path, code).end() == ["refused", "0"]
    reading = read(tmp_path / "journals" / "foo" / f"{RUN}.jsonl")
    assert reading.verified
    assert reading.torn_bytes == 0
    assert reading.records[-1].body == Note("room again")


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_an_injected_sync_error_moves_the_journal(tmp_path: Path) -> None:
    code = """
    journal = create(home)
    events = home / "events.jsonl"
    os.link(journal.path, events)
    def relink(path):
        events.unlink(); os.link(path, events)
    journal.on_replaced = relink
    for number in range(4):
        journal.append(Note("n", str(number)))
    say(journal.moves)
    journal.close()
    """
    inject = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=3"]
    probe = subprocess.run([*inject, "true"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("strace may not trace here")
    assert Process(tmp_path, code, *inject).end() == ["1"]
    reading = read(tmp_path / "events.jsonl")
    assert [record.event for record in reading.records] == ["opened", "note", "note", "repaired", "note", "note"]
    assert reading.records == read(canonical(tmp_path / "events.jsonl")).records


def test_a_removed_state_home_is_made_anew(tmp_path: Path) -> None:
    with create(tmp_path / "home") as journal:
        shutil.rmtree(tmp_path / "home")
        journal.append(Note("still here"))
        with pytest.raises(JournalLocked):
            reopen(journal.path)
    assert read(journal.path).records == journal.records


def as_other_user(home: Path, code: str) -> list[str]:
    """Run `code` as nobody when we are root, whom no permission stops."""
    if os.geteuid() != 0:
        return Process(home, code).end()
    return Process(home, f"os.setgid(65534); os.setuid(65534)\n{textwrap.dedent(code)}").end()


def test_a_read_only_folder_is_unwritable_before_anything_is_rented() -> None:
    code = """
    try:
        create(home)
    except JournalUnwritable:
        say("unwritable")
    """
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o711)  # the tests' own folder is closed to other users
        home = Path(place) / "home"
        folder = home / "journals" / "foo"
        folder.mkdir(parents=True)
        folder.chmod(0o500)
        if os.geteuid() == 0:
            os.chown(folder, 65534, 65534)
        assert as_other_user(home, code) == ["unwritable"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits as on Linux")
def test_no_handles_left_is_unwritable(tmp_path: Path) -> None:
    code = """
    import resource
    Owner = __import__("rpd.journal.lock").journal.lock.Owner
    owner = Owner("run", 1, "h", "u")
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, 4096))
    try:
        create(home, owner=owner)
    except JournalUnwritable as error:
        say("unwritable")
    """
    assert Process(tmp_path, code).end() == ["unwritable"]


def test_a_symlink_in_the_journal_s_place_is_refused(tmp_path: Path) -> None:
    with create(tmp_path) as journal:
        pass
    moved = journal.path.with_name("elsewhere")
    journal.path.rename(moved)
    journal.path.symlink_to(moved)
    assert canonical(journal.path) == moved
    with pytest.raises(OSError, match="symbolic") as caught:
        OsDisk().open_append(journal.path)
    assert caught.value.errno == errno.ELOOP
    lock_path(moved).symlink_to(tmp_path / "trap")
    with pytest.raises(JournalNotOurs):
        reopen(moved)
    assert not (tmp_path / "trap").exists()


def test_a_folder_open_to_all_is_refused(tmp_path: Path) -> None:
    with create(tmp_path) as journal:
        pass
    journal.path.parent.chmod(0o777)
    with pytest.raises(JournalNotOurs, match="everybody"):
        reopen(journal.path)
    with pytest.raises(JournalNotOurs, match="everybody"):
        Journal.create(
            journal.path.with_name("b.jsonl"), journal.records[0].body, run_id="b", now=lambda: journal.records[0].at
        )  # type: ignore[arg-type]
    journal.path.parent.chmod(0o700)
    journal.path.chmod(0o666)
    with pytest.raises(JournalNotOurs, match="everybody"):
        reopen(journal.path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_owner_is_refused(tmp_path: Path) -> None:
    with create(tmp_path) as journal:
        pass
    os.chown(journal.path, 12345, -1)
    with pytest.raises(JournalNotOurs, match="another user"):
        reopen(journal.path)
    os.chown(journal.path, 0, -1)
    os.chown(journal.path.parent, 12345, -1)
    with pytest.raises(JournalNotOurs, match="another user"):
        reopen(journal.path)
    os.chown(journal.path.parent, 0, -1)
    os.chown(lock_path(journal.path), 12345, -1)
    with pytest.raises(JournalNotOurs, match="another user"):
        reopen(journal.path)


def test_pipes_and_folders_are_no_journals(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    with pytest.raises(JournalNotOurs):
        read(pipe)
    with pytest.raises(JournalNotOurs):
        canonical(pipe)
    with pytest.raises(JournalNotOurs):
        read(tmp_path)
    with pytest.raises(JournalMissing):
        read(tmp_path / "nothing")


def test_reading_never_writes_and_needs_no_lock(tmp_path: Path) -> None:
    with create(tmp_path) as journal:
        with journal.path.open("ab") as file:
            file.write(b"half a li")
        before = journal.path.read_bytes(), sorted(journal.path.parent.iterdir())
        reading = read(journal.path)
        assert (reading.torn_bytes, reading.verified, reading.head) == (9, True, journal.head)
        assert (journal.path.read_bytes(), sorted(journal.path.parent.iterdir())) == before


def test_a_foreign_append_is_noticed_at_once(tmp_path: Path) -> None:
    with create(tmp_path) as journal:
        with journal.path.open("ab") as file:
            file.write(b"half a li")
        journal.append(Note("n"))
    assert read(journal.path).records == journal.records
    assert journal.records[-1].body.cause == "size_changed"  # type: ignore[union-attr]
    assert journal.path.with_name(f"{journal.path.name}.foreign-1").read_bytes().count(b"half a li") == 1


def test_the_kind_of_file_system_is_told(tmp_path: Path) -> None:
    assert OsDisk().weakness(tmp_path) is None
    cloud = tmp_path / "Dropbox (me)" / "state"
    cloud.mkdir(parents=True)
    assert "Dropbox" in (OsDisk().weakness(cloud) or "")


def test_a_sync_reaches_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a simulated disk takes for a sync is one."""
    disk, synced = OsDisk(), []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda handle: synced.append(str(Path(f"/proc/self/fd/{handle}").readlink())))
    handle = disk.create(tmp_path / "file")
    disk.sync(handle)
    disk.close(handle)
    disk.sync_folder(tmp_path)
    assert synced == [str(tmp_path / "file"), str(tmp_path)]


@pytest.mark.parametrize(
    ("code", "is_told"), [(errno.EIO, True), (errno.ENOSPC, True), (errno.EINVAL, False), (errno.ENOTSUP, False)]
)
def test_a_folder_that_could_not_be_synced_is_told_of_where_it_could_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, is_told: bool
) -> None:
    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    if is_told:
        with pytest.raises(OSError, match=os.strerror(code)):
            OsDisk().sync_folder(tmp_path)
    else:
        OsDisk().sync_folder(tmp_path)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_files_of_the_journal_are_opened_for_nobody_else(tmp_path: Path) -> None:
    """A program that is started keeps neither the file nor its lock; a link in the way is not followed."""
    disk = OsDisk()
    handles = [disk.create(tmp_path / "new"), disk.open_append(tmp_path / "new"), disk.try_lock(tmp_path / "lock")]
    for handle in handles:
        assert handle is not None and not os.get_inheritable(handle)
        os.write(handle, b"x")
        disk.close(handle)
    assert (tmp_path / "new").read_bytes() == b"xx", "everything goes to the end"
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "new")
    for act in (disk.create, disk.open_append, disk.try_lock):
        with pytest.raises(OSError):
            act(tmp_path / "link")
    with pytest.raises(FileExistsError):
        disk.create(tmp_path / "new")
    with pytest.raises(FileExistsError):
        disk.link(tmp_path / "lock", tmp_path / "new")
