"""The port over real HTTP; every request is held against the provider's published document."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rpd.adapters.runpod import wire
from rpd.adapters.runpod.market import better
from rpd.engine.errors import Ambiguous, Refused, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.volume import Volume
from rpd.states.ports.world import Cloud, Offer, PodLog, PodOrder


def order(**changes: Any) -> PodOrder:
    fields = {
        "name": "rpd-train-tok-a1",
        "image": "runpod/pytorch:2",
        "gpu_id": "NVIDIA RTX A5000",
        "gpu_count": 1,
        "cloud": "SECURE",
        "datacenter_ids": (),
        "disk_gb": 20,
        "env": {"PUBLIC_KEY": "ssh-ed25519 AAAA", "RPD_RUN_ID": "r1"},
    }
    return PodOrder(**{**fields, **changes})


def test_it_is_a_cloud(api: Any, bench: Any) -> None:
    cloud: Cloud = bench.cloud(api.url)
    assert "127.0.0.1" in repr(cloud)


def test_create_sends_the_least_that_works(api: Any, bench: Any, make_pod: Any) -> None:
    api.answer(201, make_pod(status="PROVISIONING", ssh={"proxy": None, "direct": None}, runtime=None))
    pod = bench.cloud(api.url).create(order())
    assert (pod.id, pod.status, pod.ssh, pod.usd_per_hour) == ("9kz2c1xq7hb3vd", "PROVISIONING", None, 0.27)
    assert api.calls[0].json == {
        "name": "rpd-train-tok-a1",
        "image": "runpod/pytorch:2",
        "cloud": "SECURE",
        "gpu": {"id": "NVIDIA RTX A5000", "count": 1},
        "disk": 20,
        "ports": ["22/tcp"],
        "env": {"PUBLIC_KEY": "ssh-ed25519 AAAA", "RPD_RUN_ID": "r1"},
    }


def test_create_with_everything(api: Any, bench: Any, make_pod: Any) -> None:
    api.answer(201, make_pod())
    cloud = bench.cloud(api.url)
    cloud.create(order(volume_gb=30, datacenter_ids=("EU-RO-1", "US-TX-3"), ports=("8888/http",), args="sleep 9"))
    body = api.calls[0].json
    assert body["mounts"] == {"persistent": {"size": 30, "path": "/workspace"}}
    assert body["dataCenterIds"] == ["EU-RO-1", "US-TX-3"]
    assert body["ports"] == ["8888/http", "22/tcp"]
    assert body["args"] == "sleep 9"
    cloud.create(order(network_volume_id="vol1", volume_path="/data"))
    assert api.calls[1].json["mounts"] == {"network": [{"volumeId": "vol1", "path": "/data"}]}


def test_create_from_a_template_with_credentials_and_a_cuda_floor(api: Any, bench: Any, make_pod: Any) -> None:
    api.answer(201, make_pod())
    cloud = bench.cloud(api.url)
    cloud.create(order(image="", template_id="tpl_abc", registry_id="reg_abc", min_cuda_version="12.4"))
    body = api.calls[0].json
    assert "image" not in body
    assert (body["templateId"], body["registry"]) == ("tpl_abc", "reg_abc")
    assert body["gpu"] == {"id": "NVIDIA RTX A5000", "count": 1, "minCudaVersion": "12.4"}
    cloud.create(order(allowed_cuda_versions=("12.8", "12.6")))
    assert api.calls[1].json["gpu"]["allowedCudaVersions"] == ["12.8", "12.6"]


def test_create_with_floors_of_memory_and_vcpus(api: Any, bench: Any, make_pod: Any) -> None:
    api.answer(201, make_pod())
    bench.cloud(api.url).create(order(min_memory_gb_per_gpu=64, min_vcpus_per_gpu=8))
    assert api.calls[0].json["gpu"] == {
        "id": "NVIDIA RTX A5000",
        "count": 1,
        "minRamPerGpu": 64,
        "minVcpuCountPerGpu": 8,
    }


def test_create_without_a_gpu(api: Any, bench: Any, make_pod: Any) -> None:
    pod = make_pod()
    del pod["gpu"]
    api.answer(201, {**pod, "cpu": {"id": "cpu3c", "vcpuCount": 4, "memory": 8}})
    cloud = bench.cloud(api.url)
    made = cloud.create(order(**CPU, network_volume_id="vol1"))
    assert (made.gpu_id, made.gpu_count) == (None, 0)
    body = api.calls[0].json
    assert body["cpu"] == {"id": "cpu3c", "vcpuCount": 4} and "gpu" not in body


def test_cpu_flavors_are_offers_per_vcpu(api: Any, bench: Any) -> None:
    flavor = {"id": "cpu5c", "name": "x", "group": "Gen 5", "vcpu": {"min": 2, "max": 32}, "ramGbPerVcpu": 2}
    price = {"securePerVcpu": 0.04, "serverlessPerVcpu": 0.03}
    place = {"id": "EU-RO-1", "name": "x", "availability": "LOW"}
    api.answer(200, {"cpus": [{**flavor, "price": price, "availability": "NONE", "dataCenters": [place]}]})
    assert bench.cloud(api.url).cpu_offers() == (Offer("cpu5c", "SECURE", 0.04, "LOW", ("EU-RO-1",), "x"),)


CPU = {"gpu_id": "", "gpu_count": 0, "cpu_id": "cpu3c", "vcpu_count": 4}


@pytest.mark.parametrize(
    "changes",
    [
        {**CPU, "vcpu_count": 3},
        {**CPU, "volume_gb": 20},
        {**CPU, "cloud": "COMMUNITY"},
        {**CPU, "gpu_id": "NVIDIA L4"},
        {**CPU, "min_memory_gb_per_gpu": 8},
        {"min_cuda_version": "12.4", "allowed_cuda_versions": ("12.4",)},
        {"name": ""},
        {"name": "x" * 192},
        {"image": ""},
        {"gpu_count": 0},
        {"disk_gb": 0},
        {"env": {str(n): "" for n in range(51)}},
        {"env": {"A": "x" * 110_000}},
        {"args": ""},
        {"volume_gb": 9},
        {"volume_gb": 10, "network_volume_id": "v"},
        {"network_volume_id": "v", "cloud": "COMMUNITY"},
    ],
)
def test_an_order_that_cannot_work_is_not_sent(api: Any, bench: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        bench.cloud(api.url).create(order(**changes))
    assert caught.value.reason == Fault.INVALID
    assert api.calls == []


@pytest.mark.parametrize("body", [{}, {"id": ""}, {"id": None}, {"id": 7}, {"pods": []}, [], "id"])
def test_a_created_pod_without_an_id_is_in_doubt(api: Any, bench: Any, body: Any) -> None:
    api.answer(201, body)
    with pytest.raises(Ambiguous) as caught:
        bench.cloud(api.url).create(order())
    assert caught.value.reason == Fault.UNREADABLE
    assert len(api.calls) == 1


def test_get(api: Any, bench: Any, make_pod: Any) -> None:
    api.answer(200, make_pod()).refuse(404, "pod not found").answer(404, b"404 page not found")
    cloud = bench.cloud(api.url)
    pod = cloud.get("9kz2c1xq7hb3vd")
    assert pod is not None
    assert pod.ssh is not None
    assert (pod.ssh.host, pod.ssh.port, pod.has_runtime, pod.volume_gb) == ("203.0.113.7", 17740, True, 30)
    assert cloud.get("9kz2c1xq7hb3vd") is None
    with pytest.raises(Unavailable):  # whoever says so is not the API
        cloud.get("9kz2c1xq7hb3vd")


@pytest.mark.parametrize("pod_id", ["", ".", "..", "a/b", "a?b", "a b", "ä", "a\n", "x" * 129])
def test_an_id_that_names_something_else_is_never_sent(api: Any, bench: Any, pod_id: str) -> None:
    cloud = bench.cloud(api.url)
    for call in (cloud.get, cloud.start, cloud.stop, cloud.delete):
        with pytest.raises(Refused):
            call(pod_id)
    assert api.calls == []


def test_list_without_pages(api: Any, bench: Any, make_pod: Any) -> None:
    api.answer(200, {"pods": [make_pod(id="a"), make_pod(id="b", name="rpd-train-tok-a1")]})
    assert [pod.id for pod in bench.cloud(api.url).list()] == ["a", "b"]


def test_list_of_several_pages_some_of_them_short(api: Any, bench: Any, make_pod: Any) -> None:
    def pages(cursor: str | None) -> dict[str, Any]:
        return {"nextCursor": cursor, "hasNextPage": cursor is not None}

    api.answer(200, {"pods": [make_pod(id="c"), make_pod(id="b")], "pagination": pages("k1")})
    api.answer(200, {"pods": [], "pagination": pages("k2")})
    # Newest first: a pod made meanwhile pushes one over to the next page, where it comes again.
    api.answer(200, {"pods": [make_pod(id="b"), make_pod(id="a")], "pagination": pages(None)})
    assert [pod.id for pod in bench.cloud(api.url).list()] == ["c", "b", "a"]
    assert [call.query for call in api.calls] == [{}, {"cursor": "k1"}, {"cursor": "k2"}]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"pods": None},
        {"pods": {}},
        {"pods": [{"name": "without id"}]},
        {"pods": [{"id": "a"}, None]},
        {"pods": [{"id": ""}]},
        {"pods": [], "pagination": {"hasNextPage": True}},
        {"pods": [], "pagination": {"hasNextPage": True, "nextCursor": "same"}},
        {"pods": [], "pagination": "?"},
        {"items": []},
        [],
    ],
)
def test_an_unreadable_list_proves_no_absence(api: Any, bench: Any, body: Any) -> None:
    api.answer(200, body)
    with pytest.raises(Unavailable) as caught:
        bench.cloud(api.url).list()
    assert caught.value.reason == Fault.UNREADABLE


@pytest.mark.parametrize(("action", "done"), [("stop", "EXITED"), ("start", "RUNNING"), ("start", "STARTING")])
def test_an_action_already_done(api: Any, bench: Any, make_pod: Any, action: str, done: str) -> None:
    api.answer(200, make_pod()).refuse(409, "invalid for status").answer(200, make_pod(status=done))
    act = getattr(bench.cloud(api.url), action)
    act("p1")
    assert api.calls[0].json == {"action": action}
    act("p1")
    assert [call.method for call in api.calls] == ["POST", "POST", "GET"]


@pytest.mark.parametrize(
    ("action", "status", "body"),
    [("stop", 200, {"status": "RUNNING"}), ("start", 200, {"status": "EXITED"}), ("stop", 404, {}), ("stop", 401, {})],
)
def test_an_action_refused(api: Any, bench: Any, make_pod: Any, action: str, status: int, body: dict[str, Any]) -> None:
    api.refuse(409, "cluster pod").answer(status, make_pod(**body) if status == 200 else {"detail": "no"})
    with pytest.raises(Refused) as caught:
        getattr(bench.cloud(api.url), action)("p1")
    assert caught.value.reason == Fault.CONFLICT


@pytest.mark.parametrize("action", ["stop", "delete"])
def test_a_locked_pod_names_who_unlocks_it_and_how(api: Any, bench: Any, make_pod: Any, action: str) -> None:
    api.refuse(409, "pod is locked; unlock it first").answer(200, make_pod())
    with pytest.raises(Refused) as caught:
        getattr(bench.cloud(api.url), action)("p1")
    assert (caught.value.reason, caught.value.retryable) == (Fault.LOCKED, True)
    assert "pod p1 is locked" in caught.value.message and "whoever may edit it in the account" in caught.value.message
    assert f"curl -X PATCH {api.url.removesuffix('/v2')}/v2/pods/p1 " in caught.value.message
    assert "Bearer $RUNPOD_API_KEY" in caught.value.message, "a name, and no key"


def test_an_action_answered_by_somebody_else(api: Any, bench: Any) -> None:
    api.answer(200, b"<html>hotel wifi</html>")
    with pytest.raises(Ambiguous):
        bench.cloud(api.url).stop("p1")
    api.answer(200, b"")
    bench.cloud(api.url).stop("p1")


def test_start_refused(api: Any, bench: Any) -> None:
    api.refuse(400, "There are not enough free GPUs on the host machine to start this pod.")
    with pytest.raises(Refused, match="not enough free GPUs") as caught:
        bench.cloud(api.url).start("p1")
    assert caught.value.reason == Fault.START_REFUSED


@pytest.mark.parametrize("status", [204, 404])
def test_delete(api: Any, bench: Any, status: int) -> None:
    api.answer(status, None if status == 204 else {"detail": "pod not found"})
    bench.cloud(api.url).delete("p1")
    assert [(call.method, call.path) for call in api.calls] == [("DELETE", "/v2/pods/p1")]


def test_delete_with_a_refused_key(api: Any, bench: Any) -> None:
    api.refuse(401, "invalid token")
    with pytest.raises(Refused) as caught:
        bench.cloud(api.url).delete("p1")
    assert (caught.value.reason, caught.value.hint) == (
        Fault.KEY_REFUSED,
        "rpd config set api-key   (a key that may read and write pods; RUNPOD_API_KEY wins over it)",
    )


def gpu(**changes: Any) -> dict[str, Any]:
    base = {
        "id": "NVIDIA GeForce RTX  4090",
        "name": "RTX 4090",
        "secure": True,
        "community": True,
        "price": {"secure": 0.69, "community": 0.34},
        "maxCount": {"secure": 8, "community": 6},
        "availability": "LOW",
        "dataCenters": [],
    }
    return {**base, **changes}


def test_offers(api: Any, bench: Any) -> None:
    centers = [
        {"id": "EU-RO-1", "name": "EU", "availability": "HIGH"},
        {"id": "US-TX-3", "name": "US", "availability": "NONE"},
    ]
    api.answer(
        200,
        {
            "gpus": [
                gpu(availability="NONE", dataCenters=centers),
                gpu(id="not sold", price={"secure": 0, "community": 0.2}),
                gpu(id="unknown"),
                gpu(id="no price", price=None),
                gpu(id="too small", maxCount={"secure": 1}),
                gpu(id="new word", availability="PLENTY", dataCenters=None),
                {"id": 5},
                "drift",
            ]
        },
    )
    api.answer(200, {"gpus": [gpu(secure=False), gpu(id="b", community=False)]})
    called = ("RTX 4090", None)
    assert bench.cloud(api.url).offers(2) == (
        Offer("NVIDIA GeForce RTX  4090", "SECURE", 0.69, "HIGH", ("EU-RO-1",), *called),
        Offer("not sold", "SECURE", None, "NONE", (), *called, is_sold=False),
        Offer("no price", "SECURE", None, "LOW", (), *called),
        Offer("too small", "SECURE", 0.69, "NONE", (), *called),
        Offer("new word", "SECURE", 0.69, "UNKNOWN", (), *called),
        Offer("NVIDIA GeForce RTX  4090", "COMMUNITY", 0.34, "LOW", (), *called),
        Offer("b", "COMMUNITY", None, "NONE", (), *called, is_sold=False),
    )
    asked = {"include": "AVAILABILITY", "product": "POD", "count": "2"}
    assert [call.query for call in api.calls] == [asked | {"cloud": "SECURE"}, asked | {"cloud": "COMMUNITY"}]


def test_gpu_types_stand_once_with_both_clouds(api: Any, bench: Any) -> None:
    centers = [{"id": "EU-RO-1", "availability": "LOW"}, {"id": "US-TX-3", "availability": "PLENTY"}, {"id": 7}, None]
    api.answer(
        200,
        {
            "gpus": [
                gpu(memory=24, dataCenters=centers),
                gpu(id="secure alone", name=None, memory="much"),
                gpu(id="unknown"),
                "drift",
            ]
        },
    )
    api.answer(200, {"gpus": [gpu(memory=24), gpu(id="secure alone", community=False), gpu(id="other", secure=False)]})
    both, secure, community = bench.cloud(api.url).gpu_types()
    assert (both.id, both.name, both.memory_gb, both.stock) == (
        "NVIDIA GeForce RTX  4090",
        "RTX 4090",
        24,
        {"EU-RO-1": "LOW"},
    )
    assert [(each.cloud, each.usd_per_hour) for each in both.offers] == [("SECURE", 0.69), ("COMMUNITY", 0.34)]
    assert (secure.name, secure.memory_gb, secure.community) == ("secure alone", None, None)
    assert community.secure is None and [each.cloud for each in community.offers] == ["COMMUNITY"]


@pytest.mark.parametrize(
    ("one", "other", "word"),
    [("NONE", "LOW", "LOW"), ("HIGH", "LOW", "HIGH"), (None, "MEDIUM", "MEDIUM"), (None, "PLENTY", "UNKNOWN")],
)
def test_of_two_words_on_stock_the_better_counts(one: str | None, other: str, word: str) -> None:
    assert better(one, other) == word


def test_network_volumes_are_found_by_id_then_by_name(api: Any, bench: Any) -> None:
    volumes = [{"id": "v1", "name": "data"}, {"id": "v2", "name": "v1"}, {"id": "v3", "name": "twice"}]
    api.answer(200, {"networkVolumes": [*volumes, {"id": "v4", "name": "twice"}]})
    cloud = bench.cloud(api.url)
    assert cloud.network_volume_id("data") == "v1"
    assert cloud.network_volume_id("v1") == "v1"
    assert cloud.network_volume_id("none") is None
    with pytest.raises(Refused, match="v3, v4"):
        cloud.network_volume_id("twice")


VOLUME = {"id": "v1", "name": "data", "size": 10, "dataCenter": "EU-RO-1", "type": "STANDARD"}


def test_network_volumes_are_made_grown_and_deleted(api: Any, bench: Any) -> None:
    api.answer(201, VOLUME).answer(200, {**VOLUME, "size": 20}).answer(204).refuse(404, "not found")
    cloud = bench.cloud(api.url)
    assert cloud.create_volume("data", 10, "EU-RO-1", "STANDARD") == Volume("v1", "data", 10, "EU-RO-1", "STANDARD")
    assert cloud.grow_volume("v1", 20).size == 20
    cloud.delete_volume("v1")
    cloud.delete_volume("v1")
    assert cloud.volume("v1") is None
    assert [(call.method, call.path) for call in api.calls] == [
        ("POST", "/v2/network-volumes"),
        ("PATCH", "/v2/network-volumes/v1"),
        ("DELETE", "/v2/network-volumes/v1"),
        ("DELETE", "/v2/network-volumes/v1"),
        ("GET", "/v2/network-volumes/v1"),
    ]
    with pytest.raises(Refused, match="not the id of a network volume"):
        cloud.delete_volume("../pods")


def test_a_network_volume_is_made_once_and_grown_until_it_is_said(api: Any, bench: Any) -> None:
    api.answer(500, b"oops").answer(500, b"oops").answer(200, {**VOLUME, "size": 20})
    cloud = bench.cloud(api.url)
    with pytest.raises(Ambiguous):
        cloud.create_volume("data", 10, "EU-RO-1", "STANDARD")
    assert len(api.calls) == 1
    assert cloud.grow_volume("v1", 20).size == 20
    assert [call.method for call in api.calls] == ["POST", "PATCH", "PATCH"]


def test_pods_that_have_a_network_volume_mounted(api: Any, bench: Any) -> None:
    mounted = {"network": [{"volumeId": "v1", "path": "/workspace"}]}
    pods = [
        {"id": "a", "name": "rpd-a", "status": "RUNNING", "mounts": mounted, "env": {"RPD_RUN_ID": "run-1"}},
        {"id": "b", "status": "EXITED", "mounts": mounted},
        {"id": "c", "status": "TERMINATED", "mounts": mounted},
        {"id": "d", "status": "RUNNING", "mounts": {"persistent": {"size": 10, "path": "/workspace"}}},
        {"id": "e", "status": "RUNNING", "mounts": None},
    ]
    api.answer(200, {"pods": pods})
    assert bench.cloud(api.url).mounts() == (
        wire.Mount("v1", "a", "rpd-a", "RUNNING", "run-1"),
        wire.Mount("v1", "b", "", "EXITED", None),
    )


def test_data_centers_say_which_network_volumes_they_have(api: Any, bench: Any) -> None:
    told = [{"id": "A", "networkVolumeTypes": ["STANDARD"]}, {"id": "B", "networkVolumeTypes": []}, {"id": "C"}]
    api.answer(200, {"dataCenters": told})
    assert [each.volume_types for each in bench.cloud(api.url).datacenters()] == [("STANDARD",), (), None]


EVENTS = (
    b'id: 1/1\ndata: {"ts":"t","source":"system","line":"pulling image"}\n\n'
    b": a comment\n\n"
    b'id: 1/2\r\ndata: {"ts":"t","source":"container","line":"its own"}\r\n\r\n'
    b"data: no json\n\n"
    b'data: {"line":"toomanyrequests: \\u001b[2Jlimit"}\n\n'
    b'data: {"ts":"t","source":"system","line":"cut in the mid'
)


BOTH = PodLog(("pulling image", "toomanyrequests: [2Jlimit"), ("its own",))


def test_pod_log_of_a_stream_that_never_ends(api: Any, bench: Any, raw: Any) -> None:
    def serve(connection: Any) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + EVENTS)
        server.pause(30)

    server = raw(serve)
    started = time.monotonic()
    assert bench.cloud(server.url).pod_log("p1", 50) == BOTH
    assert time.monotonic() - started < 4.0
    assert b"GET /v2/pods/p1/logs?tail=50 " in server.requests[0]


def test_pod_log_asks_by_the_document(api: Any, bench: Any) -> None:
    api.answer(200, EVENTS)
    cloud = bench.cloud(api.url)
    assert cloud.pod_log("p1", 1) == PodLog(("toomanyrequests: [2Jlimit",), ("its own",))
    assert cloud.pod_log("p1", 0) == PodLog()
    assert cloud.pod_log("p1", 10**6) == BOTH
    assert [call.query["tail"] for call in api.calls] == ["1", "0", "5000"]
    assert api.calls[0].headers["accept"] == "text/event-stream"


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_pod_log_that_cannot_be_had(api: Any, bench: Any, status: int) -> None:
    api.refuse(status, "no")
    assert bench.cloud(api.url).pod_log("p1", 5) == PodLog()


@pytest.mark.slow
def test_pod_log_whose_head_never_comes(bench: Any, raw: Any) -> None:
    server = raw(lambda _connection: server.pause(30))
    started = time.monotonic()
    assert bench.cloud(server.url).pod_log("p1", 5) == PodLog()
    assert 4.0 < time.monotonic() - started < 8.0


@pytest.mark.parametrize(
    ("told", "newest"),
    [
        ([("12.4", True), ("12.10", True), ("13.0", False)], "12.10"),
        ([("12.4", "yes"), ("latest", True), (12.8, True)], ""),
        ("12.4", ""),
        (None, ""),
    ],
)
def test_the_newest_cuda_with_free_hosts_and_the_largest_pod(api: Any, bench: Any, told: Any, newest: str) -> None:
    versions = [{"version": name, "available": free} for name, free in told] if isinstance(told, list) else told
    api.answer(200, {"gpus": [gpu(cudaVersions=versions, maxCount={"secure": 8, "community": True})]})
    api.answer(200, {"gpus": [gpu(maxCount={"secure": 8, "community": 2})]})
    (found,) = bench.cloud(api.url).gpu_types()
    assert found.cuda == newest and found.most == {"SECURE": 8, "COMMUNITY": 2}
