"""A large file goes on where a lost link has left it, and never from bytes of another version."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer import apart, rest
from rpd.adapters.transfer import pull as pulls
from rpd.adapters.transfer.entry import Entry
from rpd.adapters.transfer.landing import RESUME_BYTES_MIN, Landing
from rpd.adapters.transfer.memory import Memory
from rpd.adapters.transfer.pull import pull
from rpd.adapters.transfer.remote_tree import hash_files
from rpd.engine.errors import Interrupted, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Pull, Pulled
from tests.adapters.ssh.ssh_server import Proxy, Server
from tests.adapters.transfer.trees import age, write
from tests.fakes.link import Link, Said
from tests.scenarios.live import eventually

MB = 1_000_000
SIZE = 9 * MB


@pytest.fixture
def there(tmp_path: Path) -> Path:
    pod = write(tmp_path / "pod", {"sub/model's 1.bin": os.urandom(SIZE), "small": "1"})
    age(pod)
    return pod


class Watched:
    """Pulls of one artifact by one process, and what they tell of their progress."""

    def __init__(self, there: Path, here: Path) -> None:
        self.order = Pull("artifact", str(there), str(here), True)
        self.here = here / "sub/model's 1.bin"
        self.partial = Landing(here, str(there)).partial / "sub/model's 1.bin"
        self.memory = Memory()
        self.seen: list[tuple[int, int]] = []

    def fetch(self, connection: Connection, enough: Callable[[], object] = lambda: None) -> Pulled:
        self.seen.clear()

        def progress(done: int, total: int) -> None:
            self.seen.append((done, total))
            enough()

        return pull(connection, self.order, progress=progress, interrupted=lambda: False, memory=self.memory)

    def break_off(self, server: Server, after: int) -> Unavailable:
        """Lose the link after so many bytes on the wire, when all of them but a megabyte are written here."""
        read = threading.Event()
        with Proxy(server.port, reset_after=after, read=read) as proxy:
            broken = server.connect(address=proxy.address)
            with pytest.raises(Unavailable) as caught:
                self.fetch(broken, lambda: self.moved > after - MB and read.set())
            broken.close()
        return caught.value

    @property
    def moved(self) -> int:
        """Bytes that the last pull has moved."""
        return sum(max(0, after[0] - before[0]) for before, after in itertools.pairwise(self.seen))


def test_a_file_goes_on_where_the_link_was_lost(server: Server, there: Path, tmp_path: Path) -> None:
    (there / "small").unlink()
    watched = Watched(there, tmp_path / "here")
    before = 0
    for _ in range(2):
        error = watched.break_off(server, 3 * MB)
        assert error.reason == Fault.LINK_LOST
        size = watched.partial.stat().st_size
        assert size > before + MB, "each try has brought more"
        told = [error.detail[f"{name}_bytes"] for name in ("moved", "here", "total")]
        assert told == [size - before, size, SIZE]
        before = size
    connection = server.connect()
    assert watched.fetch(connection).bytes == SIZE
    connection.close()
    assert watched.here.read_bytes() == (there / "sub/model's 1.bin").read_bytes()
    assert watched.seen[0] == (before, SIZE) and watched.seen[-1] == (SIZE, SIZE)
    assert not list(tmp_path.glob("here.*"))


@pytest.mark.parametrize("change", ["its beginning", "all of it", "its end", "its size"])
@pytest.mark.parametrize("looks", [True, False])
def test_bytes_of_two_versions_are_never_one_file(
    server: Server, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, looks: bool
) -> None:
    """Even where size and date say that nothing has changed, and where nobody looks at the beginning before."""
    if not looks:
        monkeypatch.setattr(rest, "_REST", rest._REST.replace("|| exit {other}", "|| :"))
    watched = Watched(there, tmp_path / "here")
    watched.break_off(server, 4 * MB)
    watched.memory = watched.memory if looks else Memory()
    file = there / "sub/model's 1.bin"
    info, old = file.stat(), file.read_bytes()
    new = {
        "its beginning": b"new" + old[3:],
        "all of it": os.urandom(SIZE),
        "its end": old[:-3] + b"new",
        "its size": old + b"more",
    }[change]
    file.write_bytes(new)
    os.utime(file, (info.st_mtime, info.st_mtime))
    connection = server.connect()
    watched.fetch(connection)
    connection.close()
    assert watched.here.read_bytes() == new
    if change == "its end":
        assert watched.seen[0][0] > MB, "what has not changed is not fetched again"


def test_what_was_left_here_is_no_ones_word(server: Server, there: Path, tmp_path: Path) -> None:
    """A leftover that is none of this file, a link, and one that is longer."""
    target = write(tmp_path, {"mine": bytes(2 * MB)}) / "mine"
    connection = server.connect()
    for leftover in ("garbage", "link", "longer"):
        watched = Watched(there, tmp_path / f"here-{leftover}")
        watched.partial.parent.mkdir()
        if leftover == "link":
            watched.partial.symlink_to(target)
        else:
            watched.partial.write_bytes(bytes(2 * MB if leftover == "garbage" else SIZE + 1))
        watched.fetch(connection)
        assert watched.here.read_bytes() == (there / "sub/model's 1.bin").read_bytes()
        assert SIZE <= watched.moved <= SIZE + 1, "one look is enough to see that it has to come as a whole"
    connection.close()
    assert target.read_bytes() == bytes(2 * MB)


def test_a_small_beginning_is_not_asked_after(server: Server, there: Path, tmp_path: Path) -> None:
    watched = Watched(there, tmp_path / "here")
    watched.partial.parent.mkdir()
    watched.partial.write_bytes((there / "sub/model's 1.bin").read_bytes()[: RESUME_BYTES_MIN - 1])
    connection = server.connect()
    watched.fetch(connection)
    connection.close()
    assert watched.moved >= SIZE


def test_a_pod_that_sends_more_than_the_rest_fills_no_disk(server: Server, there: Path, tmp_path: Path) -> None:
    watched = Watched(there, tmp_path / "here")
    watched.break_off(server, 4 * MB)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "tail").write_text("#!/bin/sh\nexec head -c 100000000 /dev/zero\n")
    (tools / "tail").chmod(0o755)
    connection = server.connect()
    with server.fault(path=f"{tools}:{os.environ['PATH']}"):
        watched.fetch(connection)
    connection.close()
    assert watched.here.read_bytes() == (there / "sub/model's 1.bin").read_bytes(), "the next try was a whole one"


@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")
def test_a_pod_with_nothing_but_busybox_goes_on_as_well(server: Server, there: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in "cat find head mkdir mktemp printf readlink rm sh sha256sum stat tail tar xargs".split():  # noqa: SIM905
        (tools / name).symlink_to(shutil.which("busybox") or "")
    watched = Watched(there, tmp_path / "here")
    with server.fault(path=str(tools)):
        watched.break_off(server, 4 * MB)
        connection = server.connect()
        watched.fetch(connection)
        connection.close()
    assert watched.here.read_bytes() == (there / "sub/model's 1.bin").read_bytes()
    assert watched.moved < 7 * MB


def test_what_is_hashed_already_is_not_hashed_again_after_a_break(
    server: Server, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod that needs longer for its hashes than the link holds would never get to the files."""
    asked: list[list[str]] = []
    real = pulls.hash_files

    def counted(connection: Connection, root: str, paths: object, *more: object, **options: object) -> dict[str, str]:
        asked.append(list(paths))  # type: ignore[call-overload]
        return real(connection, root, asked[-1], *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pulls, "hash_files", counted)
    watched = Watched(there, tmp_path / "here")
    watched.break_off(server, 4 * MB)
    watched.break_off(server, 3 * MB)
    assert [sorted(each) for each in asked] == [["small", "sub/model's 1.bin"], []]
    file = there / "small"
    file.write_text("2")  # just now: nobody may rely on its date
    connection = server.connect()
    watched.fetch(connection)
    connection.close()
    assert asked[2] == ["small"] and (tmp_path / "here/small").read_text() == "2"


def test_a_sum_of_another_version_is_forgotten(server: Server, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"a": "old"})
    age(there)
    watched = Watched(there, tmp_path / "here")
    info = (there / "a").stat()
    connection = server.connect()
    watched.memory.note(Entry("a", "file", 0o644, 3, int(info.st_mtime)), hashlib.sha256(b"odd").hexdigest())
    watched.fetch(connection)
    connection.close()
    assert (tmp_path / "here/a").read_text() == "old"


def test_hashing_goes_on_in_the_pod_while_the_link_is_gone(
    server: Server, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is done once, whoever asks."""
    monkeypatch.setattr(apart, "APART_BYTES_MIN", MB)
    tools = tmp_path / "bin"
    tools.mkdir()
    script = """#!/bin/sh
[ "$1" = version ] && exit
echo >>HERE/runs
until [ -e HERE/go ]; do sleep 0.05; done
PATH=REAL exec openssl "$@"
"""
    (tools / "openssl").write_text(script.replace("HERE", str(tools)).replace("REAL", os.environ["PATH"]))
    (tools / "openssl").chmod(0o755)
    watched = Watched(there, tmp_path / "here")
    with server.fault(path=f"{tools}:{os.environ['PATH']}"):
        broken = server.connect()
        lost = threading.Thread(target=lambda: eventually(lambda: (tools / "runs").exists()) and broken.close())
        lost.start()
        with pytest.raises(Unavailable):
            watched.fetch(broken)
        lost.join()
        (tools / "go").touch()
        connection = server.connect()
        watched.fetch(connection)
        connection.close()
    assert watched.here.read_bytes() == (there / "sub/model's 1.bin").read_bytes()
    assert len((tools / "runs").read_text()) == 1


def test_where_nothing_can_be_kept_the_pod_hashes_while_it_is_waited_for(
    server: Server, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "APART_BYTES_MIN", MB)
    monkeypatch.setattr(apart, "_SCRIPT", "at=/nowhere/{token}" + apart._SCRIPT.partition("{token}")[2])
    watched = Watched(there, tmp_path / "here")
    connection = server.connect()
    assert watched.fetch(connection).bytes == SIZE + 1
    connection.close()


FULL = {
    "the names": ("mkdir", 'for last; do :; done; mkdir "$@" && ln -s /dev/full "$last/names"'),
    # Of two names one begins with the other: what was cut must not pass for it.
    "the hashes": ("openssl", 'case $at$1 in ?*dgst) openssl "$@" | head -c 70; exit 1; esac; openssl "$@"'),
}


@pytest.mark.parametrize("full_at", FULL)
def test_a_full_disk_there_costs_no_hash(server: Server, tmp_path: Path, full_at: str) -> None:
    there = write(tmp_path / "pod", {"f1": "1", "f10": "10", "f2": "2"})
    tool, does = FULL[full_at]
    program = write(tmp_path / "bin", {tool: f"#!/bin/sh\nPATH={os.environ['PATH']}\n{does}\n"}) / tool
    program.chmod(0o755)
    connection = server.connect()
    token = hashlib.sha256(os.fsencode(tmp_path)).hexdigest()[:24]
    with server.fault(path=f"{tmp_path}/bin:{os.environ['PATH']}"):
        found = hash_files(connection, str(there), ["f10", "f1", "f2"], 4, token=token)
    connection.close()
    assert found == {f"f{each}": hashlib.sha256(each.encode()).hexdigest() for each in ("1", "10", "2")}
    assert not Path(tempfile.gettempdir(), f"rpd-sums-{token}").exists()


SUM = f"{1:064d} *./a\n".encode()


def test_what_cannot_be_read_there_is_tried_once_more_and_stays_missing() -> None:
    link = Link(Said([SUM]), Said())
    assert list(hash_files(link, "/out", ["a", "b"], 1, token="t")) == ["a"]  # type: ignore[arg-type]
    assert len(link.commands) == 3 and "rpd-sums" not in link.commands[1]


@pytest.mark.parametrize("said", [Said(stderr=[b"rm: No space left on device"]), Said(code=127), Said([SUM * 20_000])])
def test_what_stays_in_the_pod_stops_nothing(said: Said) -> None:
    assert hash_files(Link(Said([SUM]), said), "/out", ["a"], 1, token="t")  # type: ignore[arg-type]


def test_who_asks_for_the_end_while_it_is_removed_gets_it() -> None:
    link = Link(Said([SUM]), interrupted=lambda: len(link.commands) == 2)
    with pytest.raises(Interrupted):
        hash_files(link, "/out", ["a"], 1, token="t")  # type: ignore[arg-type]
