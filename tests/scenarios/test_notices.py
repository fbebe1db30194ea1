"""Whoever asked to be told is told: at the end, near the end of the budget, of a pod that could not be given back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.fakes.http_server import Answer, HttpServer
from tests.scenarios.harness import GATED, CommandLine, config
from tests.scenarios.live import eventually

COMMAND = "cat >> ../notices.jsonl; echo >> ../notices.jsonl"


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that keeps what is posted to it."""
    heard: list[dict[str, Any]] = []

    def keep(_request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        heard.append(json.loads(body))
        return 204, b"", {}

    server = HttpServer(keep)
    yield f"{server.url}/hook?token=abc", heard
    server.close()


@pytest.mark.row(114)
@pytest.mark.slow
def test_the_end_and_most_of_the_budget_are_told(cli: CommandLine, webhook: tuple[str, list[dict[str, Any]]]) -> None:
    url, heard = webhook
    done = cli.run(
        config("sleep 300", budget={"max_runtime_minutes": 0.08}, notify={"command": COMMAND, "webhook": url})
    )
    assert done.returncode == 7, done.stderr
    assert "% of the budget is used up" in done.stderr
    told = [json.loads(line) for line in (cli.folder.parent / "notices.jsonl").read_text().splitlines()]
    for notices in (told, heard):
        assert [notice["what"] for notice in notices] == ["budget", "end"]
        assert {notice["run_id"] for notice in notices} == {cli.run_id}
        assert "rpd's exit code is 7" in notices[1]["text"]


@pytest.mark.slow
@pytest.mark.row(98, 114)
def test_a_pod_that_could_not_be_given_back_is_told_of(cli: CommandLine) -> None:
    live = cli.begin(config(GATED, notify={"command": COMMAND}))
    live.until("monitor")
    cli.fault("F29", how="ignored", on="stop", times=0)
    live.press()
    live.until_text("accepted; proving it")
    eventually(lambda: live.text.count("accepted; proving it") > 1)  # late enough not to be an echo of the first
    live.press()
    assert live.end() == 8, live.text
    told = [json.loads(line) for line in (cli.folder.parent / "notices.jsonl").read_text().splitlines()]
    assert [notice["what"] for notice in told] == ["debt"]
    assert "NOT RELEASED" in told[0]["text"]


@pytest.mark.slow
def test_a_message_that_cannot_be_sent_ends_nothing(cli: CommandLine) -> None:
    done = cli.run(config("echo hello", notify={"command": "exit 9", "webhook": "http://127.0.0.1:9/x?token=s3cr3t"}))
    assert done.returncode == 0, done.stderr
    assert "notify.command ended with 9; notify.webhook did not answer" in done.stderr
