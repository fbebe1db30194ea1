"""Why a call failed. Adapters put these words into `RpdError.reason`, and a lifecycle decides by them.

The words stand in journals. A word may be added, but never renamed.
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """One word for each cause that a person or the program can act upon. The groups say where the cause lies."""

    # The provider answered and did nothing.
    NO_CAPACITY = "no_capacity"  # no machine for this candidate now: take the next one, or wait
    POOL_FORBIDDEN = "pool_forbidden"  # this account may not rent this GPU pool: take the next candidate
    START_REFUSED = "start_refused"  # a stopped pod's host has no free GPU: wait, or collect without one
    NO_CREDIT = "no_credit"  # the account cannot pay: stop, never loop
    KEY_REFUSED = "key_refused"  # the key is missing, wrong or revoked (401)
    FORBIDDEN = "forbidden"  # the key is known but lacks the right (403)
    BLOCKED = "blocked"  # the provider's edge refused the client itself (Cloudflare 1010), not the key
    BAD_REQUEST = "bad_request"  # a rule of the provider is broken (400, 405)
    INVALID = "invalid"  # the body is not what the schema wants, or the image does not exist (413, 422)
    NOT_FOUND = "not_found"  # what the request names does not exist, or is not ours
    CONFLICT = "conflict"  # not possible in the present status (409)
    LOCKED = "locked"  # the pod is locked: it cannot be stopped or deleted until a person unlocks it
    RATE_LIMITED = "rate_limited"  # too many requests; `retry_after` says how long to wait

    # The provider or the connection to it failed; nothing is known.
    SERVER_ERROR = "server_error"  # 5xx, or a page of the provider's edge instead of an answer
    TIMEOUT = "timeout"  # no complete answer in time
    CONNECTION_LOST = "connection_lost"  # reset or closed after the request may have been received
    REDIRECTED = "redirected"  # an answer that points elsewhere; rpd never follows it, so the key stays here
    UNREADABLE = "unreadable"  # a success whose body is cut, too large, or not as documented
    NOT_SENT = "not_sent"  # name lookup, connect or TLS failed: the request never left this machine

    # The inside of a pod.
    SSH_UNREACHABLE = "ssh_unreachable"  # no TCP, no banner, or no key exchange yet
    LINK_LOST = "link_lost"  # an open connection was lost during a call
    BARRED = "barred"  # its settings keep us out: no login with a key alone, no common algorithm, no command of ours
    NO_SESSION = "no_session"  # sshd allows no session, or no further one, on any connection
    NO_LISTENER = "no_listener"  # nothing listens on a port of the pod, for example because a service is not up yet
    AUTH_REFUSED = "auth_refused"  # sshd does not accept our key
    HOST_KEY_CHANGED = "host_key_changed"  # another host key than the pinned one, without a start by rpd in between
    WRONG_POD = "wrong_pod"  # another pod answers
    TAKEN_OVER = "taken_over"  # another owner has put its fencing token into the run's folder
    NO_TOOL = "no_tool"  # the image lacks a program that the work needs
    LOCAL_DISK = "local_disk"  # a file or folder on this machine cannot be created, written or removed
    READ_ONLY = "read_only"  # a file system of the pod does not accept writes
    DISK_FULL = "disk_full"  # no space left, here or there; the message says where
    PATH_REFUSED = "path_refused"  # a path that leaves its root, a link where links are not allowed, a forbidden name
    SECRET_MISSING = "secret_missing"  # a variable or file of secrets is missing on this machine
    VERIFY_FAILED = "verify_failed"  # what arrived is not what was sent
    STEP_FAILED = "step_failed"  # a command ended with a code other than 0
    STEP_TIMEOUT = "step_timeout"  # a command was killed when its time was up

    # Another run on this machine.
    HANDED_OVER = "handed_over"  # the paused pod belongs to another run now
    IN_USE = "in_use"  # its journal is in use, or cannot be written

    # This side.
    INTERRUPTED = "interrupted"  # a person or a signal asked for it
    RECORD_REFUSED = "record_refused"  # the intent or the result is too large for the journal


KEY_FAULTS = frozenset({Fault.KEY_REFUSED, Fault.FORBIDDEN, Fault.BLOCKED})
"""Faults that only a person can repair, with another key."""
