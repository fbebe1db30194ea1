"""Damage at every byte of a journal of sixty records: nothing undetected, every exact prefix recovered."""

from __future__ import annotations

import pytest

from rpd.journal.codec import Chain, LineError
from rpd.journal.reader import parse
from tests.journal.samples import life, lines, opened, sixty


def starts(texts: list[bytes]) -> list[int]:
    offsets = [0]
    for text in texts:
        offsets.append(offsets[-1] + len(text))
    return offsets


def chain_before(records: list, number: int) -> Chain:
    chain = Chain()
    if number:
        chain.follow(records[number - 1])
    return chain


def test_every_truncation_gives_the_exact_prefix() -> None:
    records, texts = sixty()
    assert len(records) == 60
    for number, text in enumerate(texts):
        for size in range(len(text)):
            reading = parse(text[:size], chain_before(records, number))
            assert (reading.records, reading.torn_bytes, reading.damage) == ([], size, None)
    whole, offsets = b"".join(texts), starts(texts)
    for size in range(0, len(whole), 97):
        reading = parse(whole[:size])
        count = sum(offset <= size for offset in offsets[1:])
        assert reading.records == records[:count]
        assert reading.torn_bytes == size - offsets[count]
        assert reading.verified


def test_every_single_bit_flip_is_found_where_it_is() -> None:
    records, texts = sixty()
    last = len(texts) - 1
    cases = 0
    for number, text in enumerate(texts):
        chain = chain_before(records, number)
        here = (chain.seq, chain.prev)
        following = texts[number + 1] if number < last else b""
        for index in range(len(text)):
            for bit in range(8):
                broken = bytearray(text)
                broken[index] ^= 1 << bit
                if index == len(text) - 1:
                    broken += following  # a newline lost fuses two lines
                reading = parse(bytes(broken), Chain(*here, chain.run))
                assert reading.records == []
                assert reading.damage is not None
                assert (reading.damage.line, reading.damage.offset) == (number + 1, 0)
                cases += 1
    assert cases == 8 * sum(map(len, texts))


def test_a_flip_is_found_in_the_whole_file_too() -> None:
    records, texts = sixty()
    whole, offsets = b"".join(texts), starts(texts)
    for index in range(0, len(whole), 211):
        broken = bytearray(whole)
        broken[index] ^= 4
        reading = parse(bytes(broken))
        number = sum(offset <= index for offset in offsets) - 1
        assert reading.records == records[:number]
        assert reading.damage is not None
        assert (reading.damage.line, reading.damage.offset) == (number + 1, offsets[number])
        assert not reading.verified


def test_dropped_duplicated_swapped_and_fused_lines_are_found() -> None:
    records, texts = sixty()
    for number in range(59):
        dropped = texts[:number] + texts[number + 1 :]
        twice = texts[: number + 1] + texts[number:]
        swapped = [*texts[:number], texts[number + 1], texts[number], *texts[number + 2 :]]
        fused = [*texts[:number], texts[number][:-1], *texts[number + 1 :]]
        halved = [*texts[:number], texts[number][: len(texts[number]) // 2], *texts[number + 1 :]]
        for broken, good in (
            (dropped, number),
            (twice, number + 1),
            (swapped, number),
            (fused, number),
            (halved, number),
        ):
            reading = parse(b"".join(broken))
            assert reading.damage is not None
            assert reading.damage.line == good + 1
            assert reading.records == records[:good]


def test_a_line_of_another_run_is_found() -> None:
    _, ours = lines([opened(), *life()])
    _, theirs = lines([opened(), *life()], run="bar-1")
    with pytest.raises(LineError):
        chain = Chain()
        for line in (ours[0], theirs[1]):
            chain.take(line[:-1])


@pytest.mark.parametrize("zeros", [1, 7, 4096])
def test_a_zero_filled_tail_is_torn_not_damaged(zeros: int) -> None:
    records, texts = sixty()
    reading = parse(b"".join(texts) + b"\0" * zeros)
    assert (reading.records, reading.torn_bytes, reading.damage) == (records, zeros, None)


def test_a_last_line_whose_first_page_never_reached_the_disk_is_torn() -> None:
    records, texts = sixty()
    hole = b"\0" * 100 + texts[-1][100:]
    reading = parse(b"".join(texts[:-1]) + hole)
    assert (reading.records, reading.torn_bytes, reading.damage) == (records[:-1], len(hole), None)
    in_the_middle = parse(b"".join([*texts[:30], hole, *texts[31:]]))
    assert in_the_middle.damage is not None


def test_an_acknowledged_last_record_is_not_taken_for_a_torn_one() -> None:
    _, texts = sixty()
    reading = parse(b"".join(texts)[:-1] + b"\x0b")
    assert reading.damage is not None
    assert reading.damage.line == 60
