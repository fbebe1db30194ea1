"""A pod may send without end, or numbers that cannot be meant: each reader has a bound, needs little memory, and says
so with an error that a lifecycle knows."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rpd.adapters.transfer import exchange as exchanges
from rpd.adapters.transfer import listing as listings
from rpd.adapters.transfer import remote_tree
from rpd.adapters.transfer.archive import BLOCK, Reader, header
from rpd.adapters.transfer.entry import Entry
from rpd.adapters.transfer.exchange import exchange
from rpd.adapters.transfer.landing import clashes
from rpd.adapters.transfer.patterns import Patterns
from rpd.adapters.transfer.pull import pull
from rpd.adapters.transfer.remote_tree import hash_files, list_tree
from rpd.engine.errors import Interrupted, Refused, RpdError, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Pull, Pulled
from tests.adapters.ssh.ssh_server import Server
from tests.adapters.transfer.trees import ODD_NAMES
from tests.fakes.link import MEGABYTE, Link, Said, endless, megabytes
from tests.memory import little_memory

QUICK_MEGABYTES = 60
GIGABYTE = pytest.param(1024, marks=pytest.mark.slow)


def fails(act: Callable[[], object]) -> RpdError:
    with pytest.raises((Refused, Unavailable)) as caught:
        act()
    assert len(caught.value.message) < 2000
    return caught.value


def fetched(link: Link, local: Path, **options: object) -> Pulled:
    order = Pull("artifact", "/workspace/out", str(local), True, **options)  # type: ignore[arg-type]
    return pull(link, order, progress=lambda moved, total: None, interrupted=lambda: False)  # type: ignore[arg-type]


def listing(*heads: bytes, kind: bytes = b"folder") -> Said:
    return Said([b"\0".join([kind, b"full", *(part for head in heads for part in (head, b"")), b"end", b""])])


def sums(*paths: str) -> Said:
    return Said([b"".join(b"%064d *./%s\n" % (1, path.encode()) for path in paths)])


class Nowhere:
    """Bytes go nowhere."""

    def write(self, data: memoryview) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@pytest.mark.parametrize("count", [QUICK_MEGABYTES, GIGABYTE])
@pytest.mark.parametrize(
    "piece",
    [b"f 644 1 5.0 some/path\0\0", b"\0", b"x", b"f 644 1 5.0 " + b"n" * MEGABYTE + b"\0\0"],
    ids=["entries", "nul", "one-field", "long-names"],
)
def test_a_listing_without_end_needs_little_memory(count: int, piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "ENTRIES_MAX", 20_000)
    monkeypatch.setattr(listings, "LISTING_BYTES_MAX", 8 * MEGABYTE)
    said = itertools.chain([b"folder\0full\0"], megabytes(piece, count))
    link = Link(Said(said))
    with little_memory():
        error = fails(lambda: list_tree(link, "/workspace/out"))  # type: ignore[arg-type]
    assert error.reason in (Fault.UNREADABLE, Fault.PATH_REFUSED)
    assert link.channels[0].taken < 16 * MEGABYTE, "it is left as soon as it is too much"


@pytest.mark.parametrize("piece", [b"./some/path\0", b"./x\0\0" + b"81a4 1 5\n" * 9, b"x\n"])
def test_a_plain_listing_without_end_needs_little_memory(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "ENTRIES_MAX", 20_000)
    monkeypatch.setattr(listings, "LISTING_BYTES_MAX", 8 * MEGABYTE)
    said = itertools.chain([b"folder\0plain\0"], megabytes(piece, QUICK_MEGABYTES))
    with little_memory():
        error = fails(lambda: list_tree(Link(Said(said)), "/workspace/out"))  # type: ignore[arg-type]
    assert error.reason in (Fault.UNREADABLE, Fault.PATH_REFUSED, Fault.VERIFY_FAILED)


def test_too_many_entries_are_refused_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "ENTRIES_MAX", 1000)
    heads = [b"f 644 1 5.0 %d" % number for number in range(1001)]
    assert len(list_tree(Link(listing(*heads[:1000])), "/out").entries) == 1000  # type: ignore[arg-type]
    error = fails(lambda: list_tree(Link(listing(*heads)), "/out"))  # type: ignore[arg-type]
    assert error.reason == Fault.PATH_REFUSED and "1,000" in error.message and not error.retryable


@pytest.mark.parametrize("step", [1, 3, 10_000])
@pytest.mark.parametrize(
    "text",
    [
        b"folder\0full\0d 755 4096 1.5 \0\0f 644 3 5.25 a b\0\0l 777 1 6.0 l\0a\nb\0s 644 0 5.0 sock\0\0end\0",
        b"folder\0plain\0.\0./a b\0./l\0./sock\0\x0041ed 4096 1\n81a4 3 5\na1ff 1 6\nc1a4 0 5\n\0./l\0a\nb\n\0end\0",
    ],
    ids=["full", "plain"],
)
def test_a_listing_in_pieces_is_the_same(text: bytes, step: int) -> None:
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    found = list_tree(Link(Said(pieces)), "/out")  # type: ignore[arg-type]
    assert found.entries == (
        Entry("a b", "file", 0o644, 3, 5),
        Entry("l", "link", 0o777, 0, 6, "a\nb"),
        Entry("sock", "other", 0o644, 0, 5),
    )
    for cut in range(1, len(text), 7):
        assert fails(lambda: list_tree(Link(Said([text[:cut]])), "/out")).reason in (  # type: ignore[arg-type] # noqa: B023
            Fault.LINK_LOST,
            Fault.UNREADABLE,
        )


@pytest.mark.parametrize("number", [b"9" * 27, b"9" * 5000, b"-5", b"-" + b"9" * 30, b"nan", b"1_0", b"\xd9\xa3", b""])
def test_numbers_that_cannot_be_meant_end_no_pull(number: bytes, tmp_path: Path) -> None:
    body = header(Entry("a", "file", 0o644), 0)
    for head in (b"f 644 0 %s.5 a" % number, b"f 644 %s 5.0 a" % number, b"f %s 0 5.0 a" % number):
        link = Link(*[answer for _ in range(2) for answer in (listing(head), _sum_of_nothing("a"), Said([body]))])
        try:
            assert fetched(link, tmp_path / "here").files == 1
            assert (tmp_path / "here/a").stat().st_mtime < 1e10
        except RpdError as error:
            assert error.reason in (Fault.UNREADABLE, Fault.VERIFY_FAILED, Fault.DISK_FULL)


def _sum_of_nothing(path: str) -> Said:
    return Said([b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 *./%s\n" % path.encode()])


def test_a_file_of_the_far_future_arrives(tmp_path: Path) -> None:
    head = b"f 644 0 100000000000000000000000000.0 a"
    answers = (listing(head), _sum_of_nothing("a"), Said([header(Entry("a", "file", 0o644), 0)]))
    assert fetched(Link(*answers), tmp_path / "here").files == 1


def test_more_than_this_disk_holds_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    for size in (10**18, 10**26, 900_000_000_000_000):
        link = Link(listing(b"f 644 %d 5.0 big" % size), sums("big"), Said([]), Said(endless(b"x")))
        error = fails(lambda: fetched(link, tmp_path / "here"))  # noqa: B023
        assert error.reason == Fault.DISK_FULL
        assert len(link.commands) == 3, "the listing, the hashes, and that they are here"


def test_names_that_no_disk_takes_are_left_out_and_named(tmp_path: Path) -> None:
    long, deep = b"n" * 60_000, b"d/" * 2000 + b"x"
    answers = (
        listing(b"f 644 0 5.0 a", *(b"f 644 0 5.0 " + each for each in (long, deep, b"x.tmp/" + long))),
        _sum_of_nothing("a"),
        Said([header(Entry("a", "file", 0o644), 0)]),
    )
    pulled = fetched(Link(*answers), tmp_path / "here", excludes=("**/a/**/b", "*.tmp"))
    assert (pulled.files, pulled.refused) == (1, 2)
    assert all(len(path) <= 200 for path in pulled.refused_paths)


def test_long_names_do_not_make_long_messages(tmp_path: Path) -> None:
    name = "/".join(["n" * 200] * 15)
    heads = [b"f 644 5 5.0 %s%d" % (name.encode(), number) for number in range(9)]
    answers = (listing(*heads), *[sums(*(f"{name}{number}" for number in range(9))), Said()])
    error = fails(lambda: fetched(Link(*answers, *answers), tmp_path / "here"))
    assert error.reason == Fault.VERIFY_FAILED


@pytest.mark.parametrize("count", [QUICK_MEGABYTES, GIGABYTE])
@pytest.mark.parametrize(
    "piece",
    [
        bytes(BLOCK),
        header(Entry("n" * 60_000, "file", 0o644), 0)[:-BLOCK],
        header(Entry("x", "file", 0o644), 0)[:156] + b"g" + header(Entry("x", "file", 0o644), 0)[157:],
    ],
    ids=["zeros", "names", "no-sum"],
)
def test_a_tar_stream_without_end_is_left(count: int, piece: bytes, tmp_path: Path) -> None:
    answers = (listing(b"f 644 5 5.0 a"), sums("a"), Said(megabytes(piece, count)))
    link = Link(*answers, listing(b"f 644 5 5.0 a"), sums("a"), Said(megabytes(piece, count)))
    with little_memory():
        error = fails(lambda: fetched(link, tmp_path / "here"))
    assert error.reason in (Fault.VERIFY_FAILED, Fault.UNREADABLE, Fault.PATH_REFUSED)
    assert link.channels[2].taken < 16 * MEGABYTE
    assert not (tmp_path / "here").exists()


def _pax(*records: bytes, kind: bytes = b"x", size: int | None = None) -> bytes:
    body = b"".join(records)
    block = bytearray(header(Entry("p", "file", 0o644), len(body) if size is None else size))
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + body + bytes(-len(body) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    for size in range(len(key) + len(value) + 4, len(key) + len(value) + 12):
        if len(line := b"%d %s=%s\n" % (size, key, value)) == size:
            return line
    raise AssertionError


@pytest.mark.parametrize(
    "records",
    [
        _record(b"size", b"9" * 5000),
        _record(b"size", "²".encode()),
        _record(b"size", b"-5"),
        b"9" * 5000 + b" a=b\n",
        b"0 a=b\n",
        _record(b"GNU.sparse.major", b"1"),
        b"5 a=\n" * 10_000,
    ],
    ids=["size", "superscript", "minus", "length", "nothing", "sparse", "many"],
)
def test_odd_pax_headers_are_refused_or_passed_over(records: bytes) -> None:
    stream = _pax(records) + header(Entry("a", "file", 0o644), 0)
    try:
        Reader(lambda member: Nowhere()).feed(stream)
    except Refused as error:
        assert error.reason in (Fault.VERIFY_FAILED, Fault.PATH_REFUSED)


@pytest.mark.parametrize("field", [b"-0000000007", b"+0000000007", b"0000_000007", b"\x80" + b"\xff" * 11, b"7" * 12])
def test_odd_sizes_in_a_header_are_no_sizes(field: bytes) -> None:
    block = bytearray(header(Entry("a", "file", 0o644), 0))
    block[124:136] = field.ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    seen = []

    def accept(member: object) -> Nowhere:
        seen.append(member)
        return Nowhere()

    reader = Reader(accept)
    try:
        reader.feed(bytes(block) + b"x" * BLOCK)
    except Refused:
        return
    assert seen[0].size >= 0  # type: ignore[attr-defined]


def test_headers_that_only_extend_keep_nothing() -> None:
    opened: list[object] = []
    reader = Reader(lambda member: opened.append(member) or Nowhere())  # type: ignore[func-returns-value]
    with little_memory(MEGABYTE):
        for number in range(50):
            reader.feed(_pax(*(_record(b"k%d-%d" % (number, each), b"v" * 500) for each in range(100))))
    assert opened == [], "no member has begun"


def test_many_records_of_a_header_are_read_in_time() -> None:
    stream = _pax(b"5 a=\n" * 13_000) * 20
    began = time.monotonic()
    Reader(lambda member: Nowhere()).feed(stream)
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_that_nobody_asked_for_is_left(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "STDERR_BYTES_MAX", 8 * MEGABYTE)
    link = Link(Said(**{stream: endless(b"y\n")}))
    with little_memory():
        error = fails(lambda: exchange(link, "rm x", chunks=[b"x"] * 10))  # type: ignore[arg-type]
    assert error.reason == Fault.UNREADABLE and link.channels[0].taken < 16 * MEGABYTE


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_that_never_ends_has_its_time(stream: str) -> None:
    def drip() -> Iterator[bytes]:
        while True:
            time.sleep(0.001)
            yield b"."

    for chunks in ((), itertools.repeat(b"x")):
        began = time.monotonic()
        error = fails(
            lambda: exchange(  # type: ignore[arg-type]
                Link(Said(**{stream: drip()})),
                "x",
                chunks=chunks,  # noqa: B023
                most_seconds=0.1,
            )
        )
        assert error.reason == Fault.TIMEOUT and time.monotonic() - began < 5


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_somebody_who_asks_for_the_end_is_heard_in_a_flood(stream: str) -> None:
    asked = iter([False] * 20)
    link = Link(Said(**{stream: endless(b"f 644 1 5.0 x\0\0")}), interrupted=lambda: next(asked, True))
    with pytest.raises(Interrupted):
        exchange(link, "x", most_bytes=1 << 40)  # type: ignore[arg-type]
    assert link.channels[0].taken <= 20 * MEGABYTE, "nothing is read after the request"


@pytest.mark.parametrize("count", [QUICK_MEGABYTES, GIGABYTE])
@pytest.mark.parametrize("piece", [b"0" * 64 + b" *./other\n", b"x", b"\n"])
def test_hashes_without_end_need_little_memory(count: int, piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_tree, "OUTPUT_BYTES_MAX", 100_000)
    link = Link(Said(megabytes(piece, count)))
    with little_memory():
        fails(lambda: hash_files(link, "/out", ["a"], 1))  # type: ignore[arg-type]


def test_only_hashes_that_were_asked_for_count() -> None:
    assert hash_files(Link(sums("a", "b")), "/out", ["a"], 1) == {"a": f"{1:064d}"}  # type: ignore[arg-type]


def test_deep_paths_are_compared_in_time() -> None:
    deep = ["a/" * 2000 + f"{number}" for number in range(40)]
    began = time.monotonic()
    with little_memory():
        assert clashes(deep, folds=True) == []
        patterns = Patterns(["*.tmp", "build/", "/top"])
        assert not any(patterns.cover(path, False) for path in deep)
    assert time.monotonic() - began < 3.0


def test_what_lies_in_an_excluded_folder_is_excluded() -> None:
    patterns = Patterns(["build/", "/top", "*.tmp"])
    covered = ["build/a", "x/build/a/b", "top/a", "a.tmp/b/c", "x/a.tmp"]
    assert [path for path in covered if not patterns.cover(path, False)] == []
    free = ["build", "x/top/a", "builds/a", "a.tmpx/b", "x/buildx/a"]
    assert [path for path in free if patterns.cover(path, False)] == []
    assert patterns.cover("x/build", True)


def test_a_find_that_knows_no_printf_is_understood(server: Server, tmp_path: Path) -> None:
    """As busybox's does not."""
    tools, there = tmp_path / "bin", tmp_path / "pod"
    tools.mkdir()
    there.mkdir()
    (tools / "find").write_text(
        f'#!/bin/sh\ncase "$*" in *-printf*) exit 1 ;; esac\nexec {shutil.which("find")} "$@"\n'
    )
    (tools / "find").chmod(0o755)
    for name in (*ODD_NAMES, "d/x"):
        (there / name).parent.mkdir(exist_ok=True)
        (there / name).write_bytes(b"1234567")
    (there / "l").symlink_to("d/x")
    connection = server.connect()
    usual = list_tree(connection, str(there))
    with server.fault(path=f"{tools}:{os.environ['PATH']}"):
        plain = list_tree(connection, str(there))
    connection.close()
    assert sorted(plain.entries, key=_path) == sorted(usual.entries, key=_path) and len(usual.entries) == 14


def _path(entry: Entry) -> str:
    return entry.path


def test_a_slow_link_and_many_files_have_their_time() -> None:
    assert exchanges.seconds_for(0, 0) == 3600.0
    assert exchanges.seconds_for(10**9, 0) > 40_000.0 and exchanges.seconds_for(0, 1_000_000) > 40_000.0
    assert exchanges.seconds_for(10**15, 10**6) == 7 * 86400.0, "whatever sizes a pod tells of"


@pytest.mark.parametrize("floods", ["find", "tar", "sha256sum"])
def test_a_program_in_the_pod_that_never_ends_is_left(
    server: Server, tmp_path: Path, floods: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real SSH; the link stays usable."""
    monkeypatch.setattr(listings, "ENTRIES_MAX", 5_000)
    there = tmp_path / "pod"
    there.mkdir()
    (there / "new\nline").write_text("x")  # so that sha256sum is asked
    tools = tmp_path / "bin"
    tools.mkdir()
    line = "f 644 1 5.0 name" if floods == "find" else "0" * 64 + " *./other"
    ends = " | tr '\\n' '\\000'" if floods == "find" else ""
    (tools / floods).write_text(f"#!/bin/sh\ncase \"$*\" in *-prune*) exit 0 ;; esac\nyes '{line}'{ends}\n")
    (tools / floods).chmod(0o755)
    connection = server.connect()
    with server.fault(path=f"{tools}:{os.environ['PATH']}"), little_memory(60 * MEGABYTE):
        order = Pull("artifact", str(there), str(tmp_path / "here"), True)
        error = fails(lambda: pull(connection, order, progress=lambda moved, total: None, interrupted=lambda: False))
    assert error.reason in (Fault.PATH_REFUSED, Fault.UNREADABLE, Fault.VERIFY_FAILED)
    assert connection.run("echo alive", timeout_seconds=20).stdout == b"alive\n"
    connection.close()


def test_one_name_without_end_is_left_at_once() -> None:
    link = Link(Said(itertools.chain([b"folder\0full\0"], itertools.repeat(b"x" * 50_000))))
    error = fails(lambda: list_tree(link, "/out"))  # type: ignore[arg-type]
    assert error.reason == Fault.UNREADABLE and link.channels[0].taken < MEGABYTE


def test_a_size_beyond_all_measure_is_a_bounded_one() -> None:
    found = list_tree(Link(listing(b"f 644 %d 5.0 a" % 10**26)), "/out")  # type: ignore[arg-type]
    assert found.entries[0].size == listings.SIZE_MAX, "a journal holds no such number"


@pytest.mark.parametrize(
    "text",
    [
        b"folder\0full\0end\0more\0",
        b"folder\0full\0end\0end\0",
        b"missing\0x\0end\0",
        b"folder\0strange\0end\0",
        b"thing\0full\0end\0",
        b"folder\0plain\0./a\0\x0081a4 1 5\n81a4 1 5\n\0end\0",
        b"folder\0plain\0./a\0\x0081a4 1\n\0end\0",
        b"folder\0plain\0./a\0\x0081a4 1 5\0end\0",
    ],
)
def test_what_is_no_listing_is_none(text: bytes) -> None:
    assert fails(lambda: list_tree(Link(Said([text])), "/out")).reason == Fault.UNREADABLE  # type: ignore[arg-type]


def test_a_listing_that_names_a_path_twice_is_none() -> None:
    """As a file and as a link: what is at one of them could pass for the other."""
    twice = listing(b"f 644 5 1.5 a", b"l 777 1 1.5 a")
    assert fails(lambda: list_tree(Link(twice), "/out")).reason == Fault.UNREADABLE  # type: ignore[arg-type]


def test_names_without_numbers_are_a_folder_that_changed() -> None:
    text = b"folder\0plain\0./a\0./b\0\x0081a4 1 5\n\0end\0"
    assert fails(lambda: list_tree(Link(Said([text])), "/out")).reason == Fault.VERIFY_FAILED  # type: ignore[arg-type]


def test_a_sparse_file_is_refused_by_its_name() -> None:
    stream = _pax(_record(b"GNU.sparse.major", b"1")) + header(Entry("a", "file", 0o644), 0)
    with pytest.raises(Refused, match="sparse"):
        Reader(lambda member: Nowhere()).feed(stream)
