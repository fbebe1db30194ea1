"""A journal that somebody sent: it may be read, and nothing else happens by its word. Every command of the tree is
typed with it, so that a new one is tried without being listed here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import typer

from rpd.adapters.cli.tree import tree_of
from rpd.journal.index import Index
from rpd.journal.paths import journal_path
from tests.fakes.http_server import Answer, HttpServer
from tests.fakes.lines import Rows, life, sealed, until
from tests.fakes.typed import KEY, Done, type_in

OWN_WORD = {
    "--sandbox": "a person asks for this state home's own sandbox",
    "sandbox": "the same: the group has no other",
}
"""What may start a process, and never a journal's."""
READS = {"inspect", "events", "summary", "compare", "metrics"}
"""What must still tell of it."""
ACTS = {"resume", "cancel", "release", "logs", "cost"}
"""What asks the run's cloud or writes to its journal: refused."""
CANARY = "canary-of-the-user"


class Listener(HttpServer):
    """A server that keeps what it is asked, and refuses it."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        super().__init__(self._refuse)
        self.url += "/v2"

    def _refuse(self, request: BaseHTTPRequestHandler, _body: bytes) -> Answer:
        self.requests.append(f"{request.command} {request.path} {request.headers.get('Authorization')}")
        return 401, b"", {}


class Place:
    """A user with a state home, a run of theirs, and folders of theirs; and a stranger's folder and server."""

    def __init__(self, folder: Path, theirs: Listener, ours: Listener) -> None:
        self.folder, self.theirs, self.ours = folder, theirs, ours
        self.home, self.user, self.sent = (folder / name for name in ("state", "user", "sent"))
        for each in (self.home, self.user, self.sent):
            each.mkdir(mode=0o700)
        self.thesis = self.user / "thesis"
        (self.thesis / "telemetry").mkdir(parents=True)
        for name in ("steps.jsonl", "metrics.jsonl", "run.log", "telemetry/metrics.jsonl"):
            (self.thesis / name).write_text(json.dumps({"wall": 1.0, "event": CANARY, "name": CANARY}) + "\n")
        (self.thesis / "runpod_deploy_pull_manifest.json").write_text(json.dumps({"run_id": "x", "image": CANARY}))
        self.sandbox = folder / "their-sandbox"
        self.own = self._own_run()
        self.before = self.seen()

    def type(self, *words: str) -> Done:
        """As the user."""
        environ = {"RPD_HOME": str(self.home), "HOME": str(self.user)}
        return type_in(self.user, list(words), {**environ, "RPD_API_URL": self.ours.url, "RUNPOD_API_KEY": KEY})

    def seen(self) -> dict[str, str]:
        """Every file and folder outside of the state home, and what it holds."""
        found = {}
        for root in (self.user, self.sent, self.sandbox):
            for path in [root, *sorted(root.rglob("*"))] if root.exists() else []:
                found[str(path)] = sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        return found

    def rows(self, *, is_over: bool = False, **changes: Any) -> Rows:
        """A run, by itself one in monitor with an open debt, whose record 0 is as somebody wished."""
        rows = life("success") if is_over else until(life("success"), "launch_to_monitor")
        opened = rows[0]["data"]
        opened["cloud"] = {"name": "custom", "url": self.theirs.url}
        opened["run_dir"] = str(self.thesis)
        for name, value in changes.items():
            holder = rows[0] if name == "run" else opened
            holder[name] = value
        return [{**row, "run": rows[0]["run"]} for row in rows]

    def send(self, rows: Rows, name: str = "events.jsonl") -> Path:
        """It arrives in a folder of the stranger's making."""
        path = self.sent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sealed(rows))
        self.before = self.seen()
        return path

    def _own_run(self) -> Path:
        """One that is over and owes nothing."""
        rows = self.rows(is_over=True, cloud={"name": "custom", "url": self.ours.url})
        path = journal_path(self.home, "train", rows[0]["run"])
        path.parent.mkdir(0o700, parents=True)
        (self.home / "journals").chmod(0o700)
        path.write_bytes(sealed(rows))
        path.chmod(0o600)
        return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    def no_process(*words: Any, **named: Any) -> None:
        raise AssertionError(f"a process was started: {words}")

    monkeypatch.setattr(subprocess, "Popen", no_process)
    monkeypatch.setattr(os, "fork", no_process)
    theirs, ours = Listener(), Listener()
    yield Place(tmp_path, theirs, ours)
    theirs.close()
    ours.close()


def leaves(group: Any = None, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the tree with its words."""
    group = group if group is not None else typer.main.get_command(tree_of())
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, (*above, name))
        elif (*above, name)[0] not in OWN_WORD:
            yield (*above, name), command


def ways(command: Any, path: str) -> Iterator[list[str]]:
    """The path as every argument; then with each flag, and as the value of each option, too."""
    arguments = [path for each in command.params if each.param_type_name == "argument"]
    needed = [word for each in command.params if each.param_type_name == "option" and each.required
              for word in (each.opts[0], path)]  # fmt: skip
    yield [*arguments, *needed]
    for each in command.params:
        if each.param_type_name != "option" or each.required or each.opts[0] in OWN_WORD or each.name == "help":
            continue
        yield [*arguments, *needed, each.opts[0], *([] if each.is_flag else [path])]
        if not each.is_flag and arguments:
            yield [each.opts[0], path]


def everything(path: Path) -> Iterator[list[str]]:
    for words, command in leaves():
        for more in ways(command, str(path)):
            yield [*words, *more]


def judge(place: Place, done: Done, words: list[str]) -> None:
    told = f"{words}: {done.code}\n{done.stdout}\n{done.stderr}"
    assert "internal error" not in done.stderr and "a process was started" not in done.stderr, told
    assert place.theirs.requests == [], told
    assert CANARY not in done.stdout + done.stderr, told
    assert place.seen() == place.before, told


def test_the_walk_knows_the_tree() -> None:
    names = {" ".join(words) for words, _ in leaves()}
    assert names >= READS | ACTS | {"gc", "runs", "validate", "volumes list"}
    assert {"sandbox", "volumes"} <= set(typer.main.get_command(tree_of()).commands)


def their_url(place: Place) -> Path:
    return place.send(place.rows(run="theirs-20270115T080000Z-abcdef"))


def their_sandbox(place: Place) -> Path:
    cloud = {"name": "sandbox", "url": place.theirs.url, "home": str(place.sandbox)}
    return place.send(place.rows(cloud=cloud, run="theirs-20270115T080000Z-abcdef")).parent


@pytest.mark.parametrize("sent", [their_url, their_sandbox])
def test_no_command_does_anything_by_its_word(place: Place, sent: Callable[[Place], Path]) -> None:
    path = sent(place)
    tried = set()
    for words in everything(path):
        done = place.type(*words)
        judge(place, done, words)
        tried.add(words[0])
    assert tried >= READS | ACTS
    assert not place.sandbox.exists()


def a_symlink(place: Place) -> Path:
    link = place.user / "link.jsonl"
    link.symlink_to(their_url(place))
    place.before = place.seen()
    return link


def a_hard_link(place: Place) -> Path:
    link = place.user / "hard.jsonl"
    link.hardlink_to(their_url(place))
    place.before = place.seen()
    return link


def a_pointer(place: Place) -> Path:
    pointer = place.user / "pointer.json"
    pointer.write_text(json.dumps({"journal": str(their_url(place)), "pod_id": "p1"}))
    place.before = place.seen()
    return pointer


def our_names(place: Place) -> Path:
    """The run id, workflow and place of a run of ours, with another cloud."""
    return place.send(place.rows(journal_path=str(place.own)))


def a_run_id_that_climbs(place: Place) -> Path:
    """`<home>/journals/<workflow>/<run id>.jsonl` would be the stranger's own file."""
    climb = "../../../sent/events"
    (place.home / "journals" / "stray").mkdir()
    return place.send(place.rows(run=climb, workflow="stray"))


def a_symlink_in_our_home(place: Place) -> Path:
    """Somebody put the name there, and not the journal."""
    path = journal_path(place.home, "train", "theirs-20270115T080000Z-abcdef")
    path.symlink_to(their_url(place))
    return path


def a_place_of_their_own(place: Place) -> Path:
    """Record 0 names the same journal in somebody else's state home."""
    there = place.sent / "state" / "journals" / "train" / "theirs-20270115T080000Z-abcdef.jsonl"
    rows = place.rows(run=there.stem, journal_path=str(there))
    place.send(rows, str(there.relative_to(place.sent)))
    return place.send(rows)


@pytest.mark.parametrize(
    "sent",
    [a_symlink, a_hard_link, a_pointer, our_names, a_run_id_that_climbs, a_symlink_in_our_home, a_place_of_their_own],
)
def test_no_way_to_it_makes_it_ours(place: Place, sent: Callable[[Place], Path]) -> None:
    path = sent(place)
    own = place.own.read_bytes()
    for words, command in leaves():
        if words[0] not in READS | ACTS | {"gc"}:
            continue
        line = [*words, *(str(path) for each in command.params if each.param_type_name == "argument")]
        line += ["--yes"] if words == ("gc",) else []
        done = place.type(*line)
        judge(place, done, line)
        assert words[0] not in ACTS or done.code == 9, (line, done)
    assert place.own.read_bytes() == own


def test_it_can_be_read(place: Place) -> None:
    path = their_url(place)
    for words in (["inspect"], ["inspect", "--json"], ["events"], ["summary"], ["metrics"], ["compare"]):
        done = place.type(words[0], *([str(path)] * (1 + (words[0] == "compare"))), *words[1:])
        assert done.code == 0, (words, done)
    shown = json.loads(place.type("inspect", str(path), "--json").stdout)
    assert (shown["run_id"], shown["state"]) == ("theirs-20270115T080000Z-abcdef", "monitor")


def test_a_copy_of_ours_means_ours(place: Place) -> None:
    """Whatever name it has, it is our journal that is locked and written, and our cloud that is asked."""
    copy = place.sent / "copy.jsonl"
    shutil.copyfile(place.own, copy)
    place.before = place.seen()
    done = place.type("cost", str(copy))
    judge(place, done, ["cost"])
    assert place.ours.requests, done


def test_what_the_index_remembers_of_a_cloud_is_believed(place: Place) -> None:
    """Somebody has written another address into a journal of ours: the one that was seen when it was whole is asked."""
    Index(place.home).entries()
    place.own.write_bytes(sealed(place.rows()))
    for words in (["logs"], ["cost"], ["gc"]):
        done = place.type(*words)
        assert "internal error" not in done.stderr, done
    assert place.theirs.requests == []


def test_only_our_own_sandbox_is_started(place: Place) -> None:
    """Also by a journal that stands among ours: its folder is of somebody's choice."""
    cloud = {"name": "sandbox", "url": place.theirs.url, "home": str(place.sandbox)}
    place.own.write_bytes(sealed(place.rows(is_over=True, cloud=cloud)))
    done = place.type("cost")
    assert (done.code, "a sandbox that is not this state home's" in done.stderr) == (9, True), done
    assert not place.sandbox.exists()
    assert place.theirs.requests == []
