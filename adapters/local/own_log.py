"""rpd's own log: every call to the API, every try to connect, every record of a run, costs, and tracebacks.

It is in the state home, `log/rpd.log`. Nothing depends on it: what cannot be written is left out after one note. No
line holds a secret that any part of this process knows, whenever it learned it. `RPD_LOG_LEVEL` is `off`, `error`,
`warning`, `info` (usual) or `debug`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path

from rpd.adapters.local.leaks import environment_secrets, without_keys, without_logins
from rpd.adapters.local.rotating_file import RotatingFile
from rpd.journal.redact import Redactor, Secret, heard

ROOT = "rpd-log"
"""The tree of its loggers. It is apart from the loggers of the program that imports rpd."""
LEVELS = {
    "off": logging.CRITICAL + 1,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
LINE_CHARACTERS_MAX = 4000
TRACE_CHARACTERS_MAX = 40_000
REST_SECONDS = 60.0
"""After a failure to write, nothing is tried for so long."""
CONTINUED = "    "
"""The beginning of each further line of an entry."""

_root = logging.getLogger(ROOT)
_root.propagate = False
_root.addHandler(logging.NullHandler())
_root.setLevel(LEVELS["off"])
_run: ContextVar[str] = ContextVar("run", default="-")


def logger(name: str) -> logging.Logger:
    """A logger of rpd's own log. Until `begin` it is silent."""
    return logging.getLogger(f"{ROOT}.{name}")


def log_path(home: Path) -> Path:
    """The newest part of the log."""
    return home / "log" / "rpd.log"


def level(environ: Mapping[str, str] = os.environ, *, usual: str = "info") -> str:
    """The level in force: the environment's, else the `usual` one. A word that is not known counts as "info"."""
    named = environ.get("RPD_LOG_LEVEL", "").strip().lower() or usual
    return named if named in LEVELS else "info"


def begin(home: Path, note: Callable[[str], object] = lambda text: None, *, usual: str = "info") -> None:
    """Write to the log of this state home from now on. `note` tells a person, once, that it cannot be written. `usual`
    is the level if the environment names none."""
    known = next((each for each in _root.handlers if isinstance(each, OwnLog)), None)
    if known is None or known.path != log_path(home):
        if known is not None:
            _root.removeHandler(known)
            known.close()
        _root.addHandler(OwnLog(log_path(home), note))
    _root.setLevel(LEVELS[level(usual=usual)])


@contextlib.contextmanager
def of_run(run_id: str) -> Iterator[None]:
    """In this block, the entries of this thread belong to the run."""
    before = _run.set(run_id)
    try:
        yield
    finally:
        _run.reset(before)


def keep_trace(error: BaseException, what: str) -> None:
    """Log an error with its traceback."""
    import traceback

    logger("fault").error("%s\n%s", what, "".join(traceback.format_exception(error)))


class OwnLog(logging.Handler):
    """Writes entries to the rotating file. It never raises."""

    def __init__(self, path: Path, note: Callable[[str], object]) -> None:
        super().__init__()
        self.path = path
        self._file = RotatingFile(path)
        self._note = note
        self._is_told = False
        self._not_before = 0.0
        self._redactor = Redactor(*map(Secret, environment_secrets(os.environ).values()))
        self._heard = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one entry."""
        if time.monotonic() < self._not_before:
            return
        try:
            self._file.append(self._line(record))
        except Exception as error:  # also a message that cannot be formatted: the log never ends what it describes
            self._not_before = time.monotonic() + REST_SECONDS
            if not self._is_told:
                self._is_told = True
                why = error.strerror if isinstance(error, OSError) else type(error).__name__
                with contextlib.suppress(Exception):
                    self._note(f"warning: rpd's own log cannot be written: {self.path}: {why}")

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        """`TIME PID RUN LEVEL NAME MESSAGE`, masked before anything is cut."""
        if len(secrets := heard()) != self._heard:
            self._heard = len(secrets)
            self._redactor.add(*secrets)
        text = without_keys(without_logins(self._redactor.mask(record.getMessage())))
        limit = TRACE_CHARACTERS_MAX if record.levelno >= logging.ERROR else LINE_CHARACTERS_MAX
        text = text if len(text) <= limit else f"{text[:limit]}..."
        first, *more = text.splitlines() or [""]
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        name = record.name.removeprefix(f"{ROOT}.")
        head = f"{moment}.{int(record.msecs):03d}Z {os.getpid()} {_run.get()} {record.levelname.lower()} {name}"
        lines = [f"{head} {first}", *(f"{CONTINUED}{line}" for line in more)]
        return "".join(f"{_printable(line)}\n" for line in lines).encode("utf-8", "replace")


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in line)
