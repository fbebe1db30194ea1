"""A pod may answer anything: what cannot be meant is refused, and what is taken can be written down and told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rpd.adapters.pod.answers import armed_of, claim_of, clean, fields_of, greeting_of, step_result_of
from rpd.adapters.pod.follower import follow
from rpd.adapters.pod.local_log import LocalLog
from rpd.adapters.report.words import clock
from rpd.engine.errors import RpdError, Unavailable
from rpd.journal.codec import encode
from rpd.journal.records import Observation, Stamp
from rpd.journal.redact import Redactor, Secret
from rpd.states.ports.world import SwitchOrder

ORDER = SwitchOrder(3, 2e9, "stop", 600.0, 1)
NUMBERS = [
    "",
    "x",
    "-1",
    "9" * 30,
    "9" * 5000,
    "1e400",
    "nan",
    "-inf",
    "1e18",
    "0x10",
    "٣",
    " 7 ",
    "1_000",
    "\x1b[31m7",
]

READ: dict[str, Callable[[str], Any]] = {
    "exit_code": lambda odd: claim_of(fields_of(f"phase=ended\nlaunch=1\nexit_code={odd}")),
    "launch": lambda odd: claim_of(fields_of(f"phase=running\nlaunch={odd}")),
    "log_bytes": lambda odd: claim_of(fields_of(f"phase=running\nlaunch=1\nlog_bytes={odd}")),
    "started_at": lambda odd: claim_of(fields_of(f"phase=running\nlaunch=1\nstarted_at={odd}\nended_at={odd}")),
    "gpus": lambda odd: greeting_of(f"pod_id=p\ncontainer=c\nclock=1\nepoch=1\ngpus={odd}", "k"),
    "clock": lambda odd: greeting_of(f"pod_id=p\ncontainer=c\nclock={odd}\nclock_s={odd}\nepoch=1", "k"),
    "epoch": lambda odd: greeting_of(f"pod_id=p\ncontainer=c\nclock=1\nepoch={odd}\nanchor={odd} z", "k"),
    "limit_at": lambda odd: armed_of(fields_of(f"generation=3\nlimit_at={odd}\nprobe=ok\npid={odd}"), ORDER),
    "seconds": lambda odd: step_result_of(fields_of(f"exit_code=0\nseconds={odd}"), ""),
    "step": lambda odd: step_result_of(fields_of(f"exit_code={odd}"), ""),
}


@pytest.mark.parametrize("field", READ)
def test_numbers(field: str) -> None:
    for odd in NUMBERS:
        try:
            answer = READ[field](odd)
        except (ValueError, KeyError):
            continue
        seen = Observation("x", {"answer": msgspec.to_builtins(answer)})
        record, _ = encode(seen, seq=0, prev="0" * 32, run="r", epoch=1, at=Stamp(1.0, 1.0, "b"))
        assert isinstance(record.body, Observation)
        assert msgspec.convert(record.body.data["answer"], type(answer)) == answer, (field, odd)


def test_a_limit_is_a_moment() -> None:
    armed = armed_of(fields_of("generation=3\nlimit_at=2000000000\nprobe=ok"), ORDER)
    assert clock(armed.limit_at) == "2033-05-18 03:33Z"
    for odd in ("nan", "inf", "1e300", "-5"):
        with pytest.raises(ValueError):
            armed_of(fields_of(f"generation=3\nlimit_at={odd}\nprobe=ok"), ORDER)


def test_text_is_stripped_and_bounded() -> None:
    assert clean("\x1b]0;t\x07a\x1b[31mb\x9b2Jc\r\x00d\u202ee" + "x" * 9000).startswith("ab2Jcde")
    assert len(clean("x" * 9000)) == 2000


class OddPod:
    """Followers in a pod that say these things on stderr, each the same."""

    def __init__(self, said: bytes) -> None:
        self._says = self._said = said
        self.redactor = Redactor()

    def channel(self, command: str) -> OddPod:
        self._said = self._says
        return self

    def send(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass

    def recv(self, seconds: float) -> bytes | None:
        return b""

    def recv_stderr(self, seconds: float) -> bytes | None:
        data, self._said = self._said[:100_000], self._said[100_000:]
        return data


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff\xfe\x00",
        b"x" * 3_000_000,
        b"#start\n",
        b"phase=ended\n#end\n",
        b"phase=ended\nlaunch=" + b"9" * 5000 + b"\n#end\n",
        b"5 1#size\n",
        b"9#size\n",
        b"a b#size\n",
        b"1 2 3#size\n",
        b"\x1b]0;t\x07 " + b"9" * 5000 + b"#size\n",
        b"phase=\x1b[2J\nlaunch=1\n#start\n",
        b"#missing\n",
    ],
)
def test_a_follower_that_lies(tmp_path: Path, said: bytes) -> None:
    with LocalLog(str(tmp_path / "run.log")) as log, pytest.raises(RpdError) as caught:
        follow(OddPod(said), lambda offset: "x", log, seconds=0.2, to_size_only=False)  # type: ignore[arg-type]
    assert isinstance(caught.value, Unavailable) or said == b"#missing\n"
    assert len(caught.value.message) < 1000


def test_a_greeting_that_never_ends_is_bounded() -> None:
    tools = "".join(f"tool={'t' * 500}{n}\n" for n in range(400))
    greeting = greeting_of(f"pod_id=p\ncontainer=c\nclock=1\nepoch=1\n{tools}", "k")
    assert len(greeting.tools) == 32 and max(map(len, greeting.tools)) == 64


def test_a_secret_in_a_claim_is_masked_before_it_is_cut(tmp_path: Path) -> None:
    secret = "hf_AbCdEfGhIjKlMnOpQrStUvWx"
    pod: Any = OddPod(f"phase=ended\nlaunch=1\nexit_code=0\nnote={'x' * 1980}{secret}\n#end\n".encode())
    pod.redactor.add(Secret(secret))
    with LocalLog(str(tmp_path / "run.log")) as log:
        claim = follow(pod, lambda offset: "follow", log, seconds=0.0, to_size_only=False)
    assert claim.note.endswith("xxx***")
