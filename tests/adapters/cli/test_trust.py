"""A journal from elsewhere can be looked at, nothing acts on it, and what it holds reaches the terminal as text."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rpd.journal.records import Left, Note, Requested, Transition
from tests.adapters.cli.conftest import JOB

if TYPE_CHECKING:
    from tests.adapters.cli.conftest import Typist

ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b31mbad\u202e\n[ 1.0 s] released: forged\r\b"
STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("words", [["resume"], ["cancel"], ["release"], ["release", "--delete"], ["logs", "-f"]])
def test_nothing_acts_on_a_journal_from_elsewhere(rpd: Typist, tmp_path: Path, words: list[str]) -> None:
    rpd.write("job.yaml")
    elsewhere = tmp_path / "elsewhere"
    with rpd.journal(run_dir=str(elsewhere), cloud={"name": "custom", "url": "https://evil.invalid/v2"}) as journal:
        journal.append(Transition("job_started", "launch", "monitor"))
    mail = tmp_path / "mail"
    mail.mkdir()
    sent = Path(shutil.move(journal.path, mail / "events.jsonl"))
    shutil.rmtree(rpd.home)
    assert journal.run_id in rpd("inspect", str(sent)).stdout
    said = rpd.refused(words[0], str(sent), *words[1:], code=9)
    assert "not a journal of this state home" in said
    assert str(rpd.home / "journals") in said
    assert not elsewhere.exists()
    assert files(mail) == {"events.jsonl"}


def test_a_run_folder_leads_to_a_journal_whose_home_has_moved(rpd: Typist, tmp_path: Path) -> None:
    """Its lock lies beside it: driven under its second name, two engines would hold two locks."""
    rpd.write("job.yaml")
    with rpd.journal() as journal:
        pass
    folder = rpd.folder / "run"
    folder.mkdir()
    os.link(journal.path, folder / "events.jsonl")
    moved = rpd.home.rename(tmp_path / "moved")
    done = rpd("cancel", str(folder), RPD_HOME=str(moved), RUNPOD_API_KEY=None)
    assert "there is no API key" in done.stderr  # it got as far as the cloud
    assert files(folder) == {"events.jsonl"}


def test_hostile_text_stays_text(rpd: Typist) -> None:
    rpd.write("job.yaml")
    with rpd.journal(
        run_dir=f"/tmp/{ESCAPES}", cloud={"name": ESCAPES, "url": f"http://127.0.0.1:9/{ESCAPES}"}
    ) as journal:
        journal.append(Requested(ESCAPES, ESCAPES))
        journal.append(Note(ESCAPES, ESCAPES))
        journal.append(Left(ESCAPES, 75))
        journal.append(Transition("spec_refused", "validate", "report", why=ESCAPES))
    assert rpd("inspect").returncode == 0
    for words in (["inspect"], ["inspect", "--graph"], ["inspect", "--json"], ["gc"], ["resume"], ["cancel"], ["logs"]):
        done = rpd(*words)
        assert not STEERS.search(done.stdout + done.stderr), (words, done.stdout, done.stderr)
        assert "\n[ 1.0 s] released" not in done.stdout
        assert "Traceback" not in done.stderr


def test_debug_shows_the_trace_and_keeps_the_exit_code(rpd: Typist) -> None:
    rpd.write("odd.yaml", 'name: "\x1b[31mx"\n'.replace("\x1b", "\\e"))
    done = rpd("--debug", "run", "odd.yaml")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "error: " in done.stderr
    assert not STEERS.search(done.stderr)


def test_a_secret_in_disguise_is_refused(rpd: Typist) -> None:
    """The journal would hold `***` for good, and the job would get that."""
    rpd.write("job.yaml", JOB + "lifecycle: {on_success: stop}\n")
    token = base64.b64encode(b"canary-canary").decode()
    said = rpd.refused("run", "job.yaml", "--var", f"word={token}", HF_TOKEN="canary-canary")
    assert "in disguise" in said
    assert rpd.is_untouched()


NAMED = JOB.replace("name: job", "name: axolotl-qlora") + "lifecycle: {on_success: stop}\n"


def test_env_may_name_what_the_job_file_says_too(rpd: Typist) -> None:
    rpd.write("job.yaml", NAMED + "env: [WANDB_PROJECT, USER_LIKE]\n")
    said = {"WANDB_PROJECT": "axolotl-qlora", "USER_LIKE": str(rpd.folder), "RUNPOD_API_KEY": None}
    assert rpd("validate", "job.yaml", **said).returncode == 0
    assert "no API key" in rpd.refused("run", "job.yaml", code=4, **said), "it got as far as the key"


@pytest.mark.parametrize(
    ("lines", "name", "value", "told"),
    [
        ("env: [SITE_PW]\n", "SITE_PW", "axolotl", "the value of $SITE_PW stands in name, run_id_prefix"),
        ("remote_env: {exports: {A: YXhvbG90bC0wMDE=}}\n", "HF_TOKEN", "axolotl-001", "$HF_TOKEN in disguise"),
    ],
)
def test_a_refusal_names_the_variable_and_validate_says_the_same(
    rpd: Typist, lines: str, name: str, value: str, told: str
) -> None:
    rpd.write("job.yaml", NAMED + lines)
    said = rpd.refused("run", "job.yaml", **{name: value})
    assert told in said
    looked = rpd("validate", "job.yaml", **{name: value})
    assert (looked.returncode, told in looked.stderr) == (2, True), looked.stderr
    assert rpd.is_untouched()


def test_a_variable_of_the_environment(rpd: Typist) -> None:
    rpd.write("job.yaml", JOB.replace("word", "HF_TOKEN"))
    done = rpd("validate", "job.yaml", "--var", "HF_TOKEN", "--json", HF_TOKEN="canary-canary")
    assert json.loads(done.stdout)["job"]["run"]["body"] == "echo ***HF_TOKEN***"
    assert "canary" not in done.stdout + done.stderr
    assert "nor the name of a variable" in rpd.refused("run", "job.yaml", "--var", "HF_TOKEN", HF_TOKEN=None)
