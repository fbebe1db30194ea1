"""`rpd config` as a newcomer types it: on a terminal against the sandbox, off a terminal, with an agent, a keyring, and
the files of other tools. The API key is on no screen, in no argument and in no file but its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.harness import CommandLine, Terminal, bare, config, eventually

KEYRING = """
import json, pathlib
from keyring.backend import KeyringBackend
FILE = pathlib.Path(__file__).with_name("ring.json")
class Ring(KeyringBackend):
    priority = 1
    def _all(self): return json.loads(FILE.read_text()) if FILE.exists() else {}
    def get_password(self, service, name): return self._all().get(service + name)
    def set_password(self, service, name, word): FILE.write_text(json.dumps({**self._all(), service + name: word}))
    def delete_password(self, service, name): FILE.write_text(json.dumps({}))
"""
needs_openssh = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="needs OpenSSH")


@pytest.fixture
def newcomer(cli: CommandLine) -> CommandLine:
    """A person whose cloud is this sandbox, and who has no key of it yet."""
    cli.variables = {"RPD_API_URL": cli.sandbox_url(), "LANG": "en_US.UTF-8", "LC_ALL": ""}
    return cli


def settings_of(cli: CommandLine) -> Path:
    return cli.user / ".config" / "rpd" / "config.toml"


def key_file(cli: CommandLine) -> Path:
    file = cli.folder / "api_key"
    file.touch(mode=0o600)
    file.write_text(f"{cli.api_key()}\n")
    return file


def shown(cli: CommandLine) -> dict[str, dict[str, object]]:
    done = cli.rpd("config", "show", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)["settings"])


def answer(screen: Terminal, question: str, keys: str, *, times: int = 1) -> None:
    """Wait for a question to be on the screen, and type."""
    eventually(lambda: plain(screen.text).count(question) >= times, 60, lambda: f"{question}\n{plain(screen.text)}")
    screen.type(keys)


def plain(text: str) -> str:
    """The words on a screen."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def no_trace_of_the_key(cli: CommandLine, *screens: str) -> None:
    """Neither on these screens nor in any file of the user's, but for the settings and the sandbox's own."""
    key = cli.api_key()
    assert not [text for text in screens if key in text]
    own = (cli.sandbox_home, settings_of(cli), cli.folder / "api_key", cli.folder / "ring.json")
    for path in cli.folder.parent.rglob("*"):
        if path.is_file() and not any(path == each or each in path.parents for each in own):
            assert key.encode() not in path.read_bytes(), path


@pytest.mark.sandbox
@pytest.mark.row(1, 2, 3, 4, 201, 202, 203, 204, 205)
def test_the_wizard_on_a_terminal_and_the_first_command_after_it(newcomer: CommandLine) -> None:
    screen = newcomer.start_on_terminal("gpus")
    answer(screen, "No API key is set up yet. Do it now? [Y/n]", "\r")
    answer(screen, "API key (it is not shown):", "not-the-key-0123456789\r")
    answer(screen, "API key (it is not shown):", f"{newcomer.api_key()}\r", times=2)
    assert "Try again" in screen.text and not settings_of(newcomer).exists(), "a refused key is not saved"
    answer(screen, "SSH key that opens the pods:", "\r")
    answer(screen, "Region of the pods:", "\r")
    answer(screen, "Cloud:", "comm\r")
    answer(screen, "What rpd connect starts:", "\r")
    answer(screen, "Image for it", "\r")
    answer(screen, "Favourite GPUs, shown first:", "A40")
    answer(screen, "/ A40", " \r")
    answer(screen, "after how many hours", "2\r")
    answer(screen, "Log level:", "\r")
    assert screen.end() == 0, screen.text
    assert "NVIDIA L4" in screen.text, "the command that wanted the key goes on"
    file = settings_of(newcomer)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    found = {name: each["value"] for name, each in shown(newcomer).items()}
    assert found == {
        "api_key": "***",
        "ssh_key_path": None,
        "region": "North America",
        "cloud": "COMMUNITY",
        "preset": "comfyui",
        "image": None,
        "gpus": found["gpus"],
        "hours": 2.0,
        "log_level": "info",
    }
    assert len(found["gpus"]) == 1 and "A40" in found["gpus"][0], "the first that the filter left"
    no_trace_of_the_key(newcomer, screen.text)


@pytest.mark.sandbox
@pytest.mark.parametrize("how", ["ctrl-c", "end of input", "kill"])
def test_a_wizard_that_is_left_saves_nothing(newcomer: CommandLine, how: str) -> None:
    screen = newcomer.start_on_terminal("config", "init")
    answer(screen, "API key (it is not shown):", f"{newcomer.api_key()}\r")
    answer(screen, "SSH key that opens the pods:", "\r")
    answer(screen, "Region of the pods:", "\r")
    answer(screen, "Cloud:", "\r")
    answer(screen, "What rpd connect starts:", "\r")
    if how == "kill":
        eventually(lambda: "Image for it" in screen.text)
        screen.signal(signal.SIGKILL)
        assert screen.end() == -signal.SIGKILL
    else:
        answer(screen, "Image for it", "\x03" if how == "ctrl-c" else "\x04")
        assert screen.end() == 130 and "nothing was saved" in screen.text
    assert not settings_of(newcomer).exists()
    no_trace_of_the_key(newcomer, screen.text)


@pytest.mark.sandbox
@pytest.mark.row(1, 5, 203, 206)
def test_every_answer_is_an_option(newcomer: CommandLine) -> None:
    done = newcomer.rpd("config", "init", "--cloud", "secure")
    assert done.returncode == 2 and "--api-key-file" in done.stderr and "--api-key-stdin" in done.stderr
    words = ["--api-key-file", str(key_file(newcomer)), "--ssh-key", "own", "--region", "Europe", "--cloud", "secure"]
    words += ["--preset", "jupyter", "--image", "a/b:c", "--gpu", "NVIDIA L4", "--gpu", "NVIDIA A40", "--hours", "3"]
    done = newcomer.rpd("config", "init", *words, "--log-level", "debug")
    assert done.returncode == 0 and "the key works" in done.stderr, done.stderr
    assert "ssh-ed25519 AAAA" in done.stderr, "how to register the key with the account"
    found = {name: each["value"] for name, each in shown(newcomer).items()}
    assert found["gpus"] == ["NVIDIA L4", "NVIDIA A40"] and found["hours"] == 3.0 and found["log_level"] == "debug"
    assert (newcomer.home / "ssh" / "id_ed25519").exists()
    no_trace_of_the_key(newcomer, done.stderr, done.stdout)


@pytest.mark.sandbox
@pytest.mark.row(6, 206)
def test_a_registered_ssh_key_is_recognised(newcomer: CommandLine) -> None:
    words = ("config", "init", "--api-key-file", str(key_file(newcomer)), "--ssh-key", "own")
    assert newcomer.rpd(*words).returncode == 0
    public = (newcomer.home / "ssh" / "id_ed25519.pub").read_text().strip()
    newcomer.call("PUT", "/account/ssh-keys", {"keys": [public]})
    assert "registered with the account" in newcomer.rpd(*words).stderr


@pytest.mark.sandbox
@pytest.mark.row(3, 204)
def test_a_key_is_tried_before_it_is_saved(newcomer: CommandLine) -> None:
    file = newcomer.folder / "wrong"
    file.write_text("rpa_wrong_0123456789\n")
    done = newcomer.rpd("config", "set", "api-key", "--file", str(file))
    assert done.returncode == 4 and not settings_of(newcomer).exists(), done.stderr
    assert "rpa_wrong" not in done.stderr
    newcomer.variables["RPD_API_URL"] = "http://127.0.0.1:9/v2"
    done = newcomer.rpd("config", "set", "api-key", "--file", str(key_file(newcomer)))
    assert done.returncode == 6 and "was not saved" in done.stderr and not settings_of(newcomer).exists()
    done = newcomer.rpd("config", "set", "api-key", "--file", str(file), "--unchecked")
    assert done.returncode == 0 and settings_of(newcomer).exists()


def test_a_key_in_the_arguments_is_refused(tmp_path: Path) -> None:
    person = bare(tmp_path)
    done = person.rpd("config", "set", "api-key", "rpa_0123456789")
    assert done.returncode == 2 and "rpd config set api-key" in done.stderr and "rpa_0" not in done.stderr
    assert not settings_of(person).exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "colour", "red"), "there is no setting 'colour'"),
        (("set", "hours", "soon"), "is no number of hours"),
        (("set", "cloud", "moon"), "none of secure, community"),
        (("set", "region"), "needs a value"),
        (("set", "region", "a", "b"), "takes one value"),
        (("set", "ssh-key-path", "/nonexistent"), "there is no SSH key"),
        (("set", "api-key-from", "runpodctl"), "holds no key"),
        (("init", "--import", "autopod", "--no-input"), "there is nothing to import"),
        (("init", "--api-key-file", "/nonexistent"), "cannot read the API key"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    person = bare(tmp_path)
    done = person.rpd("config", *words)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not settings_of(person).exists()


@pytest.mark.row(4, 205)
def test_one_setting_and_its_origin(tmp_path: Path) -> None:
    person = bare(tmp_path)
    assert person.rpd("config", "set", "gpus", "NVIDIA L4", "NVIDIA A40").returncode == 0
    person.variables = {"RPD_REGION": "Asia"}
    done = person.rpd("config", "set", "region", "Europe")
    assert done.returncode == 0 and "RPD_REGION is set in the environment, and wins" in done.stderr
    found = shown(person)
    assert found["region"] == {"value": "Asia", "origin": "the environment variable RPD_REGION"}
    assert found["gpus"] == {"value": ["NVIDIA L4", "NVIDIA A40"], "origin": str(settings_of(person))}
    assert person.rpd("config", "unset", "gpus").returncode == 0
    assert shown(person)["gpus"] == {"value": [], "origin": "the default"}
    assert "is not set" in person.rpd("config", "unset", "gpus").stderr
    assert "ORIGIN" in person.rpd("config", "show", "--origin").stdout


def test_without_a_key_and_a_terminal_the_command_is_named(tmp_path: Path) -> None:
    done = bare(tmp_path).rpd("gpus")
    assert done.returncode == 4 and "rpd config init" in done.stderr and "[Y/n]" not in done.stderr


@pytest.mark.sandbox
def test_the_keyring_keeps_the_key_and_the_file_does_not(newcomer: CommandLine) -> None:
    pytest.importorskip("keyring")
    (newcomer.folder / "filering.py").write_text(KEYRING)
    newcomer.variables |= {"PYTHONPATH": str(newcomer.folder), "PYTHON_KEYRING_BACKEND": "filering.Ring"}
    done = newcomer.rpd("config", "set", "api-key", "--file", str(key_file(newcomer)), "--keyring")
    assert done.returncode == 0, done.stderr
    assert newcomer.api_key() not in settings_of(newcomer).read_text()
    assert shown(newcomer)["api_key"] == {"value": "***", "origin": "the system's keyring"}
    assert newcomer.rpd("gpus").returncode == 0
    no_trace_of_the_key(newcomer)
    assert newcomer.rpd("config", "unset", "api-key").returncode == 0
    assert (
        newcomer.rpd("gpus").returncode == 4 and newcomer.api_key() not in (newcomer.folder / "ring.json").read_text()
    )


def test_without_a_keyring_the_way_out_is_named(tmp_path: Path) -> None:
    pytest.importorskip("keyring")
    person = bare(tmp_path)
    person.variables = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    (person.folder / "key").write_text("rpa_0123456789\n")
    done = person.rpd("config", "set", "api-key", "--file", "key", "--keyring", "--unchecked")
    assert done.returncode == 4 and "keyring does not work here" in done.stderr, done.stderr
    assert not settings_of(person).exists()


@pytest.mark.keeps_keys
def test_a_keyring_that_stopped_working_lets_a_person_go(tmp_path: Path) -> None:
    pytest.importorskip("keyring")
    person = bare(tmp_path)
    person.variables = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    settings_of(person).parent.mkdir(parents=True, mode=0o700)
    settings_of(person).write_text('api_key_from = "keyring"\n')
    (person.folder / "key").write_text("rpa_0123456789\n")
    done = person.rpd("config", "set", "api-key", "--file", "key", "--unchecked")
    assert done.returncode == 0 and "a key may still be in it" in done.stderr, done.stderr
    assert settings_of(person).read_text() == 'api_key = "rpa_0123456789"\n'


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.keeps_keys
def test_settings_of_other_tools_are_taken_over_on_a_word(newcomer: CommandLine) -> None:
    told = {
        "runpod": {"api_key": newcomer.api_key(), "default_region": "EU"},
        "filters": {"favorite_gpus": ["RTX A40"]},
    }
    (newcomer.user / ".autopod").mkdir()
    (newcomer.user / ".autopod" / "config.json").write_text(json.dumps(told))
    done = newcomer.rpd("config", "init")
    assert done.returncode == 2, "without a word nothing is taken over"
    done = newcomer.rpd("config", "init", "--import", "autopod")
    assert done.returncode == 0, done.stderr
    found = shown(newcomer)
    assert (found["region"]["value"], found["gpus"]["value"]) == ("Europe", ["RTX A40"])
    assert newcomer.rpd("gpus").returncode == 0


@pytest.mark.sandbox
def test_a_stale_key_of_another_tool_is_not_the_end(newcomer: CommandLine) -> None:
    """It is refused, nothing is saved of it, and the person may type another one."""
    (newcomer.user / ".runpod").mkdir()
    (newcomer.user / ".runpod" / "config.toml").write_text("apikey = 'stale-0123456789'\n")
    assert newcomer.rpd("config", "init", "--import", "runpod").returncode == 4
    screen = newcomer.start_on_terminal("config", "init", "--ssh-key", "own", "--region", "Europe", "--cloud", "secure")
    answer(screen, "Take it over? [Y/n]", "\r")
    answer(screen, "API key (it is not shown):", f"{newcomer.api_key()}\r")
    for question in (
        "What rpd connect starts:",
        "Image for it",
        "Favourite GPUs",
        "after how many hours",
        "Log level:",
    ):
        answer(screen, question, "\r")
    assert screen.end() == 0 and newcomer.rpd("gpus").returncode == 0, screen.text
    assert "stale-0123" not in settings_of(newcomer).read_text() + screen.text


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """An agent with one key that is in no file."""
    started = subprocess.run(["ssh-agent", "-s", "-a", str(tmp_path / "a")], capture_output=True, text=True, check=True)
    pid = int(started.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    try:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "on-a-stick", "-f", tmp_path / "k"], check=True
        )
        environ = {**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "a")}
        subprocess.run(["ssh-add", "-q", tmp_path / "k"], check=True, capture_output=True, env=environ)
        (tmp_path / "k").unlink()
        yield tmp_path / "a"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


@pytest.mark.sandbox
@needs_openssh
@pytest.mark.slow
@pytest.mark.row(5, 206, 218)
def test_a_key_that_only_the_agent_holds_runs_a_job(newcomer: CommandLine, agent: Path) -> None:
    """And a job file that names a key wins over the settings; a variable wins over both."""
    newcomer.variables["SSH_AUTH_SOCK"] = str(agent)
    screen = newcomer.start_on_terminal("config", "init", "--api-key-file", str(key_file(newcomer)))
    answer(screen, "on-a-stick", "\r")
    for question in ("Region of the pods:", "Cloud:", "What rpd connect starts:", "Image for it", "Favourite GPUs"):
        answer(screen, question, "\r")
    answer(screen, "after how many hours", "\r")
    answer(screen, "Log level:", "\r")
    assert screen.end() == 0, screen.text
    stand_in = str(shown(newcomer)["ssh_key_path"]["value"])
    assert "on-a-stick" not in stand_in and stand_in.endswith(".pub")
    assert newcomer.run(config()).returncode == 0
    newcomer.judge("TERMINATED", starts=1)
    opened = newcomer.records()[0].body
    assert opened.config["ssh"]["key_path"] == stand_in  # type: ignore[union-attr]
    newcomer.job(config(ssh={"key_path": "/nonexistent/of-the-file"}))
    assert "of-the-file" in newcomer.rpd("run", "job.yaml", "--sandbox").stderr
    newcomer.variables["RPD_SSH_KEY_PATH"] = "/nonexistent/of-the-variable"
    assert "of-the-variable" in newcomer.rpd("run", "job.yaml", "--sandbox").stderr


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_the_wizard_without_colour_and_on_a_dumb_terminal(newcomer: CommandLine, variables: dict[str, str]) -> None:
    newcomer.variables |= variables
    screen = newcomer.start_on_terminal("config", "init", "--api-key-file", str(key_file(newcomer)), "--ssh-key", "own")
    for question in ("Region of the pods:", "Cloud:", "What rpd connect starts:", "Image for it", "Favourite GPUs"):
        answer(screen, question, "\r")
    answer(screen, "after how many hours", "\r")
    answer(screen, "Log level:", "\r")
    assert screen.end() == 0, screen.text
    if variables.get("TERM") == "dumb":
        assert "\x1b" not in screen.text and "Number: [" in screen.text
    assert not re.search(r"\x1b\[[0-9;]*[34][0-7]m", screen.text), "no colour"
    assert shown(newcomer)["region"]["value"] == "North America"
