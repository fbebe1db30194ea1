"""Images looked up at a registry that speaks the OCI distribution API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rpd.adapters.checking.registry import DOCKER_HUB, Reference, check_image, reference
from tests.fakes.registry import DIGEST, registry


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with registry() as address:
        yield address


def told(image: str, *, has_credentials: bool = False) -> list[tuple[str, str]]:
    return [(each.level, each.message) for each in check_image(image, has_credentials=has_credentials)]


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
