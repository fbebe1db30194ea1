"""A local pod per test, which must not leave a process behind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# The helpers next to the tests are imported as `tests.adapters.pod.<name>`, from whatever folder pytest is started.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from rpd.adapters.pod.attention import Attention
from rpd.adapters.pod.remote import PodRemote
from tests.adapters.pod.local_shell import LocalShell, Requests, until


@pytest.fixture
def requests() -> Requests:
    """What somebody asks of the run."""
    return Requests()


@pytest.fixture
def make_pod(tmp_path: Path) -> Iterator[Callable[..., LocalShell]]:
    """Makes pods that must be free of processes when the test is over."""
    pods: list[LocalShell] = []

    def make(volume: Path | None = None, **options: Any) -> LocalShell:
        volume = volume or tmp_path / f"volume{len(pods)}"
        volume.mkdir(exist_ok=True)
        pods.append(LocalShell(volume, **options))
        return pods[-1]

    yield make
    try:
        for pod in pods:
            until(lambda pod=pod: not pod.processes())
    finally:
        for pod in pods:
            pod.end()


@pytest.fixture
def pod(make_pod: Callable[..., LocalShell]) -> LocalShell:
    """A pod with everything this machine has."""
    return make_pod(sh="dash")


@pytest.fixture
def remote_of(requests: Requests) -> Callable[[LocalShell], PodRemote]:
    """The port over a pod."""

    def make(pod: LocalShell) -> PodRemote:
        attention = Attention(requests)
        pod.interrupted = attention.pending
        return PodRemote(pod, attention=attention)

    return make


@pytest.fixture
def remote(pod: LocalShell, remote_of: Callable[[LocalShell], PodRemote]) -> PodRemote:
    """The port over the usual pod."""
    return remote_of(pod)
