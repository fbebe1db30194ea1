"""Every part that a run is put together from knows its secrets: journals, client, connections, the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rpd.adapters import wiring
from rpd.adapters.access.clouds import Access
from rpd.adapters.access.config import profile_of
from rpd.adapters.access.opening import open_journal
from rpd.adapters.local.control import ProcessControl
from rpd.engine.runner import Ending
from rpd.journal.records import Note
from rpd.journal.redact import Secret
from rpd.journal.store import Journal
from tests.journal.samples import Ticker, opened

KEY, IN_FILE, IN_ENVIRONMENT = "rpa_" + "K3y" * 9, "hf_" + "F1l" * 9, "wandb_" + "V4r" * 9
SAID = f"{KEY} {IN_FILE} {IN_ENVIRONMENT}"


class Runs:
    """In the place of the loop: keeps what it is given."""

    def __init__(self, *parts: Any, **named: Any) -> None:
        LAST.update(named, world=parts[4])

    def run(self) -> Ending:
        return Ending(True, 0, "succeeded", None)


LAST: dict[str, Any] = {}


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The parts of a run that goes on, as `rpd resume` opens it."""
    monkeypatch.setenv("RPD_HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", IN_ENVIRONMENT)
    (tmp_path / "token").write_text(f"HF_TOKEN={IN_FILE}\n")
    config = {"secrets": [{"name": "t", "destination": "/t", "file": str(tmp_path / "token")}], "name": "w"}
    path = tmp_path / "journals" / "w" / "r.jsonl"
    Journal.create(path, opened(config=config), run_id="r", now=Ticker()).close()
    monkeypatch.setattr(wiring, "Runner", Runs)
    access = Access(profile_of("http://127.0.0.1:1"), Secret(KEY), "here")
    with open_journal(path, access, "resume") as journal:
        wiring.drive(journal, access, ProcessControl(), [], tmp_path, needs_secrets=False, needs_key=False)
        yield {**LAST, "journal": journal}


def test_after_a_resume_no_record_holds_a_secret(parts: dict[str, Any]) -> None:
    assert parts["journal"].append(Note("t", SAID)).body == Note("t", "*** *** ***")


def test_nor_does_the_emergency_journal(parts: dict[str, Any]) -> None:
    log = parts["emergency"]()
    assert log.append(Note("t", SAID)).body == Note("t", "*** *** ***")
    log.close()
    assert not any(secret in log.path.read_text() for secret in SAID.split())


def test_nor_what_is_told_without_a_record(parts: dict[str, Any]) -> None:
    assert parts["mask"]([SAID]) == ["*** *** ***"]


def test_the_ends_of_the_wire_mask_before_they_cut(parts: dict[str, Any]) -> None:
    remote, cloud = parts["world"].remote, parts["world"].cloud
    assert remote._pool._redactor.mask(SAID) == "*** *** ***"
    assert cloud._cloud._client._session._redactor.mask(SAID) == "*** *** ***"
    assert parts["world"].workspace._redactor.mask(SAID) == "*** *** ***", "by which the command of a notice gets none"
