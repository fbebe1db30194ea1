"""Old job files brought up to date, however they are laid out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from rpd.adapters.local.migrate import migrated

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
