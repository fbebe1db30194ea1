"""What a provider says in place of a result, as the errors that the shipped adapter makes of it. `tests/contract` holds
each of them to the sandbox."""

from __future__ import annotations

from rpd.engine.errors import Ambiguous, NotSent, Refused, RpdError, Unavailable
from rpd.states.ports.faults import Fault

READS = frozenset({"get", "list", "offers", "cpu_offers", "network_volume_id", "pod_log", "datacenters"})
RETRY_AFTER_SECONDS = 30.0

_LATER = frozenset({Fault.NO_CAPACITY, Fault.START_REFUSED, Fault.RATE_LIMITED, Fault.CONFLICT, Fault.VERIFY_FAILED})
"""Refusals after which the same call may succeed."""


def refusal(call: str, reason: str) -> RpdError:
    """The provider answered and did nothing."""
    fault = Fault(reason)
    # A quota says nothing about what was asked, so that a read merely knows nothing.
    is_unknown = fault is Fault.RATE_LIMITED and call in READS
    return (Unavailable if is_unknown else Refused)(
        f"refused: {fault}",
        reason=fault,
        retryable=fault in _LATER,
        retry_after=RETRY_AFTER_SECONDS if fault is Fault.RATE_LIMITED else None,
    )


def no_answer(call: str, reason: str) -> RpdError:
    """No answer came, or none that can be believed; whether something was done is not known, unless it never left."""
    fault = Fault(reason)
    kind: type[RpdError] = NotSent if fault is Fault.NOT_SENT else Ambiguous
    return (Unavailable if call in READS else kind)(f"no answer: {fault}", reason=fault)
