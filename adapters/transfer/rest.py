"""Fetch the rest of a file whose beginning is here already: a large file goes on where a lost link has left it."""

from __future__ import annotations

from rpd.adapters.ssh.connection import PULL_WINDOW, Connection
from rpd.adapters.transfer.entry import Entry
from rpd.adapters.transfer.exchange import OUTPUT_BYTES_MAX, exchange, quote, seconds_for
from rpd.adapters.transfer.landing import Arrival
from rpd.adapters.transfer.remote_tree import HASH_BYTES_PER_SECOND, quiet_seconds, quote_name

_OTHER = 9
_REST = """
export LC_ALL=C
cd {root} || exit 3
if openssl version >/dev/null 2>&1
then sum=$(head -c {begun} {name} | openssl dgst -sha256 -r)
else sum=$(head -c {begun} {name} | sha256sum)
fi
[ "${{sum%%[!0-9a-f]*}}" = {sha256} ] || exit {other}
exec tail -c +{first} {name}
"""


def fetch_rest(connection: Connection, root: str, entry: Entry, arrival: Arrival) -> bool:
    """Have the pod send the bytes after those that are here, if its file begins with exactly these. Returns whether it
    does. `arrival.is_right` then says whether the whole file is as announced.

    Raises the errors of `exchange`. Bytes that have arrived by then are kept.
    """
    begun = arrival.begun
    left = entry.size - begun

    def take(data: bytes) -> None:
        nonlocal left
        if len(data) > left:
            raise _Longer
        left -= len(data)
        arrival.write(memoryview(data))

    script = _REST.format(
        root=quote(root),
        name=quote_name(entry.path),
        begun=begun,
        first=begun + 1,
        sha256=arrival.sha256,
        other=_OTHER,
    )
    try:
        code, _ = exchange(
            connection,
            script,
            take=take,
            window=PULL_WINDOW,
            quiet_seconds=quiet_seconds(begun),
            most_bytes=left + PULL_WINDOW + OUTPUT_BYTES_MAX,  # `take` is the first to see that it is too much
            most_seconds=seconds_for(left, 1) + begun / HASH_BYTES_PER_SECOND,
        )
    except _Longer:
        code = 0
    except BaseException:
        arrival.abandon()
        raise
    if code == _OTHER:
        arrival.abandon()
    else:
        arrival.close()
    return code != _OTHER


class _Longer(Exception):
    """More bytes came than were announced: another version, of which nothing is written."""
