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


def volumes(cli: CommandLine, *words: str, code: int = 0) -> dict[str, Any]:
    """`rpd volumes ... --sandbox --json`: its document, or that of its error."""
    done = cli.rpd("volumes", *words, "--sandbox", "--json")
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    if code == 0:
        return dict(json.loads(done.stdout))
    assert done.stdout == ""
    error = dict(json.loads(done.stderr.splitlines()[-1]))
    assert error["schema"] == "rpd.error/1" and error["code"] == code
    return error


def create(cli: CommandLine, *words: str, name: str = "data", size: int = 10, code: int = 0) -> dict[str, Any]:
    return volumes(cli, "create", "--name", name, "--size-gb", str(size), *PLACE, "--yes", *words, code=code)


def existing(cli: CommandLine) -> list[tuple[str, int]]:
    """Name and size of every volume that really exists."""
    return [(each["name"], each["size_gb"]) for each in cli.truth()["volumes"] if each["exists"]]


@pytest.mark.slow
@pytest.mark.row(47)
def test_made_listed_grown_and_deleted_each_with_its_price(cli: CommandLine) -> None:
    made = create(cli, size=100)
    assert made["did"] == "created" and made["volume"]["usd_per_month"] == 7.0 and not made["answer_was_lost"]
    page = cli.rpd("volumes", "--sandbox")
    assert page.stdout.startswith("ID ") and "$7.00" in page.stdout
    assert "1 network volume, mounted by no pod: $7.00 a month, used or not" in page.stderr
    grown = cli.rpd("volumes", "--sandbox", "grow", "data", "--size-gb", "2000")
    assert grown.returncode == 0, grown.stderr
    assert "bills    $120.48 a month until it is deleted; so far it was $7.00 a month" in grown.stdout
    assert existing(cli) == [("data", 2000)]
    gone = volumes(cli, "delete", "data", "--yes")
    assert gone["did"] == "deleted" and gone["usd_per_month_saved"] == 120.48
    assert existing(cli) == []


@pytest.mark.slow
@pytest.mark.row(47)
def test_the_list_for_programs(cli: CommandLine) -> None:
    empty = {"schema": "rpd.volumes/1", "cloud": "sandbox", "volumes": [], "usd_per_month": 0, "unpriced": []}
    assert volumes(cli) == empty
    made = create(cli, size=100)["volume"]
    fast = create(cli, "--type", "high-performance", name="fast")["volume"]
    assert fast["type"] == "HIGH_PERFORMANCE" and fast["usd_per_month"] is None
    assert volumes(cli, "list") == {
        **empty,
        "volumes": [made, fast],
        "usd_per_month": 7.0,
        "unpriced": [fast["id"]],
    }
    page = cli.rpd("volumes", "--sandbox")
    assert "over $0.70" in page.stdout and "$7.00 a month and the price of high-performance storage" in page.stderr
    assert volumes(cli, "grow", "data", "--size-gb", "100")["did"] == "nothing"
    assert cli.rpd("volumes", "--sandbox", "--json").stdout == cli.rpd("volumes", "list", "--sandbox", "--json").stdout


@pytest.mark.slow
@pytest.mark.row(47)
def test_what_is_not_possible_is_said_before_anything_is_done(cli: CommandLine) -> None:
    create(cli)
    taken = create(cli, size=20, code=2)
    assert taken["reason"] == "name_taken" and "10 GB in EUR-IS-1" in taken["message"]
    assert create(cli, name=" x", code=2)["reason"] == "bad_name"
    assert create(cli, name="x", size=9, code=2)["reason"] == "bad_size"
    assert "did you mean 'EUR-IS-1'" in create(cli, "--datacenter", "eur-is-1", name="x", code=2)["message"]
    assert "EUR-IS-2 has no network volumes" in create(cli, "--datacenter", "EUR-IS-2", name="x", code=2)["message"]
    fast = create(cli, "--datacenter", "EU-CZ-1", "--type", "high-performance", name="x", code=2)
    assert "EU-CZ-1 has no high-performance network volumes, but standard" in fast["message"]
    assert volumes(cli, "grow", "data", "--size-gb", "9", code=2)["reason"] == "cannot_shrink"
    assert volumes(cli, "grow", "data", "--size-gb", "4097", code=2)["reason"] == "bad_size"
    unknown = volumes(cli, "delete", "dat", "--yes", code=2)
    assert unknown["reason"] == "no_volume" and "did you mean 'data'" in unknown["message"]
    quiet = volumes(cli, "create", "--name", "x", "--size-gb", "10", *PLACE, code=2)
    assert quiet["reason"] == "needs_yes" and quiet["hint"].endswith(
        "--name x --size-gb 10 --datacenter EUR-IS-1 --yes"
    )
    assert volumes(cli, "delete", "data", code=2)["reason"] == "needs_yes"
    assert existing(cli) == [("data", 10)]


@pytest.mark.slow
@pytest.mark.row(47)
def test_a_name_that_two_bear_is_no_name(cli: CommandLine) -> None:
    for size in (10, 20):
        cli.call("POST", "/v2/network-volumes", {"name": "data", "size": size, "dataCenter": "EUR-IS-1"})
    told = volumes(cli, "delete", "data", "--yes", code=2)
    small, large = volumes(cli)["volumes"]
    assert told["reason"] == "ambiguous_name"
    assert all(each["id"] in told["message"] for each in (small, large))
    first = min((small, large), key=lambda each: each["id"])
    assert told["hint"] == f"rpd volumes delete --sandbox {first['id']}"
    volumes(cli, "delete", first["id"], "--yes")
    assert len(existing(cli)) == 1


@pytest.mark.slow
@pytest.mark.row(47)
def test_on_a_terminal_it_asks_and_the_name_is_to_be_typed(cli: CommandLine) -> None:
    words = ("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE)
    for answer, code in (("n", 3), ("y", 0)):
        asked = cli.start_on_terminal(*words)
        asked.until_text("make it? [y/N]")
        said = " ".join(asked.text.split())
        assert "$0.70 a month" in said and "until it is deleted, whether or not a pod mounts it" in said
        asked.type(f"{answer}\n")
        assert asked.end() == code, asked.text
    assert existing(cli) == [("data", 10)]
    for answer, code in (("yes", 3), ("data", 0)):
        asked = cli.start_on_terminal("volumes", "delete", "data", "--sandbox")
        asked.until_text("type data to delete it")
        assert "everything on it, for good" in asked.text and "$0.70 a month" in asked.text
        asked.type(f"{answer}\n")
        assert asked.end() == code, asked.text
    assert existing(cli) == []


@pytest.mark.slow
@pytest.mark.row(47)
def test_a_volume_that_is_gone_meanwhile_counts_as_deleted(cli: CommandLine) -> None:
    made = create(cli)["volume"]["id"]
    asked = cli.start_on_terminal("volumes", "delete", "data", "--sandbox")
    asked.until_text("type data to delete it")
    cli.call("DELETE", f"/v2/network-volumes/{made}")
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
def test_a_lost_answer_does_not_make_two(cli: CommandLine, how: dict[str, str]) -> None:
    cli.fault("F41", **how)
    made = create(cli)
    assert made["answer_was_lost"] and made["same_name"] == []
    assert existing(cli) == [("data", 10)] and cli.struck("F41") == 1
    (journal,) = (cli.home / "volumes").glob("*/*.jsonl")
    end = read(journal).records[-1].body
    assert isinstance(end, Closed) and end.outcome == "changed", "it is settled"
    assert len(cli.truth()["volumes"]) == 1


@pytest.mark.slow
@pytest.mark.row(47)
def test_an_order_that_came_to_nothing_may_be_given_again(cli: CommandLine) -> None:
    cli.fault("F41", done="no")
    told = create(cli, code=8)
    assert told["reason"] == "in_doubt" and "bills $0.70 a month until it is deleted" in told["message"]
    assert existing(cli) == []
    assert not create(cli)["answer_was_lost"]
    assert existing(cli) == [("data", 10)]


@pytest.mark.row(47)
def test_a_command_that_was_killed_in_mid_order_does_not_make_two(cli: CommandLine) -> None:
    cli.fault("F41", how="timeout", delay=1.5)
    live = cli.start("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes")
    eventually(lambda: cli.struck("F41"))
    live.kill()
    assert create(cli, code=2)["reason"] == "name_taken", "the cloud shows it late; it was looked for until it did"
    assert existing(cli) == [("data", 10)]


@pytest.mark.slow
@pytest.mark.row(47)
def test_an_order_of_a_killed_command_is_told_and_is_no_run(cli: CommandLine) -> None:
    cli.fault("F41", how="timeout", done="no")
    live = cli.start("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes")
    eventually(lambda: cli.struck("F41"))
    live.kill()
    told = cli.rpd("volumes", "--sandbox").stderr
    assert "'data' (10 GB in EUR-IS-1) was never settled; if it was made, it bills $0.70 a month" in told
    assert json.loads(cli.rpd("runs", "--json").stdout)["runs"] == []
    gc = cli.rpd("gc", "--yes")
    assert gc.returncode == 0 and "volume" not in gc.stdout + gc.stderr, gc.stderr
    live = cli.start("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes")
    assert live.end() == 0 and "an earlier order for this name was never settled" in live.text
    assert existing(cli) == [("data", 10)]
    assert "never settled" not in cli.rpd("volumes", "--sandbox").stderr


@pytest.mark.slow
@pytest.mark.row(47)
def test_two_commands_do_not_make_two_of_one_name(cli: CommandLine) -> None:
    cli.fault("F41", how="timeout", seconds=1.0)
    words = ("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes")
    first = cli.start(*words)
    eventually(lambda: cli.struck("F41"))
    assert cli.rpd(*words).returncode in (2, 9)
    assert first.end() == 0, first.text
    assert existing(cli) == [("data", 10)]


@pytest.mark.row(47)
def test_one_that_somebody_else_made_at_the_same_moment_is_named(cli: CommandLine) -> None:
    cli.fault("F41", how="timeout", seconds=1.0)
    words = ("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes", "--json")
    live = cli.start(*words)
    eventually(lambda: cli.struck("F41"))
    cli.call("POST", "/v2/network-volumes", {"name": "data", "size": 20, "dataCenter": "EUR-IS-1"})
    assert live.end() == 0, live.text
    ours, theirs = cli.truth()["volumes"]
    said = json.loads(live.out)
    assert said["volume"]["id"] == ours["id"] and said["same_name"] == [theirs["id"]]
    assert f"rpd volumes delete --sandbox {theirs['id']}" in live.text


@pytest.mark.row(47)
def test_ctrl_c_in_mid_order_says_what_may_bill(cli: CommandLine) -> None:
    cli.fault("F41", how="timeout")
    live = cli.start("volumes", "create", "--sandbox", "--name", "data", "--size-gb", "10", *PLACE, "--yes")
    eventually(lambda: cli.struck("F41"))
    live.press()
    assert live.end() == 8, live.text
    assert "interrupted before it was known" in live.text and "rpd volumes --sandbox" in live.text


@pytest.mark.slow
@pytest.mark.row(47)
def test_growing_and_deleting_settle_a_lost_answer_by_looking(cli: CommandLine) -> None:
    create(cli)
    cli.fault("F41", on="grow")
    assert volumes(cli, "grow", "data", "--size-gb", "20")["volume"]["size_gb"] == 20
    cli.fault("F41", on="delete", how="drop")
    assert volumes(cli, "delete", "data", "--yes")["did"] == "deleted"
    assert existing(cli) == []
    create(cli)
    cli.fault("F41", on="delete", how="ignored")
    told = volumes(cli, "delete", "data", "--yes", code=8)
    assert told["reason"] == "still_there" and "bills $0.70 a month" in told["message"]
    volumes(cli, "delete", "data", "--yes")
    assert existing(cli) == []


@pytest.mark.slow
@pytest.mark.row(47)
def test_a_refused_key_and_no_key(cli: CommandLine) -> None:
    create(cli)
    cli.fault("F9", times=0, on="network-volumes")
    for words in ((), ("grow", "data", "--size-gb", "20"), ("delete", "data", "--yes")):
        assert volumes(cli, *words, code=4)["reason"] == "key_refused"
    assert create(cli, name="x", code=4)["hint"].startswith("rpd config set api-key")
    cli.clear_faults()
    cli.fault("F9", times=0, after=2, on="network-volumes", how="scope")
    assert create(cli, name="x", code=4)["reason"] == "forbidden", "the order itself"
    cli.clear_faults()
    assert existing(cli) == [("data", 10)]
    no_key = cli.rpd("volumes")
    assert no_key.returncode == 4 and "RUNPOD_API_KEY" in no_key.stderr


@pytest.mark.slow
@pytest.mark.row(47)
def test_without_the_sandbox_option_the_environment_names_the_cloud(cli: CommandLine) -> None:
    info = daemon.find(cli.sandbox_home)
    assert info is not None
    create(cli)
    environment = {**cli.environment, "RPD_API_URL": info.url, "RUNPOD_API_KEY": info.api_key}
    words = [*RPD, "volumes", "--json"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [each["name"] for each in json.loads(done.stdout)["volumes"]] == ["data"]


@pytest.mark.slow
@pytest.mark.row(46, 47)
def test_a_job_runs_on_it_and_it_stays_while_a_pod_mounts_it(cli: CommandLine) -> None:
    made = create(cli)["volume"]
    live = cli.begin(config(GATED, storage=STORAGE, lifecycle={"on_success": "stop"}))
    live.until("monitor")
    pod = cli.live_pod()["id"]
    (seen,) = volumes(cli)["volumes"]
    assert [(each["id"], each["status"], each["run_id"]) for each in seen["pods"]] == [(pod, "RUNNING", cli.run_id)]
    assert seen["workflows"] == [{"workflow": "job", "runs": 1, "newest_run": cli.run_id, "unfinished": [cli.run_id]}]
    page = cli.rpd("volumes", "--sandbox").stdout
    assert f"{pod} RUNNING" in page and "job (1 run, 1 unfinished)" in page
    told = volumes(cli, "delete", "data", "--yes", code=2)
    assert told["reason"] == "in_use" and pod in told["message"] and told["hint"] == f"rpd cancel {cli.run_id}"
    cli.go()
    assert live.end() == 0, live.text
    told = volumes(cli, "delete", made["id"], "--yes", code=2)
    assert f"{pod} " in told["message"] and "EXITED" in told["message"]
    assert told["hint"] == f"rpd release {cli.run_id} --delete"
    assert cli.rpd("release", cli.run_id, "--delete", "--yes").returncode == 0
    assert (cli.sandbox_home / "volumes" / made["id"] / "go").exists(), "what a pod has written outlives it"
    gone = cli.rpd("volumes", "delete", "data", "--sandbox", "--yes")
    assert gone.returncode == 0 and "named    by job (1 run, newest job-" in gone.stderr
    cli.judge("TERMINATED", starts=1)
    assert existing(cli) == []


@pytest.mark.slow
@pytest.mark.row(47)
def test_a_pod_that_turns_up_late_keeps_its_volume(cli: CommandLine) -> None:
    create(cli)
    cli.fault("F14", lag=600, what="list")
    live = cli.begin(config(GATED, storage=STORAGE))
    live.until("monitor")
    told = volumes(cli, "delete", "data", "--yes", code=2)
    assert told["reason"] == "bad_request" and cli.live_pod()["id"] in told["message"], "the cloud's own refusal"
    assert existing(cli) == [("data", 10)]
    cli.go()
    assert live.end() == 0, live.text


@pytest.mark.slow
def test_the_run_that_has_its_pod_now_is_named(cli: CommandLine) -> None:
    create(cli)
    document = config(storage=STORAGE, lifecycle={"on_success": "recycle"})
    for _ in range(2):
        done = cli.run(document)
        assert done.returncode == 0, done.stderr
    told = volumes(cli, "delete", "data", "--yes", code=2)
    assert told["hint"] == f"rpd release {cli.run_id} --delete" and cli.run_id in told["message"], told
    assert cli.rpd(*told["hint"].split()[1:], "--yes").returncode == 0
    volumes(cli, "delete", "data", "--yes")
    assert existing(cli) == []
