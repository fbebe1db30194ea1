"""Results that the pod itself pushes to a bucket. They never pass through this machine, which only sees the bucket's
listing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer.chosen import choose
from rpd.adapters.transfer.entry import NAME_CHARACTERS_MAX, NAMED_MAX, Entry, named, shown
from rpd.adapters.transfer.exchange import complaint_of, exchange, seconds_for
from rpd.adapters.transfer.links import Followed, described_link, follow
from rpd.adapters.transfer.listing import Listing
from rpd.adapters.transfer.patterns import Patterns
from rpd.adapters.transfer.remote_tree import list_tree
from rpd.engine.errors import Refused, Unavailable
from rpd.journal import tolerant
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Pull, Pulled


class Script(Protocol):
    """Makes the script that pushes `names` below `root` to `place`, or the one file `single` as `place`. `is_all`: no
    file of `root` is left out."""

    def __call__(self, *, root: str, place: str, single: str, names: Sequence[str], is_all: bool) -> str: ...


_QUIET_SECONDS = 900.0
_QUIET_SECONDS_MAX = 24 * 3600.0
_SLOWEST_BYTES_PER_SECOND = 1e6
"""The tools print nothing while they send one file."""
_SAYS = {
    8: "rclone is not in the pod, which pushes to the bucket: install it in the image or by a setup command",
    9: "neither rclone nor the AWS CLI is in the pod, which pushes to the bucket: install one of them in the image or "
    "by a setup command",
}
_ERROR = re.compile(r"^\S.*(?:fail|error)", re.IGNORECASE)
_AWS_LINE = re.compile(r"\S+ \S+ +([0-9]{1,19}) (.*)")
LISTING_BYTES_MAX = 128 * 1024 * 1024
"""The limit is some 800,000 objects: the destination may hold more than was pushed."""


class _Listed(msgspec.Struct):
    path: str = msgspec.field(name="Path")
    size: int = msgspec.field(name="Size")


def push_out(connection: Connection, pull: Pull, script: Script) -> Pulled:
    """Push `pull.remote_path` from the pod to the bucket that `pull.local_path` names, then compare names and sizes in
    the bucket with those in the pod. Other objects there stay. A bucket has no links, so links that lead out of the
    artifact are pushed as files, if `pull.links` says so. Names with a line break, and paths too long or too deep to
    open, are left out and reported.

    A folder's contents go below the destination. A file becomes the destination itself, or goes below it if the
    destination ends with a slash. Raises Refused (`no_tool`, `step_failed`, `verify_failed`), Unavailable or
    Interrupted. The same call may be repeated after any of them.
    """
    listing = list_tree(connection, pull.remote_path, is_pattern=pull.is_pattern)
    if listing.kind == "missing":
        return Pulled(pull.label, is_missing=True)
    if listing.complaint:
        raise _unverified(pull, [listing.complaint])
    patterns = Patterns(pull.excludes)
    found = [each for each in (*listing.entries, *listing.unfit) if each.kind == "file"]
    followed = _followed(connection, pull, listing, patterns)
    wanted = [*(each for each in found if not patterns.cover(each.path, False)), *followed.files]
    unfit = set(listing.unfit)
    files = [each for each in wanted if "\n" not in each.path and each not in unfit]
    names = (shown(each.path).replace("\n", "\\n") for each in wanted if "\n" in each.path or each in unfit)
    refused, left_out = _masked(connection, names), _masked(connection, followed.left_out)
    if files:
        is_all = len(files) == len(found) and not followed.files and not pull.is_pattern
        there = _push(connection, pull, listing, files, script, is_all=is_all)
        wrong = [each.path for each in files if there.get(shown(each.path)) != each.size]
        if wrong:
            raise _unverified(pull, wrong)
    return Pulled(
        pull.label,
        is_missing=False,
        files=len(files),
        bytes=sum(each.size for each in files),
        refused=len(refused),
        refused_paths=tuple(refused[:NAMED_MAX]),
        is_empty=not wanted,
        left_out=len(left_out),
        left_out_links=tuple(left_out[:NAMED_MAX]),
    )


def _followed(connection: Connection, pull: Pull, listing: Listing, patterns: Patterns) -> Followed:
    """The links that lead out of the artifact, as the files that they lead to. Other links are left out without a
    report: their targets are pushed under their own names."""
    wanted = (each for each in listing.entries if not patterns.cover(each.path, each.kind == "folder"))
    leading = choose(wanted, listing.root, links=pull.links, is_part=pull.is_pattern).leading
    if pull.links == "keep":
        return Followed(left_out=tuple(described_link(each, "leads out of the artifact") for each in leading))
    return follow(connection, listing.root, leading, most_bytes=pull.links_max_bytes, private=pull.private)


def _masked(connection: Connection, names: Iterable[str]) -> list[str]:
    return [connection.redactor.mask(name)[:NAME_CHARACTERS_MAX] for name in names]


def _push(
    connection: Connection, pull: Pull, listing: Listing, files: Sequence[Entry], script: Script, *, is_all: bool
) -> dict[str, int]:
    """The sizes at the destination after the push, by the paths of the listing."""
    place, single = pull.local_path, ""
    if listing.kind == "file":
        single = files[0].path
        is_bucket = "://" in place and "/" not in place.partition("://")[2]
        place = f"{place}{'/' * is_bucket}{single}" if is_bucket or place.endswith(("/", ":")) else place
    else:
        place = place.rstrip("/")
    names = [each.path for each in files]
    text = script(root=listing.root, place=place, single=single, names=names, is_all=is_all)
    out = bytearray()
    total = sum(each.size for each in files)
    # It holds values of the environment. An argument list would show them to every process in the pod.
    code, stderr = exchange(
        connection,
        'exec "$(command -v bash || command -v sh)"',
        chunks=[b"{ :\n" + text.encode("utf-8", "surrogateescape") + b"\n} </dev/null; exit\n"],
        take=out.extend,
        quiet_seconds=min(_QUIET_SECONDS + total / _SLOWEST_BYTES_PER_SECOND, _QUIET_SECONDS_MAX),
        most_bytes=LISTING_BYTES_MAX,
        most_seconds=seconds_for(total, len(files), _SLOWEST_BYTES_PER_SECOND / 10),
    )
    if code in _SAYS:
        raise Refused(_SAYS[code], reason=Fault.NO_TOOL)
    if code:
        what = "what lies there could not be listed" if code == 6 else "it could not be pushed"
        raise Refused(f"{pull.label} to {pull.local_path}: {what}: {_why(stderr)}", reason=Fault.STEP_FAILED)
    tool, _, listed = bytes(out).partition(b"\n")
    there = _rclone_sizes(listed) if tool == b"rclone" else _aws_sizes(listed, place, single)
    return {single: there[posixpath.basename(place)]} if single and posixpath.basename(place) in there else there


def _why(stderr: bytes) -> str:
    """The last line with an error, without what follows it: codes and ids of the request."""
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if _ERROR.search(line)]
    return lines[-1].strip()[:300] if lines else complaint_of(stderr)


def _rclone_sizes(text: bytes) -> dict[str, int]:
    listed: list[_Listed] | None = tolerant.decode(text, list[_Listed])
    if listed is None:
        raise Unavailable("the listing of the bucket is not valid", reason=Fault.UNREADABLE)
    return {each.path: each.size for each in listed}


def _aws_sizes(text: bytes, place: str, single: str) -> dict[str, int]:
    """Sizes of whole keys. A key that only begins like the destination is not below it."""
    prefix = place.removeprefix("s3://").partition("/")[2]
    found = {}
    for line in text.decode("utf-8", "backslashreplace").splitlines():
        match = _AWS_LINE.fullmatch(line)
        if match is None:
            continue
        key, size = match[2], int(match[1])
        if single and key == prefix:
            found[posixpath.basename(key)] = size
        elif not single and (not prefix or key.startswith(f"{prefix}/")):
            found[key[len(prefix) + 1 :] if prefix else key] = size
    return found


def _unverified(pull: Pull, paths: Sequence[str]) -> Refused:
    names = [shown(path) for path in paths]
    return Refused(
        f"{pull.label or pull.remote_path} did not arrive whole at {pull.local_path}: {named(paths)}",
        reason=Fault.VERIFY_FAILED,
        retryable=True,
        detail={"paths": names},
    )
