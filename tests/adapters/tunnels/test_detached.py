"""Tunnels in the background: a look at them takes none away."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from rpd.adapters.tunnels import detached
from rpd.adapters.tunnels.detached import Tunnel, held, tunnels_of


def test_a_look_at_the_tunnels_does_not_end_one_that_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tunnel = Tunnel("t-1", 1, 1.0, "run", str(tmp_path / "j"), "pod")
    take = fcntl.flock

    def looked(handle: int, how: int) -> None:
        monkeypatch.setattr(detached.fcntl, "flock", take)
        assert tunnels_of(tmp_path) == []  # another process looks at this moment
        take(handle, how)

    monkeypatch.setattr(detached.fcntl, "flock", looked)
    with held(tmp_path, tunnel):
        assert tunnels_of(tmp_path) == [tunnel]
    assert not list(detached.tunnels_folder(tmp_path).iterdir())
