"""A pod does nothing only when its samples say so: of GPUs, processor, disk, network, and of a log that is silent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rpd.adapters.pod import idleness
from rpd.adapters.pod.idleness import TRICKLE

NOW = 1767225600 + 60  # 2026-01-01T00:01:00Z
SECONDS = range(0, 60, 10)
COUNTERS = {"disk_io_bytes": 10**9, "net_rx_bytes": 10**6, "net_tx_bytes": 5, "log_bytes": 77}


def sample(second: int, util: Any = 0, *, launch: int = 1, **more: Any) -> bytes:
    at = f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}Z"
    row = {"ts_utc": at, "launch": launch, "gpus": [{"util_pct": util}], "cpu_cores": 0.01, **COUNTERS, **more}
    return json.dumps(row).encode() + b"\n"


def idle(*samples: bytes, now: int = NOW, launch: int = 1, threshold: float = 5.0, grace: float = 0.0) -> float | None:
    text = b"%d\n" % now + b"".join(samples)
    return idleness.idle_seconds(text, launch, 10.0, threshold_pct=threshold, grace_seconds=grace)


def test_samples_of_an_idle_pod() -> None:
    samples = [sample(second) for second in SECONDS]
    assert idle(*samples) == 50.0
    assert idle(*samples, launch=2) is None, "it is another launch's"
    assert idle(*samples, now=NOW + 30) is None, "they are old"
    assert idle(*samples, sample(59, 50)) is None


@pytest.mark.parametrize("clock", [b"nan", b"inf", b"-inf", b"-5", b"", b"1e300", b"9" * 400])
def test_without_a_clock_nothing_is_known_to_be_idle(clock: bytes) -> None:
    text = clock + b"\n" + b"".join(sample(second) for second in SECONDS)
    with pytest.raises(ValueError):
        idleness.idle_seconds(text, 1, 10.0, threshold_pct=5.0, grace_seconds=0.0)


@pytest.mark.parametrize("util", [-5, True, None, "0", 6])
def test_a_use_that_cannot_be_is_not_idle(util: Any) -> None:
    assert idle(sample(40), sample(50, util)) is None


def test_samples_of_the_future_or_out_of_order_say_nothing() -> None:
    assert idle(sample(40), sample(1800)) is None
    assert idle(sample(1800), sample(50)) == 0.0


@pytest.mark.parametrize("cores", [0.06, 3.0, None, "0", -1, True])
def test_a_processor_that_is_busy_or_not_known_is_not_idle(cores: Any) -> None:
    assert idle(*(sample(second, cpu_cores=cores) for second in SECONDS)) is None
    assert idle(sample(20, cpu_cores=cores), sample(30), sample(40), sample(50)) == 20.0


@pytest.mark.parametrize("name", ["disk_io_bytes", "net_rx_bytes", "net_tx_bytes"])
def test_what_is_moved_is_work(name: str) -> None:
    def moving(bytes_per_second: float) -> list[bytes]:
        return [sample(second, **{name: second * bytes_per_second}) for second in SECONDS]

    assert idle(*moving(TRICKLE + 1.0)) == 0.0
    assert idle(*moving(TRICKLE)) == 50.0
    assert idle(*(sample(second, **{name: None}) for second in SECONDS)) == 50.0, "not every kernel counts it"


def test_who_prints_is_not_idle() -> None:
    assert idle(*(sample(second, log_bytes=second) for second in SECONDS)) == 0.0
    assert idle(*(sample(second, log_bytes=min(second, 20)) for second in SECONDS)) == 30.0


def test_the_threshold_is_the_configs() -> None:
    assert idle(*(sample(second, 15, cpu_cores=0.15) for second in SECONDS), threshold=15.0) == 50.0
    assert idle(*(sample(second, 15) for second in SECONDS), threshold=14.0) is None
    assert idle(*(sample(second, cpu_cores=0.15) for second in SECONDS), threshold=14.0) is None


def test_there_is_a_grace_before_the_first_use_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [sample(second) for second in SECONDS]
    assert idle(*samples, grace=30.0) == 20.0
    assert idle(*samples, grace=600.0) == 0.0
    assert idle(sample(0, 90), *samples[1:], grace=600.0) == 40.0
    assert idle(sample(0, 90, launch=2), *samples[1:], grace=600.0) == 0.0, "another launch has used it"
    monkeypatch.setattr(idleness, "SAMPLES_BYTES", 100)
    assert idle(*samples, grace=600.0) == 50.0, "the first samples are not here any more: it was long ago"
