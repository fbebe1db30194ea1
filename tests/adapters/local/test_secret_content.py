"""What is kept out of everything written, of a file of secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpd.adapters.local.secret_content import values_in
from rpd.journal.redact import Redactor
from rpd.states.ports.job import ENV_SECRET

CONTENTS = {
    "variables": "# mine\nexport DBPW='it is a'\\''secret' # the database's\nOTHER_KEY=plainsecret1\n",
    "netrc": "machine example.com login me password plainsecret1\n",
    "json": '{"auths": {"docker.io": {"auth": "plainsecret1"}}, "tokens": [1, "it is a\'secret"]}',
    "ini": "[default]\naws_secret_access_key = plainsecret1\nregion = eu-west-1\n",
    "yaml": "token: 'plainsecret1'\n",
}


@pytest.mark.parametrize("kind", CONTENTS, ids=str)
def test_the_values_within_a_file_are_hidden_by_themselves(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file"
    file.write_text(CONTENTS[kind])
    config = {"secrets": [{"name": "f", "destination": "/workspace/.f", "file": str(file)}]}
    redactor = Redactor(*values_in(config))
    for value in ("plainsecret1", "it is a'secret"):
        assert redactor.is_in(f"login with {value} failed") == (value in CONTENTS[kind].replace("'\\''", "'")), value


def test_what_a_shell_takes_for_no_comment_is_hidden_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("A_KEY=s3cr#tpassword1\npassword: correct horse battery 9\n")
    redactor = Redactor(*values_in({"secrets": [{"name": "f", "destination": "/workspace/.f", "file": str(file)}]}))
    assert redactor.mask("login with s3cr#tpassword1: no") == "login with ***: no"
    assert redactor.mask("login with correct horse battery 9: no") == "login with ***: no"


def test_what_the_job_file_says_too_and_paths_are_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "file"
    words = ("KEY_FOLDER=/workspace/models", "KEY_PLACE=EUR-IS-1", "export EMPTY_KEY=", "AUTH_MODE=validate")
    file.write_text("\n".join((*words, "DB_HOST=127.0.0.1", "AUTH_URL=http://127.0.0.1:8000/v2", "")))
    secrets = [{"name": "f", "destination": "/workspace/.f", "file": str(file)}]
    redactor = Redactor(*values_in({"secrets": secrets, "pod": {"datacenters": ["EUR-IS-1"]}}))
    ordinary = "EUR-IS-1 /workspace/models validate 127.0.0.1 http://127.0.0.1:8000/v2"
    assert redactor.mask(ordinary) == ordinary


BY_NAME = {
    "secrets": [{"name": ENV_SECRET, "destination": "/workspace/.e", "env": ["VALUE"]}],
    "name": "axolotl-7b",
    "run": {"body": 'echo "Big \\ Run 7"'},
}


def named(name: str, value: str, kind: str = ENV_SECRET) -> Redactor:
    secrets = [{"name": kind, "destination": "/workspace/.e", "env": [name]}]
    return Redactor(*values_in({**BY_NAME, "secrets": secrets}, {name: value}))


@pytest.mark.parametrize(
    "value",
    ["axolotl-7b", " axolotl-7b ", '"Big \\ Run 7"', "monitoring", "/workspace/out", "online\naxolotl-7b\n", "v1.2.3"],
)
@pytest.mark.parametrize("name", ["WANDB_PROJECT", "TOKENIZER", "AUTHOR"])
def test_what_env_names_and_is_no_secret_is_not_hidden(name: str, value: str) -> None:
    assert named(name, value).mask(f"it says {value} here") == f"it says {value} here"


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "WANDB_API_KEY", "PGPASSWORD", "DBPW", "MYSQL_PWD", "aws_secret", "OAUTH2", "SITE_CREDENTIALS"]
)
@pytest.mark.parametrize("value", ["axolotl-7b", "monitoring", "/workspace/out", "axolot"])
def test_what_env_names_like_a_secret_is_hidden_whatever_it_holds(name: str, value: str) -> None:
    assert named(name, value).mask(f"it says {value}.") == "it says ***."


@pytest.mark.parametrize("value", ["https://example.com/hook/Tq7", "S3cr3t-horse", "postgres://me:pw@db/x"])
def test_what_may_be_a_secret_is_hidden_whatever_its_name(value: str) -> None:
    assert named("PLACE", value).mask(f"it says {value}.") == "it says ***."
    assert named("PLACE", "monitoring", "mine").mask("it says monitoring.") == "it says ***.", "called a secret"


def test_what_record_0_says_elsewhere_is_no_secret() -> None:
    config = {**BY_NAME, "secrets": [{"name": ENV_SECRET, "destination": "/workspace/.e", "env": ["HOSTNAME"]}]}
    environ = {"HOSTNAME": "gpu-box-0001"}
    assert Redactor(*values_in(config, environ)).is_in("gpu-box-0001")
    assert not Redactor(*values_in(config, environ, said={"host": "gpu-box-0001"})).is_in("gpu-box-0001")


def test_a_file_of_many_lines_is_no_hour_of_work(tmp_path: Path) -> None:
    file = tmp_path / "file"
    lines = [" " * 5000, *(f"KEY_{number}=value-of-{number}" for number in range(60))]
    file.write_text("\n".join(lines))
    secrets = [{"name": "f", "destination": "/workspace/.f", "file": str(file)}]
    assert Redactor(*values_in({"secrets": secrets})).is_in("value-of-59")
