"""RUN: from what was typed to one journal, and the exit codes of journals that cannot be driven."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.adapters.cli.conftest import Typist

INSPECT_KEYS = {
    "schema", "run_id", "workflow", "cloud", "state", "outcome", "reason", "exit_code", "pod", "debts", "records",
    "verified", "next", "released_by", "cost_usd", "run_dir",
}  # fmt: skip


@pytest.mark.slow
def test_the_names_of_a_run(rpd: Typist) -> None:
    rpd.write("job.yaml")
    assert "there are no runs" in rpd.refused("inspect")
    with rpd.journal() as first:
        pass
    document = json.loads(rpd("inspect", "--json").stdout)
    assert set(document) >= INSPECT_KEYS
    assert (document["run_id"], document["state"], document["records"]) == (first.run_id, "validate", 1)
    assert document["verified"] is True
    assert document["outcome"] is document["pod"] is None
    assert document["next"]
    with rpd.journal() as second:
        pass
    for name in ("job", second.run_id, str(second.path), os.path.relpath(second.path, rpd.folder), second.run_id[:-1]):
        assert json.loads(rpd("inspect", name, "--json").stdout)["run_id"] == second.run_id, name
    ambiguous = rpd.refused("inspect", first.run_id[:6])
    assert first.run_id in ambiguous
    assert second.run_id in ambiguous
    assert "2 runs are unfinished" in rpd.refused("resume")
    assert rpd.told_in_json("resume")["code"] == 2
    assert "no run is named 'other'" in rpd.refused("inspect", "other")
    assert rpd.told_in_json("inspect", "./none")["reason"] == "journal_missing"


def test_a_damaged_journal(rpd: Typist) -> None:
    rpd.write("job.yaml")
    with rpd.journal() as journal:
        pass
    data = bytearray(journal.path.read_bytes())
    data[len(data) // 2] ^= 1
    journal.path.write_bytes(data)
    said = rpd.refused("resume", str(journal.path), code=9)
    assert "damaged" in said
    assert rpd("inspect", str(journal.path)).returncode == 9


def test_a_locked_a_newer_and_a_strange_journal(rpd: Typist) -> None:
    rpd.write("job.yaml")
    with rpd.journal() as journal:
        said = rpd.refused("resume", journal.run_id, code=9)
        assert str(os.getpid()) in said
        shown = rpd("inspect", journal.run_id, "--json")
        assert json.loads(shown.stdout)["owner_pid"] == os.getpid()
    with rpd.journal(min_reader=99) as newer:
        pass
    assert "newer rpd" in rpd.refused("resume", newer.run_id, code=9)
    with rpd.journal(config={"name": "no job"}) as strange:
        pass
    said = rpd.refused("inspect", strange.run_id, code=9)
    assert "internal" not in said
    os.mkfifo(rpd.folder / "pipe")
    rpd.refused("inspect", "./pipe", code=9)


def test_the_logs_of_a_journal_without_a_first_record(rpd: Typist) -> None:
    rpd.write("job.yaml")
    with rpd.journal() as journal:
        pass
    journal.path.write_bytes(b"")
    assert "holds no run" in rpd.refused("logs", journal.run_id, code=9)


@pytest.mark.skipif(sys.platform == "darwin", reason="no file has such a name there")
def test_a_stray_file_among_the_journals_is_passed_over(rpd: Typist) -> None:
    rpd.write("job.yaml")
    with rpd.journal() as journal:
        pass
    journal.path.with_name("bad\udcff.jsonl").write_bytes(b"x\n")
    for words in (("inspect", "--json"), ("inspect", "job"), ("gc", "--json"), ("logs",)):
        done = rpd(*words)
        assert (done.returncode, "bad\\udcff.jsonl is no journal of ours" in done.stderr) == (0, True), done.stderr
    assert "is unfinished" in rpd.refused("run", "job.yaml")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_journal_of_somebody_else(rpd: Typist) -> None:
    rpd.write("job.yaml")
    with rpd.journal() as journal:
        pass
    content = journal.path.read_bytes()
    os.chown(journal.path, 12345, 12345)
    said = rpd.refused("resume", journal.run_id, code=9)
    assert str(journal.path) in said and "belongs to" in said, said
    assert (journal.path.read_bytes(), journal.path.stat().st_uid) == (content, 12345), "nothing was written to it"


def test_the_pages_of_an_unfinished_run(rpd: Typist) -> None:
    rpd.write("job.yaml")
    with rpd.journal() as journal:
        pass
    page = rpd("inspect", NO_COLOR="1").stdout
    assert f"rpd resume {journal.run_id}" in page
    assert "results" not in page
    assert "\x1b" not in page
    graph = rpd("inspect", "--graph").stdout
    assert graph.startswith("stateDiagram-v2") or "stateDiagram-v2" in graph.splitlines()[0:2]
    document = json.loads(rpd("inspect", "--graph", "--json").stdout)
    assert document["schema"] == "rpd.graph/1"


def test_logs_are_the_exact_bytes(rpd: Typist) -> None:
    rpd.write("job.yaml")
    with rpd.journal() as journal:
        run_dir = Path(journal.records[0].body.run_dir)  # type: ignore[union-attr]
    run_dir.mkdir(parents=True)
    raw = b"one\n\x1b[31mtwo\xff\r\n" + b"x" * 100_000
    (run_dir / "run.log").write_bytes(raw)
    done = subprocess.run(
        [sys.executable, "-m", "rpd.adapters.cli", "logs", str(journal.path)],
        env={**os.environ, "RPD_HOME": str(rpd.home)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, raw)


@pytest.mark.parametrize("command", ["logs", "inspect"])
def test_a_reader_that_went_away_is_no_error(rpd: Typist, command: str) -> None:
    rpd.write("job.yaml")
    with rpd.journal() as journal:
        run_dir = Path(journal.records[0].body.run_dir)  # type: ignore[union-attr]
    run_dir.mkdir(parents=True)
    (run_dir / "run.log").write_bytes(b"a line\n" * 300_000)
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "rpd.adapters.cli", command, str(journal.path)],
        env={**os.environ, "RPD_HOME": str(rpd.home)},
        stdout=write_end,
        stderr=subprocess.PIPE,
        timeout=30,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, b"")
