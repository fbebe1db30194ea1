"""What the wizard finds on a machine: a region, the settings of other tools, SSH keys."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from rpd.adapters.set_up.imports import found_here
from rpd.adapters.set_up.region import region_of
from rpd.adapters.set_up.ssh_choices import ssh_choices

AUTOPOD = {
    "runpod": {
        "api_key": "rpa_of_autopod_0123456789",
        "ssh_key_path": "~/.ssh/id_rsa",
        "default_region": "NA",
        "default_cloud_type": "secure",
        "default_template": "runpod/comfyui:latest",
    },
    "filters": {"network_speed": ["high"], "favorite_gpus": ["RTX A40", "RTX 3090"]},
    "defaults": {"gpu_type": "RTX A40", "gpu_count": 2},
    "logging": {"level": "INFO", "max_size_mb": 10},
}


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({"LANG": "en_US.UTF-8"}, "North America"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "de_DE"}, "Europe"),
        ({"LANG": "sr_RS@latin"}, "Europe"),
        ({"LANG": "ja_JP.eucJP"}, "Asia"),
        ({"LANG": "C.UTF-8"}, None),
        ({"LANG": "en_XX.UTF-8"}, None),
        ({}, None),
    ],
)
def test_the_region_of_a_locale(environ: dict[str, str], region: str | None) -> None:
    assert region_of(environ) == region


def test_the_settings_of_other_tools(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert found_here(environ) == []
    (tmp_path / ".runpod").mkdir()
    (tmp_path / ".runpod" / "config.toml").write_text("apikey = 'of-runpod'\n")
    (tmp_path / ".autopod").mkdir()
    (tmp_path / ".autopod" / "config.json").write_text(json.dumps(AUTOPOD))
    runpod, autopod = found_here(environ)
    assert runpod.key is not None and runpod.key.reveal() == "of-runpod" and "of-runpod" not in repr(runpod)
    assert autopod.key is not None and autopod.key.reveal() == "rpa_of_autopod_0123456789"
    assert autopod.values == {
        "ssh_key_path": "~/.ssh/id_rsa",
        "region": "North America",
        "cloud": "SECURE",
        "image": "runpod/comfyui:latest",
        "gpus": ["RTX A40", "RTX 3090"],
        "log_level": "info",
    }


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"runpod": 5}', '{"runpod": {"api_key": "YOUR_API_KEY_HERE"}}', '{"logging": {"level": "LOUD"}}'],
)
def test_a_strange_file_of_another_tool_gives_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / ".autopod").mkdir()
    (tmp_path / ".autopod" / "config.json").write_text(text)
    assert all(each.key is None and not each.values for each in found_here({"HOME": str(tmp_path)}))


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs OpenSSH")
@pytest.mark.keeps_keys
def test_the_keys_in_files_with_the_usable_ones_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    folder = tmp_path / ".ssh"
    folder.mkdir()
    for name, words in (("a_locked", "abcdef"), ("b_open", ""), ("c_good", "")):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", words, "-f", str(folder / name)], check=True)
    (folder / "b_open").chmod(0o644)
    (folder / "known_hosts").write_text("host ssh-ed25519 AAAA\n")
    found = ssh_choices({"HOME": str(tmp_path)})
    assert [each.path and each.path.name for each in found] == ["c_good", "a_locked", "b_open"]
    assert found[0].public_line.split()[:2] == (folder / "c_good.pub").read_text().split()[:2]
    assert "ssh-add" in found[1].mend and found[2].mend == f"chmod 600 {folder / 'b_open'}"
