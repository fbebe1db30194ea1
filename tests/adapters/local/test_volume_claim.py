"""What is remembered of an order for a network volume, and for how long it is in doubt."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rpd.adapters.volumes.intent import VolumeIntent, VolumeIntentFile, seconds_in_doubt
from rpd.engine.errors import UserError


def claim(age: float = 0.0) -> VolumeIntent:
    return VolumeIntent("data", 10, "EUR-IS-1", "STANDARD", time.time() - age)


def test_it_is_kept_by_cloud_and_name_until_it_is_settled(tmp_path: Path) -> None:
    file = VolumeIntentFile(tmp_path, "https://one", "data")
    assert file.read() is None
    with file.held():
        file.write(kept := claim())
        with pytest.raises(UserError) as caught, VolumeIntentFile(tmp_path, "https://one", "other").held():
            pass
        assert caught.value.exit_code == 9
    with file.held():
        assert file.read() == kept
    assert VolumeIntentFile(tmp_path, "https://other", "data").read() is None
    file.settle()
    file.settle()
    assert file.read() is None


def test_what_is_no_claim_counts_as_none(tmp_path: Path) -> None:
    file = VolumeIntentFile(tmp_path, "https://one", "data")
    with file.held():
        file.write(claim())
    (found,) = (tmp_path / "volumes").glob("*.json")
    found.write_bytes(b"\xff{")
    assert file.read() is None


def test_doubt_ends_with_the_quiet_window() -> None:
    assert seconds_in_doubt(None, 180.0) == 0.0
    assert 170.0 < seconds_in_doubt(claim(), 180.0) <= 180.0
    assert 70.0 < seconds_in_doubt(claim(age=100.0), 180.0) <= 80.0
    assert seconds_in_doubt(claim(age=200.0), 180.0) == 0.0
    assert seconds_in_doubt(claim(age=-9e9), 180.0) == 180.0, "the clock was set back"
