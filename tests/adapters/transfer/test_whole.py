"""Nothing counts as arrived that was not hashed, made durable and moved, in this order; nothing else is touched."""

from __future__ import annotations

import ctypes
import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from rpd.adapters.transfer import landing as landings
from rpd.adapters.transfer.archive import END, header, padding
from rpd.adapters.transfer.difference import compare
from rpd.adapters.transfer.entry import Entry, is_safe, leaves
from rpd.adapters.transfer.exchange import exchange
from rpd.adapters.transfer.landing import Landing
from rpd.adapters.transfer.listing import Listing
from rpd.adapters.transfer.outgoing import Outgoing
from rpd.adapters.transfer.patterns import Patterns
from rpd.adapters.transfer.pull import pull
from rpd.engine.errors import Refused, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Pull, Pulled
from tests.fakes.link import Link, Said, SayingChannel

GOOD = {"a": b"hello", "d/b": b"", "c": b"x" * 700}


def listed(files: dict[str, bytes], *more: str, code: int = 0, stderr: bytes = b"") -> Said:
    heads = [f"f 644 {len(body)} 1767225600.25 {name}\0" for name, body in files.items()]
    return Said(["\0".join(["folder", "full", *more, *heads, "end", ""]).encode()], [stderr] if stderr else (), code)


def sums(files: dict[str, bytes]) -> Said:
    return Said([f"{hashlib.sha256(body).hexdigest()} *./{name}\n".encode() for name, body in files.items()])


def stream(files: dict[str, bytes]) -> Said:
    parts = [
        header(Entry(name, "file", 0o644, len(body)), len(body)) + body + padding(len(body))
        for name, body in files.items()
    ]
    return Said([*parts, END])


def fetched(here: Path, *answers: Said, **options: object) -> Pulled:
    order = Pull("artifact", "/workspace/out", str(here), True, **options)  # type: ignore[arg-type]
    link = Link(*answers)
    return pull(link, order, progress=lambda moved, total: None, interrupted=lambda: False)  # type: ignore[arg-type]


def whole(files: dict[str, bytes] = GOOD) -> tuple[Said, Said, Said]:
    return listed(files), sums(files), stream(files)


def test_what_is_listed_arrives(tmp_path: Path) -> None:
    assert fetched(tmp_path / "here", *whole()).files == 3
    assert {name: (tmp_path / "here" / name).read_bytes() for name in GOOD} == GOOD


@pytest.mark.parametrize(
    "sent",
    [{**GOOD, "a": b"jello"}, {**GOOD, "a": b"hell"}, {"a": b"hello"}, {**GOOD, "c": b"y" * 700}, {}],
    ids=["content", "size", "less", "last", "nothing"],
)
def test_what_came_otherwise_has_not_arrived(tmp_path: Path, sent: dict[str, bytes]) -> None:
    again = {name: body for name, body in sent.items() if GOOD[name] != body}
    one, two = (listed(GOOD), sums(GOOD), stream(sent)), (listed(GOOD), sums(GOOD), stream(again))
    with pytest.raises(Refused) as caught:
        fetched(tmp_path / "here", *one, *two)
    assert caught.value.reason == Fault.VERIFY_FAILED and not (tmp_path / "here").exists()


def test_no_more_than_announced_is_written(tmp_path: Path) -> None:
    one = (listed(GOOD), sums(GOOD), stream({**GOOD, "a": b"y" * 20_000}))
    with pytest.raises(Refused) as caught:
        fetched(tmp_path / "here", *one, *one)
    assert caught.value.reason == Fault.VERIFY_FAILED and caught.value.detail["paths"] == ["a"]
    assert all(each.stat().st_size < 1000 for each in tmp_path.rglob("*") if each.is_file())


def test_a_file_of_the_same_size_is_not_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a").write_bytes(b"jello")
    partial = Landing(tmp_path / "here", "/workspace/out").partial
    (partial / "c").write_bytes(b"y" * 700)
    fetched(tmp_path / "here", *whole())
    assert (tmp_path / "here" / "a").read_bytes() == b"hello" and (tmp_path / "here" / "c").read_bytes() == b"x" * 700


def test_a_file_that_could_not_be_hashed_there_has_not_arrived(tmp_path: Path) -> None:
    one = (listed(GOOD), sums({"a": b"hello", "c": b"x" * 700}))
    with pytest.raises(Refused) as caught:
        fetched(tmp_path / "here", *one, *one)
    assert caught.value.reason == Fault.VERIFY_FAILED and "d/b" in caught.value.message


def test_a_folder_that_could_not_be_read_has_not_arrived(tmp_path: Path) -> None:
    one = listed(GOOD, code=1, stderr=b"find: ./x: Permission denied\n")
    with pytest.raises(Refused, match="Permission denied"):
        fetched(tmp_path / "here", one, one)
    with pytest.raises(Refused) as caught:
        fetched(tmp_path / "here", Said([], [b"cd: /workspace/out: Permission denied\n"], 3))
    assert caught.value.reason == Fault.PATH_REFUSED


def test_a_listing_without_its_last_word_is_cut(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        fetched(tmp_path / "here", Said([b"folder\0full\0f 644 5 5.0 a\0\0"]))
    assert caught.value.reason == Fault.LINK_LOST


def _order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is made durable and moved, in order."""
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def moved(source: str, target: str) -> None:
        done.append(f"move {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(landings.os, "fsync", synced)
    monkeypatch.setattr(landings.os, "replace", moved)
    return done


def test_every_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = _order(monkeypatch)
    fetched(tmp_path / "here", *whole())
    moves = [at for at, what in enumerate(done) if what.startswith("move")]
    assert sorted(done[: moves[0]]) == ["sync a", "sync b", "sync c"]
    assert sorted(done[moves[-1] + 1 :]) == ["sync d", "sync here"], "and the names then"


def test_many_files_are_on_the_disk_before_they_have_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, libc = _order(monkeypatch), ctypes.CDLL(None, use_errno=True)

    def syncfs(descriptor: int) -> int:
        done.append("sync all")
        return int(libc.syncfs(descriptor))

    monkeypatch.setattr(landings.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(syncfs=syncfs))
    fetched(tmp_path / "here", *whole({f"{number}": b"x" for number in range(70)}))
    assert done[0] == "sync all" and done[1].startswith("move") and done[-1] == "sync here"


@pytest.mark.parametrize("count", [3, 70])
def test_what_cannot_be_made_durable_has_not_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def broken(descriptor: int) -> int:
        ctypes.set_errno(5)
        if count == 3:
            raise OSError(5, "Input/output error")
        return -1

    monkeypatch.setattr(landings.os, "fsync", broken)
    monkeypatch.setattr(landings.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(syncfs=broken))
    with pytest.raises(Refused) as caught:
        fetched(tmp_path / "here", *whole({f"{number}": b"x" for number in range(count)}))
    assert caught.value.reason == Fault.PATH_REFUSED
    assert not (tmp_path / "here").exists() or not list((tmp_path / "here").iterdir())


def test_room_for_the_journal_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = landings.RESERVE_BYTES + 705
    monkeypatch.setattr(landings.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert fetched(tmp_path / "here", *whole()).bytes == 705
    monkeypatch.setattr(landings.shutil, "disk_usage", lambda _: SimpleNamespace(free=free - 1))
    with pytest.raises(Refused) as caught:
        fetched(tmp_path / "there", *whole())
    assert caught.value.reason == Fault.DISK_FULL
    assert fetched(tmp_path / "here", *whole()).files == 3, "what is here needs no room"


def test_nobody_else_reads_what_is_not_verified(tmp_path: Path) -> None:
    landing = Landing(tmp_path / "here", "/workspace/out")
    descriptor = landing.open_file("d/f")
    assert landing.partial.stat().st_mode & 0o777 == 0o700 and os.fstat(descriptor).st_mode & 0o777 == 0o600
    os.close(descriptor)


def test_a_link_in_the_landing_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    landing = Landing(tmp_path / "here", "/workspace/out")
    (landing.partial / "a").symlink_to(tmp_path / "mine")
    (landing.partial / "c").mkdir()
    fetched(tmp_path / "here", *whole())
    assert (tmp_path / "mine").read_text() == "mine" and not (tmp_path / "here/a").is_symlink()


def test_a_second_name_of_a_file_that_came_broken_has_not_arrived(tmp_path: Path) -> None:
    files = {"a": b"hello", "b": b"hello"}
    link = bytearray(header(Entry("b", "file", 0o644), 0))
    link[156:158] = b"1a"
    link[148:156] = b" " * 8
    link[148:156] = b"%06o\0 " % sum(link)
    first = header(Entry("a", "file", 0o644, 5), 5)
    for body, arrives in ((b"hello", True), (b"jello", False)):
        one = (listed(files), sums(files), Said([first + body + padding(5), bytes(link), END]))
        if arrives:
            assert fetched(tmp_path / "whole", *one).files == 2
            continue
        with pytest.raises(Refused) as caught:
            fetched(tmp_path / "broken", *one, *one)
        assert caught.value.reason == Fault.VERIFY_FAILED


@pytest.mark.parametrize("name", ["unasked", "../a", "/a", "a"])
def test_a_member_that_was_not_asked_for_is_refused(tmp_path: Path, name: str) -> None:
    twice = header(Entry("a", "file", 0o644, 5), 5) + b"hello" + padding(5)
    odd = header(Entry(name, "file", 0o644, 5), 5) + b"hello" + padding(5)
    with pytest.raises(Refused) as caught:
        fetched(tmp_path / "here", listed(GOOD), sums(GOOD), Said([twice + odd, END]))
    assert caught.value.reason == Fault.PATH_REFUSED


@pytest.mark.parametrize("path", ["../x", "/x", "a/../x", "a//x", "", ".", "a/.", "..", "a\0b"])
def test_paths_that_leave(path: str) -> None:
    assert not is_safe(path) and is_safe("a/..b/...c")


@pytest.mark.parametrize(
    ("path", "target", "is_out"),
    [
        ("l", "a", False),
        ("d/l", "../a", False),
        ("l", "../a", True),
        ("d/l", "../../a", True),
        ("l", "/a", True),
        ("l", "", True),
        ("d/l", "x/../../..", True),
        ("l", "d/..", True),
        ("d/l", "..", False),
        ("l", "..", True),
    ],
)
def test_links_that_leave(path: str, target: str, is_out: bool) -> None:
    assert leaves(Entry(path, "link", 0o777, target=target)) is is_out


def test_nothing_is_removed_here_unless_all_has_arrived(tmp_path: Path) -> None:
    here = tmp_path / "here"
    for number, more in enumerate(("l 777 1 1.0 l\0/etc/passwd", "f 644 1 1.0 " + "n" * 5000 + "\0")):
        here.mkdir(exist_ok=True)
        (here / f"mine{number}").write_text("mine")
        answers = (listed(GOOD, more), *whole()[1:])
        done = fetched(here, *answers, delete=True, links="keep")
        assert (done.refused, done.left_out) == ((0, 1) if number == 0 else (1, 0))
        assert (here / f"mine{number}").exists()
    assert fetched(here, *whole(), delete=True, excludes=("mine0",)).refused == 0
    assert (here / "mine0").exists() and not (here / "mine1").exists()


def files_of(*paths: str, mtime: int = 5) -> list[Entry]:
    return [Entry(path, "file", 0o644, 1, mtime) for path in paths]


def plan(local: list[Entry], remote: list[Entry], **options: object):  # type: ignore[no-untyped-def]
    usual: dict[str, object] = {"delete": True, "is_same": lambda entries: set(), "suspects": set()}
    there = Listing("folder", "/w", tuple(remote))
    return compare(local, there, Patterns(["*.log"]), **{**usual, **options})  # type: ignore[arg-type]


def test_a_push_removes_neither_runs_nor_what_is_excluded_or_ignored() -> None:
    remote = [
        *files_of("x", "own.log", "venv/a", "old", ".rpd/run/jobs/1/rc"),
        Entry(".rpd", "folder", 0o755),
        Entry("gone", "folder", 0o755),
    ]
    made = plan(files_of("x"), remote, ignored=frozenset({"venv/a"}))
    assert (made.remove, made.prune, made.send) == (["old"], ["gone"], [])
    assert plan(files_of("x"), remote, delete=False).remove == []


def test_a_push_sends_what_differs_in_anything() -> None:
    local = [*files_of("same", "newer", "mode", "size", "gone", "kind"), Entry("link", "link", 0o777, target="a")]
    remote = [
        *files_of("same", "kind"),
        *files_of("newer", mtime=4),
        Entry("mode", "file", 0o600, 1, 5),
        Entry("size", "file", 0o644, 2, 5),
        Entry("link", "link", 0o777, target="b"),
    ]
    remote[1] = Entry("kind", "folder", 0o755)
    made = plan(local, remote, delete=False)
    assert [each.path for each in made.send] == ["newer", "mode", "size", "gone", "kind", "link"]
    assert made.in_the_way == ["kind"]
    assert plan(local, remote, is_same=lambda entries: {each.path for each in entries}).send[0].path == "mode"
    assert plan(local, remote, suspects={"same"}).send[0].path == "same", "whatever its date says"


def test_a_leftover_does_not_replace_what_is_right(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "a").write_bytes(b"hello")
    (Landing(here, "/workspace/out").partial / "a").write_bytes(b"older")
    rest = {name: body for name, body in GOOD.items() if name != "a"}
    assert fetched(here, listed(GOOD), sums(GOOD), stream(rest)).files == 3
    assert (here / "a").read_bytes() == b"hello"


def test_a_file_that_changed_gets_one_more_try(tmp_path: Path) -> None:
    newer = {**GOOD, "a": b"jello"}
    first = (listed(GOOD), sums(GOOD), stream(newer))
    pulled = fetched(tmp_path / "here", *first, listed(newer), sums(newer), stream({"a": b"jello"}))
    assert pulled.files == 3 and (tmp_path / "here" / "a").read_bytes() == b"jello"


def test_the_manifest_tells_of_contents(tmp_path: Path) -> None:
    sizes = {name: b"y" * len(body) for name, body in GOOD.items()}
    one, other = (fetched(tmp_path / str(len(each)), *whole(each)).manifest_sha256 for each in (GOOD, {"a": b"hello"}))
    again = fetched(tmp_path / "again", *whole()).manifest_sha256
    assert one == again != other and fetched(tmp_path / "sizes", *whole(sizes)).manifest_sha256 != one


def test_a_program_of_the_pod_gets_no_rights_here(tmp_path: Path) -> None:
    text = b"folder\0full\0d 6777 4096 1.5 d\0\0f 6777 5 5.0 a\0\0f 000 5 5.0 b\0\0end\0"
    files = {"a": b"hello", "b": b"hello"}
    fetched(tmp_path / "here", Said([text]), sums(files), stream(files))
    assert (tmp_path / "here" / "a").stat().st_mode & 0o7777 == 0o777
    assert (tmp_path / "here" / "d").stat().st_mode & 0o6000 == 0
    assert (tmp_path / "here" / "b").stat().st_mode & 0o600 == 0o600, "its owner may read what was fetched"


def test_files_are_closed_one_by_one(tmp_path: Path) -> None:
    entry = Entry("a", "file", 0o644, 5, sha256=hashlib.sha256(b"hello").hexdigest())
    arrival = landings.Arrival(Landing(tmp_path / "here", "/out"), entry, lambda count: None)
    arrival.write(memoryview(b"hello"))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    arrival.close()
    assert arrival.is_right and len(os.listdir("/proc/self/fd")) == before - 1  # noqa: PTH208


@pytest.mark.parametrize(
    ("stderr", "code", "reason"),
    [
        (b"sh: tar: not found\n", 127, Fault.NO_TOOL),
        (b"tar: x: Cannot write: No space left on device\n", 2, Fault.DISK_FULL),
        (b"tar: x: Disk quota exceeded\n", 2, Fault.DISK_FULL),
    ],
)
def test_what_a_command_complains_of(stderr: bytes, code: int, reason: Fault) -> None:
    with pytest.raises(Refused) as caught:
        exchange(Link(Said((), [stderr[:20], stderr[20:]], code)), "tar")  # type: ignore[arg-type]
    assert caught.value.reason == reason


def test_a_command_that_says_nothing_for_too_long_is_left() -> None:
    link = Link()
    link.channel = lambda *_, **__: _Silent(link)  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(Unavailable) as caught:
        exchange(link, "x", quiet_seconds=0.05)  # type: ignore[arg-type]
    assert caught.value.reason == Fault.TIMEOUT and "did not move" in caught.value.message


class _Silent(SayingChannel):
    """Nothing comes, and no end."""

    def __init__(self, link: Link) -> None:
        super().__init__(link, Said())

    def recv(self, timeout: float) -> bytes | None:
        return None

    recv_stderr = recv


def test_a_link_that_took_a_files_place_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    (tmp_path / "a").symlink_to(tmp_path / "key")
    entries = [Entry("a", "file", 0o644, 6)]
    sent = Outgoing(
        entries,
        lambda entry: tmp_path / entry.path,
        since=0.0,
        progress=lambda moved, total: None,
        interrupted=lambda: False,
    )
    with pytest.raises(OSError, match="symbolic"):
        list(sent)
