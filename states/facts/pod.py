"""What is known about one pod, and about the container in it."""

from __future__ import annotations

import msgspec

from rpd.journal.records import Stamp
from rpd.states.ports.boot_signs import BootSign
from rpd.states.ports.world import Armed, Greeting, Paused, Pod, SshAddress


class Candidate(msgspec.Struct, frozen=True):
    """One place to try: a GPU type in a data center (None: any, or one of `others`, where they are named)."""

    gpu_id: str
    datacenter_id: str | None
    cloud: str
    others: tuple[str, ...] = ()


class Span(msgspec.Struct):
    """A stretch of time during which a pod computed, as we know it. `until` is None while it does."""

    since: Stamp
    usd_per_hour: float
    until: Stamp | None = None


class Knocks(msgspec.Struct):
    """What the tries to be greeted were answered with."""

    refused_since: Stamp | None = None  # its sshd or its volume refuses us in a way that no waiting mends
    refusals: int = 0  # of that kind, with no other answer in between
    closed_since: Stamp | None = None  # since when every knock was answered that nobody listens on port 22


class Container(msgspec.Struct):
    """What was done in the pod's container, and what it answered. Keys of steps and trees name the container that they
    were done in, so a new one is prepared anew."""

    armed: Armed | None = None
    armed_start: int = -1
    may_arm_again: bool = False  # its orders did not reach the switch, and may at another time
    steps_done: dict[str, int] = {}  # step key -> exit code
    step_tail: tuple[str, ...] = ()
    python: str | None = None  # version of the interpreter that `pod.python_version` brought, as it says itself
    trees_done: set[str] = set()
    why_not_up: tuple[str, ...] = ()  # last words of the provider's log about the pod, and of the container's own
    boot_sign: BootSign | None = None  # what they say of a container that will never start
    awaited_since: Stamp | None = None  # when it was last awaited
    greeting: Greeting | None = None
    greeted_place: tuple[str | None, SshAddress | None] | None = None  # the pod's `place` when its host key was pinned
    knocks: Knocks = msgspec.field(default_factory=Knocks)
    secrets_in: str | None = None  # the container in which the files of secrets stand
    secrets_left: str = ""  # where they may still be: "memory", which a stop wipes, or "disk"


class Origin(msgspec.Struct):
    """How a pod came to this run: which attempt to rent it was, or from whom it was taken over."""

    attempt: int
    candidate: Candidate
    sent_at: Stamp
    last_sent_at: Stamp  # its create cannot have left this machine later than that: it may have slept after the intent
    made_by: str = ""  # the epoch and its owner that ordered it, as its env says
    create_error: str | None = None  # why its create failed
    taken: Paused | None = None  # rented by an earlier run, and taken up paused
    is_unwanted: bool = False  # taken up only to be deleted
    twin_of: str | None = None  # birth name of the pod that the same create has made; nothing is ever done in this one


class Missed(msgspec.Struct, frozen=True):
    """Looks in a row that said there is no such pod, the first of them at `since`."""

    looks: int = 0
    since: Stamp | None = None

    def again(self, at: Stamp) -> Missed:
        """One more."""
        return Missed(self.looks + 1, self.since or at)


class PodFacts(msgspec.Struct):
    """One attempt to rent: from its create intent on. `name` is its birth name, unique to the attempt; that of a twin
    is followed by its id."""

    name: str
    origin: Origin
    usd_per_hour: float
    id: str | None = None
    is_unknown: bool = False  # the create's answer never came, or its pod may still appear
    is_gone: bool = False  # proved: refused, deleted, or vanished
    was_found: bool = False  # the account has shown it to us at least once since its create was answered
    seen: Pod | None = None
    missed: Missed = Missed()
    started_at: Stamp | None = None  # our own last start of it, or its creation
    starts: int = 0
    refused_starts: int = 0
    restarts: int = 0  # of its container by others, while it ran
    released_as: str | None = None  # what the cloud last accepted: stop, delete; absent: nothing to stop, it says
    released_at: Stamp | None = None
    kept_until: float | None = None  # UTC seconds: it stays up after the end, and its switch has orders to stop it then
    was_used: bool = False  # something of this run was done in it
    holds_lost: bool = False  # a launch that was lost may have left something there
    spans: list[Span] = msgspec.field(default_factory=list)
    container: Container = msgspec.field(default_factory=Container)

    @property
    def place(self) -> tuple[str | None, SshAddress | None] | None:
        """When and where the cloud says that it was started: changes with its container, never by itself."""
        return (self.seen.started_at, self.seen.ssh) if self.seen is not None else None

    @property
    def container_name(self) -> str:
        """Names the container in hand. Every start, whoever caused it, brings a new one with an empty disk."""
        return f"{self.starts} {self.container.greeting.container if self.container.greeting is not None else ''}"

    @property
    def is_seen_stopped(self) -> bool:
        """The last look said EXITED, and no later one missed it."""
        return self.seen is not None and self.seen.status == "EXITED" and not self.missed.looks


def candidate_key(candidate: Candidate) -> str:
    """One word per candidate, for the list of refusals."""
    anywhere = "other data centers" if candidate.others else "any data center"
    return f"{candidate.gpu_id} / {candidate.datacenter_id or anywhere} / {candidate.cloud}"


def close_spans(pod: PodFacts, at: Stamp) -> None:
    """The pod computes no more from `at` on."""
    for span in pod.spans:
        if span.until is None:
            span.until = at
