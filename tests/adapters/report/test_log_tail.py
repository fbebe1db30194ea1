"""The job's output, whatever it is made of, becomes lines that a terminal survives."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpd.adapters.report.log_tail import LINE_CHARACTERS_MAX, LogTail


def fed(tmp_path: Path, *pieces: bytes) -> tuple[list[str], str]:
    """The lines of a log that grew by these pieces, and its unfinished rest."""
    log = tmp_path / "run.log"
    log.write_bytes(b"")
    tail = LogTail(log)
    lines = []
    for piece in pieces:
        with log.open("ab") as file:
            file.write(piece)
        lines += tail.new_lines()
    return lines, tail.unfinished


@pytest.mark.weak_point(31)
def test_only_what_is_new_counts(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    tail = LogTail(log)
    assert tail.new_lines() == []
    log.write_bytes(b"old\n")
    again = LogTail(log)
    assert (tail.new_lines(), again.new_lines()) == (["old"], [])


def test_escapes_controls_and_foreign_bytes(tmp_path: Path) -> None:
    data = b"\x1b[31mred\x1b[0m \x1b]0;title\x07end\x1b[2J\x1b[?25l\n\xff\xfe\x00\x9b\ttab\n\xe2\x80\xaeevil\n"
    lines, _ = fed(tmp_path, data)
    assert lines[0] == "red end"
    assert lines[1].endswith("\ttab")
    assert lines[2] == "evil"
    assert not any(character < " " and character != "\t" for line in lines for character in line)


def test_letters_split_over_two_reads(tmp_path: Path) -> None:
    assert fed(tmp_path, b"gr\xc3", b"\xbc\xc3\x9fe\n") == (["grüße"], "")


def test_progress_bars_show_their_last_form(tmp_path: Path) -> None:
    assert fed(tmp_path, b"\r10%", b"\r20%", b"\r30%") == ([], "30%")
    assert fed(tmp_path, b"10%\r20%\rdone\n", b"next") == (["done"], "next")
    assert fed(tmp_path, b"10%\r", b"\nrest\r\n") == (["10%", "rest"], "")


def test_lines_without_end_are_shown_in_pieces(tmp_path: Path) -> None:
    lines, rest = fed(tmp_path, b"x" * 40_000, b"x" * 40_000)
    assert {len(line) for line in lines} == {LINE_CHARACTERS_MAX}
    assert sum(map(len, lines)) + len(rest) == 80_000
    assert len(rest) <= LINE_CHARACTERS_MAX


def test_the_next_log_begins_after_the_last_line_of_this_one(tmp_path: Path) -> None:
    first, second = tmp_path / "run.log", tmp_path / "run-2.log"
    tail = LogTail(first)
    first.write_bytes(b"one\ntwo\nthe end")
    second.write_bytes(b"again\n")
    tail.follow(second)
    tail.follow(second)
    seen = [tail.new_lines(4)]
    while tail.is_behind:
        seen.append(tail.new_lines(100))
    assert seen == [["one"], ["two", "the end"], ["again"]]


@pytest.mark.parametrize(
    ("text", "left_out", "lines"),
    [
        (b"first\nsecond\nthird\n", 13, ["third"]),
        (b"first\nsecond\nthird", 13, []),
        (b"short\n", 0, ["short"]),
        (b"x" * 20 + b"\n", 12, ["x" * 8]),
    ],
)
def test_only_the_last_lines_are_asked_for(tmp_path: Path, text: bytes, left_out: int, lines: list[str]) -> None:
    log = tmp_path / "run.log"
    tail = LogTail(log)
    log.write_bytes(text)
    assert tail.skip_to_last(9) == left_out
    assert tail.new_lines() == lines
    assert not tail.is_behind


def test_a_log_that_cannot_be_read_does_not_hide_the_next(tmp_path: Path) -> None:
    first, second = tmp_path / "run.log", tmp_path / "run-2.log"
    tail = LogTail(first)
    first.mkdir()
    second.write_bytes(b"again\n")
    tail.follow(second)
    assert (tail.new_lines(), tail.new_lines()) == ([], ["again"])
