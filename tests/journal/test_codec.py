"""The line: what goes in comes out, what cannot go in is refused, and what a newer program wrote is told apart."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpd.journal.clock import to_rfc3339
from rpd.journal.codec import GENESIS, RECORD_BYTES_MAX, Chain, LineError, decode_line, encode, event_name
from rpd.journal.errors import RecordRefused, RecordTooLarge
from rpd.journal.reader import parse
from rpd.journal.records import Body, DebtChange, Intent, Left, Note, Observation, Outcome, Record, Stamp, Transition
from rpd.journal.redact import Secret
from rpd.journal.size import cut, encoded_bytes
from tests.journal.samples import life, lines, opened

AT = Stamp(1_795_000_000.25, 12.5, "boot")


def put(body: Body, **changes: object) -> tuple[Record, bytes]:
    options: dict[str, object] = {"seq": 0, "prev": GENESIS, "run": "r-1", "epoch": 1, "at": AT, **changes}
    return encode(body, **options)  # type: ignore[arg-type]


def sealed(fields: dict[str, object]) -> bytes:
    """A line as some other program would write it."""
    from hashlib import sha256

    text = json.dumps(fields, separators=(",", ":"), sort_keys=True)[:-1].encode()
    return text + b',"z":"%s"}' % sha256(text).hexdigest()[:32].encode()


def fields(**changes: object) -> dict[str, object]:
    _, line = put(Note("t"))
    return {key: value for key, value in {**json.loads(line), **changes}.items() if key != "z"}


@pytest.mark.parametrize("body", [opened(), *life(2), Left("detached", 75)], ids=event_name)
def test_every_kind_comes_back(body: Body) -> None:
    record, line = put(body)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_line(line[:-1]) == record
    assert record.body == body


def test_the_line_is_sorted_ascii_json_with_its_seal_last() -> None:
    _, line = put(Note("t", "Grüße ✓ 😀\n\u2028\x00"))
    assert line.isascii()
    parsed = json.loads(line)
    assert parsed["data"]["text"] == "Grüße ✓ 😀\n\u2028\x00"
    assert list(parsed) == [
        "boot", "crit", "data", "epoch", "event", "kind", "prev", "run", "seq", "ts_utc", "up", "v", "wall", "z",
    ]  # fmt: skip
    assert line.startswith(b'{"boot":"boot","crit":false,"data":{"text":')
    assert json.dumps(parsed, separators=(",", ":")).encode() + b"\n" == line.replace(b"\\u007f", b"\x7f")


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (Intent("1", "create_pod", "create"), "create_pod_intent"),
        (Outcome("1", "create_pod", "unknown"), "create_pod_unknown"),
        (Observation("pod"), "pod_seen"),
        (Transition("created", "create", "boot"), "create_to_boot"),
        (Note("x"), "note"),
    ],
)
def test_the_event_is_one_readable_word(body: Body, event: str) -> None:
    assert put(body)[0].event == event


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=5), st.floats(0, 1e12), st.floats(0, 1e9))
def test_any_plain_data_comes_back(data: dict[str, object], wall: float, up: float) -> None:
    record, line = put(Note("t", data=data), at=Stamp(wall, up, "b"))
    assert decode_line(line[:-1]) == record
    assert record.body == Note("t", data=data)
    assert (record.at.wall, record.at.up) == (wall, up)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fall_over(data: bytes) -> None:
    reading = parse(data)
    assert reading.records == []


def test_what_json_cannot_say_is_said_otherwise() -> None:
    record, _ = put(Note("t", "bad \udc80 name", {"nan": math.nan, "inf": -math.inf, "pair": (1, 2), "k\udc80": 1}))
    assert record.body == Note("t", "bad \\udc80 name", {"nan": None, "inf": None, "pair": [1, 2], "k\\udc80": 1})


@pytest.mark.parametrize("thing", [object(), Secret("hunter2-hunter2"), {1: {2: object()}}])
def test_what_is_no_data_is_refused(thing: object) -> None:
    with pytest.raises(RecordRefused):
        put(Note("t", data={"x": thing}))


def test_a_record_has_64_kib_and_free_text_gives_way_first() -> None:
    record, line = put(Outcome("1", "create_pod", "unknown", error="<html>" * 50_000, data={"id": "p1"}))
    assert len(line) <= RECORD_BYTES_MAX
    assert isinstance(record.body, Outcome)
    assert record.body.error is not None
    assert record.body.error.endswith("characters cut]")
    assert record.body.data == {"id": "p1"}
    closed = DebtChange("rpd-a1", "compute", "close", proof="no " * 50_000)
    record, line = put(Outcome("1", "create_pod", "failed", error="no " * 50_000, debts=(closed,)))
    assert len(line) <= RECORD_BYTES_MAX
    assert isinstance(record.body, Outcome)
    assert record.body.debts[0].key == "rpd-a1" and (record.body.debts[0].proof or "").endswith("characters cut]")
    room = RECORD_BYTES_MAX - len(put(Intent("1", "o", "s", {"x": ""}))[1])
    assert len(put(Intent("1", "o", "s", {"x": "y" * room}))[1]) == RECORD_BYTES_MAX
    with pytest.raises(RecordTooLarge, match="too large"):
        put(Intent("1", "o", "s", {"x": "y" * (room + 1)}))


@pytest.mark.parametrize("character", ["x", "進", "\x00", "🟩", '"', "\udc80"], ids=ascii)
def test_texts_of_what_was_seen_are_cut_where_a_line_would_be_too_long_and_nothing_else(character: str) -> None:
    text = character * 9000
    data = {"key": "k" * 300, "lines": [text] * 12, "n": 7, "deep": {"text": text}}
    for body in (Outcome("1", "o", "ok", data=data), Observation("o", data), Note("t", data=data)):
        record, line = put(body)
        assert len(line) <= RECORD_BYTES_MAX and isinstance(record.body, Outcome | Observation | Note)
        told = record.body.data
        assert told["key"] == data["key"] and told["n"] == 7 and len(told["lines"]) == 12
        assert all(each.endswith("characters cut]") for each in (*told["lines"], told["deep"]["text"]))
        assert max(encoded_bytes(each) for each in told["lines"]) <= 400 + len(" [9000 characters cut]")
    whole = {"lines": ["x" * 9000] * 3}
    assert put(Outcome("1", "o", "ok", data=whole))[0].body == Outcome("1", "o", "ok", data=whole)
    with pytest.raises(RecordTooLarge):
        put(Outcome("1", "o", "ok", data=data), may_cut=False)


@given(st.text(max_size=300), st.integers(0, 200))
def test_a_cut_text_takes_no_more_than_it_may(text: str, most: int) -> None:
    line = put(Note("t", text))[1]
    assert len(line) - len(put(Note("t", ""))[1]) - (len('"text":"",') if text else 0) == encoded_bytes(text)
    kept, _, told = cut(text, most).rpartition(" [")
    if encoded_bytes(text) <= most:
        assert cut(text, most) == text
    else:
        assert text.startswith(kept) and encoded_bytes(kept) <= most < encoded_bytes(text[: len(kept) + 1])
        assert told == f"{len(text) - len(kept)} characters cut]"


def test_a_reader_stops_at_lines_of_a_mebibyte() -> None:
    line = sealed(fields(data={"topic": "t", "text": "x" * 1_100_000}))
    with pytest.raises(LineError, match="longer"):
        decode_line(line)
    assert decode_line(sealed(fields(data={"topic": "t", "text": "x" * 900_000}))).body is not None


@pytest.mark.parametrize("run", ["", "a b", "../x", "x" * 200, "a\n"])
def test_a_run_id_is_a_plain_word(run: str) -> None:
    with pytest.raises(RecordRefused):
        put(Note("t"), run=run)


def test_unknown_fields_are_ignored() -> None:
    record = decode_line(sealed(fields(colour="red", data={"topic": "t", "mood": [1]})))
    assert record.body == Note("t")


@pytest.mark.parametrize("crit", [True, False])
def test_an_unknown_kind_stops_the_engine_only_if_critical(crit: bool) -> None:
    line = sealed(fields(kind="teleported", crit=crit, data={"to": "mars"}))
    record = decode_line(line)
    assert (record.body, record.raw_kind, record.crit) == (None, "teleported", crit)
    reading = parse(line + b"\n")
    assert (reading.too_new, reading.verified) == (crit, True)


def test_a_newer_format_is_readable_but_too_new() -> None:
    reading = parse(sealed(fields(v=2)) + b"\n")
    assert reading.too_new
    assert reading.records[0].body == Note("t")
    newer = opened(min_reader=2)
    assert parse(put(newer)[1]).too_new


def test_a_known_kind_of_unknown_shape_is_too_new() -> None:
    reading = parse(sealed(fields(data={"topic": 5})) + b"\n")
    assert reading.too_new


HOSTILE = [
    b"",
    b"{}",
    b"[" * 100_000,
    sealed({"z_": 1}),
    sealed(fields(seq="0")),
    sealed(fields(up=None)),
    sealed([1]),  # type: ignore[arg-type]
    sealed(fields(prev=7)),
]


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_lines_are_refused(line: bytes) -> None:
    with pytest.raises(LineError):
        decode_line(line)


@pytest.mark.parametrize("seq", [10**400, -1, 2**64])
def test_a_hostile_number_is_damage(seq: int) -> None:
    assert parse(sealed(fields(seq=seq)) + b"\n").damage is not None


def test_deep_and_huge_values_do_no_harm() -> None:
    deep = sealed(fields()).replace(b'"topic":"t"', b'"data":%s%s,"topic":"t"' % (b"[" * 5000, b"]" * 5000))
    body, seal = deep[:-40], deep[-40:]
    from hashlib import sha256

    assert seal.startswith(b',"z":"')
    line = body + b',"z":"%s"}' % sha256(body).hexdigest()[:32].encode()
    reading = parse(line + b"\n")
    assert reading.damage is not None or reading.too_new


def test_the_codec_is_fast() -> None:
    body = life()[3]
    best_encode = best_verify = 1e9
    for _ in range(5):
        chain, texts = Chain(), []
        start = time.process_time()
        for _ in range(500):
            record, line = encode(body, seq=chain.seq, prev=chain.prev, run="r", epoch=1, at=AT)
            chain.follow(record)
            texts.append(line)
        best_encode = min(best_encode, (time.process_time() - start) / 500)
        data = b"".join(texts)
        start = time.process_time()
        assert parse(data).verified
        best_verify = min(best_verify, (time.process_time() - start) / 500)
    # A tenth of what is expected of an idle machine.
    assert best_encode < 1 / 2_000
    assert best_verify < 1 / 10_000


def test_times() -> None:
    assert to_rfc3339(1_795_000_000.123) == "2026-11-18T11:06:40.123Z"
    assert to_rfc3339(-5) == "1970-01-01T00:00:00.000Z"
    assert to_rfc3339(1e300) == "9999-12-31T23:59:59.000Z"


def test_the_reader_starts_light() -> None:
    heavy = {"asyncio", "tempfile", "dataclasses", "rpd.journal.store", "requests", "socket", "subprocess", "json"}
    code = "import sys; before = set(sys.modules); import rpd.journal.reader; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & set(loaded)


def test_chained_lines_fit_only_in_their_order() -> None:
    _, texts = lines([opened(), *life()])
    chain = Chain()
    chain.take(texts[0][:-1])
    with pytest.raises(LineError, match="seq 2 where 1 belongs"):
        chain.take(texts[2][:-1])
    assert chain.seq == 1


def test_a_line_that_does_not_follow_is_refused() -> None:
    """Its number and the checksum it names, each by itself."""
    _, texts = lines([opened(), *life(1)])
    for at, said in ((2, "has seq 2 where 1 belongs"), (0, "has seq 0 where 1 belongs")):
        chain = Chain()
        chain.take(texts[0][:-1])
        with pytest.raises(LineError, match=said):
            chain.take(texts[at][:-1])
    chain = Chain(1, "f" * 32)
    with pytest.raises(LineError, match="does not follow the line before it"):
        chain.take(texts[1][:-1])


@pytest.mark.parametrize("run", ["../../x", "", ".hidden", "a/b", "x" * 129, "a\n"])
def test_a_line_of_a_run_that_is_no_name_is_refused(run: str) -> None:
    """It would become part of names of files."""
    with pytest.raises(LineError, match="names no run"):
        decode_line(sealed(fields(run=run)))


def test_a_line_of_another_run_is_refused_where_all_else_fits() -> None:
    _, texts = lines([opened()])
    chain = Chain()
    first = chain.take(texts[0][:-1])
    _, line = put(Note("t"), seq=1, prev=first.z, run="bar-1")
    with pytest.raises(LineError, match="belongs to run bar-1"):
        chain.take(line[:-1])
