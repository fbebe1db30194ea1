"""A cloud that does not answer: nothing waits behind it for long, and one signal ends the command."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpd.journal.lock import holder
from rpd.journal.reader import read
from rpd.journal.records import Left
from tests.fakes import past
from tests.scenarios.harness import CommandLine, config, eventually


@contextlib.contextmanager
def silent_cloud() -> Iterator[str]:
    """The address of one that takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v2"


@contextlib.contextmanager
def refusing_cloud() -> Iterator[str]:
    """The address of one where nobody listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v2"


CLOUDS = {"silent": silent_cloud, "refusing": refusing_cloud}


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommandLine, "environment", property(_with_key(CommandLine.environment.fget)))


def _with_key(before):  # type: ignore[no-untyped-def]
    return lambda cli: {**before(cli), "RUNPOD_API_KEY": "rpa_0123456789abcdef"}


def in_debt(cli: CommandLine, url: str) -> Path:
    """A run whose engine died while its pod booted, in this cloud; the newest there is."""
    token = "0123456789abcdefghjkmnpqrs"
    with past.open_run(cli.home, cli.folder, {"name": "far", "url": url}, token=token, workflow="far") as journal:
        past.rented(journal, "pod-far")
    return journal.path


def died_in_boot(cli: CommandLine) -> None:
    cli.play(boot_seconds=60)
    live = cli.begin(config())
    live.until("boot")
    live.kill()


@pytest.mark.row(102)
@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("kind", ["silent", pytest.param("refusing", marks=pytest.mark.slow)])
def test_gc_releases_the_rest_at_once_and_names_the_cloud_that_does_not_answer(cli: CommandLine, kind: str) -> None:
    died_in_boot(cli)
    with CLOUDS[kind]() as url:
        in_debt(cli, url)
        begun = time.monotonic()
        live = cli.start("gc", "--yes", "--json", "--patience", "8s")
        eventually(lambda: cli.statuses() == ["TERMINATED"], 7.0, lambda: live.text)
        assert live.end(20) == 8
        assert time.monotonic() - begun < 15
        told = json.loads(live.out)
        far, near = sorted(told["runs"], key=lambda row: row["pod_id"] != "pod-far")
        assert near["is_done"]
        assert not far["is_done"]
        assert "has not answered" in far["result"]
        assert far["usd_per_hour"] == past.RATE
        assert "rpd gc --yes" in far["next"]
        assert [url in text for text in told["unreachable"]] == [True]


@pytest.mark.slow
@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_one_signal_ends_gc(cli: CommandLine, number: signal.Signals) -> None:
    died_in_boot(cli)
    with silent_cloud() as url:
        journal = in_debt(cli, url)
        live = cli.start("gc", "--yes", "--patience", "10m")
        eventually(lambda: cli.statuses() == ["TERMINATED"], 20.0, lambda: live.text)
        begun = time.monotonic()
        live.signal(number)
        assert live.end(10) == 8
        assert time.monotonic() - begun < 4.0
        assert "interrupted" in live.out
        assert "pod-far" in live.out
        assert holder(journal) is None
        assert "Traceback" not in live.text


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("command", ["cancel", pytest.param("release", marks=pytest.mark.slow)])
def test_one_signal_ends_a_command_that_gives_back(cli: CommandLine, command: str) -> None:
    with silent_cloud() as url:
        journal = in_debt(cli, url)
        live = cli.start(command, journal.stem)
        eventually(lambda: any("request" in each.event for each in read(journal).records))
        begun = time.monotonic()
        live.signal(signal.SIGTERM)
        assert live.end(10) == 8
        assert time.monotonic() - begun < 4.0
        assert holder(journal) is None
        left = read(journal).records[-1].body
        assert isinstance(left, Left)
        assert left.exit_code == 8
        assert "pod-far" in live.text
