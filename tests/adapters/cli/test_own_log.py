"""`rpd logs --rpd`: which lines of rpd's own log are shown."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from rpd.adapters.cli.reading import own_log
from rpd.adapters.local.own_log import log_path
from rpd.adapters.local.rotating_file import part
from rpd.adapters.report.words import utc
from rpd.adapters.terminal import output
from tests.adapters.cli.desk import Desk
from tests.fakes.typed import Done, type_in

ORIGINAL_NOTE = output.note


def line(age: float, text: str, run: str = "-") -> str:
    return f"{utc(time.time() - age).removesuffix('Z')}.000Z 7 {run} info api {text}\n"


def typed(desk: Desk, *words: str) -> Done:
    return type_in(
        desk.folder, ["logs", *words], {"RPD_HOME": str(desk.home), "HOME": str(desk.folder.parent / "user")}
    )


def written(desk: Desk, newest: str, *older: str) -> Path:
    path = log_path(desk.home)
    path.parent.mkdir(parents=True)
    for number, content in enumerate((newest, *older)):
        part(path, number).write_text(content)
    return path


def shown(done: Done) -> list[str]:
    assert done.code == 0, done
    return [each.split(" ", 5)[5] if each[0] == "2" else each for each in done.stdout.splitlines()]


@pytest.fixture(autouse=True)
def home(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "note", ORIGINAL_NOTE)
    desk.home.mkdir(mode=0o700, exist_ok=True)


def test_all_parts_in_their_order_and_the_newest_lines_only(desk: Desk) -> None:
    many = [line(50, f"n{number}") for number in range(300)]
    written(desk, "".join(many[200:]), "".join(many[100:200]), "".join(many[:100]))
    assert shown(typed(desk, "--full")) == [f"n{number}" for number in range(300)]
    assert shown(typed(desk, "--rpd")) == [f"n{number}" for number in range(100, 300)]
    assert shown(typed(desk, "--rpd", "--tail", "150")) == [f"n{number}" for number in range(150, 300)]


def test_only_what_is_not_older_with_the_lines_that_belong_to_it(desk: Desk) -> None:
    old, new = line(7200, "old") + "    its trace\n", line(60, "new") + "    trace\n"
    written(desk, old + new)
    assert shown(typed(desk, "--rpd", "--since", "10m")) == ["new", "    trace"]
    assert shown(typed(desk, "--rpd", "--since", "3h")) == ["old", "    its trace", "new", "    trace"]
    assert typed(desk, "--rpd", "--since", "soon").code == 2


def test_only_those_of_one_run(desk: Desk) -> None:
    path, _ = desk.died()
    written(
        desk, line(60, "mine", path.stem) + "    trace\n" + line(60, f"about {path.stem}") + line(60, "no", "other")
    )
    assert shown(typed(desk, path.stem, "--rpd")) == ["mine", "    trace"]


def test_nothing_was_logged_yet(desk: Desk) -> None:
    done = typed(desk, "--rpd")
    assert (done.code, done.stdout) == (0, "") and "nothing was logged yet" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--rpd", "--system"), "name one"),
        (("--rpd", "--launch", "1"), "job's log"),
        (("--tail", "-1"), "--tail"),
        (("--since", "x"), "no age"),
    ],
)
def test_what_contradicts_itself_is_refused(desk: Desk, words: tuple[str, ...], told: str) -> None:
    done = typed(desk, *words)
    assert done.code == 2 and told in done.stderr


def test_it_is_followed_over_a_rotation(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(desk, line(1, "one") + "2026-unfinished")
    steps = itertools.count()

    def sleep(_seconds: float) -> None:
        match next(steps):
            case 0:
                path.write_text(path.read_text().replace("2026-unfinished", line(1, "two")))
            case 1:
                with path.open("a") as file:
                    file.write(line(1, "three"))
                path.rename(part(path, 1))
                path.write_text(line(1, "four"))
            case 2:
                pass
            case _:
                raise KeyboardInterrupt

    monkeypatch.setattr(own_log.time, "sleep", sleep)
    printed: list[str] = []
    monkeypatch.setattr(output, "exact", printed.extend)
    assert typed(desk, "--rpd", "-f").code == 130
    assert [each.rpartition(" ")[2] for each in printed] == ["one", "two", "three", "four"]


def test_a_fault_of_rpd_leaves_its_traceback_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError("never")

    monkeypatch.setattr("rpd.adapters.cli.reading.runs.list_runs", broken)
    mine = {"RPD_HOME": str(desk.home), "HOME": str(desk.folder.parent / "user")}
    assert type_in(desk.folder, ["runs"], mine).code == 1
    told = typed(desk, "--rpd").stdout
    assert "fault rpd runs" in told and "ZeroDivisionError: never" in told and "Traceback" in told
