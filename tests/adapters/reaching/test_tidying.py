"""An entry of ssh goes as soon as it does not lead to its pod any more."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from rpd.adapters.reaching import tidying
from rpd.adapters.reaching.ssh_entry import MARK, SshEntry, entries_folder
from rpd.journal.errors import JournalError
from rpd.states.ports.world import SshAddress

HERE = SshAddress("10.0.0.1", 2222, "root")


def pod(pin: str = "SHA256:a", address: SshAddress | None = HERE, *, is_greeted: bool = True) -> Any:
    greeting = SimpleNamespace(host_key=pin) if is_greeted else None
    seen = SimpleNamespace(ssh=address)
    return SimpleNamespace(container=SimpleNamespace(greeting=greeting), seen=seen)


@pytest.mark.parametrize(
    ("now", "stays"),
    [
        (pod(), True),
        (pod(address=None), True),
        (pod("SHA256:b"), False),
        (pod(address=SshAddress("10.0.0.1", 2223, "root")), False),
        (pod(address=SshAddress("10.0.0.2", 2222, "root")), False),
        (pod(is_greeted=False), False),
        (None, False),
        (JournalError("cannot be read now"), True),
    ],
    ids=["same", "no-address-now", "other-key", "other-port", "other-host", "not-greeted", "given-back", "unreadable"],
)
def test_an_entry_stays_only_while_it_leads_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: Any, stays: bool
) -> None:
    def look(journal: str, pod_id: str) -> Any:
        if isinstance(now, JournalError):
            raise now
        return now

    monkeypatch.setattr(tidying, "_pod", look)
    folder = entries_folder(tmp_path)
    folder.mkdir(parents=True)
    entry = SshEntry("job-1", "abc", str(tmp_path / "j"), HERE.host, HERE.port, HERE.username, "SHA256:a")
    (folder / "abc.conf").write_bytes(MARK.encode() + msgspec.json.encode(entry) + b"\nHost x\n")
    (folder / "abc.known_hosts").write_text("x")
    done = tidying.tidy(tmp_path)
    assert bool(list(folder.iterdir())) is stays
    assert [each.words for each in done] == ([] if stays else ["removed the ssh entry rpd-job-1"])


def test_a_file_that_is_no_entry_of_ours_goes_too(tmp_path: Path) -> None:
    """It would be included all the same."""
    folder = entries_folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "torn.conf").write_text("Host *\n")
    assert [each.words for each in tidying.tidy(tmp_path)] == ["removed the ssh entry torn"]
    assert not list(folder.iterdir())


def test_an_entry_of_a_journal_that_is_gone_goes(tmp_path: Path) -> None:
    assert tidying._pod(str(tmp_path / "none.jsonl"), "abc") is None
