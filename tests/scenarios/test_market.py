"""What there is to rent: prices and stock as the sandbox's market has them, which a run then gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scenarios.harness import CommandLine, bare, config

L4, A5000, H100 = "NVIDIA L4", "NVIDIA RTX A5000", "NVIDIA H100 80GB HBM3"


def told(cli: CommandLine, *words: str, code: int = 0) -> dict[str, Any]:
    """`rpd ... --sandbox --json`: its document, or that of its error."""
    done = cli.rpd(*words, "--sandbox", "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    return dict(json.loads(done.stdout or done.stderr.splitlines()[-1]))


@pytest.mark.row(116)
@pytest.mark.slow
def test_the_price_table_is_what_a_run_pays(cli: CommandLine) -> None:
    cli.play(prices={L4: {"secure": 0.11, "community": 0.05}}, stock={L4: {"*": "NONE", "EU-RO-1": "LOW"}})
    done = cli.rpd("gpus", "--sandbox", "--cloud", "secure", "--min-vram", "24")
    assert done.returncode == 0, done.stderr
    head, first, *_ = done.stdout.splitlines()
    assert head.split() == ["GPU", "NAME", "VRAM", "SECURE", "STOCK"]
    assert first.split() == ["NVIDIA", "L4", "L4", "24", "GB", "$0.11", "low"], "the cheapest first"
    (found,) = told(cli, "stock", "l4", "--cloud", "secure")["stock"]
    assert (found["gpu_id"], found["datacenter"], found["stock"]) == (L4, "EU-RO-1", "LOW")
    ran = cli.run(config(pod={"datacenters": [found["datacenter"]]}))
    assert ran.returncode == 0, ran.stderr
    pod = cli.inspect()["pod"]
    assert (pod["gpu"], pod["datacenter"], pod["usd_per_hour"]) == (L4, "EU-RO-1", found["usd_per_hour"])
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.row(116)
def test_the_price_table_and_its_filters(cli: CommandLine) -> None:
    cli.play(
        prices={L4: {"secure": 0.4, "community": 0.3}, A5000: {"secure": 0.2, "community": 0}, H100: {"secure": 9}},
        stock={L4: {"*": "NONE", "EU-RO-1": "MEDIUM"}, H100: "NONE"},
    )
    everything = told(cli, "gpus")
    assert (everything["schema"], everything["cloud"], everything["datacenter"]) == ("rpd.gpus/1", "sandbox", None)
    types = {each["gpu_id"]: each for each in everything["gpus"]}
    assert types[L4] == {
        "gpu_id": L4,
        "name": "L4",
        "vram_gb": 24,
        "secure": {"usd_per_hour": 0.4, "stock": "MEDIUM"},
        "community": {"usd_per_hour": 0.3, "stock": "MEDIUM"},
    }
    assert types[A5000]["community"] is None
    assert types[H100]["secure"] == {"usd_per_hour": 9.0, "stock": "NONE"}, "sold out, and still with its price"
    prices = [
        min(sold["usd_per_hour"] for sold in (each["secure"], each["community"]) if sold) for each in types.values()
    ]
    assert prices == sorted(prices)

    few = told(cli, "gpus", "--max-price", "0.35", "--min-vram", "24")["gpus"]
    assert {L4, A5000} <= {each["gpu_id"] for each in few}
    assert next(each for each in few if each["gpu_id"] == L4)["secure"]["usd_per_hour"] == 0.4, "shown beside the other"
    assert all(each["vram_gb"] >= 24 for each in few)
    assert L4 not in {each["gpu_id"] for each in told(cli, "gpus", "--max-price", "0.35", "--cloud", "secure")["gpus"]}
    there = told(cli, "gpus", "--datacenter", "eu-ro-1")
    assert there["datacenter"] == "EU-RO-1" and L4 in {each["gpu_id"] for each in there["gpus"]}
    several = told(cli, "gpus", "--datacenter", "eu-ro")
    assert (several["datacenter"], several["datacenters"]) == ("EU-RO-1", ["EU-RO-1"])
    assert len(told(cli, "gpus", "--datacenter", "Europe")["datacenters"]) > 1
    elsewhere = {each["gpu_id"] for each in told(cli, "gpus", "--datacenter", "US-KS-2")["gpus"]}
    assert A5000 in elsewhere and not {L4, H100} & elsewhere
    none = cli.rpd("gpus", "--sandbox", "--max-price", "0")
    assert (none.returncode, none.stdout) == (0, "no GPU type matches\n")


@pytest.mark.slow
@pytest.mark.row(116)
def test_the_stock_table_and_its_filters(cli: CommandLine) -> None:
    cli.play(
        prices={L4: {"secure": 0.4, "community": 0.3}, H100: {"community": 0}},
        stock={
            "*": {"*": "NONE"},
            L4: {"*": "NONE", "EU-RO-1": "LOW", "US-KS-2": "HIGH"},
            A5000: {"EU-RO-1": "MEDIUM"},
        },
    )
    rows = [(each["cloud"], each["datacenter"], each["stock"]) for each in told(cli, "stock", L4)["stock"]]
    assert rows == [("COMMUNITY", None, "HIGH"), ("SECURE", "US-KS-2", "HIGH"), ("SECURE", "EU-RO-1", "LOW")]
    every = told(cli, "stock", L4, "--all", "--cloud", "secure")["stock"]
    assert len(every) > 20 and every[-1]["stock"] == "NONE"
    there = cli.rpd("stock", "--sandbox", "--datacenter", "EU-RO-1")
    assert there.returncode == 0, there.stderr
    lines = [line.split() for line in there.stdout.splitlines()]
    assert [line[-1] for line in lines[1:]] == ["medium", "low"], "the cheaper first"
    assert lines[2] == ["NVIDIA", "L4", "secure", "$0.40", "EU-RO-1", "low"]
    assert "\x1b" not in there.stdout + there.stderr and "not shown (--all)" in there.stderr

    out = cli.rpd("stock", "h100 sxm", "--sandbox")
    assert (
        (out.returncode, out.stdout) == (6, "")
        and "nothing that matches is in stock" in out.stderr
        and "H100 SXM" in out.stderr
    )
    assert told(cli, "stock", H100, code=6)["stock"] == []
    assert told(cli, "stock", "--max-price", "0.01")["stock"] == []


@pytest.mark.slow
@pytest.mark.row(116)
def test_words_that_name_nothing_are_refused_with_those_that_do(cli: CommandLine) -> None:
    for words, said in (
        (("stock", "NVIDIA L41"), "did you mean 'NVIDIA L4'"),
        (("gpus", "--datacenter", "EU-RO-9"), "did you mean 'EU-RO-1'"),
        (("stock", "--datacenter", "EUR-RO-1"), "did you mean 'EU-RO-1'"),
        (("stock", "RTX 4091"), "did you mean 'NVIDIA GeForce RTX 4090'"),
        (("gpus", "--cloud", "secret"), "secure or community"),
        (("stock", "--cloud", "community", "--datacenter", "EU-RO-1"), "cannot be placed"),
        (("gpus", "--max-price", "nan"), "no amount"),
        (("gpus", "--min-vram", "-1"), "no amount"),
    ):
        assert said in told(cli, *words, code=2)["message"], words
    cli.fault("F9", times=0, on="catalog")
    assert told(cli, "gpus", code=4)["reason"] == "key_refused"
    cli.clear_faults()
    cli.fault("F7")
    assert told(cli, "stock", code=2)["reason"] == "bad_request"


@pytest.mark.row(116)
def test_without_a_key_nothing_is_asked(tmp_path: Any) -> None:
    done = bare(tmp_path).rpd("gpus")
    assert done.returncode == 4 and "RUNPOD_API_KEY" in done.stderr
