"""The board as lines: every width, every row within reach, money and owners in sight."""

from __future__ import annotations

import pytest
from msgspec import structs

from rpd.adapters.board.page import KEYS, drawn, plain
from rpd.adapters.board.row import Board, BoardRow
from rpd.adapters.terminal.screen import REVERSED

NOW = 1.8e9
LIVE = BoardRow(
    kind="run",
    name="train-20260101T000000Z-abcdef",
    state="monitor",
    run_id="train-20260101T000000Z-abcdef",
    pod_id="p1",
    status="RUNNING",
    for_seconds=3700.0,
    awaits="follow the job, which may run or have ended",
    gpu="NVIDIA L4",
    use=(0.0, 50.0, None, 100.0),
    usd_per_hour=0.39,
    cost_usd=0.5,
    released_by="the switch in the pod, 13:14Z, at most $0.78",
    owner="pid 7 on here",
    pid=7,
    may_act=True,
)
THEIRS = BoardRow(kind="pod", name="a-notebook", state="RUNNING", pod_id="p2", usd_per_hour=1.0, owner="not rpd's")


def board(*rows: BoardRow, **changes: object) -> Board:
    usual = {"usd_per_hour": 1.39, "stopped_usd_per_month": 2.0, "unreachable": (), "asked_at": NOW}
    return Board(rows, **{**usual, **changes})  # type: ignore[arg-type]


def screen(found: Board, chosen: int = 0, columns: int = 80, lines: int = 24, message: str = "") -> list[str]:
    return [row.text for row in drawn(found, chosen, (columns, lines), message, is_unicode=True, now=NOW)]


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_the_chosen_row_is_told_in_full_at_every_width(columns: int) -> None:
    rows = screen(board(LIVE, THEIRS), columns=columns)
    text = "\n".join(rows)
    assert len(rows) == 24
    told = (LIVE.name, "monitor", "$0.39/h", "$1.39/h", "$2.00 a month", LIVE.awaits, LIVE.released_by, LIVE.owner)
    for words in told:
        assert words is not None and words in text, words
    assert rows[-1] == (KEYS if columns >= len(KEYS) else "l i s c r R q")


def test_details_of_a_session_fit_into_eighty_columns() -> None:
    session = structs.replace(
        LIVE,
        kind="session",
        name="2026-01-01-001-20260101T000000Z-abcdef",
        state="attend",
        pod_id="0v9egecg4rjz5y",
        gpu="NVIDIA RTX PRO 6000 Blackwell Server Edition",
    )
    rows = screen(board(session))
    assert max(map(len, rows[3:])) <= 80
    assert "pod      0v9egecg4rjz5y RUNNING, NVIDIA RTX PRO 6000 Blackwell Server Edition" in rows


def test_a_table_leaves_out_columns_rather_than_break_lines() -> None:
    narrow, wide = screen(board(LIVE), columns=80)[1], screen(board(LIVE), columns=200)[1]
    assert all(len(row) <= 80 for row in screen(board(LIVE), columns=80)[1:3])
    assert "RELEASED BY" not in narrow and "RELEASED BY" in wide
    assert "RATE" in narrow


def test_every_row_can_be_reached_on_a_low_terminal() -> None:
    many = [LIVE, *(BoardRow(kind="pod", name=f"pod-{n:02d}", state="RUNNING", pod_id=f"x{n}") for n in range(40))]
    for chosen in (0, 1, 20, 39, 40):
        rows = drawn(board(*many), chosen, (80, 12), "", is_unicode=True, now=NOW)
        marked = [row.text for row in rows if row.style == REVERSED]
        assert len(marked) == 1 and marked[0].startswith(many[chosen].name), chosen
        assert len(rows) == 12


def test_use_is_a_line_also_without_unicode() -> None:
    assert "▁▅ █ 100 %" in screen(board(LIVE), columns=200)[2]
    plainly = drawn(board(LIVE), 0, (200, 24), "", is_unicode=False, now=NOW)
    assert "_+ # 100 %" in plainly[2].text and all(row.text.isascii() for row in plainly)


def test_what_was_not_reached_and_what_is_old_is_said() -> None:
    text = "\n".join(screen(board(LIVE, unreachable=("runpod: no answer",), asked_at=NOW - 120.0)))
    assert "could not reach runpod: no answer" in text and "last answered 2 m 00 s ago" in text


def test_foreign_text_cannot_draw() -> None:
    evil = BoardRow(kind="pod", name="a\x1b[2Jb\nc", state="RUN\x07NING", pod_id="p", note="x\ny")
    for row in [*screen(board(evil)), *plain(board(evil), 80, is_unicode=True)]:
        assert "\x1b" not in row and "\n" not in row and "\x07" not in row


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_totals_fit_in_the_width_and_none_is_cut(columns: int) -> None:
    """What stopped disks cost stands at the end, where a narrow terminal cuts."""
    session = structs.replace(LIVE, kind="session", name="s")
    many = board(*[LIVE] * 11, *[session] * 3, usd_per_hour=112.39, stopped_usd_per_month=1234.5)
    rows = screen(many, columns=columns)
    table = next(at for at, row in enumerate(rows) if row.startswith("NAME"))
    head = rows[:table]
    assert all(len(row) <= columns for row in head), head
    said = " ".join(row.strip() for row in head)
    assert said.endswith("11 runs, 3 sessions, 14 pods up, $112.39/h, stopped disks $1,234.50 a month")
    assert len(head) == {40: 3, 80: 2, 120: 1}[columns] and len(rows) == 24


def test_an_empty_board() -> None:
    assert "no runs and no pods" in "\n".join(screen(board()))
    assert plain(board(), 80, is_unicode=True)[0].startswith("0 runs, 0 pods up")
