"""The root of the error tree, grouped by what a caller can do. A lifecycle adds its own leaves below these.

RpdError
├── UserError          the person can repair it: input, configuration, key
├── EffectError        a side effect did not return its result
│   ├── Refused        proved without effect: the other side refused
│   ├── NotSent        proved without effect: it never left this machine
│   └── Ambiguous      it may have happened: probe it first
├── Unavailable        a read failed; try again
└── Interrupted        a long call was cut short by a request
"""

from __future__ import annotations


class RpdError(Exception):
    """Root.

    `reason` is a lower snake word for the journal. `hint` is one command to type. `retry_after` is the minimum of
    seconds to wait (None: the caller's own backoff). `retryable`: the same call may succeed later.
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
    """The person can repair it. It is shown without a traceback. `exit_code` is the process's exit code."""

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
    """After the request may have been received, there was no answer, or an answer that cannot be believed."""

    reason = "ambiguous"
    retryable = True


class Unavailable(RpdError):
    """A read failed. Nothing new is known."""

    reason = "unavailable"
    retryable = True


class Interrupted(RpdError):
    """A long call ended early because `Control.pending()` became true."""

    reason = "interrupted"
    retryable = True
