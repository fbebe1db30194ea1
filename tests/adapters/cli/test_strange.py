"""One bad journal among others: what it says is told in a sentence, what it may owe is named or stopped, and every
other run is treated as ever."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters import wiring
from rpd.adapters.cleanup import acting
from rpd.journal.paths import journal_path
from rpd.states.ports.world import Pod
from tests.fakes.account import Account
from tests.fakes.lines import Rows, life, sealed, until
from tests.fakes.typed import KEY, Done, type_in

URL = "http://127.0.0.1:9/v2"


class Person:
    """Somebody with a state home, and a provider."""

    def __init__(self, folder: Path, account: Account) -> None:
        self.folder, self.home, self.account = folder, folder / "state", account
        self.home.mkdir(mode=0o700)

    def __call__(self, *words: str) -> Done:
        environ = {"RPD_HOME": str(self.home), "HOME": str(self.folder), "RPD_API_URL": URL, "RUNPOD_API_KEY": KEY}
        done = type_in(self.folder, list(words), environ)
        assert "internal error" not in done.stderr, done.stderr
        return done

    def keep(self, rows: Rows, run: str = "train-20270115T080000Z-aaaaaa") -> Path:
        """A journal of this home; its pod computes."""
        rows[0]["data"]["cloud"] |= {"url": URL}
        rows[0]["data"]["run_dir"] = str(self.folder / run)
        path = journal_path(self.home, "train", run)
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        (self.home / "journals").chmod(0o700)
        path.write_bytes(sealed([{**row, "run": run} for row in rows]))
        path.chmod(0o600)
        if rows[-1]["event"] != "closed":
            pod = until(life("success"), "create_pod_ok")[-1]["data"]["data"]["pod"]
            self.account.pods[pod["id"]] = Pod(pod["id"], pod["name"], "RUNNING", env={"RPD_RUN_ID": run})
        return path


@pytest.fixture
def rpd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    account = Account()
    monkeypatch.setattr(wiring, "cloud_for", lambda *_: account)
    monkeypatch.setattr(acting, "release_and_prove", lambda cloud, effect, *_: effect.tell(cloud) or "stopped")
    yield Person(tmp_path, account)


def flipped(path: Path) -> None:
    """One bit: `"url"` is `"urm"`."""
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"url":', b'"urm":', 1))


def unfinished() -> Rows:
    return until(life("success"), "launch_to_monitor")


def test_one_flipped_bit_of_a_finished_run_ends_no_gc(rpd: Person) -> None:
    path = rpd.keep(life("success"))
    rpd("runs")
    flipped(path)
    done = rpd("gc", "--json")
    assert (done.code, json.loads(done.stdout)["runs"]) == (0, []), "the index has seen it end, and owe nothing"


def test_what_a_damaged_journal_may_owe_is_named(rpd: Person) -> None:
    """Nobody has seen it end, and nobody can say which cloud it was on."""
    path = rpd.keep(unfinished())
    flipped(path)
    for words in (("gc", "--json"), ("gc", "--yes", "--json")):
        done = rpd(*words)
        (row,) = json.loads(done.stdout)["runs"]
        assert (done.code, row["run_id"]) == (8, path.stem)
        assert "names no cloud" in done.stdout
    assert rpd("gc", "--yes").stdout.count("failed: its cloud cannot be reached") == 1


def test_a_journal_that_does_not_begin_with_its_run_ends_no_gc(rpd: Person) -> None:
    """The chain holds; who a later record says it is does not count."""
    rows = unfinished()
    path = rpd.keep(rows)
    rpd("runs")
    path.write_bytes(sealed([{**row, "run": path.stem} for row in (rows[1], rows[0], *rows[2:])]))
    done = rpd("gc", "--yes")
    assert done.code == 0, done
    assert [pod.status for pod in rpd.account.pods.values()] == ["EXITED"]


def test_the_log_of_a_run_may_have_a_name_too_long_for_any_file(rpd: Person) -> None:
    rows = life("success")
    path = rpd.keep(rows)
    rows[0]["data"]["run_dir"] = "/" + "y" * 3000
    path.write_bytes(sealed([{**row, "run": path.stem} for row in rows]))
    assert rpd("logs").code == 0, "as for one that is not there"


def test_what_was_known_of_a_damaged_journal_is_enough_to_stop_its_pod(rpd: Person) -> None:
    path = rpd.keep(unfinished())
    rpd("runs")
    flipped(path)
    done = rpd("gc", "--yes")
    assert done.code == 0, done
    assert [pod.status for pod in rpd.account.pods.values()] == ["EXITED"]


def nonsense(rows: Rows, event: str, change: Callable[[dict[str, Any]], None]) -> Rows:
    """The first record of this name, changed, and the chain made whole again."""
    change(next(row for row in rows if row["event"] == event)["data"])
    return rows


CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "no job": ("opened", lambda data: data["config"].pop("pod"), "record 0 makes no sense: "),
    "an option": ("opened", lambda data: data.update(options={"wait_for_stock_seconds": "x"}), "record 0 makes no"),
    "an argument is gone": ("create_pod_intent", lambda data: data["args"].pop("order"), "missing required field"),
    "a pod is a list": ("create_pod_ok", lambda data: data["data"].update(pod=[]), "makes no sense: "),
    "a state that is none": ("create_to_boot", lambda data: data.update(dest="bed"), "'bed' is not a valid State"),
    "a look that saw a number": ("check_inputs_seen", lambda data: data["data"].update(problems=3), "expected `array`"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_records_that_no_run_has_written(rpd: Person, change: str) -> None:
    """Their chain is whole. Who asks for this run is told which record it is; gc stops what it owes."""
    event, act, words = CHANGES[change]
    path = rpd.keep(nonsense(unfinished(), event, act))
    before = path.read_bytes()
    for command in ("inspect", "resume", "cancel", "logs", "cost", "summary"):
        done = rpd(command, path.stem)
        assert done.code == 9, (command, done)
        assert words in done.stderr, (command, done.stderr)
    assert words in rpd("runs").stderr
    done = rpd("gc", "--yes")
    assert done.code == 0, done
    assert [pod.status for pod in rpd.account.pods.values()] == ["EXITED"]
    assert path.read_bytes() == before


def test_a_stranger_among_ours_keeps_no_cloud_from_us(rpd: Person) -> None:
    """A link to a journal from elsewhere names the same cloud, and comes first."""
    path = rpd.keep(nonsense(unfinished(), "create_pod_ok", lambda data: data["data"].update(pod=[])))
    elsewhere = rpd.folder / "sent.jsonl"
    elsewhere.write_bytes(path.read_bytes().replace(b"aaaaaa", b"zzzzzz"))
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    elsewhere.write_bytes(sealed([{**row, "run": "train-20270115T080000Z-zzzzzz"} for row in rows]))
    path.with_name("train-20270115T080000Z-zzzzzz.jsonl").symlink_to(elsewhere)
    done = rpd("gc", "--yes")
    assert done.code == 8, done
    assert [pod.status for pod in rpd.account.pods.values()] == ["EXITED"], done


def test_a_fault_at_one_journal_does_not_end_gc(rpd: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = rpd.keep(unfinished()), rpd.keep(unfinished(), "train-20270115T080000Z-bbbbbb")
    asked = []

    def broken(path: Path, *words: Any, **named: Any) -> int:
        asked.append(path)
        raise RuntimeError("a fault of this program")

    monkeypatch.setattr("rpd.adapters.cleanup.acting.take_over", broken)
    done = type_in(rpd.folder, ["gc", "--yes"], {"RPD_HOME": str(rpd.home), "HOME": str(rpd.folder),
                                               "RUNPOD_API_KEY": KEY})  # fmt: skip
    assert (done.code, sorted(asked)) == (8, sorted([one, other])), done
    assert done.stdout.count("failed: internal error: a fault of this program") == 2
