"""docs/shape.py sees one offence of each kind, and an exception that is not today's number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from docs.shape import RULES, Counts, main, measured, problems

ANY = "from __future__ import annotations\n\nfrom typing import Any\n\n\n"


def files(root: Path, **texts: str) -> None:
    """Write modules: `states__made` is states/made.py."""
    for name, text in texts.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def sound(root: Path) -> None:
    """A small product at every limit."""
    files(
        root,
        states__made="class Made:\n" + "".join(f"    field_{each}: int\n" for each in range(20)),
        states__ports__job="class Job:\n" + "".join(f"    field_{each}: int\n" for each in range(40)),
        engine__made="def made() -> None:\n" + "    pass\n" * 49,
        journal__made=f"{ANY}def made(data: dict[str, Any]) -> None: ...\n",
        adapters__made="from rpd.states.made import Made\n",
        **{f"adapters__room__made_{each}": "import rpd.adapters.made\n" for each in range(22)},
    )


def no_struct(root: Path) -> None:
    files(root, states__larger="class Larger:\n" + "".join(f"    field_{each}: int\n" for each in range(21)))


def anything(root: Path) -> None:
    files(root, engine__loose=f"{ANY}def made(data: dict[str, Any]) -> None: ...\n")


def anything_read(root: Path) -> None:
    files(root, states__loose=f"{ANY}from collections.abc import Mapping\n\n\nmade: Mapping[str, Any] = {{}}\n")


def circle(root: Path) -> None:
    files(root, states__one="from rpd.states.two import made\n", states__two="import rpd.states.one\n")


def late_circle(root: Path) -> None:
    late = "def made() -> None:\n    import rpd.states.one\n"
    files(root, states__one="from rpd.states import two\n", states__two=late)


def circle_of_folders(root: Path) -> None:
    there, back = "import rpd.adapters.b.one\n", "import rpd.adapters.a.one\n"
    files(root, adapters__a__one=there, adapters__b__one="", adapters__b__two=back)


def crowd(root: Path) -> None:
    files(root, adapters__room__one_more="")


def long_function(root: Path) -> None:
    files(root, adapters__long="class Made:\n    async def made(self) -> None:\n" + "        pass\n" * 50)


@pytest.mark.parametrize(
    ("plant", "rule", "name", "count"),
    [
        (no_struct, "fields", "states/larger.py:Larger", 21),
        (anything, "loose", "engine/loose.py", 1),
        (anything_read, "loose", "states/loose.py", 1),
        (circle, "circles", "states/one.py states/two.py", 2),
        (late_circle, "circles", "states/one.py states/two.py", 2),
        (circle_of_folders, "circles", "adapters/a/ adapters/b/", 2),
        (crowd, "modules", "adapters/room", 23),
        (long_function, "lines", "adapters/long.py:Made.made", 51),
    ],
)
def test_an_offence_is_seen(tmp_path: Path, plant: Callable[[Path], None], rule: str, name: str, count: int) -> None:
    sound(tmp_path)
    none: Counts = {each: {} for each in RULES}
    assert measured(tmp_path) == none
    plant(tmp_path)
    assert measured(tmp_path) == {**none, rule: {name: count}}
    assert problems(measured(tmp_path), {}) == [f"{name}: {count} {RULES[rule].text}; at most {RULES[rule].most}"]
    assert problems(measured(tmp_path), {rule: {name: count}}) == []


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ({"lines": {"a.py:made": 59}}, "where it had 59; at most 50"),
        ({"lines": {"a.py:made": 61}}, "by now; lower 61 in [lines] in docs/shape.toml"),
        ({"lines": {"a.py:made": 60, "b.py:gone": 70}}, "b.py:gone: needs no exception any more"),
        ({"lines": {"a.py:made": 60}, "length": {}}, "there is no rule 'length'"),
    ],
)
def test_an_exception_has_the_number_of_today(then: Counts, told: str) -> None:
    now: Counts = {each: {} for each in RULES} | {"lines": {"a.py:made": 60}}
    found = problems(now, then)
    assert len(found) == 1 and told in found[0]


def test_it_holds_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    told = capsys.readouterr()
    assert (told.err, len(told.out.splitlines())) == ("", len(RULES))
