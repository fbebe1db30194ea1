"""Commands typed in this very process: milliseconds each, with the shipped code from the words to the exit code. What
leaves the process is for the test to replace."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rpd.adapters.cli import app

KEY = "rpa_0123456789abcdefghij"


class Done(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


def type_in(folder: Path, words: list[str], environ: Mapping[str, str]) -> Done:
    """Type `rpd WORDS` in `folder`, off a terminal, with this environment and a PATH."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with _as_user(folder, words, environ), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = app._run(words)
    said = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]  # type: ignore[attr-defined]
    return Done(code, *said)


@contextlib.contextmanager
def _as_user(folder: Path, words: list[str], environ: Mapping[str, str]) -> Iterator[None]:
    was = dict(os.environ), sys.argv, sys.stdin, Path.cwd()
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    os.environ.clear()
    os.environ.update({**kept, **environ})
    sys.argv = ["rpd", *words]
    os.chdir(folder)
    with Path(os.devnull).open() as sys.stdin:
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(was[0])
            sys.argv, sys.stdin = was[1], was[2]
            os.chdir(was[3])
