"""Which paths of a tree stay out of a transfer: patterns with the meaning that rsync gives them."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from rpd.states.ports.world import Tree


class Patterns:
    """A list of exclude patterns.

    A pattern matches the end of a path at a folder boundary, or the whole path if it begins with `/`. `*` and `?` do
    not cross folders, `**` does. A trailing `/` means folders only. The content of an excluded folder is excluded with
    it. With `includes`, of the same kind, only the paths that they match or contain remain, and the folders above those
    paths are searched.
    """

    def __init__(self, patterns: Iterable[str], includes: Iterable[str] = ()) -> None:
        kept = [pattern for pattern in patterns if pattern.strip("/")]
        wanted = [pattern for pattern in includes if pattern.strip("/")]
        self._wanted = Patterns(wanted) if wanted else None
        self._any = _union([p for p in kept if not p.endswith("/")])
        self._folders = _union([p.rstrip("/") for p in kept])
        self._below = _union([p.rstrip("/") for p in kept], "/.*")

    def match(self, path: str, is_folder: bool) -> bool:
        """Whether this very path (relative, `/` between its parts) is excluded."""
        pattern = self._folders if is_folder else self._any
        is_named = pattern is not None and pattern.fullmatch(path) is not None
        return is_named or not (is_folder or self.want(path, is_folder))

    def cover(self, path: str, is_folder: bool) -> bool:
        """Whether the path or a folder above it is excluded."""
        # One match for all folders above it: a pod may have a path of a thousand.
        is_below = self._below is not None and self._below.fullmatch(path) is not None
        return is_below or self.match(path, is_folder) or not self.want(path, is_folder)

    def want(self, path: str, is_folder: bool) -> bool:
        """Whether the includes match the path or a folder above it. True without includes."""
        return self._wanted is None or self._wanted.cover(path, is_folder)


def patterns_of(tree: Tree) -> Patterns:
    """The paths of a local tree that are not sent: those that its entry of `staging` leaves out, and the runs' own
    folders, because each run would send the results of all earlier runs. A source within these folders is sent, and so
    are includes that name them or something in them."""
    source, runs = os.path.realpath(Path(tree.source).expanduser()), os.path.realpath(tree.runs or "/")
    if not runs.startswith(source.rstrip("/") + "/"):
        return Patterns(tree.excludes, tree.includes)
    folder = runs[len(source.rstrip("/")) + 1 :]
    if any(_names(include, folder) for include in tree.includes):
        return Patterns(tree.excludes, tree.includes)
    below = re.sub(r"([\\*?\[])", r"\\\1", f"/{folder}")
    return Patterns((*tree.excludes, below + "/"), tree.includes)


def _names(pattern: str, folder: str) -> bool:
    """Whether a pattern names this folder, or something in it. A pattern that matches any name in its place does not,
    nor does the name of a folder above."""
    parts = pattern.split("/")
    heads = (Patterns(["/".join(parts[:count])]) for count in range(1, len(parts) + 1))
    beside = posixpath.join(posixpath.dirname(folder), "\0")
    return any(head.match(folder, True) and not head.match(beside, True) for head in heads)


def _union(patterns: list[str], end: str = "") -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{_expression(p)}{end})" for p in patterns), re.DOTALL) if patterns else None


def _expression(pattern: str) -> str:
    prefix = "" if pattern.startswith("/") else "(?:.*/)?"
    # "**/x" also means "x" at the top, which the prefix already says.
    body = pattern.lstrip("/")
    while not pattern.startswith("/") and body.startswith("**/"):
        body = body[3:]
    everything_below = body.endswith("/***")
    if everything_below:
        body = body[: -len("/***")]
    return prefix + _glob(body) + ("(?:/.*)?" if everything_below else "")


def _glob(pattern: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            out.append(".*")
            at += 2
            continue
        if char == "[" and (end := pattern.find("]", at + 2)) > 0:
            inner = pattern[at + 1 : end].replace("\\", "\\\\")
            out.append(f"[^{inner[1:]}]" if inner[0] in "!^" else f"[{inner}]")
            at = end + 1
            continue
        if char == "\\" and at + 1 < len(pattern):
            at += 1
            out.append(re.escape(pattern[at]))
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char))
        at += 1
    return "".join(out)
