"""Images looked up at a registry that speaks the OCI distribution API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from rpd.adapters.checking.image import cuda_needed, judge
from rpd.adapters.checking.registry import DOCKER_HUB, Reference, check_image, reference
from rpd.states.ports.job import Job
from tests.fakes.registry import DIGEST, MADE, make, registry


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with registry() as address:
        yield address


def told(image: str, *, has_credentials: bool = False, mount: str = "/workspace", **pod: Any) -> list[tuple[str, str]]:
    wanted = {"image": image, "gpu_order": ["G"], **({"registry_id": "r"} if has_credentials else {}), **pod}
    job = msgspec.convert({"name": "j", "pod": wanted, "run": {"body": "x"}, "storage": {"volume_mount": mount}}, Job)
    return [(each.level, each.message) for each in check_image(job)]


@pytest.mark.row(23)
def test_a_tag_and_a_digest_that_exist(host: str) -> None:
    assert told(f"{host}/team/app:v1") == []
    assert told(f"{host}/team/app@{DIGEST}") == []
    assert told(f"{host}/team/app:whatever@{DIGEST}") == []


@pytest.mark.row(23)
def test_proved_absence_is_an_error(host: str) -> None:
    ((level, message),) = told(f"{host}/team/app:v2")
    assert level == "error" and "has no tag v2 of team/app" in message
    ((level, message),) = told(f"{host}/team/app@sha256:{'00' * 32}")
    assert level == "error" and "has no digest" in message


@pytest.mark.parametrize(
    ("image", "text"),
    [("secret/app:v1", "pod.registry_id"), ("odd/app:v1", "pod.registry_id"), ("busy/app:v1", "too many questions")],
)
def test_what_cannot_be_told_is_a_warning(host: str, image: str, text: str) -> None:
    ((level, message),) = told(f"{host}/{image}")
    assert level == "warning" and text in message
    if text == "pod.registry_id":
        assert told(f"{host}/{image}", has_credentials=True) == []


def test_a_registry_out_of_reach_is_a_warning() -> None:
    ((level, message),) = told("127.0.0.1:1/team/app:v1")
    assert level == "warning" and "could not be asked" in message


def test_the_latest_is_no_version(host: str) -> None:
    assert [level for level, _ in told(f"{host}/team/app")] == ["warning", "error"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("alpine:3.20", Reference(DOCKER_HUB, "library/alpine", "3.20")),
        ("runpod/pytorch", Reference(DOCKER_HUB, "runpod/pytorch", "latest")),
        ("docker.io/a/b:c", Reference(DOCKER_HUB, "a/b", "c")),
        ("ghcr.io/a/b/c:d", Reference("ghcr.io", "a/b/c", "d")),
        ("localhost:5000/a:b", Reference("localhost:5000", "a", "b")),
        (f"a/b:tag@{DIGEST}", Reference(DOCKER_HUB, "a/b", DIGEST)),
        ("Upper/case:1", None),
        ("a/b:", None),
        ("a/b@sha256:12", None),
        ("https://ghcr.io/a", None),
        ("[::1/a:b", None),
        ("-x.org/a:b", None),
    ],
)
def test_names_are_taken_apart_as_docker_does(image: str, expected: Reference | None) -> None:
    assert reference(image) == expected


# What an image is made of.


@pytest.mark.parametrize("platforms", [(), ("linux/arm64", "linux/amd64", "unknown/unknown")])
@pytest.mark.parametrize(
    ("gigabytes", "disk", "level"), [(23.6, 20, "error"), (23.6, 40, "warning"), (23.6, 60, ""), (3.1, 20, "")]
)
def test_an_image_that_does_not_fit_on_the_disk(
    host: str, platforms: tuple[str, ...], gigabytes: float, disk: int, level: str
) -> None:
    make("team/large", "v1", int(gigabytes * 1e9), {}, platforms=platforms)
    found = told(f"{host}/team/large:v1", container_disk_gb=disk)
    assert [each for each, _ in found] == ([level] if level else [])
    if level == "error":
        assert "is 23.6 GB before it is unpacked, and pod.container_disk_gb is 20: it never starts" in found[0][1]


def test_an_image_for_other_processors_alone(host: str) -> None:
    make("team/mac", "v1", 10, {}, platforms=("linux/arm64", "unknown/unknown"))
    ((level, message),) = told(f"{host}/team/mac:v1")
    assert level == "error" and "is built for linux/arm64, but the hosts are linux/amd64" in message


@pytest.mark.parametrize(
    ("pod", "text"),
    [
        ({}, 'pod.min_cuda_version: "12.8"'),
        ({"min_cuda_version": "12.4"}, "pod.min_cuda_version allows 12.4"),
        ({"allowed_cuda_versions": ["12.4", "12.8"]}, "pod.allowed_cuda_versions allows 12.4"),
        ({"min_cuda_version": "12.8"}, ""),
        ({"min_cuda_version": "12.11"}, ""),
        ({"allowed_cuda_versions": ["13.0"]}, ""),
    ],
)
def test_the_cuda_version_that_the_image_says_it_needs(host: str, pod: dict[str, Any], text: str) -> None:
    make("team/cuda", "v1", 10, {"Env": ["PATH=/bin", "NVIDIA_REQUIRE_CUDA=cuda>=12.8 brand=tesla,driver>=535"]})
    found = told(f"{host}/team/cuda:v1", **pod)
    assert [level for level, _ in found] == (["warning"] if text else [])
    assert all(text in message and "CUDA 12.8" in message for _, message in found)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04", "12.4"),
        ("runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404", "12.8"),
        ("team/app:cu128", "12.8"),
        ("nvidia/cuda:12.6.2-runtime-ubuntu22.04", "12.6"),
        ("team/cu128:v1", None),
        ("ubuntu:22.04", None),
    ],
)
def test_the_cuda_version_by_the_tag(image: str, version: str | None) -> None:
    assert cuda_needed(image, None) == version


@pytest.mark.parametrize(
    ("config", "mount", "hidden"),
    [
        ({"WorkingDir": "/workspace"}, "/workspace", ""),
        ({"WorkingDir": "/workspace/axolotl"}, "/workspace", "/workspace/axolotl"),
        ({"Entrypoint": ["/workspace/start.sh"]}, "/workspace", "/workspace/start.sh"),
        ({"Cmd": ["/start.sh"]}, "/workspace", ""),
        ({"Env": ["PATH=/opt/venv/bin:/usr/bin"]}, "/opt", "/opt/venv/bin"),
        ({"WorkingDir": "/workspaces/x"}, "/workspace", ""),
    ],
)
def test_a_volume_over_the_images_own_files(host: str, config: dict[str, Any], mount: str, hidden: str) -> None:
    make("team/own", "v1", 10, config)
    found = told(f"{host}/team/own:v1", mount=mount)
    assert [level for level, _ in found] == (["warning"] if hidden else [])
    assert not hidden or f"the volume at {mount} hides {hidden}" in found[0][1]


def test_a_volume_over_a_folder_of_a_known_image() -> None:
    job = {"name": "j", "pod": {"image": "axolotlai/axolotl:main", "gpu_order": ["G"]}, "run": {"body": "x"}}
    (found,) = judge(msgspec.convert(job, Job), None)
    assert "/workspace/axolotl" in found.message and "storage.volume_mount" in found.message


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"layers": [{"size": -5}]}', b'{"manifests": [{"platform": null}]}', b"{" * 9999, b"\xff\xfe"],
)
def test_a_manifest_that_makes_no_sense_is_no_matter(host: str, body: bytes) -> None:
    make("team/odd", "v1", 10, {})
    MADE["team/odd/manifests/v1"] = body
    assert told(f"{host}/team/odd:v1") == []
