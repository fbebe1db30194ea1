"""One address of the API, two accounts behind it: the key says which. Under the other one's key a pod is not there."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from rpd.adapters.sandbox import daemon
from tests.fakes.http_server import Answer, HttpServer
from tests.scenarios.harness import COMPUTING, GATED, CommandLine, config


class Accounts:
    """A door to several sandboxes, as RunPod's is to all accounts. A pod's own key is one of the first account."""

    def __init__(self, homes: list[Path]) -> None:
        infos = [daemon.up(home, boot_seconds=0.3) for home in homes]
        self.keys = [info.api_key for info in infos]
        self._urls = {info.api_key: info.url.removesuffix("/v2") for info in infos}
        self.server = HttpServer(self._pass_on)
        self.url = f"{self.server.url}/v2"

    def _pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        key = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        url = self._urls.get(key, next(iter(self._urls.values()))) + request.path
        headers = {name: text for name, text in request.headers.items() if name.lower() not in ("host", "connection")}
        asked = urllib.request.Request(url, body or None, headers, method=request.command)
        try:
            answer = urllib.request.urlopen(asked)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            kind = answer.headers.get("Content-Type") or "application/json"
            return answer.status, answer.read(), {"Content-Type": kind}


@pytest.fixture
def accounts(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    other = tmp_path / "other"
    accounts = Accounts([cli.sandbox_home, other])
    monkeypatch.setenv("TEST_KEY", accounts.keys[0])
    usual = cli.environment

    def environment(self: CommandLine) -> dict[str, str]:
        return {**usual, "RPD_API_URL": accounts.url, "RUNPOD_API_KEY": os.environ["TEST_KEY"]}

    monkeypatch.setattr(CommandLine, "environment", property(environment))
    yield accounts
    accounts.server.close()
    daemon.down(other)


def killed_in(cli: CommandLine, state: str) -> None:
    if state == "boot":
        cli.play(boot_seconds=60)
    cli.job(config(GATED))
    live = cli.start("run", "job.yaml")
    live.until(state)
    live.kill()


@pytest.mark.parametrize("words", [("resume",), ("gc", "--yes"), ("release",)])
@pytest.mark.parametrize("state", ["boot", "monitor"])
@pytest.mark.slow
def test_a_key_of_another_account_does_not_prove_that_a_pod_is_gone(
    cli: CommandLine, accounts: Accounts, monkeypatch: pytest.MonkeyPatch, state: str, words: tuple[str, ...]
) -> None:
    killed_in(cli, state)
    monkeypatch.setenv("TEST_KEY", accounts.keys[1])
    done = cli.rpd(*words)
    assert done.returncode == 8, done.stderr
    assert "another API key" in done.stdout + done.stderr
    assert [debt["kind"] for debt in cli.inspect()["debts"]] == ["compute"]
    monkeypatch.setenv("TEST_KEY", accounts.keys[0])
    cli.play(boot_seconds=0.1)
    cli.rpd("cancel")
    assert not [pod for pod in cli.truth()["pods"] if pod["status"] in COMPUTING]
    assert not [debt for debt in cli.inspect()["debts"] if debt["kind"] == "compute"]
