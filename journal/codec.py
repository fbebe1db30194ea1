"""A record as one line of bytes, and back. Pure: no file, no clock.

The line is ASCII JSON with sorted keys. `z`, the last key, is the first half of the SHA-256 over all bytes before
`,"z":`. `prev` is the `z` of the line before. Bytes are verified before they are parsed. docs/journal.md has the
promise to other readers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Any, get_args

import msgspec

from rpd.journal.clock import to_rfc3339
from rpd.journal.errors import RecordRefused, RecordTooLarge
from rpd.journal.records import ADVISORY, SCHEMA_VERSION, Body, Intent, Observation, Outcome, Record, Stamp, Transition
from rpd.journal.size import cut, cut_all
from rpd.journal.tolerant import NOT_JSON

GENESIS = "0" * 32
"""The `prev` of record 0."""
RECORD_BYTES_MAX = 64 * 1024
"""The longest line that is written, newline included."""
LINE_BYTES_MAX = 1024 * 1024
"""The longest line that a reader accepts. A later version may write longer lines than this one."""

_SEAL_BYTES = len(',"z":""}') + 32
_FREE_TEXT = ("error", "why", "text")
_FREE_TEXT_BYTES = 4000
_CUT_INSIDE = frozenset({"outcome", "observation", "note"})
"""Kinds whose `data` only describes what was seen. The arguments of an intent are needed whole, to find out what became
of it.
"""
_INNER_TEXT_BYTES = 400
"""A longer text inside is for people. Names, ids and checksums are shorter."""
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Seconds = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
"""About thirty thousand years. With larger values, sums of times are not usable."""
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ENCODER = msgspec.json.Encoder(order="sorted")


class LineError(ValueError):
    """These bytes are not the record that belongs here. The text says why, and is read after "line N"."""


class Chain(msgspec.Struct):
    """The place that the next line must fit: its `seq`, the `prev` it must name, and its run (None before record 0)."""

    seq: int = 0
    prev: str = GENESIS
    run: str | None = None

    def take(self, line: bytes) -> Record:
        """Verify the next line (without its newline) and step over it. If it raises LineError, the chain stays in
        place.
        """
        record = decode_line(line)
        if record.seq != self.seq:
            raise LineError(f"has seq {record.seq} where {self.seq} belongs")
        if record.prev != self.prev:
            raise LineError("does not follow the line before it")
        if self.run is not None and record.run != self.run:
            raise LineError(f"belongs to run {record.run}")
        self.follow(record)
        return record

    def follow(self, record: Record) -> None:
        """Step over a record that is known to be good."""
        self.seq, self.prev, self.run = record.seq + 1, record.z, record.run


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    """The fields in the order in which a line has them."""

    boot: str
    crit: bool
    data: msgspec.Raw
    epoch: _Count
    event: str
    kind: str
    prev: str
    run: str
    seq: _Count
    ts_utc: str
    up: _Seconds
    v: int
    wall: _Seconds


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_BODIES: dict[str, msgspec.json.Decoder[Any]] = {
    str(kind.__struct_config__.tag): msgspec.json.Decoder(kind) for kind in get_args(Body)
}


def encode(
    body: Body,
    *,
    seq: int,
    prev: str,
    run: str,
    epoch: int,
    at: Stamp,
    mask: Callable[[Any], Any] | None = None,
    may_cut: bool = True,
) -> tuple[Record, bytes]:
    """The line for `body` (newline included), and the record that a reader gets back from it.

    It may differ from `body` as JSON does: inner tuples come back as lists, NaN and infinities as None, lone surrogates
    spelled out as `\\udcNN`.

    `mask` rewrites the plain data before it is encoded, and before anything of it is cut. Texts for people are
    shortened if the line would be longer than RECORD_BYTES_MAX. Raises RecordTooLarge if that is not enough or not
    allowed (`may_cut`), and RecordRefused if the body is not plain data.
    """
    if not _RUN.match(run):
        raise RecordRefused(f"not a run id: {run!r}")
    try:
        data: dict[str, Any] = msgspec.to_builtins(body, str_keys=True)
    except (TypeError, RecursionError) as error:
        raise RecordRefused(f"a record holds something that is not plain data: {error}") from None
    kind = data.pop("kind")
    if mask is not None:
        data = mask(data)
    event = event_name(body)
    ts_utc = to_rfc3339(at.wall)
    moment = Stamp(float(at.wall), float(at.up), at.boot)
    is_crit = kind not in ADVISORY
    raw, up, wall = msgspec.Raw(_ascii_json(data)), moment.up, moment.wall
    envelope = _Envelope(
        moment.boot, is_crit, raw, epoch, event, kind, prev, run, seq, ts_utc, up, SCHEMA_VERSION, wall
    )
    line, z, text = _that_fits(envelope, data, may_cut=may_cut)
    written = _body(kind, text)
    if written is None:
        raise RecordRefused(f"a {kind} record could not be read back")
    record = Record(seq, epoch, run, moment, ts_utc, event, kind, is_crit, prev, z, written)
    return record, line


def _that_fits(envelope: _Envelope, data: dict[str, Any], *, may_cut: bool) -> tuple[bytes, str, bytes]:
    """The line with its checksum, and the text of its data, shortened as far as necessary and allowed. Raises
    RecordTooLarge.
    """
    text = bytes(envelope.data)
    line, z = _sealed(envelope)
    for shorten in (_with_short_text, _with_short_data) if may_cut else ():
        if len(line) > RECORD_BYTES_MAX:
            data = shorten(envelope.kind, data)
            text = _ascii_json(data)
            line, z = _sealed(msgspec.structs.replace(envelope, data=msgspec.Raw(text)))
    if len(line) > RECORD_BYTES_MAX:
        size = f"{len(line)} bytes is too large ({RECORD_BYTES_MAX} at most)"
        raise RecordTooLarge(f"a record ({envelope.kind}) of {size}")
    return line, z, text


def decode_line(line: bytes) -> Record:
    """Verify and parse one line (without its newline) by itself. Chain checks whether it follows the line before.

    Raises LineError. The body is None if its kind is unknown, or if this program does not know its shape.
    """
    if len(line) > LINE_BYTES_MAX:
        raise LineError(f"is longer than {LINE_BYTES_MAX} bytes")
    sealed = line[:-_SEAL_BYTES]
    z = sha256(sealed).hexdigest()[:32]
    if line[-_SEAL_BYTES:] != b',"z":"%s"}' % z.encode():
        raise LineError("does not match its checksum")
    try:
        found = _ENVELOPE.decode(line)
    except NOT_JSON as error:
        raise LineError(f"is not a record: {error}") from None
    if not _RUN.match(found.run):  # it becomes part of file names
        raise LineError("names no run")
    body = _body(found.kind, found.data)
    return Record(
        found.seq,
        found.epoch,
        found.run,
        Stamp(found.wall, found.up, found.boot),
        found.ts_utc,
        found.event,
        found.kind,
        found.crit or (body is None and found.kind in _BODIES),
        found.prev,
        z,
        body,
        found.v,
    )


def event_name(body: Body) -> str:
    """One readable word for a record: `create_pod_intent`, `create_pod_ok`, `pod_seen`, `create_to_boot`, `note`."""
    match body:
        case Intent():
            return f"{body.op}_intent"
        case Outcome():
            return f"{body.op}_{body.status}"
        case Observation():
            return f"{body.op}_seen"
        case Transition():
            return f"{body.source}_to_{body.dest}"
        case _:
            return str(body.__struct_config__.tag)


def _body(kind: str, data: bytes | msgspec.Raw) -> Body | None:
    decoder = _BODIES.get(kind)
    if decoder is None:
        return None
    try:
        body: Body = decoder.decode(data)
    except NOT_JSON:
        return None
    return body


def _sealed(envelope: _Envelope) -> tuple[bytes, str]:
    """The whole line with its newline, and its `z`."""
    before = _ascii_json(envelope)[:-1]
    z = sha256(before).hexdigest()[:32]
    return b'%s,"z":"%s"}\n' % (before, z.encode()), z


def _ascii_json(value: dict[str, Any] | _Envelope) -> bytes:
    try:
        text = _ENCODER.encode(value)
    except UnicodeEncodeError:
        plain = value if isinstance(value, dict) else msgspec.structs.asdict(value)
        text = _ENCODER.encode(_without_surrogates(plain))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise RecordRefused(f"a record cannot be written as JSON: {error}") from None
    return text if text.isascii() else _NOT_ASCII.sub(_escape, text.decode()).encode("ascii")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _without_surrogates(value: Any) -> Any:
    # A file name that is not UTF-8 reaches Python as lone surrogates, and JSON readers refuse these.
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value


def _with_short_text(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    short = {key: cut(data[key], _FREE_TEXT_BYTES) for key in _FREE_TEXT if isinstance(data.get(key), str)}
    if data.get("debts"):  # the proof that closes a debt is often the same text
        short["debts"] = cut_all(data["debts"], _INNER_TEXT_BYTES)
    return {**data, **short}


def _with_short_data(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    if kind not in _CUT_INSIDE:
        return data
    return {**data, "data": cut_all(data.get("data", {}), _INNER_TEXT_BYTES)}
