"""Make a local folder or file equal in the pod, and send only the differences.

A file counts as equal if size, mode and time agree, or size, mode and content. rpd judges what arrived by hashing it in
the pod: an exit status proves nothing, because a stream can end early with status 0.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from rpd.adapters.local.git_listing import GitListing
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer.difference import Difference, compare, same_content
from rpd.adapters.transfer.entry import NAMED_MAX, Entry, Interrupted, Progress, bounded, digest, named, shown
from rpd.adapters.transfer.exchange import complaint_of, exchange, quote, seconds_for
from rpd.adapters.transfer.listing import Listing
from rpd.adapters.transfer.local_tree import local_faults, scan
from rpd.adapters.transfer.outgoing import Outgoing
from rpd.adapters.transfer.patterns import patterns_of
from rpd.adapters.transfer.remote_tree import hash_files, list_tree, name_bytes
from rpd.engine.errors import Refused
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Pushed, Tree

_ATTEMPTS = 2
_TRY_MODES = (
    "try=.rpd-mode-$$; modes=--no-same-permissions; "
    'if true >"$try" && chmod 700 "$try"; then modes=-p; fi 2>/dev/null; rm -f "$try"'
)
"""Some volumes refuse to set modes. For tar that is an error if it is told to set them; without that, files keep the
modes that they get."""


def push(connection: Connection, tree: Tree, *, progress: Progress, interrupted: Interrupted) -> Pushed:
    """Make the destination equal to the source.

    A folder's contents go into the destination, with or without a trailing slash on either. A file becomes the
    destination itself, or goes into it if that is a folder or ends with a slash. Sockets, pipes and devices are left
    out, and named. Repeatable: files that already arrived intact are not sent again. With `tree.delete`, files that
    exist only in the pod are removed, except for excluded paths, paths that git ignores (with `tree.gitignore`), spared
    paths and the runs' own folder.

    Raises Refused (`path_refused`, `disk_full`, `no_tool`, `verify_failed`), Unavailable (`link_lost`, `timeout`) or
    Interrupted.
    """
    _check_destination(tree)
    source = Path(tree.source).expanduser()
    if tree.is_optional and not source.exists():
        return _pushed([], 0, 0)
    patterns = patterns_of(tree)
    sent: set[str] = set()
    sent_bytes = 0
    suspects: set[str] = set()
    complaint = ""
    for _ in range(_ATTEMPTS):
        since = time.time()
        listing = GitListing(source) if tree.gitignore else None
        here = scan(source, patterns, interrupted, listing)
        skipped = [bounded(shown(each.path)) for each in here if each.kind == "other"]
        sendable = [each for each in here if each.kind != "other"]
        local, remote = _both_sides(connection, tree, source, sendable)
        locate: Callable[[Entry], Path] = partial(_in_folder if source.is_dir() else _itself, source)
        with local_faults(source):
            plan = compare(
                local,
                remote,
                patterns,
                ignored=_ignored(listing, local, remote) | _spared(tree, remote) if tree.delete else frozenset(),
                delete=tree.delete and source.is_dir(),
                is_same=partial(same_content, connection, remote.root, locate, interrupted),
                suspects=suspects,
            )
            _clear(connection, remote.root, plan)
            outgoing = Outgoing(plan.send, locate, since=since, progress=progress, interrupted=interrupted)
            complaint = _send(connection, remote.root, outgoing) if plan.send or remote.kind == "missing" else ""
        found = hash_files(connection, remote.root, outgoing.digests, outgoing.sent_bytes)
        sent |= {entry.path for entry in plan.send if entry.kind != "folder"} - outgoing.vanished
        sent_bytes += outgoing.sent_bytes
        suspects = {path for path, sha256 in outgoing.digests.items() if found.get(path) != sha256} | outgoing.torn
        if not suspects and not complaint:
            kept = [entry for entry in local if entry.path not in outgoing.vanished]
            return _pushed(kept, len(sent), sent_bytes, skipped)
    raise _not_whole(tree, sorted(suspects), complaint)


def _both_sides(connection: Connection, tree: Tree, source: Path, local: list[Entry]) -> tuple[list[Entry], Listing]:
    """What is here and what is in the pod, by the same names. Raises Refused (`path_refused`)."""
    remote = list_tree(connection, tree.destination)
    if not source.is_dir():
        local, remote = _as_file(tree, local[0], remote)
    elif remote.kind == "file":
        raise Refused(f"{tree.destination} in the pod is a file", reason=Fault.PATH_REFUSED)
    if _differ_in_mode(local, remote) and not _keeps_modes(connection, remote.root):
        remote = _as_if_alike(local, remote)
    return local, remote


def _ignored(listing: GitListing | None, local: list[Entry], remote: Listing) -> frozenset[str]:
    """Paths that exist only in the pod and that git would ignore: results and environments that were made there."""
    if listing is None:
        return frozenset()
    here = {entry.path: entry for entry in local}
    only_there = [entry for entry in remote.entries if entry.path not in here]
    return listing.ignored(entry.path + ("/" if entry.kind == "folder" else "") for entry in only_there)


def _spared(tree: Tree, remote: Listing) -> frozenset[str]:
    """Paths that other trees of this run have sent into this tree's destination."""
    places = tuple(f"{place}/" for place in tree.spared)
    return (
        frozenset(each.path for each in remote.entries if f"{each.path}/".startswith(places)) if places else frozenset()
    )


def _differ_in_mode(local: list[Entry], remote: Listing) -> bool:
    """Whether an entry that is there has another mode."""
    modes = {entry.path: entry.mode for entry in remote.entries}
    return any(modes.get(entry.path, entry.mode) != entry.mode for entry in local)


def _keeps_modes(connection: Connection, root: str) -> bool:
    """Whether modes can be set there."""
    code, _ = exchange(connection, f'cd {quote(root)} && {{ {_TRY_MODES}; test "$modes" = -p; }}')
    return code == 0


def _as_if_alike(local: list[Entry], remote: Listing) -> Listing:
    """The listing with the modes of the source: sending the files again would not change their modes."""
    modes = {entry.path: entry.mode for entry in local}
    entries = (msgspec.structs.replace(each, mode=modes.get(each.path, each.mode)) for each in remote.entries)
    return msgspec.structs.replace(remote, entries=tuple(entries))


def _in_folder(source: Path, entry: Entry) -> Path:
    return source / entry.path


def _itself(source: Path, _: Entry) -> Path:
    return source


def _check_destination(tree: Tree) -> None:
    parts = tree.destination.split("/")
    if "\0" in tree.destination or ".." in parts or not any(part not in ("", ".", "~") for part in parts):
        raise Refused(f"{tree.destination!r} is no destination for a push", reason=Fault.PATH_REFUSED)


def _as_file(tree: Tree, entry: Entry, remote: Listing) -> tuple[list[Entry], Listing]:
    """The destination of a single file: its entry under its new name, and what the pod has under that name now."""
    if remote.kind == "folder" or tree.destination.endswith("/"):
        root, name = tree.destination.rstrip("/"), entry.path
    else:
        root, name = posixpath.split(tree.destination)
        root = root or ("/" if tree.destination.startswith("/") else ".")
    known = tuple(each for each in remote.entries if each.path == name)
    return [msgspec.structs.replace(entry, path=name)], Listing(remote.kind, root, known)


def _clear(connection: Connection, root: str, plan: Difference) -> None:
    """Remove what is unwanted or in the way. Only empty folders are removed, so protected paths in them stay."""
    if plan.in_the_way:
        raise Refused(
            f"{named(plan.in_the_way[:1])} is a folder in the pod and a file here",
            reason=Fault.PATH_REFUSED,
            detail={"paths": [shown(path) for path in plan.in_the_way]},
        )
    for command, paths in (("rm -f", plan.remove), ("rmdir", plan.prune)):
        if paths:
            names = b"".join(name_bytes(path) for path in paths)
            exchange(connection, f"cd {quote(root)} && xargs -0 {command} --", chunks=(names,))


def _send(connection: Connection, root: str, outgoing: Outgoing) -> str:
    """Stream into the pod's tar. Returns its error output, or nothing. Its status alone decides nothing."""
    place = quote(root)
    script = f"unset TAR_OPTIONS; mkdir -p {place} && cd {place} && {{ {_TRY_MODES}; exec tar $modes -xof -; }}"
    code, stderr = exchange(
        connection, script, chunks=outgoing, most_seconds=seconds_for(outgoing.total_bytes, outgoing.count)
    )
    if code and not outgoing.digests and not stderr.startswith(b"tar"):
        raise Refused(f"{root} in the pod: {complaint_of(stderr)}", reason=Fault.PATH_REFUSED)
    return complaint_of(stderr) if code else ""


def _pushed(entries: list[Entry], sent_files: int, sent_bytes: int, skipped: Sequence[str] = ()) -> Pushed:
    files = [entry for entry in entries if entry.kind != "folder"]
    return Pushed(
        files=len(files),
        bytes=sum(entry.size for entry in files),
        sent_files=sent_files,
        sent_bytes=sent_bytes,
        manifest_sha256=digest(entries),
        skipped=len(skipped),
        skipped_paths=tuple(skipped[:NAMED_MAX]),
    )


def _not_whole(tree: Tree, paths: list[str], complaint: str) -> Refused:
    names = [shown(path) for path in paths]
    what = named(paths) or complaint
    return Refused(
        f"{tree.label or tree.source} did not arrive whole in {tree.destination}: {what}",
        reason=Fault.VERIFY_FAILED,
        retryable=True,
        detail={"paths": [*names], "complaint": complaint},
    )
