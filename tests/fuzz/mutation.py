"""Real output of a pod, spoiled: a little, so that it is read far, or a lot."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

NUMBERS = (
    *(b"-1", b"0", b"nan", b"inf", b"1e999", b"9" * 16, b"9" * 27, b"9" * 5000, b"-" + b"9" * 30, b"0x1", b"1_0"),
    *("²".encode(), "٣".encode(), b"1767225600.5", b"256"),
)
ODD = (
    *NUMBERS,
    *NUMBERS,
    *(b"", b"\0", b"\n", b"\n\n", b"\r", b"=", b" ", b"/", b"..", b"../", b"./", b"#"),
    *(b"\xff\xfe", b"\x1b]0;x\x07", b"\x1b[", "\u202e".encode(), b"x" * 3000, b"a/" * 600, b"\0" * 700, b"\\", b'"'),
    *(b"[" * 3000, b"{}", b"null", b"true", b"end\0", b"missing\0", b"#start\n", b"#end\n", b"#size\n"),
)


def spoiled(chance: random.Random, text: bytes, others: Sequence[bytes] = (b"",)) -> bytes:
    """`text` with a few changes; sometimes none."""
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 8))):
        numbers = [*re.finditer(rb"[0-9.]+", text[:5000])]
        if numbers and chance.random() < 0.3:
            number = chance.choice(numbers)
            text = text[: number.start()] + chance.choice(NUMBERS) + text[number.end() :]
            continue
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice((0, 1, 1, 2, 8, 40, 512, len(text))))
        new = chance.choice(
            (
                lambda: chance.choice(ODD),
                lambda: b"",
                lambda at=at, end=end, text=text: text[at:end] * chance.choice((2, 3, 200)),
                lambda: bytes([chance.randrange(256)]),
                lambda: chance.choice(others)[: chance.choice((1, 30, 5000))],
            )
        )()
        text = text[:at] + new[:100_000] + text[end:]
    return text[: chance.choice((len(text),) * 5 + (chance.randrange(len(text) + 1),))]


def pieces(chance: random.Random, text: bytes) -> list[bytes]:
    """The same bytes as they may come over a link."""
    step = chance.choice((len(text) + 1, len(text) + 1, 4096, 100, 7))
    return [text[at : at + step] for at in range(0, min(len(text), 200 * step), step)] + [text[200 * step :] or b""]
