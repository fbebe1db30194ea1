"""What can still be said of runs whose files are damaged, cut, moved or incomplete: nothing is hidden, nothing is taken
for more than it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rpd
from tests.adapters.forensics.peers import EVENTS, peer_folder
from tests.features import used
from tests.scenarios.harness import CommandLine, artifact, config, staged

pytestmark = pytest.mark.xdist_group("damage")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """One failed run."""
    with staged(tmp_path_factory.mktemp("past")) as cli:
        assert cli.run(config("exit 3", artifacts=artifact(), variables={"seed": "7"})).returncode == 5
        yield cli


@pytest.fixture
def whole(past: CommandLine) -> Iterator[list[bytes]]:
    """The lines of its journal, which is as it was when the test is over."""
    content = past.journal.read_bytes()
    past.rpd("runs")  # the index has seen all of it
    yield content.splitlines(keepends=True)
    past.journal.write_bytes(content)


def told(cli: CommandLine, *words: str, code: int = 0) -> dict[str, Any]:
    done = cli.rpd(*words, "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    return dict(json.loads(done.stdout))


@pytest.mark.row(108, 124)
def test_a_damaged_journal_is_listed_with_its_good_part(past: CommandLine, whole: list[bytes]) -> None:
    past.journal.write_bytes(b"".join([*whole[:10], whole[10].replace(b'"data"', b'"dada"', 1), *whole[11:]]))
    (row,) = told(past, "runs")["runs"]
    assert (row["outcome"], row["state"]) == (None, "boot")
    assert "damaged at line 11" in row["problem"]
    assert row["wall_seconds"] < 5, "it ends with the last good record, not now"
    done = past.rpd("runs")
    assert f"warning: {past.run_id}: journal damaged" in done.stderr
    assert "unreadable after boot" in done.stdout


@pytest.mark.row(108)
def test_what_a_run_cost_is_not_told_as_nothing_where_its_journal_is_damaged(
    past: CommandLine, whole: list[bytes]
) -> None:
    """One changed byte before the pod was ordered."""
    at = next(number for number, line in enumerate(whole) if b'"create_pod"' in line)
    past.journal.write_bytes(b"".join([*whole[:at], whole[at].replace(b'"data"', b'"dada"', 1), *whole[at + 1 :]]))
    done = past.rpd("cost", past.run_id)
    assert done.returncode == 9, done.stdout
    assert "nothing was rented" not in done.stdout
    assert f"DAMAGED  journal damaged at line {at + 1}" in done.stdout
    assert f"rpd salvage {past.run_id}" in done.stdout


@pytest.mark.slow
@pytest.mark.row(108, 126)
def test_events_go_on_behind_the_damage_and_say_so(past: CommandLine, whole: list[bytes]) -> None:
    past.journal.write_bytes(b"".join([*whole[:10], b"not json\n", *whole[11:]]))
    found = told(past, "events", past.run_id, code=9)
    assert [event["event"] for event in found["events"]][-1] == "closed"
    assert "damaged at line 11" in next(iter(found["problems"].values()))
    everywhere = past.rpd("events", "--all", "--where", "event=closed")
    assert everywhere.returncode == 9
    assert "closed" in everywhere.stdout
    assert "warning:" in everywhere.stderr


@pytest.mark.row(108)
def test_a_journal_without_its_first_record_is_still_a_run(past: CommandLine, whole: list[bytes]) -> None:
    past.journal.write_bytes(b"".join([b"{}\n", *whole[1:]]))
    (row,) = told(past, "runs")["runs"]
    assert row["run_id"] == past.journal.stem
    assert "damaged at line 1" in row["problem"]
    assert told(past, "inspect", str(past.journal), "--verify", code=9)["verified"] is False


@pytest.mark.row(108)
def test_a_journal_that_was_cut_is_found_out(past: CommandLine, whole: list[bytes]) -> None:
    """Its chain is intact: only the index remembers that there was more."""
    past.journal.write_bytes(b"".join(whole[:-2]))
    found = told(past, "inspect", past.run_id, "--verify", code=9)
    assert (found["verified"], found["damage"], found["lost"]) == (False, None, len(whole) - 1)
    assert f"CUT      record {len(whole) - 1} was seen here earlier" in past.rpd("inspect", "--verify").stdout
    words = f"journal cut after line {len(whole) - 2}: record {len(whole) - 1} was seen here earlier and is missing now"
    assert told(past, "runs")["runs"][0]["problem"] == words
    page = past.rpd("inspect", past.run_id)
    assert page.returncode == 9, "one judgement"
    assert words in page.stdout
    assert "chain intact" not in page.stdout and "rpd resume" not in page.stdout
    assert f"rpd salvage {past.run_id}" in page.stdout
    found = told(past, "inspect", past.run_id, code=9)
    assert found["verified"] is False and "rpd salvage" in found["next"]
    assert words in told(past, "events", past.run_id, code=9)["problems"].popitem()[1]


@pytest.mark.row(108)
def test_an_unfinished_line_is_no_damage(past: CommandLine, whole: list[bytes]) -> None:
    past.journal.write_bytes(b"".join([*whole, b'{"torn']))
    found = told(past, "inspect", past.run_id, "--verify")
    assert (found["verified"], found["torn_bytes"]) == (True, 6)
    assert told(past, "runs")["runs"][0]["problem"] is None


@pytest.mark.slow
@pytest.mark.row(121)
def test_an_earlier_moment_asks_for_nothing(past: CommandLine) -> None:
    launched = told(past, "events", past.run_id, "--where", "event=launch_job_ok")["events"][0]["seq"]
    then = told(past, "inspect", past.run_id, "--at", str(launched))
    assert (then["at"], then["event"], then["facts"]["launch"]["intended"]) == (launched, "launch_job_ok", True)
    assert "opened" not in then["facts"]
    page = past.rpd("inspect", past.run_id, "--at", str(launched)).stdout
    assert f"as of    record {launched} of 0 to " in page
    assert "\nowed     compute since" in page
    assert "BILLING" not in page
    assert "rpd resume" not in page
    assert "owed     nothing" in past.rpd("inspect", past.run_id, "--at", "2").stdout


@pytest.mark.slow
@pytest.mark.row(124, 129)
def test_a_summary_says_why_and_what_was_wrong(past: CommandLine, tmp_path: Path) -> None:
    done = past.rpd("summary")
    assert "why       the job's exit code was 3" in done.stdout
    assert "ended EXITED" in done.stdout
    assert "variables seed=7" in done.stdout
    assert "artifact  result: missing" in done.stdout
    alone = tmp_path / "kept.json"
    shutil.copy(past.run_folder() / "runpod_deploy_pull_manifest.json", alone)
    assert told(past, "summary", str(alone), code=1)["why"].startswith("the job's exit code was not 0")


@pytest.mark.slow
@pytest.mark.row(124)
def test_a_moved_run_folder_and_a_folder_of_theirs_below_a_project(past: CommandLine, tmp_path: Path) -> None:
    runs = tmp_path / "artifacts" / "runpod"
    shutil.copytree(past.run_folder(), runs / "moved")
    peer_folder(runs / "20260514T120000Z")
    rows = told(past, "runs", "--project-root", str(tmp_path))["runs"]
    assert [(row["run_id"], row["source"]) for row in rows] == [
        (past.run_id, "journal"),
        ("headline-20260514T120000Z", "manifest"),
    ]
    assert rows[1]["started"] == EVENTS[0]["ts_utc"], "as its first event says"
    page = past.rpd("summary", "--root", str(tmp_path)).stdout
    assert "last seen RUNNING" in page, "what it says of the pod is from before its release"
    assert "TOTAL     2 runs, 1 failed" in page


@pytest.mark.slow
@pytest.mark.row(126)
def test_events_without_a_manifest_are_a_run(past: CommandLine, tmp_path: Path) -> None:
    used.add("api")
    for name, content in (("none", None), ("broken", "{"), ("other", "[]")):
        folder = peer_folder(tmp_path / name)
        manifest = folder / "runpod_deploy_pull_manifest.json"
        manifest.unlink() if content is None else manifest.write_text(content)
        row = rpd.Run(folder)
        assert (row.id, row.row()["source"], row.outcome) == (name, "events", None)
        assert row.problem == "no readable runpod_deploy_pull_manifest.json"
        for place in (folder, folder / "events.jsonl"):
            assert len(told(past, "events", str(place))["events"]) == 3, (name, place)
    assert len(told(past, "runs", "--root", str(tmp_path))["runs"]) == 3


@pytest.mark.slow
def test_a_pointer_file_is_no_manifest(cli: CommandLine) -> None:
    pointer = cli.folder / "current.json"
    live = cli.begin(config("until [ -e /workspace/go ]; do sleep 0.05; done", state_file=str(pointer)))
    live.until_text("job started")
    row = told(cli, "summary", str(pointer))["run"]
    assert (row["run_id"], row["state"], row["outcome"]) == (cli.run_id, "monitor", None)
    cli.go()
    assert live.end() == 0, live.text


@pytest.mark.slow
@pytest.mark.parametrize("words", [("events", "x", "--all"), ("inspect", "--at", "9999"), ("summary", "/nowhere/x")])
def test_words_that_make_no_sense(past: CommandLine, words: tuple[str, ...]) -> None:
    done = past.rpd(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")


@pytest.mark.slow
@pytest.mark.row(19, 124)
def test_a_narrow_terminal_keeps_what_matters(past: CommandLine) -> None:
    live = past.start_on_terminal("runs")
    assert live.end() == 0
    lines = live.text.splitlines()
    assert max(map(len, lines)) <= 80, lines
    assert past.run_id in live.text
    assert "failed: job_failed" in live.text
    assert "no room for: dc" in live.text
    assert "EUR-IS-1" in past.rpd("runs").stdout, "off a terminal nothing is left out"
