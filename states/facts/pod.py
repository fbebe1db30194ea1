"""What is known about one pod, and about the container in it."""

from __future__ import annotations

from typing import Literal

import msgspec

from rpd.journal.records import Stamp
from rpd.states.ports.boot_signs import BootSign
from rpd.states.ports.session import Served
from rpd.states.ports.world import Armed, Greeting, Paused, Pod, SshAddress


class Candidate(msgspec.Struct, frozen=True):
    """One candidate to try: a GPU type in a data center (None: any; or one of `others`, if they are named)."""

    gpu_id: str
    datacenter_id: str | None
    cloud: str
    others: tuple[str, ...] = ()


class Span(msgspec.Struct):
    """A stretch of time in which a pod computed, as far as known. `until` is None while it computes."""

    since: Stamp
    usd_per_hour: float
    until: Stamp | None = None


class Knocks(msgspec.Struct):
    """The answers to the tries to greet the pod."""

    refused_since: Stamp | None = None  # its sshd or its volume refuses us in a way that waiting does not change
    refusals: int = 0  # refusals of that kind, with no other answer in between
    closed_since: Stamp | None = None  # since when every try was answered that no process listens on port 22


class Container(msgspec.Struct):
    """What was done in the pod's container, and its answers. Keys of steps and trees name their container, so a new
    container is prepared again.
    """

    armed: Armed | None = None
    armed_start: int = -1
    may_arm_again: bool = False  # the orders did not reach the switch, but may later
    steps_done: dict[str, int] = {}  # step key -> exit code
    step_tail: tuple[str, ...] = ()
    python: str | None = None  # version that the interpreter of `pod.python_version` reports
    trees_done: set[str] = set()
    why_not_up: tuple[str, ...] = ()  # last lines of the provider's log about the pod and of the container's log
    boot_sign: BootSign | None = None  # the sign in them that the container will never start
    awaited_since: Stamp | None = None  # when rpd last began to wait for it
    greeting: Greeting | None = None
    # The pod's start and address when its host key was pinned.
    greeted_start: tuple[str | None, SshAddress | None] | None = msgspec.field(default=None, name="greeted_place")
    knocks: Knocks = msgspec.field(default_factory=Knocks)
    secrets_in: str | None = None  # the container that has the files of secrets
    served: tuple[Served, ...] = ()  # how the services of a session answered at the last look
    unreached_since: Stamp | None = None  # since when nobody of a session gets through to it
    was_unreached: float = 0.0  # for how many seconds, until the last look that got through
    secrets_left: str = ""  # where they may still be: "memory", which a stop wipes, or "disk"


class Origin(msgspec.Struct):
    """How a pod came to this run: which attempt rented it, or which run handed it over paused."""

    attempt: int
    candidate: Candidate
    sent_at: Stamp
    last_sent_at: Stamp  # its create was sent at this time at the latest: the machine may have slept after the intent
    made_by: str = ""  # the epoch and the owner that ordered it, as its env says
    create_error: str | None = None  # why its create failed
    paused: Paused | None = msgspec.field(default=None, name="taken")  # as an earlier run, which rented it, left it
    is_unwanted: bool = False  # handed over only to be deleted
    twin_of: str | None = None  # birth name of the first pod of the same create; rpd does nothing in a twin


class Missed(msgspec.Struct, frozen=True):
    """Looks in a row without such a pod. The first of them was at `since`."""

    looks: int = 0
    since: Stamp | None = None

    def again(self, at: Stamp) -> Missed:
        """The same with one more look."""
        return Missed(self.looks + 1, self.since or at)


class PodFacts(msgspec.Struct):
    """One attempt to rent a pod, from its create intent on. `name` is the birth name, unique for the attempt. The name
    of a twin ends with its id.
    """

    name: str
    origin: Origin
    usd_per_hour: float
    id: str | None = None
    is_unknown: bool = False  # its create had no answer, or its pod may still appear
    is_gone: bool = False  # proved: refused, deleted or vanished
    was_found: bool = False  # the account has shown it at least once since its create was answered
    seen: Pod | None = None
    missed: Missed = Missed()
    started_at: Stamp | None = None  # the last start by this run, or its creation
    starts: int = 0
    refused_starts: int = 0
    restarts: int = 0  # restarts of its container by others, while it ran
    released_as: str | None = None  # what the cloud last accepted: stop, delete; absent: the cloud had nothing to stop
    released_at: Stamp | None = None
    kept_until: float | None = None  # UTC seconds: it stays up after the end until its switch stops it then
    was_used: bool = False  # this run has done something in it
    holds: Literal["", "launch", "person"] = ""  # who may have left files in it: a lost launch, or a person
    spans: list[Span] = msgspec.field(default_factory=list)
    container: Container = msgspec.field(default_factory=Container)

    @property
    def start_and_address(self) -> tuple[str | None, SshAddress | None] | None:
        """When and where the cloud says that it was started. It changes only with its container."""
        return (self.seen.started_at, self.seen.ssh) if self.seen is not None else None

    @property
    def container_name(self) -> str:
        """The name of the current container. Every start, by any cause, brings a new container with an empty disk."""
        return f"{self.starts} {self.container.greeting.container if self.container.greeting is not None else ''}"

    @property
    def is_seen_stopped(self) -> bool:
        """The last look said EXITED, and no later look missed the pod."""
        return self.seen is not None and self.seen.status == "EXITED" and not self.missed.looks


def candidate_key(candidate: Candidate) -> str:
    """One key for each candidate, for the list of refusals."""
    anywhere = "other data centers" if candidate.others else "any data center"
    return f"{candidate.gpu_id} / {candidate.datacenter_id or anywhere} / {candidate.cloud}"


def close_spans(pod: PodFacts, at: Stamp) -> None:
    """The pod stops computing at `at`."""
    for span in pod.spans:
        if span.until is None:
            span.until = at
