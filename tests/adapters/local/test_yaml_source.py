"""What the YAML reader accepts, and where it says the trouble is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rpd.adapters.spec.error import SpecError
from rpd.adapters.spec.yaml_source import MAX_BYTES, parse_yaml, read_yaml
from rpd.engine.errors import UserError


def refused(text: str | bytes) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(SpecError) as caught:
        parse_yaml(content, "j.yaml")
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("2026-05-17", "2026-05-17"),
        ("22:22", "22:22"),
        ("0777", "0777"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e-4", 1e-4),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("123456789012345678901", "123456789012345678901"),
        ("~", None),
        ("", None),
        ('""', ""),
        ("'12'", "12"),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_scalars_hold_no_surprise(written: str, value: object) -> None:
    assert parse_yaml(f"a: {written}\n".encode(), "j.yaml").data == {"a": value}


def test_keys_are_text() -> None:
    assert parse_yaml(b"on: 1\n12: 2\nnull: 3\n", "j.yaml").data == {"on": 1, "12": 2, "null": 3}


def test_every_value_has_a_place() -> None:
    source = parse_yaml(
        b"\xef\xbb\xbfpod:\n  gpu_order:\n    - A\n    - B\nrun: {body: |\n  x\n  }\n".replace(b"|\n", b"x"), "j"
    )
    assert source.places[("pod", "gpu_order", 1)] == (4, 7)
    assert source.places[("run", "body")] == (5, 7)
    assert source.problem(("pod", "image"), "is missing").line == 1


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a: 1\na: 2\n", ["j.yaml:2: a: is written twice; first on line 1"]),
        (
            "b: &x [1]\nc: *x\nd: !!python/object:os.system x\n",
            [
                "j.yaml:1: b: the anchor &x is refused; write the value out",
                "j.yaml:2: c: the alias *x is refused; write the value out",
                "j.yaml:3: d: the tag tag:yaml.org,2002:python/object:os.system is refused; values are plain data",
            ],
        ),
        ("a: ! x\n", ["j.yaml:1: a: the tag ! is refused; values are plain data"]),
        ("--- {a: 1}\n--- {b: 2}\n", ["j.yaml:2: (whole file): a second document starts here; one file is one job"]),
        ("", ["j.yaml:1: (whole file): a job file is a mapping of `field: value` lines; the file is empty"]),
        ("- a\n", ["j.yaml:1: (whole file): a job file is a mapping of `field: value` lines; found a list"]),
        ("word\n", ["j.yaml:1: (whole file): a job file is a mapping of `field: value` lines; found a single value"]),
        ("{[1]: 2}\n", ["j.yaml:1: (whole file): a key must be plain text"]),
        ("a: [" + "[" * 40, ["j.yaml:1: a" + "[0]" * 30 + ": nested more than 32 levels deep"]),
        ('a: "\\0"\n', ["j.yaml:1: a: holds a character that no file or command can hold"]),
        (b"a: 1\nb: \xff\n", ["j.yaml:2: (whole file): not UTF-8 text"]),
        (
            b"a: " + b"x" * MAX_BYTES,
            ["j.yaml:1: (whole file): larger than 256 KiB; keep long scripts and data in files and stage them"],
        ),
    ],
)
def test_refusals_name_the_place(text: str | bytes, lines: list[str]) -> None:
    assert refused(text)[: len(lines)] == lines


@pytest.mark.parametrize(
    ("text", "line"), [("a: [1,\nb: 2\n", 3), ("a: b: c\n", 1), ("a:\n\t- 1\n", 2), ("a: \x01", 1), ("a: 'x\n\n", 3)]
)
def test_broken_yaml_names_the_line(text: str, line: int) -> None:
    [message] = refused(text)
    assert message.startswith(f"j.yaml:{line}: ") and "broken YAML: " in message


def test_an_unclosed_list_names_where_it_begins() -> None:
    assert refused("a: [1,\nb: 2\n")[0].endswith("(it begins on line 1)")


def test_an_alias_bomb_is_cheap() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    lines = refused(bomb)
    assert len(lines) == 51 and lines[-1].endswith("more")


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, words in (
        (tmp_path / "none", "there is no job file"),
        (tmp_path, "folder"),
        (pipe, "not a regular file"),
    ):
        with pytest.raises(UserError, match=words):
            read_yaml(path)
