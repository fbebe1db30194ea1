"""One address of the API, two accounts behind it: the key says which. Under the other one's key a pod is not there."""

from __future__ import annotations

import http.server
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpd.adapters.sandbox import daemon
from tests.scenarios.harness import COMPUTING, GATED, CommandLine, config


class Accounts:
    """A door to several sandboxes, as RunPod's is to all accounts. A pod's own key is one of the first account."""

    def __init__(self, homes: list[Path]) -> None:
        infos = [daemon.up(home, boot_seconds=0.3) for home in homes]
        self.keys = [info.api_key for info in infos]
        urls = {info.api_key: info.url.removesuffix("/v2") for info in infos}

        class Door(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                key = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                url = urls.get(key, next(iter(urls.values()))) + self.path
                headers = {
                    name: text for name, text in self.headers.items() if name.lower() not in ("host", "connection")
                }
                request = urllib.request.Request(url, self.rfile.read(size) or None, headers, method=self.command)
                try:
                    answer = urllib.request.urlopen(request)
                except urllib.error.HTTPError as error:
                    answer = error
                with answer:
                    body = answer.read()
                    self.send_response(answer.status)
                    self.send_header("Content-Type", answer.headers.get("Content-Type") or "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = do_PATCH = _pass_on

            def log_message(self, *words: object) -> None:
                """Quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v2"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def accounts(stage: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    other = tmp_path / "other"
    accounts = Accounts([stage.sandbox_home, other])
    monkeypatch.setenv("TEST_KEY", accounts.keys[0])
    usual = stage.environment

    def environment(self: CommandLine) -> dict[str, str]:
        return {**usual, "RPD_API_URL": accounts.url, "RUNPOD_API_KEY": os.environ["TEST_KEY"]}

    monkeypatch.setattr(CommandLine, "environment", property(environment))
    yield accounts
    accounts.server.shutdown()
    accounts.server.server_close()
    daemon.down(other)


def killed_in(stage: CommandLine, state: str) -> None:
    if state == "boot":
        stage.play(boot_seconds=60)
    stage.job(config(GATED))
    live = stage.start("run", "job.yaml")
    live.until(state)
    live.kill()


@pytest.mark.parametrize("words", [("resume",), ("gc", "--yes"), ("release",)])
@pytest.mark.parametrize("state", ["boot", "monitor"])
@pytest.mark.slow
def test_a_key_of_another_account_does_not_prove_that_a_pod_is_gone(
    stage: CommandLine, accounts: Accounts, monkeypatch: pytest.MonkeyPatch, state: str, words: tuple[str, ...]
) -> None:
    killed_in(stage, state)
    monkeypatch.setenv("TEST_KEY", accounts.keys[1])
    done = stage.rpd(*words)
    assert done.returncode == 8, done.stderr
    assert "another API key" in done.stdout + done.stderr
    assert [debt["kind"] for debt in stage.inspect()["debts"]] == ["compute"]
    monkeypatch.setenv("TEST_KEY", accounts.keys[0])
    stage.play(boot_seconds=0.1)
    stage.rpd("cancel")
    assert not [pod for pod in stage.truth()["pods"] if pod["status"] in COMPUTING]
    assert not [debt for debt in stage.inspect()["debts"] if debt["kind"] == "compute"]
