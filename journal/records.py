"""The vocabulary of the journal: what may be written, one struct for each kind.

These names and fields are a file format (docs/journal.md): a field may be added with a default, but never renamed or
removed. Bodies are generic; only the lifecycle that wrote an operation knows what it means.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

SCHEMA_VERSION = 1
"""Version of the line format written by this program."""

DebtKind = Literal["compute", "storage"]
OutcomeStatus = Literal["ok", "failed", "unknown"]
Code = Annotated[int, msgspec.Meta(ge=0, le=255)]
"""The exit code of a process."""
Data = dict[str, Any]
"""The JSON data of an operation: the arguments of an intent, the data of an outcome or an observation."""


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """One moment on three clocks.

    `wall` is UTC in seconds since 1970. `up` is a monotonic clock in seconds that also runs while the machine sleeps.
    `boot` names the boot during which `up` is comparable.
    """

    wall: float
    up: float
    boot: str


class DebtChange(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A debt that is opened or closed by the record that carries it.

    `key` names what is owed (for a rented machine: its birth name). `proof` says why a closed debt is closed. `until`
    is the UTC time (RFC 3339) after which an accepted debt is no longer accepted.
    """

    key: str
    kind: DebtKind
    change: Literal["open", "close"]
    usd_per_hour: float | None = None
    until: str | None = None
    proof: str | None = None


class Opened(msgspec.Struct, frozen=True, tag="opened", tag_field="kind", omit_defaults=True, gc=False):
    """Record 0: whose journal this is and what it is about. `options` were given beside the config. `provenance` is the
    commit and the lock file from which the run was started.
    """

    tool_version: str
    min_reader: int
    lifecycle: str
    workflow: str
    lineage: str
    config_path: str
    config_sha256: str
    config: dict[str, Any]
    journal_path: str
    run_dir: str
    cloud: dict[str, str]
    user: str
    host: str
    token: str
    variables: dict[str, str] = {}
    options: dict[str, Any] = {}
    provenance: dict[str, Any] = {}


class Resumed(msgspec.Struct, frozen=True, tag="resumed", tag_field="kind", omit_defaults=True, gc=False):
    """A process took the journal over. The envelope's epoch is one higher than before."""

    command: str
    host: str
    pid: int
    user: str
    tool_version: str


class Intent(msgspec.Struct, frozen=True, tag="intent", tag_field="kind", omit_defaults=True, gc=False):
    """A promise that is written and synced before a side effect. `opid` pairs it with its outcome."""

    opid: str
    op: str
    state: str
    args: dict[str, Any] = {}
    attempt: int = 1
    debts: tuple[DebtChange, ...] = ()


class Outcome(msgspec.Struct, frozen=True, tag="outcome", tag_field="kind", omit_defaults=True, gc=False):
    """What the effect returned. `failed` is proved to have had no effect. `unknown` must be probed before all else.

    `settled`: a probe, not the effect's own answer, supplied the result.
    """

    opid: str
    op: str
    status: OutcomeStatus
    reason: str | None = None
    error: str | None = None
    retryable: bool = False
    settled: bool = False
    data: dict[str, Any] = {}
    debts: tuple[DebtChange, ...] = ()


class Transition(msgspec.Struct, frozen=True, tag="transition", tag_field="kind", omit_defaults=True, gc=False):
    """An accepted move. Replay follows `dest` and never evaluates a guard again. It is a checkpoint."""

    trigger: str
    source: str
    dest: str
    reason: str | None = None
    why: str | None = None
    debts: tuple[DebtChange, ...] = ()


class Observation(msgspec.Struct, frozen=True, tag="observation", tag_field="kind", omit_defaults=True, gc=False):
    """What a look saw, written if it differs from what was seen before."""

    op: str
    data: dict[str, Any] = {}
    error: str | None = None
    reason: str | None = None
    retryable: bool = False
    debts: tuple[DebtChange, ...] = ()


class Requested(msgspec.Struct, frozen=True, tag="requested", tag_field="kind", omit_defaults=True, gc=False):
    """A request to end the run or to leave it alone: a signal, `rpd cancel`, `rpd release`, `rpd gc`."""

    what: str
    by: str
    detail: dict[str, Any] = {}


class Left(msgspec.Struct, frozen=True, tag="left", tag_field="kind", omit_defaults=True, gc=False):
    """The process went away while the run is unfinished (detach, park, second Ctrl-C)."""

    why: str
    exit_code: Code
    released_by: str | None = None


class HandedOver(msgspec.Struct, frozen=True, tag="handed_over", tag_field="kind", omit_defaults=True, gc=False):
    """The thing that `key` names belongs to another run from here on. The journal of that run says what it owes."""

    key: str
    to_run: str
    to_journal: str
    debts: tuple[DebtChange, ...] = ()


class Note(msgspec.Struct, frozen=True, tag="note", tag_field="kind", omit_defaults=True, gc=False):
    """Advisory text or data for people; a reader may skip it."""

    topic: str
    text: str = ""
    data: dict[str, Any] = {}


class Repaired(msgspec.Struct, frozen=True, tag="repaired", tag_field="kind", omit_defaults=True, gc=False):
    """The journal repaired itself: a torn tail was set aside, or the file was moved after a storage error."""

    cause: str
    bytes: int = 0
    sha256: str = ""
    kept_as: str = ""


class Closed(msgspec.Struct, frozen=True, tag="closed", tag_field="kind", omit_defaults=True, gc=False):
    """The run is over. Only a late sweep may follow."""

    outcome: str
    reason: str | None
    exit_code: Code
    cost_usd: float | None = None


Body = (
    Opened
    | Resumed
    | Intent
    | Outcome
    | Transition
    | Observation
    | Requested
    | Left
    | HandedOver
    | Note
    | Repaired
    | Closed
)

ADVISORY: frozenset[str] = frozenset({"note"})
"""Kinds that a reader may skip if it does not know them. Every other unknown kind stops `resume`."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One verified line: the envelope and its body.

    `body` is None if this program does not know the kind (see `crit`); `raw_kind` still names it. `v` is the version of
    the line format in which it was written.
    """

    seq: int
    epoch: int
    run: str
    at: Stamp
    ts_utc: str
    event: str
    raw_kind: str
    crit: bool
    prev: str
    z: str
    body: Body | None
    v: int = SCHEMA_VERSION
