"""Calls to the API that end in a result or in an error of the tree, after as many attempts as are safe.

| call | sent again after |
|---|---|
| read, change, delete | no answer, an unreadable one, 5xx, 429 |
| create, start, stop | 429 only: it proves that nothing was done |

All waiting goes through one function. Its sum per call is bounded. A longer wait is left to the caller (`retry_after`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from rpd.adapters.local.patience import Patience
from rpd.adapters.runpod import pace
from rpd.adapters.runpod.answer import Answer, Failure, Unreadable
from rpd.adapters.runpod.errors import EFFECTS, IDEMPOTENT, Kind, judge, judge_failure
from rpd.adapters.runpod.exchange import ApiRequest
from rpd.adapters.runpod.session import Session
from rpd.engine.errors import Ambiguous, Interrupted, NotSent, Refused, RpdError, Unavailable
from rpd.engine.ports import Random
from rpd.journal.redact import Redactor, Secret
from rpd.states.ports.faults import Fault

T = TypeVar("T")
Decode = Callable[[bytes], T]

LEAST_SECONDS = 0.1
"""For an attempt with hardly any patience left."""
FIRST_SHARE = 1 / 3
"""A read that is not answered in this part of its time is sent again: the connection may be dead, and not the cloud."""


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one call: seconds, attempts, bytes. `wait_seconds` is the sum of all pauses between attempts.

    `answer_seconds` is for one attempt, and for all attempts of a read together: a silent cloud must not keep a run
    from what else happens to it.
    """

    connect_seconds: float = 5.0
    answer_seconds: float = 30.0
    create_seconds: float = 60.0
    attempts: int = 4
    wait_seconds: float = 60.0
    body_bytes: int = 10_000_000


class RunPodClient:
    """REST v2 of RunPod, or of any server that speaks it at `base_url`. Used by one thread at a time.

    `interrupted` says whether long calls have to end. Reads then raise Interrupted. An effect under way is completed,
    but not sent again. `wait` sleeps and may return early. A call ends with `patience`, which also cuts an effect
    short; the effect is then in doubt. `redactor` knows what no text may hold, beside the key.
    """

    def __init__(
        self,
        base_url: str,
        key: Secret,
        *,
        interrupted: Callable[[], bool],
        wait: Callable[[float], None],
        random: Random,
        limits: Limits | None = None,
        patience: Patience | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._limits = limits or Limits()
        self._session = Session(
            base_url,
            key,
            connect_seconds=self._limits.connect_seconds,
            body_limit=self._limits.body_bytes,
            redactor=redactor,
        )
        self._interrupted = interrupted
        self._wait = wait
        self._random = random
        self._not_before = 0.0

    def __repr__(self) -> str:
        return f"RunPodClient({self.base_url!r})"

    @property
    def base_url(self) -> str:
        """The API's address, without `/v2` and without anything secret."""
        return self._session.base_url

    def get(self, path: str, decode: Decode[T], params: Mapping[str, str] | None = None) -> T:
        """Read. Raises Refused, Unavailable or Interrupted."""
        return self._call(Kind.READ, self._request("GET", path, params=dict(params or {})), decode)

    def create(self, path: str, body: bytes, decode: Decode[T]) -> T:
        """Effect that must not be doubled. Raises Refused, NotSent or Ambiguous."""
        request = self._request("POST", path, seconds=self._limits.create_seconds, body=body)
        return self._call(Kind.CREATE, request, decode)

    def act(self, kind: Kind, path: str, body: bytes, decode: Decode[T]) -> T:
        """Effect that the caller may repeat, after a probe. Raises Refused, NotSent or Ambiguous."""
        return self._call(kind, self._request("POST", path, body=body), decode)

    def change(self, path: str, body: bytes, decode: Decode[T]) -> T:
        """Effect that names the wanted state. So it may be repeated, and this method repeats it. Raises Refused,
        NotSent or Ambiguous."""
        return self._call(Kind.CHANGE, self._request("PATCH", path, body=body), decode)

    def delete(self, path: str) -> None:
        """Effect that may be repeated, and that this method repeats. Raises Refused (also for a 404), NotSent or
        Ambiguous."""
        self._call(Kind.DELETE, self._request("DELETE", path), lambda _body: None)

    def listen(self, path: str, params: Mapping[str, str], *, seconds: float, quiet: float) -> Answer | None:
        """The text of an endless stream until it is silent for `quiet` seconds after its first line, or `seconds` have
        passed. None if no byte came in time. One attempt. Raises Refused, Unavailable or Interrupted."""
        request = ApiRequest("GET", path, seconds, dict(params), accept="text/event-stream", quiet=quiet)
        found = self._session.send(request, self._interrupted)
        if isinstance(found, Failure):
            if found.fault is Fault.TIMEOUT:
                return None
            raise _interruption() if found.fault is Fault.INTERRUPTED else judge_failure(Kind.READ, found)
        if found.status != 200:
            raise judge(Kind.READ, found)
        return found

    def close(self) -> None:
        """Drop the connections."""
        self._session.close()

    def _request(
        self,
        method: str,
        path: str,
        *,
        seconds: float | None = None,
        params: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> ApiRequest:
        seconds = self._limits.answer_seconds if seconds is None else seconds
        return ApiRequest(method, path, seconds, params or {}, body, is_effect=method != "GET")

    def _call(self, kind: Kind, request: ApiRequest, decode: Decode[T]) -> T:
        """Try until one attempt settles the call. An earlier attempt in doubt puts the whole call in doubt."""
        in_doubt = False
        waited = spent = 0.0
        attempt = 0
        what = f"{request.method} {request.path}"
        self._patience.asked(what)
        while True:
            attempt += 1
            self._hold_back(kind)
            if self._patience.leaving is not None:
                raise _settled(_not_asked(kind, self._patience.leaving.why), in_doubt)
            own = _seconds_of_attempt(kind, request.seconds, attempt, spent)
            seconds = max(LEAST_SECONDS, min(own, self._patience.seconds_left(what)))
            began = time.monotonic()
            found = self._attempt(kind, msgspec.structs.replace(request, seconds=seconds), decode)
            spent += time.monotonic() - began
            if _ends_silence(found):
                self._patience.answered(what)
            if not isinstance(found, RpdError):
                return found
            is_over = self._patience.is_over(what, self.base_url, found.message)
            pause = self._pause(kind, found, attempt, self._limits.wait_seconds - waited)
            if pause is None or is_over or (kind is Kind.READ and spent >= request.seconds):
                raise _settled(found, in_doubt)
            in_doubt = in_doubt or isinstance(found, Ambiguous)
            self._wait(min(pause, self._patience.seconds_left(what)))
            waited += pause
            if self._interrupted():
                # The known result of an effect says more than the fact of the interruption.
                raise _settled(found, in_doubt) if kind in EFFECTS else _interruption()

    def _attempt(self, kind: Kind, request: ApiRequest, decode: Decode[T]) -> T | RpdError:
        """The decoded result, or the error. It is returned, so that no foreign error becomes its context."""
        found = self._session.send(request, self._is_leaving if kind in EFFECTS else self._interrupted)
        if isinstance(found, Failure):
            is_cut_read = found.fault is Fault.INTERRUPTED and kind not in EFFECTS
            return _interruption() if is_cut_read else judge_failure(kind, found)
        self._not_before = time.monotonic() + pace.breath(found.headers)
        if not 200 <= found.status < 300:
            return judge(kind, found, pace.asked_wait(found.headers))
        return _decoded(kind, found, decode)

    def _is_leaving(self) -> bool:
        return self._patience.leaving is not None

    def _pause(self, kind: Kind, error: RpdError, attempt: int, patience: float) -> float | None:
        """Seconds to the next attempt. None if there is no next attempt."""
        is_limited = error.reason == Fault.RATE_LIMITED
        if not is_limited:
            if kind not in IDEMPOTENT or attempt >= self._limits.attempts:
                return None
            if isinstance(error, Refused | Interrupted) or not error.retryable:
                return None
        pause = pace.backoff(attempt, self._random.random())
        if error.retry_after is not None:
            pause = max(pause, error.retry_after)
        elif is_limited:
            pause = max(pause, pace.UNTOLD_RATE_WAIT)
        return pause if pause <= patience else None

    def _hold_back(self, kind: Kind) -> None:
        """Wait for the quota, if the last answer said that it is nearly used up."""
        pause = self._not_before - time.monotonic()
        if pause <= 0:
            return
        self._not_before = 0.0
        self._wait(pause)
        if kind not in EFFECTS and self._interrupted():
            raise _interruption()


def _seconds_of_attempt(kind: Kind, whole: float, attempt: int, spent: float) -> float:
    """All attempts of a read share its time."""
    if kind is not Kind.READ:
        return whole
    return whole * FIRST_SHARE if attempt == 1 else whole - spent


def _decoded(kind: Kind, answer: Answer, decode: Decode[T]) -> T | RpdError:
    """The result of a 2xx. If the body is not what was promised, it is open what happened."""
    flaw = answer.flaw
    if flaw is None or kind is Kind.DELETE:
        try:
            return decode(answer.body)
        except Unreadable as unreadable:
            flaw = str(unreadable)
    text = f"an unreadable answer (HTTP {answer.status}): {flaw}"
    return judge_failure(kind, Failure(Fault.UNREADABLE, True, text, answer.request_id))


def _settled(error: RpdError, in_doubt: bool) -> RpdError:
    """The error of the last attempt, as Ambiguous if an earlier attempt may have had its effect."""
    if not in_doubt or isinstance(error, Ambiguous):
        return error
    return Ambiguous(
        f"{error.message}; an earlier attempt went unanswered",
        reason=error.reason,
        hint=error.hint,
        retryable=error.retryable,
        retry_after=error.retry_after,
        detail=error.detail,
    )


def _ends_silence(found: object) -> bool:
    """Whether the cloud gave a usable answer, or rpd did not wait for one."""
    if not isinstance(found, RpdError) or isinstance(found, Interrupted):
        return True
    return isinstance(found, Refused) and found.reason != Fault.RATE_LIMITED


def _not_asked(kind: Kind, why: str) -> RpdError:
    error = NotSent if kind in EFFECTS else Unavailable
    return error(why, reason=Fault.NOT_SENT, retryable=True)


def _interruption() -> Interrupted:
    return Interrupted("the call to RunPod was cut short", reason=Fault.INTERRUPTED)
