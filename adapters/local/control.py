"""How requests reach a running loop: from signals, from other threads, and from other processes through a file.

The file lies beside the journal (`<journal>.request`) and names its owner by its epoch. Any later owner drops it. The
process that asks waits to see whether the owner took the request, and otherwise asks again. The queue is a
`SimpleQueue`, whose `put` is safe inside a signal handler that interrupted another `put` or `get`. There is no lock
here for which a handler could wait.
"""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import secrets
import time
from pathlib import Path

import msgspec

from rpd.adapters.local.files import read_regular, write_whole
from rpd.adapters.local.patience import Patience
from rpd.engine.ports import Request
from rpd.journal import tolerant

LOOK_SECONDS = 0.2
"""rpd looks for the request file at most this often."""

WAKE_SECONDS = 0.05
"""A sleeper wakes up this often, in case another thread has taken the message that was meant to wake it."""

MAX_REQUEST_BYTES = 64 * 1024

_WHAT = ("interrupt", "terminate", "cancel", "release", "gc", "detach")
_HOW = ("stop", "delete", "preserve")


def request_file(journal_path: Path) -> Path:
    """The file for a request for the run of this journal."""
    return journal_path.with_name(f"{journal_path.name}.request")


class Letter(msgspec.Struct, frozen=True):
    """A request on its way to the process that owns the journal in this epoch, and to no later owner."""

    epoch: int
    request: Request

    def is_for(self, epoch: int) -> bool:
        """Whether this owner can obey it. It does not guess at an unknown word, such as one of a later version: a wrong
        guess might end a run against the person's will."""
        how, until = self.request.detail.get("how"), self.request.detail.get("until")
        is_known = how is None or (how in _HOW and (how != "preserve" or isinstance(until, (int, float))))
        return self.epoch == epoch and self.request.what in _WHAT and is_known


def leave_request(journal_path: Path, request: Request, *, epoch: int) -> None:
    """Effect: leave a request for the owner of this epoch. A newer request replaces one that was not yet taken.

    Raises UserError if the file cannot be written.
    """
    write_whole(request_file(journal_path), msgspec.json.encode(Letter(epoch, request)))


class ProcessControl:
    """`rpd.engine.ports.Control` for one run in this process. Any thread may ask, look and wait; one thread takes.

    With a journal, it also takes requests of other processes that are meant for the journal's owner of this epoch. A
    thread that waits here and calls a cloud does so within `patience`.
    """

    def __init__(self, journal_path: Path | None = None, *, epoch: int = 0, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self._epoch = epoch
        self._file = request_file(journal_path) if journal_path is not None else None
        self._inbox: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._ready: collections.deque[Request] = collections.deque()
        self._look_at = 0.0
        self._is_left = False

    def ask(self, request: Request) -> None:
        """Make a request. Wakes `wait`. Safe in a signal handler and from any thread."""
        self._inbox.put(request)

    def pending(self) -> bool:
        """Whether a request waits to be taken, or it is time to leave."""
        if self.patience.leaving is not None or self._ready or not self._inbox.empty():
            return True
        now = time.monotonic()
        if self._file is not None and now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._is_left = self._file.exists()
        return self._is_left

    def take(self) -> Request | None:
        """The oldest waiting request, removed. Only this method consumes the request file. Raises LeaveNow when it is
        time to leave."""
        if self.patience.leaving is not None:
            raise self.patience.leaving
        with contextlib.suppress(IndexError):
            return self._ready.popleft()
        with contextlib.suppress(queue.Empty):
            return self._inbox.get_nowait()
        self._is_left = False
        return self._take_file() if self._file is not None else None

    def wait(self, seconds: float) -> None:
        """Sleep. Returns early when a request waits: within 50 ms of `ask`, within 250 ms of a request file."""
        end = time.monotonic() + seconds
        while not self.pending() and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                self._ready.append(self._inbox.get(timeout=min(left, WAKE_SECONDS)))

    def _take_file(self) -> Request | None:
        """Rename the file first, so that one reader becomes its owner."""
        assert self._file is not None
        mine = self._file.with_name(f"{self._file.name}.{os.getpid()}.{secrets.token_hex(4)}.taken")
        try:
            self._file.rename(mine)
        except OSError:
            return None  # no file, or another reader was quicker
        try:
            letter = tolerant.decode(read_regular(mine, MAX_REQUEST_BYTES), Letter)
        except OSError:
            return None
        finally:
            with contextlib.suppress(OSError):
                mine.unlink()
        return letter.request if letter is not None and letter.is_for(self._epoch) else None
