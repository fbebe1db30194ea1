"""`rpd top`: its rows, and what its keys start. No terminal and no child: those have scenarios of their own."""

from __future__ import annotations

import json
import threading
import types
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.board import gathering, play
from rpd.adapters.board import poller as poller_module
from rpd.adapters.board.gathering import HISTORY, Gathering, mean_use
from rpd.adapters.forensics.inspection import facts_of
from rpd.adapters.forensics.samples import Samples
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.signals import LeaveNow
from rpd.adapters.pods.asking import Survey, survey_pods
from rpd.adapters.terminal import output
from rpd.journal.lock import Owner
from rpd.journal.reader import read
from tests.adapters.cli.desk import FIRST, SECOND, Desk, breaks
from tests.adapters.cli.test_pods import Person, collected, parked, strange

AWAY = Owner("rpd run", 7, "elsewhere", "me")
ALL = {"logs", "inspect", "cancel", "release", "resume", "pod", "top"}


@pytest.fixture
def rpd(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setenv("RPD_API_URL", FIRST)
    monkeypatch.setattr(gathering, "SystemClock", lambda: desk.clock)
    return Person(desk, monkeypatch)


def top(rpd: Person, code: int = 0) -> dict[str, dict[str, Any]]:
    done = rpd("top", "--json")
    assert done.code == code, done
    return {row["name"]: row for row in json.loads(done.stdout)["rows"]}


# Rows.


def test_a_row_for_each_unfinished_run_and_for_each_other_pod(rpd: Person, desk: Desk) -> None:
    (dead, dead_pod), (waiting, _), (_, kept) = desk.died("dead"), parked(desk), collected(desk)
    mine = strange(desk)
    rows = top(rpd)
    kept_name = desk.cloud().pods[kept].order.name
    assert set(rows) == {dead.stem, waiting.stem, kept_name, "a-notebook"}
    row = rows[dead.stem]
    assert (row["kind"], row["pod_id"], row["state"], row["pid"]) == ("run", dead_pod, "boot", None)
    assert row["usd_per_hour"] > 0 and row["cost_usd"] is not None and row["may_act"]
    assert row["use"] == [50.0], "as the cloud says"
    assert "rpd gc" in row["released_by"] and "NOT PROTECTED" in row["released_by"]
    assert f"rpd resume {dead.stem}" in row["note"]
    assert rows[waiting.stem]["status"] == "EXITED" and rows[waiting.stem]["awaits"]
    assert (rows[kept_name]["is_over"], rows["a-notebook"]["may_act"]) == (True, False)
    assert mine == rows["a-notebook"]["pod_id"]
    page = rpd("top").stdout
    assert "2 runs, 2 pods up" in page and "stopped disks $4.00 a month" in page and dead.stem in page


def test_a_session_has_its_kind(rpd: Person, desk: Desk) -> None:
    path, _ = desk.died()
    rpd.pods()
    entry = desk.home / "index" / f"{path.stem}.json"
    entry.write_text(json.dumps({**json.loads(entry.read_text()), "lifecycle": "session"}))
    assert top(rpd)[path.stem]["kind"] == "session"


def test_a_run_that_another_machine_drives_is_only_looked_at(
    rpd: Person, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = desk.died()
    assert top(rpd)[path.stem]["may_act"]
    monkeypatch.setattr(gathering, "holder", lambda _path: AWAY)
    row = top(rpd)[path.stem]
    assert (row["may_act"], row["pid"], row["owner"]) == (False, None, "pid 7 on elsewhere")


def test_a_damaged_journal_hides_no_other_row(rpd: Person, desk: Desk) -> None:
    (bad, _), (good, _) = desk.died("bad"), desk.died("good")
    rpd.pods()
    desk.damage(bad)
    rows = top(rpd)
    assert "cannot be driven" in rows[bad.stem]["note"] and rows[good.stem]["state"] == "boot"


def test_runs_are_shown_while_their_cloud_does_not_answer(rpd: Person, desk: Desk) -> None:
    path, _ = desk.died(url=SECOND)
    desk.cloud(SECOND).broken = breaks("list")
    assert top(rpd, code=1)[path.stem]["state"] == "boot"
    assert SECOND in rpd("top").stdout


def test_use_is_that_of_all_gpus() -> None:
    rows = [
        {"gpus": [{"index": 0, "util_pct": 100}, {"index": 1, "util_pct": 50}]},
        {"gpus": [{"index": 0, "util_pct": None}, {"index": 1, "util_pct": 20}]},
        {"gpus": []},
    ]
    assert mean_use(Samples(rows, 0)) == (75.0, 20.0, None)
    assert len(mean_use(Samples(rows[:1] * 500, 0))) == HISTORY


def test_samples_that_arrive_later_are_shown(rpd: Person, desk: Desk) -> None:
    path, pod = desk.died()
    gatherer, survey = Gathering(), survey_pods()
    use = {pod: deque([10.0])}
    assert gatherer.board(survey, use, 0.0).rows[0].use == (10.0,)
    facts = facts_of(read(path))
    folder = Path(facts.opened.run_dir) / "telemetry"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"gpus": [{"index": 0, "util_pct": 90}]}\n')
    assert gatherer.board(survey, use, 0.0).rows[0].use == (90.0, 10.0)


# Keys.


class Keyboard:
    """A screen that types these keys, and then `q`. `drawn` are the rows of every frame."""

    size = types.SimpleNamespace(columns=100, lines=24)

    def __init__(self, keys: str) -> None:
        self._keys = deque(keys)
        self.drawn: list[list[str]] = []

    def draw(self, rows: list[Any]) -> None:
        self.drawn.append([row.text for row in rows])

    def key(self, _seconds: float) -> str | None:
        return self._keys.popleft() if self._keys else "q"

    def lent(self) -> Any:
        return types.SimpleNamespace(__enter__=lambda *_: None, __exit__=lambda *_: None)


class Pressed:
    """Presses keys on the board, and notes which commands began."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began: list[tuple[str, ...]] = []
        self.said: list[str] = []
        monkeypatch.setattr(play._Player, "_call", self._call)

    def _call(self, words: tuple[str, ...], *, waits: bool) -> str:
        self.began.append(words)
        return ""

    def __call__(self, keys: str, commands: set[str] = ALL) -> list[tuple[str, ...]]:
        self.began.clear()
        keyboard = Keyboard(keys)
        poller = types.SimpleNamespace(survey=survey_pods(), history={}, asked_at=0.0, again=lambda: None)
        play._Player(poller, keyboard, commands, Patience()).play()  # type: ignore[arg-type]
        self.said = [line for frame in keyboard.drawn for line in frame]
        return list(self.began)


@pytest.fixture
def press(rpd: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pressed]:
    monkeypatch.setattr(output, "note", lambda _lines: None)
    yield Pressed(monkeypatch)


def test_keys_start_the_command_of_the_chosen_run(press: Pressed, desk: Desk) -> None:
    path, _ = desk.died()
    run = path.stem
    assert press("il") == [("inspect", run), ("logs", "--tail", "100", "-f", run)]
    for key, words in (("c", ("cancel", run)), ("r", ("release", run)), ("R", ("resume", run))):
        assert press(f"{key}y") == [words]


@pytest.mark.parametrize("key", ["c", "r", "R"])
def test_what_changes_something_is_asked_first(press: Pressed, desk: Desk, key: str) -> None:
    desk.died()
    for answer in ("n", "q", "Y", "j"):
        assert press(f"{key}{answer}") == []
    assert any("nothing was done" in line for line in press.said)


def test_nothing_is_done_to_what_is_not_ours(press: Pressed, desk: Desk) -> None:
    strange(desk)
    for key in "crRl":
        assert press(f"{key}y") == []
    assert any("not for this one" in line for line in press.said)


def test_nothing_is_done_to_what_another_machine_drives(
    press: Pressed, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = desk.died()
    monkeypatch.setattr(gathering, "holder", lambda _path: AWAY)
    for key in "crR":
        assert press(f"{key}y") == []
    assert any("nothing is done to this one from here (pid 7 on elsewhere)" in line for line in press.said)
    assert press("i") == [("inspect", path.stem)], "it may be looked at"


def test_the_pod_of_a_finished_run_is_deleted_by_the_command_that_asks_for_results(press: Pressed, desk: Desk) -> None:
    _, pod = collected(desk)
    assert press("ry") == [("pod", "delete", pod)]
    assert press("cyRy") == []


def test_the_choice_stays_with_its_row(press: Pressed, desk: Desk) -> None:
    (first, _), (second, _) = desk.died("one"), desk.died("two")
    assert [words[1] for words in press("ijikkki")] == [second.stem, first.stem, second.stem]


def test_a_command_that_there_is_not_is_said(press: Pressed, desk: Desk) -> None:
    desk.died()
    assert press("s") == [] and any("there is no rpd shell" in line for line in press.said)
    assert [words[0] for words in press("s", ALL | {"shell"})] == ["shell"]


def test_keys_on_an_empty_board_do_nothing(press: Pressed) -> None:
    assert press("jjkilcr") == []


def test_a_signal_ends_it_also_at_the_question(press: Pressed, rpd: Person, desk: Desk) -> None:
    desk.died()
    command = Patience()

    class Silent(Keyboard):
        def key(self, _seconds: float) -> str | None:
            if self._keys:
                return self._keys.popleft()
            assert command.leaving is None, "the signal was not heard"
            command.leave(LeaveNow("terminated", 143))
            return None

    poller = types.SimpleNamespace(survey=survey_pods(), history={}, asked_at=0.0, again=lambda: None)
    play._Player(poller, Silent("c"), ALL, command).play()  # type: ignore[arg-type]
    assert not press.began


def test_the_board_is_asked_for_again_after_an_answer_that_nobody_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def survey(_command: Patience) -> Survey:
        if not calls:
            calls.append(1)
            raise ValueError("a strange answer")
        answered.set()
        return Survey((), ())

    calls: list[int] = []
    monkeypatch.setattr(poller_module, "survey_until", survey)
    monkeypatch.setattr(poller_module, "POLL_SECONDS", 0.01)
    with poller_module.Poller(Survey((), ())):
        assert answered.wait(20.0)
