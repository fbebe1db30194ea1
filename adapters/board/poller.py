"""Ask the clouds again and again, beside the screen: a cloud that does not answer must not freeze it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque

from rpd.adapters.board.gathering import HISTORY
from rpd.adapters.local.patience import Patience
from rpd.adapters.pods.asking import Survey, survey_until

POLL_SECONDS = 5.0
LOOK_SECONDS = 0.1


class Poller:
    """A thread. `survey` is the last answer, `asked_at` its time (UTC seconds), `history` the use of the GPUs by the id
    of the pod, oldest first."""

    def __init__(self, first: Survey) -> None:
        self.survey = first
        self.asked_at = time.time()
        self.history: dict[str, deque[float | None]] = {}
        self._command = Patience()
        self._is_ended = threading.Event()
        self._now = threading.Event()
        self._note_use(first)
        self._thread = threading.Thread(target=self._poll, name="rpd-top-poller", daemon=True)

    def __enter__(self) -> Poller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The thread ends by itself; a cloud that does not answer holds nobody up."""
        self._is_ended.set()
        self._now.set()

    def again(self) -> None:
        """Ask at once: a person has just done something."""
        self._now.set()

    def _poll(self) -> None:
        while True:
            self._now.wait(POLL_SECONDS)
            self._now.clear()
            if self._is_ended.is_set():
                return
            # Whatever goes wrong, the board says how old its answer is; a thread that died would never ask again.
            with contextlib.suppress(Exception):
                self.survey, self.asked_at = survey_until(self._command), time.time()
                self._note_use(self.survey)

    def _note_use(self, survey: Survey) -> None:
        for joined in survey.pods:
            pod = joined.row
            if pod.id is not None and pod.computes:
                self.history.setdefault(pod.id, deque(maxlen=HISTORY)).append(pod.gpu_use)
