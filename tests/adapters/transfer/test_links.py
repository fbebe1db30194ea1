"""Links that lead out of an artifact: followed to a file, or left out and told of; never a way out of the pod's own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer import links as links_file
from rpd.adapters.transfer.chosen import choose
from rpd.adapters.transfer.entry import Entry
from rpd.adapters.transfer.links import follow
from rpd.engine.errors import Unavailable
from rpd.states.ports.faults import Fault
from tests.adapters.ssh.ssh_server import Server
from tests.adapters.transfer.trees import ODD_NAMES, content, fetch, write
from tests.fakes.link import Link, Said

APPLETS = "cat find mkdir mktemp printf readlink rm rmdir sh sha256sum stat tar xargs"


def hub(root: Path) -> Path:
    """A snapshot as Hugging Face's cache lays it out: names here, content there."""
    write(root, {"blobs/abc": b"w" * 5000, "blobs/def": b"tok", "refs/main": "r1"})
    write(root, {"snap/r1/model.bin": "-> ../../blobs/abc", "snap/r1/sub/tok": "-> ../../../blobs/def"})
    write(root, {"snap/r1/again.bin": f"-> {root}/blobs/abc", "snap/r1/near": "-> model.bin", "snap/r1/card.md": "#"})
    return root / "snap/r1"


def test_a_snapshot_of_a_cache_arrives_as_files(connection: Connection, tmp_path: Path) -> None:
    there, here = hub(tmp_path / "pod"), tmp_path / "here"
    pulled = fetch(connection, there, here)
    assert (pulled.files, pulled.left_out, pulled.refused, pulled.bytes) == (5, 0, 0, 10_004)
    assert not (here / "model.bin").is_symlink() and (here / "near").readlink() == Path("model.bin")
    assert (here / "model.bin").read_bytes() == (here / "again.bin").read_bytes() == b"w" * 5000
    assert (here / "sub/tok").read_bytes() == b"tok"
    assert fetch(connection, there, here) == pulled, "again, with nothing to fetch"


@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")
def test_a_pod_with_nothing_but_busybox_follows_them_as_well(server: Server, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in APPLETS.split():
        (tools / name).symlink_to(shutil.which("busybox") or "")
    names = [name for name in ODD_NAMES if "\n" not in name]
    there = write(tmp_path / "pod", {f"out/{name}": f"-> {tmp_path}/pod/blob" for name in names})
    write(there, {"blob": b"b" * 700, "out/lost": "-> /nowhere"})
    connection = server.connect()
    write(there, {"keys": "secret", "out/key": "-> ../keys"})
    with server.fault(path=str(tools)):
        private = (f"{there}/gone/key", f"{there}/keys")
        pulled = fetch(connection, there / "out", tmp_path / "here", private=private)
    connection.close()
    left_out = ("key -> ../keys (leads to no result)", "lost -> /nowhere (leads to nothing)")
    assert (pulled.files, pulled.left_out_links) == (len(names), left_out)
    assert {each.read_bytes() for each in (tmp_path / "here").iterdir()} == {b"b" * 700}


def test_what_cannot_be_had_is_left_out_with_its_reason(connection: Connection, tmp_path: Path) -> None:
    out = write(tmp_path, {"big": b"b" * 3000, "dir/f": "1", "keys": "secret", "hidden": "-> keys"})
    os.mkfifo(out / "pipe")
    there = write(
        tmp_path / "pod",
        {
            "a-big": "-> ../big",
            "b-big": "-> ../big",
            "dangling": "-> ../none",
            "device": "-> /dev/zero",
            "environment": "-> /proc/self/environ",
            "folder": "-> ../dir",
            "key": "-> ../hidden",
            "loop": "-> /../../loop",
            "pipe": "-> ../pipe",
            "self": "-> ../pod/self",
            "up": "-> ..",
        },
    )
    pulled = fetch(connection, there, tmp_path / "here", links_max_bytes=5000, private=(f"{tmp_path}/keys",))
    why = {line.partition(" ")[0]: line.rpartition("(")[2].rstrip(")") for line in pulled.left_out_links}
    assert why == {
        "b-big": "followed links bring 5.0 kB at most, and this one has 3.0 kB",
        "dangling": "leads to nothing",
        "device": "leads to no file",
        "environment": "leads to no result",
        "folder": "leads to a folder",
        "key": "leads to no result",
        "loop": "leads to nothing",
        "pipe": "leads to no file",
        "self": "leads to nothing",
        "up": "leads to a folder",
    }
    assert (pulled.left_out, pulled.refused, sorted(content(tmp_path / "here"))) == (10, 0, ["a-big"])


@pytest.mark.parametrize("gone", [["gone/a"], ["gone/a", "gone/deep/b"], ["gone"], ["new\nline\n/a\n"]])
def test_files_of_secrets_that_are_gone_hide_no_others(connection: Connection, tmp_path: Path, gone: list[str]) -> None:
    write(tmp_path, {"blob": "1", "keys": "secret", "odd\n": "secret"})
    there = write(tmp_path / "pod", {"f": "-> ../blob", "key": "-> ../keys", "odd": "-> ../odd\n"})
    places = tuple(f"{tmp_path}/{name}" for name in (*gone, "keys", *gone, "odd\n"))
    pulled = fetch(connection, there, tmp_path / "here", private=places)
    assert (pulled.files, pulled.left_out, sorted(content(tmp_path / "here"))) == (1, 2, ["f"])


def test_links_may_be_left_out_or_not_wanted_at_all(connection: Connection, tmp_path: Path) -> None:
    write(tmp_path, {"blob": "1"})
    there = write(tmp_path / "pod", {"f": "1", "near": "-> f", "far": "-> ../blob"})
    kept = fetch(connection, there, tmp_path / "kept", links="keep")
    assert kept.left_out_links == ("far -> ../blob (leads out of the artifact)",)
    assert sorted(content(tmp_path / "kept")) == ["f", "near"]
    here = write(tmp_path / "skipped", {"old": "1", "far": "of an earlier run"})
    skipped = fetch(connection, there, here, links="skip", delete=True)
    assert (skipped.left_out, skipped.files, sorted(content(here))) == (0, 1, ["f", "far"])


def test_nothing_is_removed_here_while_a_link_was_left_out(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"f": "1", "lost": "-> /nowhere"})
    here = write(tmp_path / "here", {"lost": "what came when it was there"})
    assert fetch(connection, there, here, delete=True).left_out == 1
    assert sorted(content(here)) == ["f", "lost"]


def test_a_link_of_an_earlier_run_here_is_replaced_and_not_written_through(
    connection: Connection, tmp_path: Path
) -> None:
    there = write(tmp_path / "pod", {"model": "-> ../blob"})
    write(tmp_path, {"blob": "theirs", "mine": "mine"})
    here = write(tmp_path / "here", {"model": "-> ../mine"})
    fetch(connection, there, here)
    assert (here / "model").read_text() == "theirs" and (tmp_path / "mine").read_text() == "mine"


def test_no_more_links_are_looked_at_than_a_pod_has_time_for(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links_file, "FOLLOWED_MAX", 2)
    write(tmp_path, {"blob": "1"})
    there = write(tmp_path / "pod", dict.fromkeys("abc", "-> ../blob"))
    pulled = fetch(connection, there, tmp_path / "here")
    assert (pulled.files, pulled.left_out_links) == (2, ("c -> ../blob (more than 2 links)",))


LINK = [Entry("a", "link", 0o777, target="/x")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"\0./a\x0081a4 5 1\n\0/x\n\0", Fault.LINK_LOST),
        (b"\0./a\0nonsense\n\0/x\n\0end\0", Fault.UNREADABLE),
        (b"\0./a\x0081a4 5 1\n\0/x\n\0end\0more\0", Fault.UNREADABLE),
        (b"\0" + b"x" * 200_000, Fault.UNREADABLE),
        (b"/k\n\0\0./a\x0081a4 5 1\n\0/x\n\0end\0", Fault.UNREADABLE),
    ],
    ids=["cut", "no numbers", "after its end", "a name without end", "a secret without its mark"],
)
def test_an_answer_that_makes_no_sense_is_no_answer(answer: bytes, reason: str) -> None:
    with pytest.raises(Unavailable) as caught:
        follow(Link(Said([answer])), "/out", LINK, most_bytes=10, private=())  # type: ignore[arg-type]
    assert caught.value.reason == reason


def test_a_size_beyond_all_measure_is_too_large_and_what_was_not_asked_for_is_nothing() -> None:
    answer = b"\0./a\x0081a4 " + b"9" * 30 + b" 1\n\0/x\n\0./b\x0081a4 1 1\n\0/x\n\0end\0"
    found = follow(Link(Said([answer])), "/out", LINK, most_bytes=10, private=())  # type: ignore[arg-type]
    assert not found.files and len(found.left_out) == 1 and "at most" in found.left_out[0]


def test_in_a_part_of_a_folder_a_link_to_the_rest_leads_out() -> None:
    entries = [Entry("run-1", "file", 0o644), Entry("run-best", "link", 0o777, target="run-1")]
    entries += [Entry("run-last", "link", 0o777, target="model-9")]
    assert [each.path for each in choose(entries, "/out", links="follow", is_part=True).leading] == ["run-last"]
    assert not choose(entries, "/out", links="follow", is_part=False).leading
