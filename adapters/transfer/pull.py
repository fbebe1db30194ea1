"""Fetch a remote folder or file, verify it and move it into place.

The pod first lists what there is (names, sizes, hashes). Of the stream that follows, rpd accepts only what was
announced. All files land beside the target, so half a file never has its final name, and a broken pull goes on where it
ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from rpd.adapters.ssh.connection import PULL_WINDOW, Connection
from rpd.adapters.transfer.apart import token_of
from rpd.adapters.transfer.archive import Member, Reader, Sink
from rpd.adapters.transfer.chosen import choose
from rpd.adapters.transfer.entry import NAMED_MAX, Entry, Interrupted, Progress, bounded, digest, named, shown
from rpd.adapters.transfer.exchange import exchange, quote, seconds_for
from rpd.adapters.transfer.landing import Arrival, Landing, hostile, prune
from rpd.adapters.transfer.links import described_link, follow
from rpd.adapters.transfer.listing import Listing
from rpd.adapters.transfer.local_tree import check, local_faults
from rpd.adapters.transfer.memory import Memory
from rpd.adapters.transfer.patterns import Patterns
from rpd.adapters.transfer.remote_tree import hash_files, list_tree, name_bytes
from rpd.adapters.transfer.rest import fetch_rest
from rpd.engine.errors import Refused, RpdError
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Pull, Pulled

_ATTEMPTS = 2
_AROUND_BYTES = 32 * 1024
"""The most bytes around one file in a stream: headers, long names, and the end of an archive with just this file."""


def pull(
    connection: Connection,
    pull: Pull,
    *,
    progress: Progress,
    interrupted: Interrupted,
    memory: Memory | None = None,
) -> Pulled:
    """Fetch `pull.remote_path` to `pull.local_path`. Other files there stay, unless `pull.delete` of a folder says
    otherwise.

    A folder's contents go into the local path. A file becomes the local path itself, or goes into it if that is a
    folder or ends with a slash. Matches of a pattern go into the local path, under their names below the folder before
    the pattern, so no two of them can clash. Links within the tree stay links, and `pull.links` decides about other
    links. Sockets and pipes are skipped. Paths that may not be created here, and links that cannot be fetched, are left
    out and reported with the result. Then nothing is removed, whatever `pull.delete` says. A file that changes while it
    is fetched gets one more try.

    Raises Refused (`path_refused`, `disk_full`, `no_tool`, `verify_failed`), Unavailable (`link_lost`, `timeout`) or
    Interrupted. After any of them the same call goes on with the missing part, also within a large file. With the same
    `memory` it asks for no hash twice. Their detail says how far it came: `moved_bytes` by this call, `here_bytes` of
    `total_bytes`.
    """
    fetches: list[_Fetch] = []
    try:
        return _pull(connection, pull, progress, interrupted, memory or Memory(), fetches)
    except RpdError as error:
        if fetches:
            error.detail["moved_bytes"] = sum(fetch.moved for fetch in fetches)
            error.detail["here_bytes"], error.detail["total_bytes"] = fetches[-1].here
        raise


def _pull(
    connection: Connection,
    pull: Pull,
    progress: Progress,
    interrupted: Interrupted,
    memory: Memory,
    fetches: list[_Fetch],
) -> Pulled:
    patterns = Patterns(pull.excludes)
    changed: list[str] = []
    for _ in range(_ATTEMPTS):
        listing = list_tree(connection, pull.remote_path, is_pattern=pull.is_pattern)
        if listing.kind == "missing":
            return Pulled(pull.label, is_missing=True)
        if listing.complaint:
            changed = [listing.complaint]
            continue
        with local_faults(Path(pull.local_path)):
            fetch = _Fetch(connection, pull, listing, patterns, progress, interrupted, memory)
            fetches.append(fetch)
            changed = fetch.run()
            if not changed:
                return fetch.settle()
            memory.forget(changed)
    raise Refused(
        f"{pull.label or pull.remote_path} did not arrive whole: {named(changed)}",
        reason=Fault.VERIFY_FAILED,
        retryable=True,
        detail={"paths": [shown(path) for path in changed]},
    )


class _Fetch:
    """One attempt: everything that the listing announced."""

    def __init__(
        self,
        connection: Connection,
        pull: Pull,
        listing: Listing,
        patterns: Patterns,
        progress: Progress,
        interrupted: Interrupted,
        memory: Memory,
    ) -> None:
        self._connection = connection
        self._memory = memory
        self._pull = pull
        self._root = listing.root
        self._is_folder = listing.kind == "folder"
        self._patterns = patterns
        self._progress = progress
        self._interrupted = interrupted
        self._chosen = choose(self._wanted(listing.entries), listing.root, links=pull.links, is_part=pull.is_pattern)
        self._entries = self._chosen.kept
        unfit = (shown(each.path) for each in self._wanted(listing.unfit))
        self._refused = self._masked((*self._chosen.refused, *unfit))
        self._left_out: list[str] = []
        self._landing = Landing(_target(pull.local_path, listing), pull.remote_path)
        self._awaited: dict[str, Entry] = {}
        self._arrived: dict[str, Arrival] = {}
        self._resized: str | None = None
        self._total = self._done = self.moved = 0

    def _masked(self, names: Iterable[str]) -> list[str]:
        return [bounded(self._connection.redactor.mask(name)) for name in names]

    def _wanted(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            check(self._interrupted)
            if not self._patterns.cover(entry.path, entry.kind == "folder"):
                yield entry

    def run(self) -> list[str]:
        """Fetch what is not here yet. Returns the paths that did not arrive as announced."""
        self._follow()
        files = [entry for entry in self._entries if entry.kind == "file"]
        sums = self._sums(files)
        if unread := [entry.path for entry in files if entry.path not in sums]:
            return unread
        self._entries = [msgspec.structs.replace(each, sha256=sums.get(each.path, "")) for each in self._entries]
        self._landing.check_names(self._entries)
        self._awaited = {
            entry.path: entry
            for entry in self._entries
            if entry.kind == "file"
            and not self._landing.is_intact(entry, self._is_folder, self._interrupted, self._memory)
        }
        begun = [entry for entry in self._awaited.values() if self._landing.begun(entry)]
        self._total = sum(entry.size for entry in self._awaited.values())
        self._done = sum(map(self._landing.begun, begun))
        self._landing.check_room(self._total - self._done)
        if self._awaited:
            self._progress(self._done, self._total)
            self._go_on(begun)
            self._stream([path for path in self._awaited if path not in self._arrived])
        return self._not_right()

    @property
    def here(self) -> tuple[int, int]:
        """How many of the awaited bytes are here, and how many are awaited."""
        return self._done, self._total

    def _sums(self, files: list[Entry]) -> dict[str, str]:
        """The pod's hash of each file. A hash that it has already given is not asked again."""
        known = {entry.path: sha256 for entry in files if (sha256 := self._memory.known_sha256(entry))}
        unknown = [entry for entry in files if entry.path not in known]
        self._memory.saw(unknown)
        fresh: dict[str, str] = {}
        try:
            size = sum(entry.size for entry in unknown)
            token = token_of(self._root, unknown, f"{self._pull.label} {self._memory.salt}")
            paths = [entry.path for entry in unknown]
            hash_files(self._connection, self._root, paths, size, found=fresh, token=token)
        finally:
            for entry in unknown:
                if entry.path in fresh:
                    self._memory.note(entry, fresh[entry.path])
        return known | fresh

    def _go_on(self, begun: Iterable[Entry]) -> None:
        """Fetch the rest of each file whose beginning an earlier try has fetched. A file that begins otherwise by now
        is left to the stream."""
        for entry in begun:
            arrival = Arrival.again(self._landing, entry, self._moved, self._memory, self._interrupted)
            before = arrival.begun
            if fetch_rest(self._connection, self._root, entry, arrival):
                self._arrived[entry.path] = arrival
            else:
                self._done -= before

    def _follow(self) -> None:
        """Add files in place of the links that lead out of the tree."""
        leading, pull = self._chosen.leading, self._pull
        if pull.links == "keep":
            self._left_out = self._masked(described_link(link, "leads out of the artifact") for link in leading)
            return
        found = follow(self._connection, self._root, leading, most_bytes=pull.links_max_bytes, private=pull.private)
        self._entries = [*self._chosen.kept, *found.files]
        self._left_out = self._masked(found.left_out)

    def settle(self) -> Pulled:
        """Move everything into place and return what arrived."""
        self._landing.settle(self._entries, self._is_folder, self._interrupted)
        if self._pull.delete and self._is_folder and not self._refused and not self._left_out:
            kept = {*(entry.path for entry in self._entries), *self._chosen.skipped}
            prune(self._landing.target, kept, self._patterns)
        files = [entry for entry in self._entries if entry.kind != "folder"]
        return Pulled(
            self._pull.label,
            is_missing=False,
            files=len(files),
            bytes=sum(entry.size for entry in files),
            manifest_sha256=digest(self._entries),
            refused=len(self._refused),
            refused_paths=tuple(self._refused[:NAMED_MAX]),
            is_empty=not self._refused and all(entry.kind != "file" for entry in files),
            left_out=len(self._left_out),
            left_out_links=tuple(self._left_out[:NAMED_MAX]),
        )

    def _not_right(self) -> list[str]:
        """Paths that did not arrive as announced. After a file of another size the stream was left, so the files that
        would have come later are not in the list."""
        if self._resized is not None:
            return [*(path for path, arrival in self._arrived.items() if not arrival.is_right), self._resized]
        return [path for path in self._awaited if path not in self._arrived or not self._arrived[path].is_right]

    def _stream(self, paths: list[str]) -> None:
        if not paths:
            return
        names, size = [name_bytes(path) for path in paths], sum(self._awaited[path].size for path in paths)
        # GNU tar reads a backslash in a name as the start of an escape. Other tars know neither that nor the option.
        plain = "tar --no-unquote --version >/dev/null 2>&1 && rpd_plain=--no-unquote; "
        probe = plain if any(b"\\" in name for name in names) else ""
        script = f"unset TAR_OPTIONS rpd_plain; {probe}cd {quote(self._root)} && xargs -0 tar $rpd_plain -chf - --"
        reader = Reader(self._accept)
        try:
            exchange(
                self._connection,
                script,
                chunks=(b"".join(names[at : at + 500]) for at in range(0, len(names), 500)),
                take=reader.feed,
                window=PULL_WINDOW,
                most_bytes=size + len(names) * _AROUND_BYTES,
                most_seconds=seconds_for(size, len(names)),
            )
        except _Changed:
            return
        finally:
            for arrival in self._arrived.values():
                arrival.abandon()

    def _accept(self, member: Member) -> Sink:
        why = hostile(member)
        entry = self._awaited.get(member.path)
        if why or entry is None or member.path in self._arrived:
            raise Refused(
                f"the pod sent {bounded(shown(member.path))!r}, which {why or 'was not asked for'}",
                reason=Fault.PATH_REFUSED,
                detail={"paths": [bounded(shown(member.path))]},
            )
        if member.kind != "1" and member.size != entry.size:
            # Never write more than was announced. The rest of such a stream is useless.
            self._resized = entry.path
            raise _Changed
        arrival = Arrival(self._landing, entry, self._moved, self._memory)
        if member.kind == "1":
            self._copy(arrival, entry, member.target.removeprefix("./"))
        self._arrived[entry.path] = arrival
        return arrival

    def _copy(self, arrival: Arrival, entry: Entry, target: str) -> None:
        """Another name of a file that this stream already brought."""
        first = self._arrived.get(target)
        if first is not None and not first.is_right:
            arrival.abandon()
            raise _Changed
        if first is None:
            arrival.abandon()
            raise Refused(
                f"the pod sent {bounded(shown(entry.path))!r} as a hard link to {bounded(shown(target))!r}, which did "
                "not come before",
                reason=Fault.PATH_REFUSED,
                detail={"paths": [bounded(shown(entry.path))]},
            )
        with (self._landing.partial / target).open("rb") as file:
            while data := file.read(1024 * 1024):
                arrival.write(memoryview(data))

    def _moved(self, count: int) -> None:
        self._done += count
        self.moved += count
        self._progress(self._done, self._total)


class _Changed(Exception):
    """A file is not what the listing said of it."""


def _target(local_path: str, listing: Listing) -> Path:
    path = Path(local_path).expanduser()
    if listing.kind == "file" and (local_path.endswith("/") or path.is_dir()):
        return path / listing.entries[0].path
    return path
