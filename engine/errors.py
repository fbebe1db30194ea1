"""The root of the error tree, grouped by what a caller can do. A lifecycle adds its own leaves below these.

RpdError
├── UserError          the person can mend it: input, configuration, key
├── EffectError        a side effect did not return its result
│   ├── Refused        proved without effect: the other side said no
│   ├── NotSent        proved without effect: it never left this machine
│   └── Ambiguous      it may have happened: probe before anything else
├── Unavailable        a read failed; try again
├── Interrupted        a long call was cut short because somebody asked for it
└── LimitReached       a deadline or a ceiling
"""

from __future__ import annotations


class RpdError(Exception):
    """Root.

    `reason` is a lower snake word for the journal, `hint` one command to type, `retry_after` seconds to wait at least
    (None: the caller's own backoff), `retryable` whether the same call may succeed later.
    """

    reason: str = "error"
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        hint: str = "",
        retryable: bool | None = None,
        retry_after: float | None = None,
        detail: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        self.detail = detail or {}
        if reason is not None:
            self.reason = reason
        if retryable is not None:
            self.retryable = retryable


class UserError(RpdError):
    """The person can mend it; shown without a traceback. `exit_code` is the process's exit code."""

    reason = "usage"
    exit_code: int = 2

    def __init__(
        self, message: str, *, exit_code: int | None = None, hint: str = "", reason: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, reason=reason)
        if exit_code is not None:
            self.exit_code = exit_code


class EffectError(RpdError):
    """A side effect did not return its result."""


class Refused(EffectError):
    """The other side answered and did nothing."""

    reason = "refused"


class NotSent(EffectError):
    """The request provably never reached the other side (name lookup, connect, TLS)."""

    reason = "not_sent"
    retryable = True


class Ambiguous(EffectError):
    """No answer, or one that cannot be believed, after the request may have been received."""

    reason = "ambiguous"
    retryable = True


class Unavailable(RpdError):
    """A read failed; nothing is known that was not known before."""

    reason = "unavailable"
    retryable = True


class Interrupted(RpdError):
    """A long call gave up early because `Control.pending()` became true."""

    reason = "interrupted"
    retryable = True


class LimitReached(RpdError):
    """A deadline or ceiling inside a call was reached."""

    reason = "limit"
