"""Journals as tests need them: a ticking clock, a record 0, and the records of a plausible life."""

from __future__ import annotations

from pathlib import Path

from rpd.journal.codec import Chain, encode
from rpd.journal.records import (
    Body,
    Closed,
    DebtChange,
    Intent,
    Note,
    Observation,
    Opened,
    Outcome,
    Record,
    Requested,
    Stamp,
    Transition,
)
from rpd.journal.store import Journal

RUN = "foo-20261122T235512Z-abc234"
POD = "rpd-foo-abcdefghijklmnopqrstuvwxyz-a1"


class Ticker:
    """A clock that moves on by one second whenever it is read."""

    def __init__(self, wall: float = 1_795_000_000.0, boot: str = "boot-1") -> None:
        self.wall, self.up, self.boot = wall, 100.0, boot

    def __call__(self) -> Stamp:
        self.wall += 1.0
        self.up += 1.0
        return Stamp(self.wall, self.up, self.boot)


def opened(**changes: object) -> Opened:
    """A record 0."""
    fields: dict[str, object] = {
        "tool_version": "0.1.0",
        "min_reader": 1,
        "lifecycle": "job",
        "workflow": "foo",
        "lineage": "foo@/home/me/foo.yaml",
        "config_path": "/home/me/foo.yaml",
        "config_sha256": "ab" * 32,
        "config": {"name": "foo"},
        "journal_path": "",
        "run_dir": "/home/me/artifacts/runpod/x",
        "cloud": {"profile": "runpod", "url": "https://rest.runpod.io/v2"},
        "user": "me",
        "host": "mac",
        "token": "abcdefghijklmnopqrstuvwxyz",
    }
    return Opened(**{**fields, **changes})  # type: ignore[arg-type]


def life(rounds: int = 1) -> list[Body]:
    """What follows record 0 in a run that succeeds, its middle part `rounds` times."""
    owed = DebtChange(POD, "compute", "open", usd_per_hour=0.49)
    paid = DebtChange(POD, "compute", "close", proof="absent three times")
    bodies: list[Body] = [
        Transition("validated", "validate", "select"),
        Observation("offers", {"gpus": ["A40", "L4"], "prices": [0.39, 0.43]}),
        Transition("chosen", "select", "create"),
        Intent("0001-create_pod", "create_pod", "create", {"name": POD, "cap": 0.5}, debts=(owed,)),
        Outcome("0001-create_pod", "create_pod", "unknown", reason="timeout", error="no answer — 30 s"),
        Outcome("0001-create_pod", "create_pod", "ok", settled=True, data={"pod_id": "p1"}),
        Transition("created", "create", "monitor"),
    ]
    for number in range(rounds):
        bodies += [
            Observation("claim", {"phase": "running", "log_bytes": 1000 * number}),
            Note("progress", f"step {number} of {rounds}, ✓"),
        ]
    return [
        *bodies,
        Requested("cancel", "me@mac"),
        Intent("0002-delete", "delete", "release", {"id": "p1"}),
        Outcome("0002-delete", "delete", "ok", debts=(paid,)),
        Transition("released", "release", "done", reason="succeeded"),
        Closed("succeeded", None, 0, 0.12),
    ]


def lines(bodies: list[Body], *, run: str = RUN) -> tuple[list[Record], list[bytes]]:
    """Records and their lines (newline included), chained from 0."""
    tick, chain, records, texts = Ticker(), Chain(), [], []
    for body in bodies:
        record, line = encode(body, seq=chain.seq, prev=chain.prev, run=run, epoch=1, at=tick())
        chain.follow(record)
        records.append(record)
        texts.append(line)
    return records, texts


def sixty() -> tuple[list[Record], list[bytes]]:
    """A journal of exactly 60 records."""
    return lines([*[opened(journal_path="/x"), *life(24)][:59], Closed("succeeded", None, 0)])


def create(home: Path, **options: object) -> Journal:
    """A real journal below `home`."""
    path = home / "journals" / "foo" / f"{RUN}.jsonl"
    options = {"run_id": RUN, "now": Ticker(), "ballast_bytes": 0, **options}
    return Journal.create(path, opened(), **options)  # type: ignore[arg-type]


def reopen(path: Path, **options: object) -> Journal:
    """The same journal taken over by a later process."""
    options = {"now": Ticker(1_795_100_000.0, "boot-2"), "command": "resume", "tool_version": "0.1.0", **options}
    return Journal.open(path, **options)  # type: ignore[arg-type]
