"""Guess the meant command for a command that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

ELSEWHERE = {
    "prune": "rpd runs prune",
    **dict.fromkeys(
        ("rm", "delete", "stop", "kill", "terminate", "down", "abort"), "rpd cancel RUN, or rpd release RUN"
    ),
    **dict.fromkeys(("ls", "list", "ps", "jobs", "history"), "rpd runs"),
    **dict.fromkeys(("status", "show", "info", "describe"), "rpd inspect RUN"),
    **dict.fromkeys(("start", "launch", "submit", "up"), "rpd run FILE"),
    **dict.fromkeys(("tail", "output"), "rpd logs RUN"),
    **dict.fromkeys(("clean", "cleanup"), "rpd gc"),
    **dict.fromkeys(("check", "lint"), "rpd validate FILE"),
    **dict.fromkeys(("new", "create"), "rpd init FILE"),
    **dict.fromkeys(("ssh", "attach", "enter", "login"), "rpd shell RUN"),
    **dict.fromkeys(("port-forward", "forward"), "rpd tunnel RUN PORT"),
    **dict.fromkeys(("cp", "scp", "rsync", "download", "upload"), "rpd pull RUN REMOTE, or rpd push RUN LOCAL"),
    "prices": "rpd gpus",
}
"""Words of other tools for commands that have another name here."""
ALIKE = 0.75
"""Two words that are less alike are different words, not a typing error."""


def meant(word: str, known: Sequence[str], command: str) -> str:
    """A hint with what to type instead. `command` is what stood before the word."""
    if command == "rpd" and word in ELSEWHERE and word not in known:
        return ELSEWHERE[word]
    swapped = [each for each in known if sorted(each) == sorted(word)]
    alike = swapped or difflib.get_close_matches(word, known, n=1, cutoff=ALIKE)
    return f"{command} {alike[0]}" if alike else f"{command} --help"
