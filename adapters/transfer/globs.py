"""Patterns in the remote path of an artifact, as words of a shell in the pod: `*`, `?` and `[..]`, none of which
crosses a `/`. Every other character is plain."""

from __future__ import annotations

import re
import shlex

_OF_SHELL = re.compile(r"\{[^{}]*(?:,|\.\.)[^{}]*\}|\$\{?[A-Za-z_]\w*\}?")
"""Texts that a shell would replace."""
_CLASS = re.compile(r"\[([!^]?)(\]?(?:\[:[a-z]+:\]|[^\]/])*)\]")
_INSTEAD = {"{": "name an artifact for each", "$": "write the path out, or use one of variables, as in {name}"}
_PIECE = re.compile(r"\[:[a-z]+:\]|.", re.DOTALL)
_PLAIN = re.compile(r"\[:[a-z]+:\]|[A-Za-z0-9-]")


def problem_of(pattern: str) -> str:
    """What is wrong with a remote path, pattern or not, or an empty string."""
    found = _OF_SHELL.search(_CLASS.sub("", pattern))
    if found is not None:
        plain = f"[{found[0][0]}]{found[0][1:]}"
        return (
            f"{found[0]!r} is taken literally, because no shell expands it: {_INSTEAD[found[0][0]]}, or write {plain!r}"
        )
    if "**" in pattern:
        return "'**' does not cross folders: name each level as '*/*', or the folder that holds them all"
    rest = _CLASS.sub(lambda match: "" if match[2] else match[0], pattern)
    return "a '[' without its ']'; a bracket that is meant as one is written '[[]'" if "[" in rest else ""


def as_word(pattern: str) -> str:
    """The pattern as a word that a POSIX shell expands. Everything but the pattern characters is quoted."""
    out, at = [], 0
    while at < len(pattern):
        found = _CLASS.match(pattern, at)
        if found is not None and found[2]:
            out.append(f"[{'!' * bool(found[1])}{''.join(map(_in_class, _PIECE.findall(found[2])))}]")
            at = found.end()
            continue
        char = pattern[at]
        out.append(char if char in "*?/" else shlex.quote(char))
        at += 1
    return "".join(out)


def _in_class(piece: str) -> str:
    return piece if _PLAIN.fullmatch(piece) else shlex.quote(piece)
