"""`rpd doctor`: what it says of a machine in good order and in bad, what it mends, and what stands in its archive."""

from __future__ import annotations

import base64
import contextlib
import http.server
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.harness import GATED, CommandLine, bare, config, eventually

ORDER = ["ok", "note", "warning", "problem"]
SECRETS = {
    "RUNPOD_API_KEY": "rpa_OfTheEnvironment0123456789abcdef",
    "HF_TOKEN": "token-of-the-environment-4711",
    "JOB_WORD": "a word that a job has named",
}


def doctor(cli: CommandLine, *words: str) -> tuple[int, dict[str, Any]]:
    """Its exit code, and what it found by name (the worst of each name)."""
    done = cli.rpd("doctor", "--json", *words, seconds=90)
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "rpd.doctor/1" and document["exit_code"] == done.returncode
    worst_last = sorted(document["checks"], key=lambda each: ORDER.index(each["status"]))
    return done.returncode, {each["name"]: each for each in worst_last}


def problems(checks: dict[str, Any]) -> list[str]:
    return [name for name, each in checks.items() if each["status"] == "problem" and not each["is_fixed"]]


@pytest.fixture
def healthy(cli: CommandLine) -> CommandLine:
    """A person whose cloud is this sandbox and whose key is in the settings."""
    cli.variables = {"RPD_API_URL": cli.sandbox_url()}
    (cli.folder / "api_key").touch(mode=0o600)
    (cli.folder / "api_key").write_text(cli.api_key())
    assert cli.rpd("config", "set", "api-key", "--file", "api_key").returncode == 0
    return cli


@pytest.mark.sandbox
@pytest.mark.row(7)
def test_all_is_well(healthy: CommandLine) -> None:
    code, checks = doctor(healthy)
    assert code == 0 and problems(checks) == []
    assert checks["account"]["status"] == checks["clock"]["status"] == checks["settings"]["status"] == "ok"
    assert checks["debts"]["message"] == "no run here owes anything that computes"
    done = healthy.rpd("doctor")
    assert done.returncode == 0 and healthy.api_key() not in done.stdout + done.stderr
    assert "0 problems" in done.stdout


@pytest.mark.sandbox
@pytest.mark.keeps_keys
def test_a_pod_that_bills_wins_over_all_other_problems(healthy: CommandLine) -> None:
    live = healthy.begin(config(GATED))
    live.until_begun()
    live.kill()
    settings = healthy.user / ".config" / "rpd" / "config.toml"
    settings.chmod(0o644)
    code, checks = doctor(healthy)
    assert code == 8, checks
    assert healthy.run_id in checks["debts"]["message"] and "rpd gc --yes" in checks["debts"]["mend"]
    healthy.live_pod()  # it has only looked


@pytest.mark.sandbox
def test_a_pod_that_nobody_here_knows_is_named(healthy: CommandLine) -> None:
    body = {
        "name": "rpd-theirs-0123456789abcdefghjkmnpqrs-a1",
        "image": "runpod/pytorch:2.4.0",
        "gpu": {"id": "NVIDIA L4", "count": 1},
        "disk": 10,
    }
    healthy.call("POST", "/pods", body)
    code, checks = doctor(healthy)
    assert code == 0 and checks["pods"]["status"] == "warning", checks
    assert f"--adopt {healthy.live_pod()['id']}" in checks["pods"]["mend"]


@pytest.mark.sandbox
@pytest.mark.row(7, 235)
def test_a_refused_key_and_no_credit(healthy: CommandLine) -> None:
    healthy.play(balance_usd=0.0)
    code, checks = doctor(healthy)
    assert code == 4 and "no credit" in checks["account"]["message"]
    healthy.variables["RUNPOD_API_KEY"] = "rpa_wrong_0123456789"
    code, checks = doctor(healthy)
    assert code == 4 and "refused" in checks["account"]["message"] and "config set api-key" in checks["account"]["mend"]


def test_without_a_key_and_without_anything(tmp_path: Path) -> None:
    """It makes nothing: no state home, no settings."""
    person = bare(tmp_path)
    code, checks = doctor(person)
    assert code == 4 and problems(checks) == ["api key"] and checks["api key"]["mend"] == "rpd config init"
    assert "does not exist yet" in checks["state home"]["message"]
    assert not person.home.exists() and not (person.user / ".config").exists()


@pytest.mark.slow
def test_with_the_network_cut(tmp_path: Path) -> None:
    person = bare(tmp_path)
    person.variables = {"RPD_API_URL": "http://127.0.0.1:9/v2", "RUNPOD_API_KEY": "rpa_0123456789"}
    code, checks = doctor(person)
    assert code == 1 and checks["account"]["status"] == "warning" and problems(checks) == []
    assert "refuses the connection" in checks["account"]["message"]


class Cloud(http.server.BaseHTTPRequestHandler):
    """An API whose clock is an hour behind; or one that takes every request and answers none."""

    may_answer = threading.Event()

    def do_GET(self) -> None:
        self.may_answer.wait()
        body = json.dumps({"pods": [], "keys": []}).encode()
        self.send_response_only(200)
        self.send_header("Date", formatdate(time.time() - 3600, usegmt=True))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def cloud() -> Iterator[tuple[str, type[Cloud]]]:
    handler = type("Mine", (Cloud,), {"may_answer": threading.Event()})
    handler.may_answer.set()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v2", handler
    finally:
        handler.may_answer.set()
        server.shutdown()
        server.server_close()


def test_clocks_apart(tmp_path: Path, cloud: tuple[str, type[Cloud]]) -> None:
    person = bare(tmp_path)
    person.variables = {"RPD_API_URL": cloud[0], "RUNPOD_API_KEY": "rpa_0123456789"}
    code, checks = doctor(person)
    assert code == 1 and problems(checks) == ["clock"]
    assert "ahead of" in checks["clock"]["message"] and "1 h 00 m" in checks["clock"]["message"]


@pytest.mark.slow
def test_a_cloud_that_takes_everything_and_answers_nothing(tmp_path: Path, cloud: tuple[str, type[Cloud]]) -> None:
    cloud[1].may_answer.clear()
    person = bare(tmp_path)
    person.variables = {"RPD_API_URL": cloud[0], "RUNPOD_API_KEY": "rpa_0123456789"}
    began = time.monotonic()
    code, checks = doctor(person)
    assert time.monotonic() - began < 50, "every check has a deadline"
    assert code == 1, "what could not be asked may bill"
    assert checks["account"]["status"] == "warning" and checks["settings"]["status"] == "note"


@pytest.mark.slow
def test_on_a_full_disk(tmp_path: Path) -> None:
    person = bare(tmp_path)
    person.home.mkdir(mode=0o700)
    person.variables = {"RUNPOD_API_KEY": "rpa_0123456789", "RPD_API_URL": "http://127.0.0.1:9/v2"}
    done = person.rpd_on_a_full_disk("doctor", "--json")
    wrong = [each for each in json.loads(done.stdout)["checks"] if each["status"] == "problem"]
    assert done.returncode == 9 and [each["name"] for each in wrong] == ["state home"], done.stderr
    assert "nothing can be written" in wrong[0]["message"] and "df -h" in wrong[0]["mend"]
    assert not [each for each in person.home.iterdir() if each.name.startswith(".doctor")]


def test_a_folder_that_others_may_write_to(tmp_path: Path) -> None:
    person = bare(tmp_path)
    person.home.mkdir()
    person.home.chmod(0o777)
    code, checks = doctor(person)
    assert code == 4 and "others may write" in checks["state home"]["message"]
    assert checks["state home"]["mend"] == f"chmod 700 {person.home}"
    _code, checks = doctor(person, "--fix", "--yes")
    assert checks["state home"]["is_fixed"] and stat.S_IMODE(person.home.stat().st_mode) == 0o700


def test_what_is_safe_is_mended_on_a_word(tmp_path: Path) -> None:
    """Modes, and drafts of processes that are dead for sure. A young draft and one of a living process stay."""
    person = bare(tmp_path)
    person.home.mkdir(mode=0o700)
    settings = person.user / ".config" / "rpd" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('region = "Europe"\n')
    settings.chmod(0o644)
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = {
        "dead": f".x.json.{dead.pid}.0123abcd.tmp",
        "alive": f".x.json.{os.getpid()}.0123abcd.tmp",
        "young": f".y.json.{dead.pid}.0123abcd.tmp",
        "journal": "notes.tmp",
    }
    for name in names.values():
        (person.home / name).write_text("half")
    for name in ("dead", "alive", "journal"):
        os.utime(person.home / names[name], (time.time() - 3600, time.time() - 3600))
    assert person.rpd("doctor", "--fix").returncode == 2, "off a terminal nobody can agree"
    doctor(person)
    assert stat.S_IMODE(settings.stat().st_mode) == 0o644, "it changes nothing without --fix"
    _code, checks = doctor(person, "--fix", "--yes")
    assert checks["leftovers"]["is_fixed"] and checks["settings"]["is_fixed"]
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600 and settings.read_text() == 'region = "Europe"\n'
    left = {path.name for path in person.home.iterdir()}
    assert {names["alive"], names["young"], names["journal"]} <= left and names["dead"] not in left


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs OpenSSH")
@pytest.mark.row(5, 206)
def test_an_exposed_ssh_key_is_mended_on_a_word_at_the_terminal(tmp_path: Path) -> None:
    person = bare(tmp_path)
    person.variables = {"RUNPOD_API_KEY": "rpa_0123456789", "RPD_API_URL": "http://127.0.0.1:9/v2"}
    key = person.folder / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    assert person.rpd("config", "set", "ssh-key-path", str(key)).returncode == 0
    key.chmod(0o644)
    code, checks = doctor(person)
    assert code == 1 and checks["ssh key"]["mend"] == f"chmod 600 {key}"
    screen = person.start_on_terminal("doctor", "--fix")
    eventually(lambda: "readable by you alone? [y/N]" in screen.text, tell=lambda: screen.text)
    screen.type("y\r")
    assert screen.end() == 1, "its account cannot be asked"
    assert "0 problems" in screen.text and stat.S_IMODE(key.stat().st_mode) == 0o600, screen.text


@pytest.mark.sandbox
@pytest.mark.keeps_keys
def test_the_archive_holds_what_helps_and_no_secret(healthy: CommandLine) -> None:
    """Secrets are planted in every place that goes into it, in several forms."""
    done = healthy.run(config("echo fine"))
    assert done.returncode == 0
    file_key, ring = "rpa_OfTheFile0123456789abcdefghijk", "rpa_OfRunpodsOwnTools0123456789abc"
    (healthy.user / ".runpod").mkdir()
    (healthy.user / ".runpod" / "config.toml").write_text(f'apikey = "{ring}"\n')
    (healthy.folder / "key").write_text(file_key)
    assert healthy.rpd("config", "set", "api-key", "--file", "key", "--unchecked").returncode == 0
    private = (healthy.home / "ssh" / "id_ed25519").read_text()
    elsewhere = "hf_" + "A1b2C3d4" * 5
    planted = [*SECRETS.values(), file_key, ring, healthy.api_key(), elsewhere, private.splitlines()[2]]
    planted.remove(SECRETS["JOB_WORD"])
    text = "\n".join(f"{each} {base64.b64encode(each.encode()).decode()} {json.dumps(each)}" for each in planted)
    text += f"\n{private}\n{json.dumps({'key': private})}\nAuthorization: Bearer abcdef0123456789\n"
    text += "https://me:hunter2hunter2@proxy.example/\n"
    (healthy.home / "log").mkdir(exist_ok=True)
    (healthy.home / "log" / "rpd.log").write_text(text)
    (healthy.home / f"emergency-{healthy.run_id}.jsonl").write_text(text)
    with healthy.journal.open("a") as journal:  # a torn tail, as a crash leaves it
        journal.write(text.replace("\n", " "))
    (healthy.sandbox_home / "daemon.log").write_text(text)
    healthy.variables |= {**SECRETS, "https_proxy": "http://me:hunter2hunter2@127.0.0.1:9"}
    bundle = healthy.folder / "report.tar.gz"
    done = healthy.rpd("doctor", "--bundle", str(bundle))
    assert bundle.exists() and stat.S_IMODE(bundle.stat().st_mode) == 0o600, done.stderr
    with tarfile.open(fileobj=io.BytesIO(bundle.read_bytes())) as archive:
        names = set(archive.getnames())
        content = {name: (archive.extractfile(name) or io.BytesIO()).read() for name in names}
    run = f"rpd-report/journals/{healthy.journal.parent.name}/{healthy.journal.name}"
    assert {run, "rpd-report/doctor.json", "rpd-report/versions.json", "rpd-report/log/rpd.log"} <= names
    assert b"job_succeeded" in content[run] or b"succeeded" in content[run], "what helps is there"
    whole = b"\n".join([*content.values(), done.stdout.encode(), done.stderr.encode()])
    assert elsewhere.encode() not in whole, "a key of a well-known kind that this machine does not hold"
    planted.remove(elsewhere)
    hidden = [*planted, "hunter2hunter2", "abcdef0123456789", private.splitlines()[3]]
    for each in hidden:
        for form in (each, base64.b64encode(each.encode()).decode().rstrip("="), each.encode().hex()):
            assert form.encode() not in whole, each[:12]
    again = healthy.rpd("doctor", "--bundle", str(bundle))
    assert again.returncode == 2 and "exists" in again.stderr, "it replaces no file"
