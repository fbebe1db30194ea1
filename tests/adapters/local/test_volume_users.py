"""Which runs name a network volume, by record 0 of their journals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rpd.adapters.local.clock import SystemClock
from rpd.adapters.volumes.users import VolumeUsers
from rpd.journal.paths import journal_path
from rpd.journal.records import Closed, Opened
from rpd.journal.redact import Redactor
from rpd.journal.store import Journal

HERE = {"name": "runpod", "url": "https://here/v2"}
NETWORK = {"mode": "network_volume", "volume_name": "data"}


def journal(home: Path, run_id: str, workflow: str, *, over: bool = True, **changes: Any) -> Path:
    path = journal_path(home, workflow, run_id)
    fields = {
        "tool_version": "0",
        "min_reader": 1,
        "lifecycle": "job",
        "workflow": workflow,
        "lineage": workflow,
        "config_path": "/j.yaml",
        "config_sha256": "",
        "config": {"storage": NETWORK},
        "journal_path": str(path),
        "run_dir": str(home / run_id),
        "cloud": HERE,
        "user": "me",
        "host": "here",
        "token": "t" * 26,
        **changes,
    }
    now = SystemClock().now
    with Journal.create(path, Opened(**fields), run_id=run_id, now=now, redactor=Redactor()) as made:
        if over:
            made.append(Closed("succeeded", "job_succeeded", 0))
    return path


def test_runs_are_told_by_workflow_cloud_and_word(tmp_path: Path) -> None:
    journal(tmp_path, "train-1", "train")
    journal(tmp_path, "train-2", "train", over=False)
    journal(tmp_path, "byid-1", "byid", config={"storage": {**NETWORK, "volume_name": "v1"}})
    journal(tmp_path, "disk-1", "disk", config={"storage": {"mode": "ephemeral", "volume_name": "data"}})
    journal(tmp_path, "there-1", "there", cloud={"name": "runpod", "url": "https://there/v2"})
    journal(tmp_path, "odd-1", "odd", config={"storage": ["network_volume"]})
    gone = journal(tmp_path, "gone-1", "gone")
    users = VolumeUsers(tmp_path, HERE)
    assert {each.workflow for each in users.workflows("v1", "data")} == {"train", "byid", "gone"}
    (train,) = [each for each in users.workflows("data") if each.workflow == "train"]
    assert (train.runs, train.newest_run, train.unfinished) == (2, "train-2", ("train-2",))
    assert users.workflows("v1", None)[0].workflow == "byid" and users.workflows(None) == []
    gone.write_bytes(b"\xff\n")
    assert "gone" not in {each.workflow for each in VolumeUsers(tmp_path, HERE).workflows("data")}
