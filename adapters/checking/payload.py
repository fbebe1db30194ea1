"""The sizes of the trees that a job would send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from rpd.adapters.checking.finding import Finding, error, warning
from rpd.adapters.local.git_listing import GitListing
from rpd.adapters.report.words import plural, size
from rpd.adapters.transfer.local_tree import scan
from rpd.adapters.transfer.patterns import patterns_of
from rpd.engine.errors import Refused
from rpd.states.ports.job import Job
from rpd.states.stage import tree_of

MB = 1_000_000


class Payload(msgspec.Struct, frozen=True):
    """One tree of `staging`: files (links included) and their bytes. `refusal` says why it cannot be sent."""

    index: int
    label: str
    source: str
    destination: str
    files: int = 0
    bytes: int = 0
    nested: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def size(self) -> str:
        """The size for people."""
        return f"{plural(self.files, 'file')}, {size(self.bytes)}"


def payloads(job: Job) -> list[Payload]:
    """Look at every tree: names and sizes, no content."""
    return [_payload(job, index) for index in range(len(job.staging))]


def _payload(job: Job, index: int) -> Payload:
    tree = tree_of(job, index)
    found = Payload(index, tree.label, tree.source, tree.destination)
    try:
        root = Path(tree.source)
        listing = GitListing(root) if tree.gitignore else None
        entries = [
            each for each in scan(root, patterns_of(tree), _never, listing) if each.kind not in ("folder", "other")
        ]
    except Refused as refused:
        return msgspec.structs.replace(found, refusal=refused.message)
    return msgspec.structs.replace(
        found,
        files=len(entries),
        bytes=sum(each.size for each in entries),
        nested=listing.nested if listing is not None else (),
    )


def judged(job: Job, found: list[Payload]) -> Iterator[Finding]:
    """What cannot be sent, and what may be larger or less than meant."""
    for payload in found:
        where = f"staging[{payload.index}] {payload.label}"
        limit = job.staging[payload.index].warn_above_mb
        if payload.refusal:
            yield error("staging", f"{where}: {payload.refusal}")
        elif payload.bytes > limit * MB:
            advice = "name what stays here in excludes, or set warn_above_mb"
            yield warning("staging", f"{where} is {payload.size}: more than {limit:g} MB; {advice}")
        if payload.nested:
            names = ", ".join(payload.nested[:5])
            yield warning("staging", f"{where}: git lists nothing in {names}, a repository of its own: stage it, too")


def _never() -> bool:
    return False
