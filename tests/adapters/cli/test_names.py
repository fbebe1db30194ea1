"""What a word for a run means where a file or folder happens to have the same name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rpd.adapters.forensics.run import holds_run
from rpd.adapters.terminal import output
from rpd.journal.paths import leads_to_journal
from tests.adapters.cli.desk import Desk
from tests.adapters.cli.test_destroying import ORIGINAL_ANSWER, ORIGINAL_NOTE
from tests.fakes.typed import KEY, Done, type_in

URL = "http://127.0.0.1:9/v2"


class Folder:
    """Where somebody types, with one run of the workflow `train` and one of `other`, both over."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.here = desk, desk.folder
        self.train, _ = desk.over("train", URL)
        self.other, _ = desk.over("other", URL)

    def type(self, *words: str) -> Done:
        environ = {"RPD_HOME": str(self.desk.home), "HOME": str(self.here.parent / "user")}
        return type_in(self.here, list(words), {**environ, "RPD_API_URL": URL, "RUNPOD_API_KEY": KEY})

    def meant(self, name: str) -> str:
        """The run that `inspect` tells of."""
        done = self.type("inspect", name, "--json")
        assert done.code == 0, done
        return str(json.loads(done.stdout)["run_id"])


@pytest.fixture
def folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setattr(output, "note", ORIGINAL_NOTE)
    monkeypatch.setattr(output, "answer", ORIGINAL_ANSWER)
    return Folder(desk)


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "events.txt").write_text("x\n")


def a_file(path: Path) -> None:
    path.write_text("#!/bin/sh\n")


def a_json_file(path: Path) -> None:
    path.write_text('{"lr": 0.1}\n')


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


SHADOWS = [a_folder, a_file, a_json_file, a_pipe, a_dangling_link, a_loop]


@pytest.mark.parametrize("shadow", SHADOWS)
def test_a_namesake_that_holds_no_run_hides_none(folder: Folder, shadow: Callable[[Path], None]) -> None:
    for name in ("train", folder.train.stem):
        shadow(folder.here / name)
        assert folder.meant(name) == folder.train.stem
        for command in ("cancel", "release", "resume", "logs", "events", "summary", "metrics"):
            done = folder.type(command, name)
            assert "no journal at" not in done.stderr and done.code != 2, (command, done)
        assert folder.type("compare", name, name).code == 1, "it was refused"


@pytest.mark.parametrize("shadow", [a_folder, a_file, a_json_file, a_pipe])
def test_a_separator_forces_the_path(folder: Folder, shadow: Callable[[Path], None]) -> None:
    shadow(folder.here / "train")
    for command in ("inspect", "cancel", "release", "resume", "logs", "cost"):
        done = folder.type(command, "./train")
        assert done.code in (2, 9) and folder.train.stem not in done.stderr, (command, done)
    assert folder.type("inspect", "./none").code == 2


def a_run_folder(path: Path, journal: Path) -> None:
    path.mkdir()
    shutil.copyfile(journal, path / "events.jsonl")


def a_journal(path: Path, journal: Path) -> None:
    shutil.copyfile(journal, path)


def a_pointer(path: Path, journal: Path) -> None:
    path.write_text(json.dumps({"journal": str(journal)}))


@pytest.mark.parametrize("held", [a_run_folder, a_journal, a_pointer])
def test_a_namesake_that_holds_a_run_is_meant(folder: Folder, held: Callable[[Path, Path], None]) -> None:
    held(folder.here / "train", folder.other)
    assert folder.meant("train") == folder.meant("./train") == folder.other.stem
    assert leads_to_journal(folder.here / "train") and holds_run(folder.here / "train")


def test_a_path_that_is_no_run_s_name_is_told_as_a_path(folder: Folder) -> None:
    (folder.here / "src").mkdir()
    done = folder.type("inspect", "src")
    assert (done.code, "there is no journal at" in done.stderr) == (2, True), done
    (folder.here / "torn.jsonl").write_text("not a journal\n")
    assert folder.type("inspect", "torn.jsonl").code == 9
