"""The tar writer against Python's reader, and our reader against what others write."""

from __future__ import annotations

import io
import tarfile

import pytest

from rpd.adapters.transfer import archive
from rpd.adapters.transfer.archive import Member, Reader
from rpd.adapters.transfer.entry import Entry
from rpd.adapters.transfer.landing import clashes
from rpd.engine.errors import Refused


class Collected:
    """Members and what they held."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.bodies: list[bytearray] = []
        self.closed = 0

    def accept(self, member: Member) -> Collected:
        self.members.append(member)
        self.bodies.append(bytearray())
        return self

    def write(self, data: memoryview) -> None:
        self.bodies[-1] += data

    def close(self) -> None:
        self.closed += 1


def _read(stream: bytes, step: int) -> Collected:
    collected = Collected()
    reader = Reader(collected.accept)
    for at in range(0, len(stream), step):
        reader.feed(stream[at : at + step])
    return collected


@pytest.mark.parametrize("name", ["a", "ü/" + "n" * 150, "x" * 100, "y" * 101])
@pytest.mark.parametrize("size", [0, 1, 511, 512, 513])
def test_what_we_write_others_read(name: str, size: int) -> None:
    entry = Entry(name, "file", 0o640, size, 1_700_000_000)
    stream = archive.header(entry, size) + b"z" * size + archive.padding(size) + archive.END
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        (info,) = tar.getmembers()
        assert (info.name, info.mode, info.size, info.mtime) == (name, 0o640, size, 1_700_000_000)


def test_huge_sizes_folders_and_long_links() -> None:
    huge = archive.header(Entry("big", "file", 0o644), 9 * 1024**3)
    assert tarfile.TarInfo.frombuf(huge, "utf-8", "strict").size == 9 * 1024**3
    stream = archive.header(Entry("d", "folder", 0o755)) + archive.header(Entry("l", "link", 0o777, target="t" * 130))
    with tarfile.open(fileobj=io.BytesIO(stream + archive.END)) as tar:
        folder, link = tar.getmembers()
    assert folder.isdir() and link.issym() and link.linkname == "t" * 130


@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("step", [1, 511, 10_000_000])
def test_what_others_write_we_read(style: int, step: int) -> None:
    out = io.BytesIO()
    names = ["a", "b/" + "n" * 90, "p/" * 60 + "q"] + ([] if style == tarfile.USTAR_FORMAT else ["ü" * 120])
    with tarfile.open(fileobj=out, mode="w", format=style) as tar:
        for count, name in enumerate(names):
            info = tarfile.TarInfo("./" + name)
            info.size = count * 700
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    collected = _read(out.getvalue() * 2, step)
    assert [member.path for member in collected.members] == names * 2
    assert [len(body) for body in collected.bodies] == [count * 700 for count in range(len(names))] * 2
    assert collected.closed == len(names) * 2


@pytest.mark.parametrize("stream", [b"x" * 512, b"\0" * 124 + b"zz" + b"\0" * 386, b"hello" + bytes(507)])
def test_something_else_is_refused(stream: bytes) -> None:
    with pytest.raises(Refused):
        _read(stream, 512)


def test_an_endless_name_is_refused() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    with pytest.raises(Refused, match="too long"):
        _read(info.tobuf(), 512)


def test_names_that_differ_in_case_clash_only_where_case_is_ignored() -> None:
    paths = ["Model.pt", "model.pt", "d/x", "D/y", "e\u0301", "\u00e9"]
    assert clashes(paths, folds=True) == ["model.pt", "D/y", "\u00e9"]
    assert clashes(paths, folds=False) == []
