"""Old job files brought up to date, however they are laid out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from rpd.adapters.spec.migrate import migrated
from rpd.engine.errors import UserError

NEW = {"schema_version": 2, "pod": {"datacenters": ["EUR-IS-1"], "image": "x"}, "run": {"body": "echo"}}
STOPPED = {**NEW, "lifecycle": {"on_success": "stop", "on_failure": "stop"}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("pod:\n  datacenter_id: EUR-IS-1\n  image: x\nrun: {body: echo}\n", NEW),
        ("pod:\n  datacenter_id: >-\n    EUR-IS-1\n  image: x\nrun: {body: echo}\n", NEW),
        ("pod:\n  image: x\n  datacenter_id: |\n    EUR-IS-1\n\nrun:\n  body: echo\n", NEW),
        ("pod:\n  spot: >-\n    true\n  datacenter_id: EUR-IS-1\n  image: x\nrun: {body: echo}\n", NEW),
        ("pod: {datacenter_id: 'EUR-IS-1', image: x, spot: true}\nrun: {body: echo}", NEW),
        (
            (
                "stop:\n  on_success: >-\n    stop\n  on_failure: |\n    keep\n"
                "pod: {datacenter_id: EUR-IS-1, image: x}\nrun: {body: echo}\n"
            ),
            STOPPED,
        ),
        (
            (
                "pod: {datacenter_id: EUR-IS-1, image: x}\nrun: {body: echo}\n"
                "stop:\n  on_success:   # as ever\n  on_failure: keep"
            ),
            STOPPED,
        ),
        ("pod:\n  image: x\n  datacenter_id:\nrun: {body: echo}\n", {**NEW, "pod": {"datacenters": [], "image": "x"}}),
    ],
)
def test_every_layout_keeps_its_meaning(text: str, wanted: dict[str, Any]) -> None:
    new, told = migrated(f"schema_version: 1\n{text}", "job.yaml")
    assert yaml.safe_load(new) == wanted, new
    assert "schema_version is 2" in told
    assert migrated(new, "job.yaml") == (new, [])


@pytest.mark.parametrize(
    "text",
    [
        "vars: {a: [&dc EUR-IS-1]}\npod: {datacenter_id: *dc, image: x}\n",
        "vars: &t true\npod:\n  image: x\n  spot: *t\n",
        "stop:\n  on_success: &k keep\n  on_failure: *k\n",
        "pod: {image: x, spot: &t true}\nvars: *t\n",
        "pod:\n  datacenter_id:\n    - A\n  image: x\n",
        "pod: {datacenter_id: {run_dir}, image: x}\n",
        "pod: {datacenter_id: {{a}: b}, image: x}\n",
        "stop: {on_success, on_failure: keep}\n",
    ],
)
def test_what_cannot_be_changed_by_itself_is_said(text: str) -> None:
    with pytest.raises(UserError):
        migrated(f"schema_version: 1\n{text}", "job.yaml")


def test_a_version_that_is_no_number_is_said_in_words() -> None:
    with pytest.raises(UserError, match="line 1: schema_version must be one value"):
        migrated("schema_version: [2]\npod: {image: x}\n", "job.yaml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("null", []),
        ("~", []),
        ("'EUR-{n}'", ["EUR-{n}"]),
        ("EUR-{n}", ["EUR-{n}"]),
        ("A, B", ["A, B"]),
    ],
)
def test_a_data_center_is_a_list_of_one(written: str, meant: list[str]) -> None:
    new, _ = migrated(f"pod:\n  datacenter_id: {written}\n", "job.yaml")
    assert yaml.safe_load(new) == {"pod": {"datacenters": meant}}
