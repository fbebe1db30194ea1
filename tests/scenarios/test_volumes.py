"""Network volumes: made once whatever becomes of the answer, shown with their price and users, never deleted while in
use."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from rpd.adapters.sandbox import daemon
from rpd.journal.reader import read
from rpd.journal.records import Closed
from tests.scenarios.harness import GATED, CommandLine, config, eventually
from tests.scenarios.live import RPD

PLACE = ("--datacenter", "EUR-IS-1")
STORAGE = {"mode": "network_volume", "volume_name": "data", "volume_gb": None}


def volumes(stage: CommandLine, *words: str, code: int = 0) -> dict[str, Any]:
    """`rpd volumes ... --sandbox --json`: its document, or that of its error."""
    done = stage.rpd("volumes", *words, "--sandbox", "--json")
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    if code == 0:
        return dict(json.loads(done.stdout))
    assert done.stdout == ""
    error = dict(json.loads(done.stderr.splitlines()[-1]))
    assert error["schema"] == "rpd.error/1" and error["code"] == code
    return error


def create(stage: CommandLine, *words: str, name: str = "data", size: int = 10, code: int = 0) -> dict[str, Any]:
    return volumes(stage, "create", "--name", name, "--size-gb", str(size), *PLACE, "--yes", *words, code=code)


def existing(stage: CommandLine) -> list[tuple[str, int]]:
    """Name and size of every volume that really exists."""
    return [(each["name"], each["size_gb"]) for each in stage.truth()["volumes"] if each["exists"]]


@pytest.mark.slow
@pytest.mark.row(47)
def test_made_listed_grown_and_deleted_each_with_its_price(stage: CommandLine) -> None:
    made = create(stage, size=100)
    assert made["did"] == "created" and made["volume"]["usd_per_month"] == 7.0 and not made["answer_was_lost"]
    page = stage.rpd("volumes", "--sandbox")
    assert page.stdout.startswith("ID ") and "$7.00" in page.stdout
    assert "1 network volume, mounted by no pod: $7.00 a month, used or not" in page.stderr
    grown = stage.rpd("volumes", "--sandbox", "grow", "data", "--size-gb", "2000")
    assert grown.returncode == 0, grown.stderr
    assert "bills    $120.48 a month until it is deleted; so far it was $7.00 a month" in grown.stdout
    assert existing(stage) == [("data", 2000)]
    gone = volumes(stage, "delete", "data", "--yes")
    assert gone["did"] == "deleted" and gone["usd_per_month_saved"] == 120.48
    assert existing(stage) == []


@pytest.mark.slow
@pytest.mark.row(47)
def test_the_list_for_programs(stage: CommandLine) -> None:
    empty = {"schema": "rpd.volumes/1", "cloud": "sandbox", "volumes": [], "usd_per_month": 0, "unpriced": []}
    assert volumes(stage) == empty
    made = create(stage, size=100)["volume"]
    fast = create(stage, "--type", "high-performance", name="fast")["volume"]
    assert fast["type"] == "HIGH_PERFORMANCE" and fast["usd_per_month"] is None
    assert volumes(stage, "list") == {
        **empty,
        "volumes": [made, fast],
        "usd_per_month": 7.0,
        "unpriced": [fast["id"]],
    }
    page = stage.rpd("volumes", "--sandbox")
    assert "over $0.70" in page.stdout and "$7.00 a month and the price of high-performance storage" in page.stderr
    assert volumes(stage, "grow", "data", "--size-gb", "100")["did"] == "nothing"
    assert (
        stage.rpd("volumes", "--sandbox", "--json").stdout == stage.rpd("volumes", "list", "--sandbox", "--json").stdout
    )


@pytest.mark.slow
@pytest.mark.row(47)
def test_what_is_not_possible_is_said_before_anything_is_done(stage: CommandLine) -> None:
    create(stage)
    taken = create(stage, size=20, code=2)
    assert taken["reason"] == "name_taken" and "10 GB in EUR-IS-1" in taken["message"]
    assert create(stage, name=" x", code=2)["reason"] == "bad_name"
    assert create(stage, name="x", size=9, code=2)["reason"] == "bad_size"
    assert "did you mean 'EUR-IS-1'" in create(stage, "--datacenter", "eur-is-1", name="x", code=2)["message"]
    assert "EUR-IS-2 has no network volumes" in create(stage, "--datacenter", "EUR-IS-2", name="x", code=2)["message"]
    fast = create(stage, "--datacenter", "EU-CZ-1", "--type", "high-performance", name="x", code=2)
    assert "EU-CZ-1 has no high-performance network volumes, but standard" in fast["message"]
    assert volumes(stage, "grow", "data", "--size-gb", "9", code=2)["reason"] == "cannot_shrink"
    assert volumes(stage, "grow", "data", "--size-gb", "4097", code=2)["reason"] == "bad_size"
    unknown = volumes(stage, "delete", "dat", "--yes", code=2)
    assert unknown["reason"] == "no_volume" and "did you mean 'data'" in unknown["message"]
    quiet = volumes(stage, "create", "--name", "x", "--size-gb", "10", *PLACE, code=2)
    assert quiet["reason"] == "needs_yes" and quiet["hint"].endswith(
        "--name x --size-gb 10 --datacenter EUR-IS-1 --yes"
    )
    assert volumes(stage, "delete", "data", code=2)["reason"] == "needs_yes"
    assert existing(stage) == [("data", 10)]


@pytest.mark.slow
@pytest.mark.row(47)
def test_a_name_that_two_bear_is_no_name(stage: CommandLine) -> None:
    for size in (10, 20):
        stage.call("POST", "/v2/network-volumes", {"name": "data", "size": size, "dataCenter": "EUR-IS-1"})
    told = volumes(stage, "delete", "data", "--yes", code=2)
    small, large = volumes(stage)["volumes"]
    assert told["reason"] == "ambiguous_name"
    assert all(each["id"] in told["message"] for each in (small, large))
    first = min((small, large), key=lambda each: each["id"])
    assert told["hint"] == f"rpd volumes delete --sandbox {first['id']}"
    volumes(stage, "delete", first["id"], "--yes")
    assert len(existing(stage)) == 1


@pytest.mark.slow
@pytest.mark.row(47)
def test_on_a_terminal_it_asks_and_the_name_is_to_be_typed(stage: CommandLine) -> None:
    words = ("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE)
    for answer, code in (("n", 3), ("y", 0)):
        asked = stage.start_on_terminal(*words)
        asked.until_text("make it? [y/N]")
        said = " ".join(asked.text.split())
        assert "$0.70 a month" in said and "until it is deleted, whether or not a pod mounts it" in said
        asked.type(f"{answer}\n")
        assert asked.end() == code, asked.text
    assert existing(stage) == [("data", 10)]
    for answer, code in (("yes", 3), ("data", 0)):
        asked = stage.start_on_terminal("volumes", "delete", "data", "--sandbox")
        asked.until_text("type data to delete it")
        assert "everything on it, for good" in asked.text and "$0.70 a month" in asked.text
        asked.type(f"{answer}\n")
        assert asked.end() == code, asked.text
    assert existing(stage) == []


@pytest.mark.slow
@pytest.mark.row(47)
def test_a_volume_that_is_gone_meanwhile_counts_as_deleted(stage: CommandLine) -> None:
    made = create(stage)["volume"]["id"]
    asked = stage.start_on_terminal("volumes", "delete", "data", "--sandbox")
    asked.until_text("type data to delete it")
    stage.call("DELETE", f"/v2/network-volumes/{made}")
    asked.type("data\n")
    assert asked.end() == 0, asked.text


@pytest.mark.row(47)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"how": "drop"}, marks=pytest.mark.slow),
        {"how": "truncated", "delay": "0.5"},
    ],
    ids=str,
)
def test_a_lost_answer_does_not_make_two(stage: CommandLine, how: dict[str, str]) -> None:
    stage.fault("F41", **how)
    made = create(stage)
    assert made["answer_was_lost"] and made["same_name"] == []
    assert existing(stage) == [("data", 10)] and stage.struck("F41") == 1
    (journal,) = (stage.home / "volumes").glob("*/*.jsonl")
    end = read(journal).records[-1].body
    assert isinstance(end, Closed) and end.outcome == "changed", "it is settled"
    assert len(stage.truth()["volumes"]) == 1


@pytest.mark.slow
@pytest.mark.row(47)
def test_an_order_that_came_to_nothing_may_be_given_again(stage: CommandLine) -> None:
    stage.fault("F41", done="no")
    told = create(stage, code=8)
    assert told["reason"] == "in_doubt" and "bills $0.70 a month until it is deleted" in told["message"]
    assert existing(stage) == []
    assert not create(stage)["answer_was_lost"]
    assert existing(stage) == [("data", 10)]


@pytest.mark.row(47)
def test_a_command_that_was_killed_in_mid_order_does_not_make_two(stage: CommandLine) -> None:
    stage.fault("F41", how="timeout", delay=1.5)
    live = stage.start("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes")
    eventually(lambda: stage.struck("F41"))
    live.kill()
    assert create(stage, code=2)["reason"] == "name_taken", "the cloud shows it late; it was looked for until it did"
    assert existing(stage) == [("data", 10)]


@pytest.mark.row(47)
def test_an_order_of_a_killed_command_is_told_and_is_no_run(stage: CommandLine) -> None:
    stage.fault("F41", how="timeout", done="no")
    live = stage.start("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes")
    eventually(lambda: stage.struck("F41"))
    live.kill()
    told = stage.rpd("volumes", "--sandbox").stderr
    assert "'data' (10 GB in EUR-IS-1) was never settled; if it was made, it bills $0.70 a month" in told
    assert json.loads(stage.rpd("runs", "--json").stdout)["runs"] == []
    gc = stage.rpd("gc", "--yes")
    assert gc.returncode == 0 and "volume" not in gc.stdout + gc.stderr, gc.stderr
    live = stage.start("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes")
    assert live.end() == 0 and "an earlier order for this name was never settled" in live.text
    assert existing(stage) == [("data", 10)]
    assert "never settled" not in stage.rpd("volumes", "--sandbox").stderr


@pytest.mark.slow
@pytest.mark.row(47)
def test_two_commands_do_not_make_two_of_one_name(stage: CommandLine) -> None:
    stage.fault("F41", how="timeout", seconds=1.0)
    words = ("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes")
    first = stage.start(*words)
    eventually(lambda: stage.struck("F41"))
    assert stage.rpd(*words).returncode in (2, 9)
    assert first.end() == 0, first.text
    assert existing(stage) == [("data", 10)]


@pytest.mark.row(47)
def test_one_that_somebody_else_made_at_the_same_moment_is_named(stage: CommandLine) -> None:
    stage.fault("F41", how="timeout", seconds=1.0)
    words = ("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes", "--json")
    live = stage.start(*words)
    eventually(lambda: stage.struck("F41"))
    stage.call("POST", "/v2/network-volumes", {"name": "data", "size": 20, "dataCenter": "EUR-IS-1"})
    assert live.end() == 0, live.text
    ours, theirs = stage.truth()["volumes"]
    said = json.loads(live.out)
    assert said["volume"]["id"] == ours["id"] and said["same_name"] == [theirs["id"]]
    assert f"rpd volumes delete --sandbox {theirs['id']}" in live.text


@pytest.mark.row(47)
def test_ctrl_c_in_mid_order_says_what_may_bill(stage: CommandLine) -> None:
    stage.fault("F41", how="timeout")
    live = stage.start("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes")
    eventually(lambda: stage.struck("F41"))
    live.press()
    assert live.end() == 8, live.text
    assert "interrupted before it was known" in live.text and "rpd volumes --sandbox" in live.text


@pytest.mark.slow
@pytest.mark.row(47)
def test_growing_and_deleting_settle_a_lost_answer_by_looking(stage: CommandLine) -> None:
    create(stage)
    stage.fault("F41", on="grow")
    assert volumes(stage, "grow", "data", "--size-gb", "20")["volume"]["size_gb"] == 20
    stage.fault("F41", on="delete", how="drop")
    assert volumes(stage, "delete", "data", "--yes")["did"] == "deleted"
    assert existing(stage) == []
    create(stage)
    stage.fault("F41", on="delete", how="ignored")
    told = volumes(stage, "delete", "data", "--yes", code=8)
    assert told["reason"] == "still_there" and "bills $0.70 a month" in told["message"]
    volumes(stage, "delete", "data", "--yes")
    assert existing(stage) == []


@pytest.mark.slow
@pytest.mark.row(47)
def test_a_refused_key_and_no_key(stage: CommandLine) -> None:
    create(stage)
    stage.fault("F9", times=0, on="network-volumes")
    for words in ((), ("grow", "data", "--size-gb", "20"), ("delete", "data", "--yes")):
        assert volumes(stage, *words, code=4)["reason"] == "key_refused"
    assert create(stage, name="x", code=4)["hint"].startswith("rpd config set api-key")
    stage.clear_faults()
    stage.fault("F9", times=0, after=2, on="network-volumes", how="scope")
    assert create(stage, name="x", code=4)["reason"] == "forbidden", "the order itself"
    stage.clear_faults()
    assert existing(stage) == [("data", 10)]
    no_key = stage.rpd("volumes")
    assert no_key.returncode == 4 and "RUNPOD_API_KEY" in no_key.stderr


@pytest.mark.slow
@pytest.mark.row(47)
def test_without_the_sandbox_option_the_environment_names_the_cloud(stage: CommandLine) -> None:
    info = daemon.find(stage.sandbox_home)
    assert info is not None
    create(stage)
    environment = {**stage.environment, "RPD_API_URL": info.url, "RUNPOD_API_KEY": info.api_key}
    words = [*RPD, "volumes", "--json"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [each["name"] for each in json.loads(done.stdout)["volumes"]] == ["data"]


@pytest.mark.slow
@pytest.mark.row(46, 47)
def test_a_job_runs_on_it_and_it_stays_while_a_pod_mounts_it(stage: CommandLine) -> None:
    made = create(stage)["volume"]
    live = stage.begin(config(GATED, storage=STORAGE, lifecycle={"on_success": "stop"}))
    live.until("monitor")
    pod = stage.live_pod()["id"]
    (seen,) = volumes(stage)["volumes"]
    assert [(each["id"], each["status"], each["run_id"]) for each in seen["pods"]] == [(pod, "RUNNING", stage.run_id)]
    assert seen["workflows"] == [
        {"workflow": "job", "runs": 1, "newest_run": stage.run_id, "unfinished": [stage.run_id]}
    ]
    page = stage.rpd("volumes", "--sandbox").stdout
    assert f"{pod} RUNNING" in page and "job (1 run, 1 unfinished)" in page
    told = volumes(stage, "delete", "data", "--yes", code=2)
    assert told["reason"] == "in_use" and pod in told["message"] and told["hint"] == f"rpd cancel {stage.run_id}"
    stage.go()
    assert live.end() == 0, live.text
    told = volumes(stage, "delete", made["id"], "--yes", code=2)
    assert f"{pod} " in told["message"] and "EXITED" in told["message"]
    assert told["hint"] == f"rpd release {stage.run_id} --delete"
    assert stage.rpd("release", stage.run_id, "--delete", "--yes").returncode == 0
    assert (stage.sandbox_home / "volumes" / made["id"] / "go").exists(), "what a pod has written outlives it"
    gone = stage.rpd("volumes", "delete", "data", "--sandbox", "--yes")
    assert gone.returncode == 0 and "named    by job (1 run, newest job-" in gone.stderr
    stage.judge("TERMINATED", starts=1)
    assert existing(stage) == []


@pytest.mark.slow
@pytest.mark.row(47)
def test_a_pod_that_turns_up_late_keeps_its_volume(stage: CommandLine) -> None:
    create(stage)
    stage.fault("F14", lag=600, what="list")
    live = stage.begin(config(GATED, storage=STORAGE))
    live.until("monitor")
    told = volumes(stage, "delete", "data", "--yes", code=2)
    assert told["reason"] == "bad_request" and stage.live_pod()["id"] in told["message"], "the cloud's own refusal"
    assert existing(stage) == [("data", 10)]
    stage.go()
    assert live.end() == 0, live.text


@pytest.mark.slow
def test_the_run_that_has_its_pod_now_is_named(stage: CommandLine) -> None:
    create(stage)
    document = config(storage=STORAGE, lifecycle={"on_success": "recycle"})
    for _ in range(2):
        done = stage.run(document)
        assert done.returncode == 0, done.stderr
    told = volumes(stage, "delete", "data", "--yes", code=2)
    assert told["hint"] == f"rpd release {stage.run_id} --delete" and stage.run_id in told["message"], told
    assert stage.rpd(*told["hint"].split()[1:], "--yes").returncode == 0
    volumes(stage, "delete", "data", "--yes")
    assert existing(stage) == []
