"""Pushes over a real connection into real folders."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer.push import push
from rpd.engine.errors import Interrupted, Refused, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Tree, not_sent
from rpd.states.stage import DEFAULT_EXCLUDES
from tests.adapters.mount import refusing_modes
from tests.adapters.ssh.ssh_server import Proxy, Server
from tests.adapters.transfer.trees import ODD_NAMES, age, content, send, write


def test_a_tree_arrives_as_it_is_and_once(connection: Connection, tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"odd/{name}": name for name in ODD_NAMES}
    source = write(
        tmp_path / "src",
        files
        | {"a/b/c.bin": os.urandom(700_000), "empty": b"", "a/link": "-> b/c.bin", "deep/" + "d/" * 60 + "f": "x"},
    )
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o750)
    (source / "hollow").mkdir()
    age(source)
    target = tmp_path / "there is/a space"
    first = send(connection, source, target)
    assert content(target) == content(source)
    assert first.sent_files == first.files  # the link, too
    assert first.sent_bytes == first.bytes > 700_000
    second = send(connection, f"{source}/", f"{target}/")
    assert (second.sent_files, second.sent_bytes) == (0, 0)
    assert (second.files, second.manifest_sha256) == (first.files, first.manifest_sha256)


def test_sockets_and_pipes_are_left_out_and_named(connection: Connection, tmp_path: Path) -> None:
    source = write(tmp_path / "src", {"a": "1", "only/sub/b": "2"})
    os.mkfifo(source / "only" / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "agent.sock"))
    pushed = send(connection, source, tmp_path / "dst")
    assert (pushed.files, pushed.skipped, pushed.skipped_paths) == (2, 2, ("agent.sock", "only/pipe"))
    assert not_sent(pushed) == "2 sockets, pipes or devices were left out: agent.sock, only/pipe"
    assert sorted(content(tmp_path / "dst")) == ["a", "only", "only/sub", "only/sub/b"]
    assert send(connection, source, tmp_path / "dst", excludes=("*.sock", "pipe")).skipped == 0


def test_names_that_are_not_utf8_arrive(connection: Connection, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / os.fsdecode(b"latin-\xe9")).write_text("x")
    send(connection, source, tmp_path / "dst")
    assert [os.fsencode(path.name) for path in (tmp_path / "dst").iterdir()] == [b"latin-\xe9"]


def test_only_what_differs_is_sent(connection: Connection, tmp_path: Path) -> None:
    source, target = write(tmp_path / "src", {"a": "1", "b": "22", "c": "333", "d": "4"}), tmp_path / "dst"
    age(source)
    send(connection, source, target)
    (source / "b").write_text("changed")
    (source / "d").chmod(0o700)
    pushed = send(connection, source, target)
    assert (pushed.sent_files, pushed.sent_bytes) == (2, 8)
    assert content(target) == content(source)


def test_same_size_and_second_but_other_content_is_sent(connection: Connection, tmp_path: Path) -> None:
    source, target = write(tmp_path / "src", {"conf": "lr=0.1"}), tmp_path / "dst"
    moment = int(time.time())
    os.utime(source / "conf", (moment, moment))
    send(connection, source, target)
    (source / "conf").write_text("lr=0.2")
    os.utime(source / "conf", (moment, moment))
    send(connection, source, target)
    assert (target / "conf").read_text() == "lr=0.2"


def test_a_new_date_alone_sends_nothing(connection: Connection, tmp_path: Path) -> None:
    source, target = write(tmp_path / "src", {"a": "same", "b": "same"}), tmp_path / "dst"
    age(source)
    send(connection, source, target)
    age(source, 500)
    assert send(connection, source, target).sent_files == 0


def test_delete_removes_only_what_is_not_in_the_source(connection: Connection, tmp_path: Path) -> None:
    source = write(tmp_path / "src", {"keep": "1"})
    outside = write(tmp_path / "outside", {"precious": "x"})
    target = write(
        tmp_path / "dst",
        {
            "old/x": "1",
            "old/deep/y": "2",
            ".venv/bin/python": "3",
            "mix/.venv/z": "4",
            "mix/gone": "5",
            ".rpd/r/c": "6",
        },
    )
    (target / "away").symlink_to(outside)
    send(connection, source, target, excludes=(".venv/",))
    assert (target / "old/x").exists()
    send(connection, source, target, excludes=(".venv/",), delete=True)
    assert sorted(content(target)) == [
        *(".rpd", ".rpd/r", ".rpd/r/c", ".venv", ".venv/bin", ".venv/bin/python"),
        *("keep", "mix", "mix/.venv", "mix/.venv/z"),
    ]
    assert (outside / "precious").exists()


def test_delete_spares_what_another_tree_has_sent_into_its_folder(connection: Connection, tmp_path: Path) -> None:
    source = write(tmp_path / "src", {"keep": "1", "libs/own": "2"})
    target = write(tmp_path / "dst", {"gone": "1", "libs/b [1]/x": "2", "libs/b [1]2": "3", "one.json": "4"})
    send(connection, source, target, spared=("libs/b [1]", "one.json"), delete=True)
    assert [*content(target)] == ["keep", "libs", "libs/b [1]", "libs/b [1]/x", "libs/own", "one.json"]


@pytest.mark.parametrize("destination", ["/", "", "//", "~", ".", "/x/../.."])
def test_a_destination_that_would_cost_everything_is_refused(
    connection: Connection, tmp_path: Path, destination: str
) -> None:
    with pytest.raises(Refused) as caught:
        send(connection, write(tmp_path / "src", {"a": "1"}), destination, delete=True)
    assert caught.value.reason == Fault.PATH_REFUSED


def test_a_file_replaces_a_link_and_a_folder_replaces_a_link(connection: Connection, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"f": "theirs", "d/x": "theirs"})
    source = write(tmp_path / "src", {"f": "ours", "d/x": "ours"})
    target = tmp_path / "dst"
    target.mkdir()
    (target / "f").symlink_to(outside / "f")
    (target / "d").symlink_to(outside / "d")
    send(connection, source, target)
    assert content(target) == content(source)
    assert (outside / "f").read_text() == (outside / "d/x").read_text() == "theirs"


def test_a_folder_gives_way_to_a_file_only_with_delete(connection: Connection, tmp_path: Path) -> None:
    source, target = write(tmp_path / "src", {"x": "file"}), write(tmp_path / "dst", {"x/inner": "1"})
    with pytest.raises(Refused) as caught:
        send(connection, source, target)
    assert caught.value.detail["paths"] == ["x"]
    send(connection, source, target, delete=True)
    assert content(target) == content(source)


def test_links_that_leave_the_tree_are_refused_with_a_list(connection: Connection, tmp_path: Path) -> None:
    links = {"up": "-> ../x", "abs": "-> /etc/passwd", "in": "-> d/f", "d/f": "ok", "d/sly": "-> ../d/../../x"}
    with pytest.raises(Refused) as caught:
        send(connection, write(tmp_path / "src", dict(links)), tmp_path / "dst")
    assert caught.value.reason == Fault.PATH_REFUSED
    paths = caught.value.detail["paths"]
    assert isinstance(paths, list)
    assert sorted(str(path).split(" ")[0] for path in paths) == ["abs", "d/sly", "up"]
    assert not (tmp_path / "dst").exists()


def test_the_default_excludes_stay_out(connection: Connection, tmp_path: Path) -> None:
    dull = {".git/HEAD": "x", "p/__pycache__/m.pyc": "x", "__pycache__/m.pyc": "x", "q/m.pyc": "x", ".venv/bin/p": "x"}
    send(connection, write(tmp_path / "src", {**dull, "p/m.py": "y"}), tmp_path / "dst", excludes=DEFAULT_EXCLUDES)
    assert sorted(content(tmp_path / "dst")) == ["p", "p/m.py", "q"]


@pytest.mark.parametrize(
    ("destination", "lands"),
    [("new/name.txt", "new/name.txt"), ("new/", "new/f"), ("there", "there/f"), ("old", "old")],
)
def test_a_single_file_goes_where_rsync_would_put_it(
    connection: Connection, tmp_path: Path, destination: str, lands: str
) -> None:
    write(tmp_path, {"f": "content", "there/other": "1", "old": "before"})
    text = f"{tmp_path}/{destination}"
    pushed = send(connection, tmp_path / "f", text, delete=True)
    assert (tmp_path / lands).read_text() == "content"
    assert (pushed.files, pushed.sent_files) == (1, 1)
    assert (tmp_path / "there/other").exists()


def test_a_missing_source_and_a_file_as_destination_are_refused(connection: Connection, tmp_path: Path) -> None:
    write(tmp_path, {"src/a": "1", "file": "2"})
    for source, destination in ((tmp_path / "none", tmp_path / "dst"), (tmp_path / "src", tmp_path / "file")):
        with pytest.raises(Refused) as caught:
            send(connection, source, destination)
        assert caught.value.reason == Fault.PATH_REFUSED


def test_an_interrupted_push_goes_on_with_the_rest(server: Server, tmp_path: Path) -> None:
    source = write(tmp_path / "src", {f"{count:02}": os.urandom(400_000) for count in range(40)})
    age(source)
    with Proxy(server.port, reset_after=6_000_000, upstream=True) as proxy:
        broken = server.connect(address=proxy.address)
        with pytest.raises(Unavailable) as caught:
            send(broken, source, tmp_path / "dst")
        broken.close()
    assert caught.value.reason == Fault.LINK_LOST
    whole = server.connect()
    pushed = send(whole, source, tmp_path / "dst")
    assert content(tmp_path / "dst") == content(source)
    assert 0 < pushed.sent_files < 38
    whole.close()


def test_somebody_may_ask_for_the_end(connection: Connection, tmp_path: Path) -> None:
    source = write(tmp_path / "src", {"big": bytes(5_000_000)})
    seen: list[int] = []
    tree = Tree("tree", str(source), str(tmp_path / "dst"))
    with pytest.raises(Interrupted):
        push(connection, tree, progress=lambda done, total: seen.append(done), interrupted=lambda: len(seen) > 3)
    assert seen[:2] == [262144, 524288]


def test_a_lying_tar_is_found_out(server: Server, tmp_path: Path) -> None:
    """A tar in the pod that cuts every file and says all went well."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "tar").write_text("#!/bin/sh\ncat >/dev/null; printf cut >a; exit 0\n")
    (tools / "tar").chmod(0o755)
    connection = server.connect()
    with server.fault(path=f"{tools}:{os.environ['PATH']}"), pytest.raises(Refused) as caught:
        send(connection, write(tmp_path / "src", {"a": "whole"}), tmp_path / "dst")
    assert (caught.value.reason, caught.value.detail["paths"]) == (Fault.VERIFY_FAILED, ["a"])
    connection.close()


def test_a_full_disk_and_a_missing_tar_are_named(server: Server, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "find", "mkdir"):
        (tools / name).symlink_to(Path("/usr/bin") / name if (Path("/usr/bin") / name).exists() else f"/bin/{name}")
    connection = server.connect()
    source = write(tmp_path / "src", {"a": "1"})
    with server.fault(path=str(tools)), pytest.raises(Refused) as missing:
        send(connection, source, tmp_path / "dst")
    assert missing.value.reason == Fault.NO_TOOL
    (tools / "tar").write_text("#!/bin/sh\necho 'tar: a: Cannot write: No space left on device' >&2\nexit 2\n")
    (tools / "tar").chmod(0o755)
    with server.fault(path=str(tools)), pytest.raises(Refused) as full:
        send(connection, source, tmp_path / "dst")
    assert full.value.reason == Fault.DISK_FULL
    connection.close()


def test_a_find_without_printf_serves_as_well(server: Server, tmp_path: Path) -> None:
    """As in busybox: only -print0, -type, -exec."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "find").write_text('#!/bin/sh\ncase "$*" in *-printf*) exit 1;; esac\nexec /usr/bin/find "$@"\n')
    (tools / "find").chmod(0o755)
    source = write(tmp_path / "src", {"a/b": "1", "a/new\nline": "2", "l": "-> a/b", "-x": "3"})
    age(source)
    connection = server.connect()
    with server.fault(path=f"{tools}:{os.environ['PATH']}"):
        send(connection, source, tmp_path / "dst")
        again = send(connection, source, tmp_path / "dst", delete=True)
    assert content(tmp_path / "dst") == content(source)
    assert again.sent_files == 0
    connection.close()


def test_a_thousand_small_files_and_a_big_one(connection: Connection, tmp_path: Path) -> None:
    source = write(tmp_path / "src", {f"{count % 20}/{count}": f"{count}" * 100 for count in range(1000)})
    write(source, {"big": os.urandom(30_000_000)})
    age(source)
    assert send(connection, source, tmp_path / "dst").sent_files == 1001
    assert content(tmp_path / "dst") == content(source)
    assert send(connection, source, tmp_path / "dst").sent_files == 0


def test_a_distant_pod(server: Server, tmp_path: Path) -> None:
    source = write(tmp_path / "src", {"big": os.urandom(1_000_000), "small": "x"})
    with Proxy(server.port, delay=0.04) as proxy:
        connection = server.connect(address=proxy.address)
        began = time.monotonic()
        send(connection, source, tmp_path / "dst")
        assert time.monotonic() - began < 20
        connection.close()
    assert content(tmp_path / "dst") == content(source)


def test_a_file_that_shrinks_while_it_is_read_is_sent_again(connection: Connection, tmp_path: Path) -> None:
    source = write(tmp_path / "src", {"a": os.urandom(900_000)})
    age(source)

    def shrink(moved: int, total: int) -> None:
        if moved < 300_000:
            os.truncate(source / "a", 300_000)

    tree = Tree("tree", str(source), str(tmp_path / "pod"))
    push(connection, tree, progress=shrink, interrupted=lambda: False)
    assert content(tmp_path / "pod") == content(source), "no zeros stand in place of what was gone"


def test_only_what_is_included_is_sent_and_the_rest_of_the_destination_stays(
    connection: Connection, tmp_path: Path
) -> None:
    here = {"src/a.py": "a", "src/deep/b.py": "b", "data/big.bin": "x", "data/only.txt": "y", "top.md": "z"}
    source = write(tmp_path / "src", here)
    target = write(tmp_path / "pod", {"results/r": "r", "src/old.py": "o"})
    sent = send(connection, source, target, includes=("/src/", "*.md"), delete=True)
    assert sent.files == 3
    found = {name for name, what in content(target).items() if what is not None}
    assert found == {"src/a.py", "src/deep/b.py", "top.md", "results/r"}
    assert not (target / "data").exists(), "no empty folder comes along"


@pytest.mark.parametrize("name", ["p", "odd [1]*?"])
def test_the_folders_of_earlier_runs_stay_here_unless_they_are_named(
    connection: Connection, tmp_path: Path, name: str
) -> None:
    """Each run would send the results of all before it."""
    project = write(tmp_path / name, {"a": "1", "artifacts/mine": "2", "artifacts/runpod/run-1/events.jsonl": "3"})
    (tmp_path / "link").symlink_to(project)
    runs = f"{project}/artifacts/runpod"
    kept = {"a", "artifacts", "artifacts/mine"}
    for source in (project, tmp_path / "link"):
        pushed = send(connection, source, tmp_path / "dst", runs=runs, delete=True)
        assert pushed.files == 2
        assert set(content(tmp_path / "dst")) == kept
    send(connection, project.parent, f"{tmp_path}-wide", runs=runs, excludes=("/link", "/dst"))
    assert not Path(f"{tmp_path}-wide", name, "artifacts/runpod").exists()
    send(connection, f"{runs}/run-1", tmp_path / "named", runs=runs)
    assert set(content(tmp_path / "named")) == {"events.jsonl"}
    send(connection, runs, tmp_path / "all", runs=runs)
    assert "run-1/events.jsonl" in content(tmp_path / "all")
    chosen = ("/a", "/artifacts/runpod/run-1/events.jsonl")
    assert send(connection, project, tmp_path / "chosen", runs=runs, includes=chosen).files == 2


def test_a_volume_that_gives_modes_of_its_own_takes_a_tree_once(connection: Connection, tmp_path: Path) -> None:
    source = write(tmp_path / "src", {"a": "1", "run.sh": "2", "deep/c": "3"})
    (source / "run.sh").chmod(0o750)
    (source / "deep").chmod(0o700)
    age(source)
    with refusing_modes(tmp_path, "-p", "0777") as place:
        assert send(connection, source, place / "dst", delete=True).sent_files == 3
        assert send(connection, source, place / "dst", delete=True).sent_files == 0
        for kept in (place / "dst").rglob("*"):
            os.utime(kept, (10**9, 10**9))  # some volumes give times of their own, too
        assert send(connection, source, place / "dst", delete=True).sent_files == 0
        (source / "a").write_text("changed")
        assert send(connection, source, place / "dst", delete=True).sent_files == 1
        assert {name for name in content(place / "dst") if ".rpd" in name} == set()


def test_modes_that_differ_are_sent_where_they_can_be_set(connection: Connection, tmp_path: Path) -> None:
    source = write(tmp_path / "src", {"a": "1", "b": "2"})
    age(source)
    send(connection, source, tmp_path / "dst")
    (source / "a").chmod(0o700)
    assert send(connection, source, tmp_path / "dst").sent_files == 1
    assert content(tmp_path / "dst") == content(source)
