"""No secret stands in any byte that rpd leaves on this machine: journals, its own log, index, run folders."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rpd.adapters.sandbox import daemon
from tests.scenarios.harness import GATED, CommandLine, artifact, config

TOKEN, PASSWORD = "canary-token-5f0c9a17e2", "canary-p4ssw0rd-81d3"
FOREIGN = "canary-of-somebody-else-77"
SECRETS = [{"name": "tokens", "destination": "/workspace/secrets.env", "env": ["API_TOKEN"]}]


def forms(secret: str) -> list[bytes]:
    raw = secret.encode()
    return [
        raw,
        base64.b64encode(raw),
        base64.b64encode(b"x" + raw)[4:-4],
        quote(raw, safe="").encode(),
        raw.hex().encode(),
    ]


def traces(cli: CommandLine, *secrets: str) -> list[str]:
    """Files of this machine that hold one of them. What lies in the sandbox's folder is the cloud's."""
    files = [each for folder in (cli.home, cli.folder, cli.user) for each in folder.rglob("*") if each.is_file()]
    mine = [each for each in files if not each.is_relative_to(cli.sandbox_home) and each.name != "cert.der"]
    found = {str(each) for each in mine for secret in secrets for form in forms(secret) if form in each.read_bytes()}
    return sorted(found)


def kept(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "secrets": SECRETS, "lifecycle": {"on_success": "stop"}}


@pytest.fixture(autouse=True)
def at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", TOKEN)
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    monkeypatch.setenv("RPD_LOG_LEVEL", "debug")


@pytest.mark.slow
@pytest.mark.row(130, 231, 232, 233)
def test_no_secret_is_left_on_this_machine(cli: CommandLine) -> None:
    info = daemon.find(cli.sandbox_home)
    assert info is not None
    body = {"name": "theirs", "image": "x", "env": {"PASSWORD": FOREIGN, "NOTE": FOREIGN}, "disk": 20}
    cli.call("POST", "/v2/pods", {**body, "gpu": {"id": "NVIDIA L4", "count": 1}, "cloud": "SECURE"})
    says = '. /workspace/secrets.env; echo "$API_TOKEN"; echo "$API_TOKEN" >&2; exit 3'
    assert cli.run(kept(config("echo hello", preflight=[{"command": says}]))).returncode == 5
    live = cli.begin(kept(config(GATED, artifacts=artifact(required=False))))
    live.until_begun()
    live.kill()
    for words in (
        ("pods",),
        ("pod", "info", "theirs"),
        ("pod", "stop", "--yes"),
        ("gc", "--yes"),
        ("gc", "--yes", "--stopped"),
    ):
        cli.rpd(*words)
    cli.fault("F1", times=2)
    cli.rpd("gpus")
    log = Path(cli.home, "log", "rpd.log")
    told = log.read_text()
    for words in ("POST /v2/pods: 201", "GET /v2/pods", "logged in after", "create_pod_ok", "so far (est.)", "DELETE"):
        assert words in told, words
    assert (log.stat().st_mode & 0o777, log.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert traces(cli, TOKEN, PASSWORD, info.api_key, FOREIGN) == []
    shown = cli.rpd("logs", "--full").stdout
    assert "POST /v2/pods: 201" in shown and TOKEN not in shown and info.api_key not in shown


def test_a_log_that_cannot_be_written_stops_no_run(cli: CommandLine) -> None:
    (cli.home / "log").write_text("a file is in the way")
    done = cli.run(config("echo hello"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("rpd's own log cannot be written") == 1
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_the_log_of_the_pods_system_is_shown_while_it_boots(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until_begun()
    shown = cli.rpd("logs", "--system")
    assert shown.returncode == 0 and shown.stdout, shown.stderr
    assert len(cli.rpd("logs", "--system", "--tail", "1").stdout.splitlines()) == 1
    assert cli.rpd("logs", "--system", "--since", "1d").stdout == shown.stdout
    follower = cli.start("logs", "--system", "-f")
    follower._wait(lambda: follower.out == shown.stdout, 30.0, "the lines so far")
    follower.press()
    assert follower.end() == 0, follower.text
    cli.go()
    assert live.end() == 0, live.text
    gone = cli.rpd("logs", "job", "--system")
    assert (gone.returncode, "its log with it" in gone.stderr) == (0, True), gone.stderr
    document = json.loads(cli.rpd("pods", "--json").stdout)
    assert document["pods"] == []
