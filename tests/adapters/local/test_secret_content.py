"""What is kept out of everything written, of a file of secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpd.adapters.local.secret_content import values_in
from rpd.journal.redact import Redactor

CONTENTS = {
    "variables": "# mine\nexport DBPW='it is a'\\''secret' # the database's\nOTHER=plainsecret\n",
    "netrc": "machine example.com login me password plainsecret\n",
    "json": '{"auths": {"docker.io": {"auth": "plainsecret"}}, "n": [1, "it is a\'secret"]}',
    "ini": "[default]\naws_secret_access_key = plainsecret\nregion = eu-west-1\n",
    "yaml": "token: 'plainsecret'\n",
}


@pytest.mark.parametrize("kind", CONTENTS, ids=str)
def test_the_values_within_a_file_are_hidden_by_themselves(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file"
    file.write_text(CONTENTS[kind])
    config = {"secrets": [{"name": "f", "destination": "/workspace/.f", "file": str(file)}]}
    redactor = Redactor(*values_in(config))
    for value in ("plainsecret", "it is a'secret"):
        assert redactor.is_in(f"login with {value} failed") == (value in CONTENTS[kind].replace("'\\''", "'")), value


def test_what_the_job_file_says_too_and_paths_are_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("HF_HOME=/workspace/models\nPLACE=EUR-IS-1\nexport EMPTY=\n")
    secrets = [{"name": "f", "destination": "/workspace/.f", "file": str(file)}]
    redactor = Redactor(*values_in({"secrets": secrets, "pod": {"datacenters": ["EUR-IS-1"]}}))
    assert redactor.mask("EUR-IS-1 /workspace/models") == "EUR-IS-1 /workspace/models"
