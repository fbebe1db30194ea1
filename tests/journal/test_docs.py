"""docs/journal.md is a promise: its verifier works, and its tables name what there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from rpd.journal import codec
from rpd.journal.records import ADVISORY, Body
from tests.journal.samples import sixty

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "journal.md").read_text()


def verify(path: Path) -> subprocess.CompletedProcess[str]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code.strip().splitlines()) <= 15
    return subprocess.run([sys.executable, "-I", "-c", code, str(path)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "golden").glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_verifier_accepts_golden_journals(path: Path) -> None:
    done = verify(path)
    lines = path.read_text().splitlines()
    assert done.stdout == f"{len(lines)} records, 0 unfinished bytes, head {json.loads(lines[-1])['z']}\n"
    assert done.returncode == 0


def test_the_verifier_sees_tails_and_damage(tmp_path: Path) -> None:
    _, texts = sixty()
    path = tmp_path / "x.jsonl"
    cases = {
        "60 records, 4 unfinished bytes": [*texts, b"torn"],
        "0 records, 4 unfinished bytes": [b"torn"],
        "line 31: the seal is broken": [*texts[:30], texts[30].replace(b"wall", b"wa11"), *texts[31:]],
        "line 31: the chain is broken": [*texts[:30], *texts[31:]],
    }
    for words, lines in cases.items():
        path.write_bytes(b"".join(lines))
        done = verify(path)
        assert words in done.stdout + done.stderr
        assert done.returncode == (1 if "broken" in words else 0)


def test_the_tables_name_every_key_kind_and_field() -> None:
    rows = {cells[1].strip(" `"): cells for cells in (line.split("|") for line in PAGE.splitlines() if line[:1] == "|")}
    for key in [*codec._Envelope.__struct_fields__, "z"]:
        assert key in rows
    for kind in get_args(Body):
        _, name, critical, fields, *_ = rows[str(kind.__struct_config__.tag)]
        assert re.findall(r"`(\w+)`", fields) == list(kind.__struct_fields__)
        assert critical.strip() == ("no" if name.strip(" `") in ADVISORY else "yes")
    assert f"{codec.RECORD_BYTES_MAX:,} bytes" in PAGE
