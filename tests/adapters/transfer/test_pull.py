"""Pulls over a real connection from real folders."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer.pull import pull
from rpd.engine.errors import Interrupted, Refused, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Pull
from tests.adapters.ssh.ssh_server import Proxy, Server
from tests.adapters.transfer.trees import ODD_NAMES, age, content, fetch, write


def test_a_tree_arrives_as_it_is_and_leaves_others_alone(connection: Connection, tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"odd/{name}": name for name in ODD_NAMES}
    there = write(
        tmp_path / "pod", files | {"a/b": os.urandom(700_000), "l": "-> a/b", "a/abs": f"-> {tmp_path}/pod/l"}
    )
    (there / "hollow").mkdir()
    (there / "a/b").chmod(0o755)
    here = write(tmp_path / "here", {"mine": "1", "a/b": "old"})
    pulled = fetch(connection, there, here)
    expected = content(there) | {"mine": (0o644, b"1"), "a/abs": "-> ../l"}
    assert content(here) == expected
    assert (pulled.is_missing, pulled.files, pulled.bytes) == (False, 14, 700_000 + sum(map(_length, ODD_NAMES)))
    assert not list(tmp_path.glob("*.partial-*"))


def _length(name: str) -> int:
    return len(name.encode())


def test_nothing_there_is_said(connection: Connection, tmp_path: Path) -> None:
    assert fetch(connection, tmp_path / "none", tmp_path / "here").is_missing
    assert not (tmp_path / "here").exists()


@pytest.mark.weak_point(24)
@pytest.mark.parametrize(("local", "lands"), [("new/x.bin", "new/x.bin"), ("new/", "new/f"), ("there", "there/f")])
def test_a_single_file(connection: Connection, tmp_path: Path, local: str, lands: str) -> None:
    write(tmp_path, {"f": "content", "there/other": "1"})
    pulled = fetch(connection, tmp_path / "f", f"{tmp_path}/{local}")
    assert (tmp_path / lands).read_text() == "content"
    assert (pulled.files, pulled.bytes) == (1, 7)


def test_a_link_to_a_file_is_fetched_as_the_file(connection: Connection, tmp_path: Path) -> None:
    write(tmp_path, {"real": "content", "latest": "-> real"})
    fetch(connection, tmp_path / "latest", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "content" and not (tmp_path / "out").is_symlink()


def test_excludes_stay_there(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"keep": "1", "ckpt/big": "2", "x/optim.tmp": "3"})
    fetch(connection, there, tmp_path / "here", excludes=("ckpt/", "*.tmp"))
    assert sorted(content(tmp_path / "here")) == ["keep", "x"]


@pytest.mark.weak_point(10)
def test_only_on_request_are_other_files_removed_here(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"keep": "1", "sub/a": "2"})
    here = write(tmp_path / "here", {"old": "x", "gone/b": "y", "sub/c": "z", "mine.tmp": "t", "away": "-> ../outside"})
    write(tmp_path / "outside", {"safe": "s"})
    pull(
        connection,
        Pull("artifact", str(there), str(here), True, ("*.tmp",), delete=True),
        progress=lambda done, total: None,
        interrupted=lambda: False,
    )
    assert sorted(str(path.relative_to(here)) for path in here.rglob("*")) == ["keep", "mine.tmp", "sub", "sub/a"]
    assert (tmp_path / "outside/safe").exists(), "a link is removed, not what it leads to"


def test_what_is_here_already_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {f"{count:02}": os.urandom(400_000) for count in range(40)})
    order = Pull("artifact", str(there), str(tmp_path / "here"), True)
    for cut_after in (5_000_000, 9_000_000):
        read = threading.Event()
        with Proxy(server.port, reset_after=cut_after, read=read) as proxy:
            broken = server.connect(address=proxy.address)
            with pytest.raises(Unavailable) as caught:
                pull(
                    broken,
                    order,
                    progress=lambda done, total, enough=cut_after - 1_000_000, read=read: done > enough and read.set(),
                    interrupted=lambda: False,
                )
            broken.close()
        assert caught.value.reason == Fault.LINK_LOST
        assert not (tmp_path / "here").exists()
    seen: list[tuple[int, int]] = []
    whole = server.connect()
    pull(whole, order, progress=lambda done, total: seen.append((done, total)), interrupted=lambda: False)
    assert content(tmp_path / "here") == content(there)
    assert seen[-1][0] == seen[-1][1] < 10_000_000
    seen.clear()
    pull(whole, order, progress=lambda done, total: seen.append((done, total)), interrupted=lambda: False)
    assert seen == []
    whole.close()


def test_a_stream_cut_short_with_exit_code_0_is_found_out(server: Server, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"a": os.urandom(500_000), "b": os.urandom(900_000)})
    connection = server.connect()
    with server.fault(cut_stdout=600_000), pytest.raises(Refused) as caught:
        fetch(connection, there, tmp_path / "here")
    assert caught.value.reason == Fault.VERIFY_FAILED
    assert not (tmp_path / "here").exists()
    assert fetch(connection, there, tmp_path / "here").files == 2
    connection.close()


def test_a_listing_cut_short_is_no_empty_folder(server: Server, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {f"{count}": "x" for count in range(50)})
    connection = server.connect()
    with server.fault(cut_stdout=200), pytest.raises(Unavailable) as caught:
        fetch(connection, there, tmp_path / "here")
    assert caught.value.reason == Fault.LINK_LOST
    connection.close()


def test_a_file_that_never_rests_is_not_taken_for_whole(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"log": bytes(3_000_000), "still": "x"} | {f"many/{n}": "x" for n in range(100)})
    stop = threading.Event()

    def scribble() -> None:
        with (there / "log").open("ab", buffering=0) as file:
            while not stop.wait(0.001):
                file.write(b"more")

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        with pytest.raises(Refused) as caught:
            fetch(connection, there, tmp_path / "here")
    finally:
        stop.set()
        writer.join()
    assert caught.value.reason == Fault.VERIFY_FAILED
    assert caught.value.detail["paths"] == ["log"], "where the stream was left, nothing else had changed"
    assert fetch(connection, there, tmp_path / "here").files == 102


def test_links_that_lead_nowhere_are_left_out_and_named(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"good": "1", "abs": "-> /etc/none", "up": "-> ../../x", "sub/ok": "-> ../good"})
    here = write(tmp_path / "here", {"mine": "1"})
    order = Pull("artifact", str(there), str(here), True, delete=True)
    pulled = pull(connection, order, progress=lambda done, total: None, interrupted=lambda: False)
    assert pulled.left_out_links == ("abs -> /etc/none (leads to nothing)", "up -> ../../x (leads to nothing)")
    assert (pulled.refused, pulled.files) == (0, 2)
    assert sorted(content(here)) == ["good", "mine", "sub", "sub/ok"], "nothing is removed for half of a folder"


def test_a_thousand_links_that_lead_nowhere_are_counted_and_some_named(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {f"{count:04}": "-> /etc/none" for count in range(1000)})
    pulled = fetch(connection, there, tmp_path / "here")
    assert (pulled.left_out, len(pulled.left_out_links)) == (1000, 20)


def test_hard_links_arrive_as_files(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"a": os.urandom(100_000)})
    (there / "b").hardlink_to(there / "a")
    fetch(connection, there, tmp_path / "here")
    assert content(tmp_path / "here") == content(there)


def test_odd_bytes_in_names_can_be_written_down(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {os.fsdecode(b"\xe9"): "1", os.fsdecode(b"link-\xe9"): "-> /etc/none"})
    pulled = fetch(connection, there, tmp_path / "here")
    assert pulled.left_out_links == ("link-\\xe9 -> /etc/none (leads to nothing)",)
    assert (tmp_path / "here" / os.fsdecode(b"\xe9")).exists()


def test_sockets_and_pipes_are_passed_over(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"a": "1"})
    os.mkfifo(there / "pipe")
    assert fetch(connection, there, tmp_path / "here").files == 1


def test_a_local_link_is_never_written_through(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"d/f": "theirs", "top": "theirs"})
    outside = write(tmp_path / "outside", {"f": "mine", "top": "mine"})
    here = tmp_path / "here"
    here.mkdir()
    (here / "top").symlink_to(outside / "top")
    fetch(connection, there, here, excludes=("d/",))
    assert (here / "top").read_text() == "theirs" and not (here / "top").is_symlink()
    (here / "d").symlink_to(outside)
    with pytest.raises(Refused) as caught:
        fetch(connection, there, here)
    assert caught.value.reason == Fault.PATH_REFUSED
    assert (outside / "f").read_text() == (outside / "top").read_text() == "mine"


def test_a_folder_where_a_file_comes_is_refused(connection: Connection, tmp_path: Path) -> None:
    there, here = write(tmp_path / "pod", {"x": "1"}), write(tmp_path / "here", {"x/y": "2"})
    with pytest.raises(Refused) as caught:
        fetch(connection, there, here)
    assert caught.value.reason == Fault.PATH_REFUSED
    assert (here / "x/y").read_text() == "2"


def test_somebody_may_ask_for_the_end(server: Server, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"a": os.urandom(5_000_000)})
    seen: list[int] = []
    connection = server.connect(interrupted=lambda: len(seen) > 3)
    order = Pull("artifact", str(there), str(tmp_path / "here"), True)
    with pytest.raises(Interrupted):
        pull(connection, order, progress=lambda done, total: seen.append(done), interrupted=lambda: False)
    connection.close()


def test_a_full_local_disk_is_named(server: Server, tmp_path: Path) -> None:
    """A process of its own whose files may not grow past a megabyte."""
    there = write(tmp_path / "pod", {"a": os.urandom(3_000_000)})
    program = f"""
from pathlib import Path
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer.pull import pull
from rpd.states.ports.world import Pull, SshAddress
connection = Connection.open(SshAddress("127.0.0.1", {server.port}), key_path=Path({str(server.key)!r}),
                             host_key=None, alias="rpd-pod-x")
try:
    pull(connection, Pull("x", {str(there)!r}, {str(tmp_path / "here")!r}, True),
         progress=lambda done, total: None, interrupted=lambda: False)
except Exception as error:
    print(type(error).__name__, error.reason)
connection.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )
    assert done.stdout.split() == ["Refused", "disk_full"], done.stderr


def test_a_thousand_small_files_and_a_big_one(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {f"{count % 20}/{count}": f"{count}" * 100 for count in range(1000)})
    write(there, {"big": os.urandom(30_000_000)})
    age(there)
    fetch(connection, there, tmp_path / "here")
    assert content(tmp_path / "here") == content(there)
    assert int((tmp_path / "here/big").stat().st_mtime) == int((there / "big").stat().st_mtime)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        ("os.symlink('/etc', 'd'); add('d')", "symbolic link"),
        ("open('x','w').write('1'); add('x', name='../x')", "parent"),
        ("open('x','w').write('1'); add('x', name='/tmp/x')", "absolute"),
        ("open('x','w').write('1'); add('x', name='unasked')", "not announced"),
        ("os.mkfifo('p'); add('p', name='wanted')", "pipe"),
        ("add('wanted'); add('wanted')", "twice"),
        ("i = tarfile.TarInfo('wanted'); i.type = b'1'; i.linkname = '/etc/passwd'; t.addfile(i)", "hard link"),
        ("i = tarfile.TarInfo('wanted'); i.type = b'S'; t.addfile(i)", "sparse"),
    ],
    ids=lambda value: value if " " not in value and "(" not in value else None,
)
def test_a_hostile_stream_writes_nothing(server: Server, tmp_path: Path, make: str, why: str) -> None:
    there = write(tmp_path / "pod", {"wanted": "1"})
    tools = tmp_path / "bin"
    tools.mkdir()
    program = (
        "import os, sys, tarfile\nt = tarfile.open(fileobj=sys.stdout.buffer, mode='w|')\n"
        f"def add(path, name=None): t.add(path, name)\n{make}\nt.close()\n"
    )
    (tools / "tar").write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(program)}\n")
    (tools / "tar").chmod(0o755)
    connection = server.connect()
    with server.fault(path=f"{tools}:{os.environ['PATH']}"), pytest.raises(Refused) as caught:
        fetch(connection, there, tmp_path / "here/in")
    assert caught.value.reason == Fault.PATH_REFUSED, why
    assert not (tmp_path / "here/in").exists() and not (tmp_path / "here/x").exists()
    connection.close()
