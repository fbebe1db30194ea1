"""A run and its records, made up for who shows them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.spec.jobfile import LoadedJob, load_text
from rpd.journal.codec import GENESIS
from rpd.journal.records import Opened, Record, Requested, Stamp, Transition
from rpd.states.facts import Facts, new_facts

JOB = "name: j\npod: {image: x, gpu_order: [NVIDIA L4]}\nstorage: {volume_gb: 10}\nrun: {body: 'true'}\n"


def facts(folder: Path) -> Facts:
    """Of a run that has just been opened, with its run folder here."""
    job = load_text(JOB, folder / "j.yaml")
    return new_facts(opened(job, run_dir=str(folder)), job.run_id)


def opened(job: LoadedJob, **changes: Any) -> Opened:
    """Record 0 of a run of this job, but for `changes`."""
    usual = Opened(
        tool_version="0",
        min_reader=1,
        lifecycle="job",
        workflow="j",
        lineage=job.lineage,
        config_path=job.config_path,
        config_sha256=job.config_sha256,
        config=msgspec.to_builtins(job.config),
        journal_path="",
        run_dir=job.run_dir,
        cloud={"name": "sandbox", "url": "http://127.0.0.1:1/v2"},
        user="me",
        host="here",
        token="0" * 26,
    )
    return msgspec.structs.replace(usual, **changes)


def record(seq: int, body: Requested | Transition) -> Record:
    """With this content."""
    at = Stamp(time.time(), 100.0 + seq, "boot")
    return Record(seq, 1, "r", at, "", body.__class__.__name__.lower(), "x", True, GENESIS, "", body)
