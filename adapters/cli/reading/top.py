"""`rpd top`: all runs, sessions and pods on one screen."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Collection

from rpd.adapters.board.gathering import Gathering
from rpd.adapters.board.page import plain
from rpd.adapters.board.play import play
from rpd.adapters.pods.asking import survey_pods
from rpd.adapters.report.live import shows_unicode
from rpd.adapters.report.table import terminal_width
from rpd.adapters.terminal import output
from rpd.adapters.terminal.screen import can_show

FIRST_SECONDS = 3.0
"""How long the first screen waits for clouds that do not answer. They are asked again beside it."""


def show_top(commands: Collection[str], *, is_plain: bool, as_json: bool) -> int:
    """Show the board until a person leaves it; off a terminal, with `is_plain` or `as_json`, only once. `commands` are
    those that its keys may start. Exit code as `rpd pods`."""
    if not is_plain and not as_json and can_show():
        return play(survey_pods(FIRST_SECONDS), commands)
    survey = survey_pods()
    use = {each.row.id or "": deque([each.row.gpu_use]) for each in survey.pods}
    board = Gathering().board(survey, use, time.time())
    if as_json:
        output.answer(board.document())
    else:
        output.exact(plain(board, terminal_width(), is_unicode=shows_unicode(sys.stdout.encoding)))
    return survey.exit_code
