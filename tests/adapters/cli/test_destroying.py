"""Nothing that destroys results nobody has collected happens unasked, or to a run that nobody named. Every command of
the tree is typed, so that a new one is tried without being listed here."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.terminal import asking, output
from rpd.adapters.terminal.asking import ask
from rpd.engine.errors import UserError
from tests.adapters.cli.desk import Desk
from tests.adapters.cli.test_foreign import Listener, leaves
from tests.fakes import past
from tests.fakes.typed import KEY, Done, type_in

VALUES = {"--mode": ["stop", "delete", "preserve"], "--keep-until": ["1h"], "--older-than": ["0s"]}
"""What an option is given that takes a word of its own; any other gets a run's name."""
ENDS = {"cancel", "release"}
"""What may end a run that is named, without deleting what is in its pod."""
GOES_ON = "resume"
"""It collects what there is, and is played elsewhere, as is `rpd pod start`, which is the same by another name."""
ALSO_GOES_ON = ("pod", "start")
ORIGINAL_NOTE, ORIGINAL_ANSWER = output.note, output.answer
"""The desk keeps what is said; here it is read where a person reads it."""


@pytest.fixture
def api() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


class Shelf:
    """Somebody's runs: `first` and `second` are parked, with results that nobody has collected in their pods."""

    def __init__(self, desk: Desk, api: Listener) -> None:
        self.desk, self.url = desk, api.url
        self.first = self.parked("train")
        self.second = self.parked("train")
        self.runs = (self.first, self.second)

    def parked(self, workflow: str) -> tuple[Path, str]:
        with self.desk.open(workflow, self.url) as journal:
            pod = self.desk.rent(past.pod_name(journal), journal.run_id, self.url)
            past.parked_with_results(journal, pod.id)
        self.desk.cloud(self.url).stop(pod.id)
        return journal.path, pod.id

    def type(self, *words: str) -> Done:
        """Off a terminal."""
        environ = {"RPD_HOME": str(self.desk.home), "HOME": str(self.desk.folder.parent / "user")}
        mine = {**environ, "RPD_API_URL": self.url, "RUNPOD_API_KEY": KEY}
        return type_in(self.desk.folder, list(words), mine)

    def statuses(self) -> list[str]:
        return [self.desk.status(pod, self.url) for _, pod in self.runs]

    def written(self) -> list[bytes]:
        return [path.read_bytes() for path, _ in self.runs]


@pytest.fixture
def shelf(desk: Desk, api: Listener, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(output, "note", ORIGINAL_NOTE)
    monkeypatch.setattr(output, "answer", ORIGINAL_ANSWER)
    return Shelf(desk, api)


def ways(command: Any, name: str | None) -> Iterator[list[str]]:
    """The name, or none, as every argument that may be left out; then with each flag and option, too. Never `--yes`."""
    arguments = [name for each in command.params if each.param_type_name == "argument" and name is not None]
    needed = [each for each in command.params if each.param_type_name == "argument" and each.required]
    if name is None and needed:
        return
    yield arguments
    for each in command.params:
        option = each.opts[0]
        if each.param_type_name != "option" or each.name in ("help", "yes") or option == "--sandbox":
            continue
        for value in [None] if each.is_flag else VALUES.get(option, [name or "train"]):
            yield [*arguments, option, *([] if value is None else [value])]


def test_without_a_name_nothing_is_done_to_one_of_several(shelf: Shelf) -> None:
    before = shelf.written()
    tried = set()
    for words, command in leaves():
        for more in ways(command, None):
            done = shelf.type(*words, *more)
            told = f"{words} {more}: {done}"
            assert "internal error" not in done.stderr or "FakeCloud" in done.stderr, told
            assert shelf.statuses() == ["EXITED", "EXITED"], told
            assert shelf.written() == before, told
            if words[0] in {*ENDS, GOES_ON} and "contradict" not in done.stderr and "--state-file" not in more:
                assert (done.code, "name one" in done.stderr) == (2, True), told
            tried.add(words[0])
    assert tried >= {*ENDS, GOES_ON, "gc"}


@pytest.mark.parametrize("what", ["run id", "workflow", "journal"])
def test_no_command_deletes_what_nobody_has_collected(shelf: Shelf, what: str) -> None:
    path, _ = shelf.first
    name = {"run id": path.stem, "workflow": "train", "journal": str(path)}[what]
    asked = 0
    for words, command in leaves():
        for more in ways(command, name):
            if (
                words[0] == GOES_ON
                or words == ALSO_GOES_ON
                or (words[0] in ENDS and not {"--delete", "delete"} & {*more})
            ):
                continue
            done = shelf.type(*words, *more)
            told = f"{words} {more}: {done}"
            assert "internal error" not in done.stderr or "FakeCloud" in done.stderr, told
            assert shelf.statuses() == ["EXITED", "EXITED"], told
            if words[0] in ENDS and "contradict" not in done.stderr:
                assert done.code == 2, told
                asked += "no --yes" in done.stderr
    assert asked >= (0 if what == "workflow" else 2)  # a workflow that means two is refused before


def over(shelf: Shelf, path: Path, ending: Callable[[Any], None]) -> None:
    with shelf.desk.reopened(path) as journal:
        ending(journal)


@pytest.mark.parametrize("is_over", [False, True])
def test_what_would_be_lost_is_said_and_a_second_word_deletes_it(shelf: Shelf, is_over: bool) -> None:
    path, pod = shelf.first
    if is_over:
        over(shelf, path, past.renounced)
    refused = shelf.type("release", path.stem, "--delete", "--json")
    problem = json.loads(refused.stderr.splitlines()[-1])
    assert (refused.code, problem["reason"]) == (2, "needs_yes"), refused
    assert f"rpd release {path.stem} --delete --yes" in problem["hint"]
    assert pod in refused.stderr and "its log" in refused.stderr
    done = shelf.type("release", path.stem, "--delete", "--yes")
    assert (done.code, shelf.statuses()) == (0, ["TERMINATED", "EXITED"]), done


def test_what_was_collected_goes_without_a_question(shelf: Shelf) -> None:
    path, _ = shelf.first
    over(shelf, path, past.collected)
    done = shelf.type("release", path.stem, "--delete")
    assert (done.code, shelf.statuses()) == (0, ["TERMINATED", "EXITED"]), done


def test_what_a_job_without_artifacts_wrote_is_asked_about(
    desk: Desk, shelf: Shelf, api: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log is here, and only the person knows what else there was."""
    monkeypatch.setattr(past, "JOB", past.JOB[: past.JOB.index("artifacts")])
    bare = Shelf(desk, api)
    over(bare, bare.first[0], past.collected)
    done = bare.type("release", bare.first[0].stem, "--delete")
    assert (done.code, "declares no artifact" in done.stderr) == (2, True), done


def test_the_one_that_is_meant_needs_no_name(shelf: Shelf) -> None:
    """A newer run that owes nothing is not meant."""
    over(shelf, shelf.first[0], past.collected)
    over(shelf, shelf.second[0], past.collected)
    assert shelf.type("release", shelf.second[0].stem, "--delete").code == 0
    for words in ((), ("train",)):
        done = shelf.type("release", *words, "--delete")
        assert (done.code, shelf.statuses()) == (0, ["TERMINATED", "TERMINATED"]), done


def terminal(monkeypatch: pytest.MonkeyPatch, typed: Callable[[], str]) -> None:
    stdin = types.SimpleNamespace(isatty=lambda: True, readline=typed)
    monkeypatch.setattr(asking, "sys", types.SimpleNamespace(stdin=stdin))
    monkeypatch.setattr(output, "prompt", lambda _text: None)


@pytest.mark.parametrize(("typed", "code"), [("yes\n", 0), ("y\n", 0), ("\n", 3), ("no\n", 3), ("", 3)])
def test_on_a_terminal_it_is_asked(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, typed: str, code: int) -> None:
    terminal(monkeypatch, lambda: typed)
    done = shelf.type("release", shelf.first[0].stem, "--delete")
    assert (done.code, shelf.statuses()[0]) == (code, "EXITED" if code else "TERMINATED"), done


def test_ctrl_c_at_a_question_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed() -> str:
        raise KeyboardInterrupt

    terminal(monkeypatch, pressed)
    with pytest.raises(UserError, match="nothing was deleted") as told:
        ask("sure? ", ("yes",), yes=False, hint="", undone="nothing was deleted")
    assert (told.value.exit_code, told.value.reason) == (130, "interrupted")


def test_cancel_deletes_a_disk_in_the_same_way(shelf: Shelf) -> None:
    path, _ = shelf.first
    assert shelf.type("cancel", path.stem, "--delete").code == 2
    done = shelf.type("cancel", path.stem, "--delete", "--yes")
    assert (done.code, shelf.statuses()) == (0, ["TERMINATED", "EXITED"]), done
    over(shelf, shelf.second[0], past.collected)
    done = shelf.type("cancel", shelf.second[0].stem, "--delete")
    assert (done.code, shelf.statuses()) == (0, ["TERMINATED", "TERMINATED"]), done


def test_a_run_of_which_only_the_beginning_is_known_has_a_state(desk: Desk, shelf: Shelf) -> None:
    with desk.open("train", shelf.url):
        pass
    listed = shelf.type("resume").stderr
    assert "(validate)" in listed and "None" not in listed
