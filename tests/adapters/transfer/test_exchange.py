"""What a command in the pod complains of, in words fit for a message."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.adapters.transfer.exchange import complaint_of, exchange
from rpd.engine.errors import Refused
from rpd.journal.redact import Redactor, Secret

SPOKEN = "hf_AbCdEfGhIjKlMnOpQrStUvWx"
LONG = b" " * 290 + SPOKEN.encode()


class Complaining:
    """A connection whose commands say this on stderr, piece by piece, and end with this code."""

    def __init__(self, code: int, *pieces: bytes) -> None:
        self.redactor = Redactor(Secret(SPOKEN))
        self._code, self._pieces = code, [*pieces, b""]

    def channel(self, _command: str, window: int | None = None) -> Complaining:
        return self

    def send_eof(self) -> None:
        pass

    def recv(self, _seconds: float) -> bytes:
        return b""

    def recv_stderr(self, _seconds: float) -> bytes:
        return self._pieces.pop(0)

    def exit_status(self, _seconds: float) -> int:
        return self._code

    def close(self) -> None:
        pass


def parts_in(text: str) -> list[str]:
    return [SPOKEN[at : at + 6] for at in range(len(SPOKEN) - 5) if SPOKEN[at : at + 6] in text]


def run(code: int, *pieces: bytes) -> tuple[int, bytes]:
    connection: Any = Complaining(code, *pieces)
    return exchange(connection, "true")


@pytest.mark.parametrize(
    "pieces",
    [(LONG,), (LONG[:300], LONG[300:]), (SPOKEN.encode(), b"x" * 65516), (LONG[:299] + b"\n" + LONG[299:],)],
    ids=["cut in it", "in two pieces", "cut at its beginning", "over two lines"],
)
def test_a_secret_is_masked_before_a_complaint_is_cut(pieces: tuple[bytes, ...]) -> None:
    code, stderr = run(3, *pieces)
    assert code == 3
    assert parts_in(complaint_of(stderr)) == []
    with pytest.raises(Refused) as refused:
        run(127, *pieces)
    assert refused.value.reason == "no_tool" and parts_in(refused.value.message) == []
    with pytest.raises(Refused) as refused:
        run(1, *pieces, b"\nNo space left on device\n", b"more")
    assert refused.value.reason == "disk_full"


def test_a_full_disk_is_told_of_without_a_secret() -> None:
    with pytest.raises(Refused, match="no space left in the pod: No space") as refused:
        run(1, b"No space left on device: " + LONG)
    assert parts_in(refused.value.message) == []


@pytest.mark.parametrize(
    ("stderr", "cause"),
    [
        (
            b"tar: a: Cannot open: Permission denied\ntar: Exiting with failure status due to previous errors\n",
            "denied",
        ),
        (b"a: Can't set permissions\ntar: Error exit delayed from previous errors.\n", "permissions"),
        (b"tar: Exiting with failure status due to previous errors\n", "previous errors"),
        (b"\n", "it said nothing"),
    ],
)
def test_a_message_names_the_cause_and_not_that_there_was_one(stderr: bytes, cause: str) -> None:
    assert complaint_of(stderr).endswith(cause)
