"""How requests reach a running loop: from signals, from other threads, and from other processes through a file.

The file lies beside the journal (`<journal>.request`) and says which owner it is for, by its epoch: whoever comes after
that one drops it. Who asks stays to see whether it was heard, and asks again otherwise. The queue is a `SimpleQueue`,
whose `put` is safe inside a signal handler that interrupted another `put` or `get`; there is no lock here that a
handler could wait for.
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
"""The request file is looked for at most this often."""

WAKE_SECONDS = 0.05
"""A sleeper looks up this often, in case another thread has taken the message that was meant to wake it."""

MAX_REQUEST_BYTES = 64 * 1024

_WHAT = ("interrupt", "terminate", "cancel", "release", "gc", "detach")
_HOW = ("stop", "delete", "preserve")


def request_file(journal_path: Path) -> Path:
    """Where a request for the run of this journal is left."""
    return journal_path.with_name(f"{journal_path.name}.request")


class Letter(msgspec.Struct, frozen=True):
    """A request on its way to the process that owns the journal in this epoch, and to no later one."""

    epoch: int
    request: Request

    def is_for(self, epoch: int) -> bool:
        """Whether this owner can obey it. A word it does not know, such as one of a later version, is none to guess at:
        the next best meaning might end a run that nobody wanted to end."""
        how, until = self.request.detail.get("how"), self.request.detail.get("until")
        is_known = how is None or (how in _HOW and (how != "preserve" or isinstance(until, (int, float))))
        return self.epoch == epoch and self.request.what in _WHAT and is_known


def leave_request(journal_path: Path, request: Request, *, epoch: int) -> None:
    """Effect: leave a request for the owner of this epoch. A newer one replaces one not yet taken.

    Raises UserError when the file cannot be written.
    """
    write_whole(request_file(journal_path), msgspec.json.encode(Letter(epoch, request)))


class ProcessControl:
    """`rpd.engine.ports.Control` for one run in this process; any thread may ask, look and wait, one takes.

    With a journal, requests of other processes are heard that are meant for its owner of this epoch. Whoever waits here
    and calls a cloud does so within `patience`.
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
        """Make a request; wakes `wait`. Safe in a signal handler and from any thread."""
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
        """The oldest waiting request, removed; the request file is consumed here and nowhere else. Raises LeaveNow when
        it is time to leave."""
        if self.patience.leaving is not None:
            raise self.patience.leaving
        with contextlib.suppress(IndexError):
            return self._ready.popleft()
        with contextlib.suppress(queue.Empty):
            return self._inbox.get_nowait()
        self._is_left = False
        return self._take_file() if self._file is not None else None

    def wait(self, seconds: float) -> None:
        """Sleep; returns early when a request waits: within 50 ms of `ask`, within 250 ms of a request file."""
        end = time.monotonic() + seconds
        while not self.pending() and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                self._ready.append(self._inbox.get(timeout=min(left, WAKE_SECONDS)))

    def _take_file(self) -> Request | None:
        """Renaming the file first makes one reader its owner."""
        assert self._file is not None
        mine = self._file.with_name(f"{self._file.name}.{os.getpid()}.{secrets.token_hex(4)}.taken")
        try:
            self._file.rename(mine)
        except OSError:
            return None  # none there, or another reader was quicker
        try:
            letter = tolerant.decode(read_regular(mine, MAX_REQUEST_BYTES), Letter)
        except OSError:
            return None
        finally:
            with contextlib.suppress(OSError):
                mine.unlink()
        return letter.request if letter is not None and letter.is_for(self._epoch) else None
