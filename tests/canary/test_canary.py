"""The search finds a key wherever it lies, and the list of processes is complete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canary import ARGV_LOG, HOOK, found_in, is_clean

KEY = "sbx_" + "0" * 40
POD_KEY = "rps_" + "0" * 40


@pytest.mark.keeps_keys
def test_a_key_is_found_in_every_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "home/sandbox").mkdir(parents=True)
    (tmp_path / "home/sandbox/starts.tsv").touch()
    for name in ("home/run.jsonl", "home/sandbox/daemon.log", "screen.bin"):
        (tmp_path / name).write_bytes(b"\0\xff" * 9000 + f"key={KEY}".encode())
    (tmp_path / "home/pod.json").write_text(POD_KEY)
    (tmp_path / "home/sandbox/state.json").write_text(POD_KEY)
    for name, mode in (("home/sandbox/api_key", 0o600), ("home/api_key", 0o644)):
        (tmp_path / name).write_text(KEY)
        (tmp_path / name).chmod(mode)
    (tmp_path / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
    (tmp_path / "id").chmod(0o640)
    with (tmp_path / "sparse.bin").open("wb") as file:
        file.write(b"first")
        file.seek(1 << 34)
        file.write(KEY.encode())
        file.truncate(1 << 35)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "empty").touch()
    assert {line.partition(":")[0] for line in found_in(tmp_path)} == {
        "home/run.jsonl",
        "home/sandbox/daemon.log",
        "screen.bin",
        "sparse.bin",
        "home/pod.json",
        "home/api_key",
        "id",
    }
    assert not is_clean(f"x {KEY}") and is_clean("sbx_short")


@pytest.mark.keeps_keys
def test_a_key_among_the_words_of_a_process_is_found(tmp_path: Path) -> None:
    log = tmp_path / ARGV_LOG
    environment = {**os.environ, "PYTHONPATH": str(HOOK), "RPD_TEST_ARGV": str(log)}
    inner = f"import subprocess; subprocess.run(['true', '{KEY[:10]}' + '{KEY[10:]}'])"
    subprocess.run([sys.executable, "-c", inner], env=environment, check=True)
    assert f"'true', '{KEY}'" in log.read_text()
    assert found_in(tmp_path) == [f"{ARGV_LOG}: the key of an account (mode 600)"]
