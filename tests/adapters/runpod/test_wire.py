"""Reading tolerantly: the schema moves, and half of it may be null."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rpd.adapters.runpod import wire
from rpd.adapters.runpod.answer import Unreadable
from rpd.states.ports.world import Pod, SshAddress


def read(value: Any) -> Pod:
    return wire.pod(json.dumps(value).encode())


def test_a_pod(make_pod: Any) -> None:
    assert read(make_pod(later="field")) == Pod(
        id="9kz2c1xq7hb3vd",
        name="rpd-train-tok-a1",
        status="RUNNING",
        image="runpod/pytorch:2",
        usd_per_hour=0.27,
        env={"RPD_RUN_ID": "r1"},
        gpu_id="NVIDIA RTX A5000",
        gpu_count=1,
        datacenter_id="US-TX-3",
        has_runtime=True,
        ssh=SshAddress("203.0.113.7", 17740),
        volume_gb=30,
        created_at="2026-11-20T10:00:00Z",
        started_at="2026-11-20T10:00:20Z",
    )


@pytest.mark.parametrize(("word", "is_locked"), [(True, True), (False, False), (None, False), ("yes", False)])
def test_a_lock(make_pod: Any, word: object, is_locked: bool) -> None:
    assert read(make_pod(locked=word)).is_locked is is_locked


def test_nearly_nothing() -> None:
    assert read({"id": "a"}) == Pod(id="a", name="", status="UNKNOWN")


PARTS = ("name", "status", "image", "cost", "env", "gpu", "dataCenterId", "ssh", "runtime", "mounts", "createdAt")


@pytest.mark.parametrize("part", [*PARTS, "startedAt"])
def test_any_part_may_be_null_or_missing(make_pod: Any, part: str) -> None:
    pod = make_pod()
    pod[part] = None
    nulled = read(pod)
    del pod[part]
    assert nulled == read(pod)
    assert nulled.id == "9kz2c1xq7hb3vd"


@pytest.mark.parametrize("part", ["cost", "env", "gpu", "ssh", "runtime", "mounts"])
@pytest.mark.parametrize("odd", ["?", 7, [], [1], {}, {"direct": 1, "persistent": "x", "count": "many"}, True, -1.5])
def test_a_part_in_another_shape_counts_as_missing(make_pod: Any, part: str, odd: Any) -> None:
    pod = read(make_pod(**{part: odd}))
    assert pod.name == "rpd-train-tok-a1"
    assert pod.usd_per_hour >= 0.0


@pytest.mark.parametrize(
    ("status", "runtime", "has_runtime"),
    [
        ("RUNNING", None, False),
        ("RUNNING", {}, False),
        ("RUNNING", {"uptime": 0, "ports": []}, True),
        ("EXITED", {"uptime": 90}, False),
        ("STARTING", {"uptime": 90}, False),
        ("HIBERNATING", {"uptime": 90}, True),
    ],
)
def test_a_runtime_counts_only_where_something_runs(
    make_pod: Any, status: str, runtime: Any, has_runtime: bool
) -> None:
    pod = read(make_pod(status=status, runtime=runtime))
    assert (pod.status, pod.has_runtime) == (status, has_runtime)


def mapped(**changes: Any) -> dict[str, Any]:
    return {"ports": [{"private": 22, "public": 12890, "type": "tcp", "ip": "198.51.100.9", **changes}]}


@pytest.mark.parametrize(
    ("direct", "runtime", "address"),
    [
        ({"host": "a.example", "port": 22, "username": "pod"}, None, SshAddress("a.example", 22, "pod")),
        ({"host": "2001:db8::1", "port": 22}, None, SshAddress("2001:db8::1", 22)),
        (None, mapped(), SshAddress("198.51.100.9", 12890)),
        ({"host": "", "port": 0}, mapped(), SshAddress("198.51.100.9", 12890)),
        (None, mapped(public=None), None),
        (None, mapped(ip=None), None),
        (None, mapped(private=8888), None),
        (None, mapped(type="http"), None),
        (None, mapped(ip="100.65.0.21"), None),
        ({"host": "100.64.1.1", "port": 22}, None, None),
        ({"host": "-oProxyCommand=x", "port": 22}, None, None),
        ({"host": "a b", "port": 22}, None, None),
        ({"host": "a", "port": 70000}, None, None),
        ({"host": "a", "port": 22, "username": "-x"}, None, SshAddress("a", 22)),
    ],
)
def test_where_ssh_answers(make_pod: Any, direct: Any, runtime: Any, address: SshAddress | None) -> None:
    assert read(make_pod(ssh={"proxy": None, "direct": direct}, runtime=runtime)).ssh == address
    assert read(make_pod(status="EXITED", ssh={"proxy": None, "direct": direct}, runtime=runtime)).ssh is None


@pytest.mark.parametrize("cost", ["0.5", 0.5])
def test_a_cost_may_be_text(make_pod: Any, cost: Any) -> None:
    assert read(make_pod(cost=cost)).usd_per_hour == 0.5


@pytest.mark.parametrize("cost", [-1, 1e9, "nan", "inf", "free"])
def test_a_cost_that_is_none(make_pod: Any, cost: Any) -> None:
    assert read(make_pod(cost=cost)).usd_per_hour == 0.0


def test_zero_gpus(make_pod: Any) -> None:
    assert read(make_pod(gpu={"id": "x", "count": 0})).gpu_count == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"id"', b'{"id":null}', b'{"id":""}', b'{"id":7}', b"\xff", b"[" * 100_000, b"<html>"],
)
def test_what_is_no_pod(body: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        wire.pod(body)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
