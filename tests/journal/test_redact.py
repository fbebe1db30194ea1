"""No secret reaches the journal, in none of its usual disguises."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import shlex
import subprocess
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpd.journal.emergency import EmergencyLog
from rpd.journal.errors import RecordRefused
from rpd.journal.records import Intent, Note, Outcome
from rpd.journal.redact import MASK, Redactor, Secret
from tests.journal.samples import RUN, Ticker, create, opened, reopen

VALUE = "rpa_c4n\"ry/+ä\\k'ey=="
DISGUISES = {
    "raw": VALUE,
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "base64 url": base64.urlsafe_b64encode(VALUE.encode()).decode(),
    "basic auth": base64.b64encode(b"user:" + VALUE.encode()).decode(),
    "inside base64": base64.b64encode(b"ab" + VALUE.encode() + b"more").decode(),
    "url": quote(VALUE, safe=""),
    "query": quote_plus(VALUE),
    "json": json.dumps(VALUE),
    "json unicode": json.dumps(VALUE, ensure_ascii=False),
    "json in json": json.dumps(json.dumps(VALUE)),
    "hex": VALUE.encode().hex(),
    "quoted by shlex": shlex.quote(VALUE),
    "quoted by a shell": "'" + VALUE.replace("'", "'\\''") + "'",
    "quoted by printf %q": subprocess.run(
        ["bash", "-c", 'LC_ALL=C.UTF-8 printf %q "$1"', "-", VALUE], capture_output=True, text=True, check=True
    ).stdout,
}


def canaries(data: bytes) -> list[str]:
    text = data.decode()
    core = [VALUE[:7], base64.b64encode(b"ab" + VALUE.encode()).decode()[4:20], VALUE.encode().hex()[:16]]
    return [part for part in core if part in text]


@pytest.mark.parametrize("form", DISGUISES, ids=str)
def test_a_secret_never_reaches_the_journal(tmp_path: Path, form: str) -> None:
    text, redactor = DISGUISES[form], Redactor(Secret(VALUE))
    assert redactor.is_in(text)
    with create(tmp_path, redactor=redactor) as journal:
        journal.append(Intent("1", "x", "s", {"env": [f"KEY={text}"], f"k{text}": {"deep": text}}))
        record = journal.append(Outcome("1", "x", "failed", error=f"403 for https://a/?k={text}&b"))
        journal.append(Note("t", text))
    assert isinstance(record.body, Outcome)
    assert MASK in (record.body.error or "")
    assert canaries(journal.path.read_bytes()) == []
    with reopen(journal.path, redactor=redactor) as again:
        again.append(Note("t", text))
    assert canaries(journal.path.read_bytes()) == []


def test_record_0_and_the_emergency_log_too(tmp_path: Path) -> None:
    redactor = Redactor(Secret(VALUE))
    from rpd.journal.store import Journal

    with Journal.create(
        tmp_path / "a" / "r.jsonl", opened(config={"key": VALUE}), run_id="r", now=Ticker(), redactor=redactor
    ) as journal:
        assert journal.records[0].body == opened(config={"key": MASK}, journal_path=str(journal.path))
    log = EmergencyLog(tmp_path, RUN, epoch=1, now=Ticker(), redactor=redactor)
    log.append(Note("t", VALUE))
    log.close()
    assert canaries(log.path.read_bytes() + journal.path.read_bytes()) == []


def test_a_secret_in_the_envelope_is_refused(tmp_path: Path) -> None:
    with create(tmp_path, redactor=Redactor(Secret("hunter2hunter2"))) as journal:
        before = journal.path.read_bytes()
        with pytest.raises(RecordRefused, match="holds a secret"):
            journal.append(Intent("1", "hunter2hunter2", "s"))
        assert journal.path.read_bytes() == before
        journal.append(Note("goes on"))


@given(st.text(min_size=8).filter(lambda text: len(text.strip()) >= 8), st.binary(max_size=4), st.binary(max_size=4))
def test_base64_finds_a_value_wherever_it_stands(value: str, before: bytes, after: bytes) -> None:
    text = base64.b64encode(before + value.encode() + after).decode()
    assert Redactor(Secret(value)).is_in(text)


def test_many_lines_count_each_by_itself() -> None:
    redactor = Redactor(Secret("-----BEGIN KEY-----\nAAAAB3NzaC1yc2E\n-----END KEY-----\n"))
    assert redactor.mask("log: AAAAB3NzaC1yc2E!") == "log: ***!"


def test_ordinary_text_stays() -> None:
    redactor = Redactor(Secret(""), Secret("abc"))
    data = {"a": ["abc", 1, None, 2.5, True]}
    assert redactor.mask_data(data) == data
    assert redactor.mask("abc") == "abc"
    assert not redactor.is_in("abc")
    redactor.add(Secret("longer-secret"))
    assert redactor.mask_data({"longer-secret": ("x longer-secret", 1)}) == {"***": ["x ***", 1]}


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(VALUE)
    assert {str(secret), repr(secret), f"{secret}", f"{secret:>3}", "%s" % secret} == {MASK}  # noqa: UP031
    assert VALUE not in repr({"a": [secret]})
    assert secret.reveal() == VALUE
    assert secret == Secret(VALUE) != Secret("other")
    assert secret != VALUE
    assert len({secret, Secret(VALUE)}) == 1
    assert not Secret("")
    for store in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            store(secret)  # type: ignore[operator]


@pytest.mark.parametrize("at", range(3970, 4001, 3))
def test_nothing_is_cut_before_it_is_masked(tmp_path: Path, at: int) -> None:
    secret = "hunter2-hunter2-hunter2-hunter2"
    with create(tmp_path, redactor=Redactor(Secret(secret))) as journal:
        for body in (
            Outcome("1", "o", "failed", error="x" * at + secret + "x" * 90_000),
            Outcome("1", "o", "ok", data={"tail": ["y" * (at - 3620) + secret + "y" * 900] * 60}),
        ):
            journal.append(body)
        assert b"hunter2" not in journal.path.read_bytes()


SPOKEN = "hf_AbCdEfGhIjKlMnOpQrStUvWx"


@pytest.mark.parametrize(
    "text",
    [
        SPOKEN[:9] + "\n" + SPOKEN[9:],
        SPOKEN[:9] + "\r\n" + SPOKEN[9:15] + "\n" + SPOKEN[15:],
        "\n".join(SPOKEN),
        SPOKEN[:4] + "\x1b[31m" + SPOKEN[4:] + "\x1b[0m",
        SPOKEN[:4] + "\x1b]0;title\x07" + SPOKEN[4:],
        SPOKEN[:4] + "\x00" + SPOKEN[4:],
        SPOKEN[:4] + "\x7f\u202e" + SPOKEN[4:],
    ],
)
def test_a_secret_with_what_nobody_sees_between_its_characters(tmp_path: Path, text: str) -> None:
    redactor = Redactor(Secret(SPOKEN))
    assert redactor.mask(f"a\nb {text} c\nd").replace("\x1b[0m", "") == "a\nb *** c\nd"
    assert redactor.mask_bytes(f"\n{text}\n".encode() + b"\xff").replace(b"\x1b[0m", b"") == b"\n***\n\xff"
    with create(tmp_path, redactor=redactor) as journal:
        record = journal.append(Note("t", text, {text: [text]}))
        assert isinstance(record.body, Note)
        assert f"{record.body!r}".count(MASK) == 3
    assert not any(SPOKEN[at : at + 6] in journal.path.read_text() for at in (0, 9, 15))


def test_lines_stay_where_no_secret_goes_over_their_ends() -> None:
    redactor = Redactor(Secret("12345678"), Secret("letter"))
    assert redactor.mask("12\n34\n5\tlet\nter\n") == "12\n34\n5\tlet\nter\n"
    assert redactor.mask("1234\n5678\n") == "***\n"


def test_what_a_cut_leaves_of_a_secret_is_masked_as_well() -> None:
    redactor = Redactor(Secret(SPOKEN), Secret("another-secret"))
    for kept in range(6, len(SPOKEN)):
        assert redactor.mask(f"x {SPOKEN[:kept]}", is_cut=True) == "x ***"
        assert redactor.mask(f"{SPOKEN[-kept:]} x", is_cut=True) == "*** x"
    assert redactor.mask(SPOKEN[5:20], is_cut=True) == "***"
    assert redactor.mask(f"{SPOKEN[9:]} {SPOKEN} {SPOKEN[:9]}", is_cut=True) == "*** *** ***"
    assert redactor.mask(f"{SPOKEN[:5]} x {SPOKEN[-5:]}", is_cut=True) == f"{SPOKEN[:5]} x {SPOKEN[-5:]}"
    assert redactor.mask(f"x {SPOKEN[:9]}") == f"x {SPOKEN[:9]}", "only where something was cut"
    assert Redactor().mask(SPOKEN, is_cut=True) == SPOKEN


def test_a_secret_of_many_equal_characters_is_looked_for_in_little_time() -> None:
    redactor = Redactor(Secret("a" * 200_000))
    assert redactor.mask("a" * 100_000 + "b", is_cut=True).endswith("ab")
    assert redactor.mask("x\n" + "a\n" * 100_000, is_cut=True)
