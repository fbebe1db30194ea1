"""SSH keys: the user's, checked by ssh-keygen's own output, and rpd's own."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rpd.adapters.access.keys import own_key, ssh_key
from rpd.engine.errors import UserError

needs_openssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


def keygen(path: Path, *options: str, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-N", passphrase, "-f", str(path), *options], check=True)
    return path


def core(public_line: str) -> list[str]:
    return public_line.split()[:2]


@needs_openssh
@pytest.mark.parametrize("options", [("-t", "ed25519"), ("-t", "ecdsa"), ("-t", "rsa", "-b", "2048", "-m", "PEM")])
def test_the_user_s_key(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = keygen(tmp_path / "key", *options)
    key = ssh_key(str(path), tmp_path)
    assert key.private_path == str(path) and not key.is_in_agent
    assert core(key.public_line) == core(path.with_suffix(".pub").read_text())


@needs_openssh
@pytest.mark.keeps_keys
def test_keys_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    locked = keygen(tmp_path / "locked", "-t", "ed25519", passphrase="secret")
    exposed = keygen(tmp_path / "exposed", "-t", "ed25519")
    exposed.chmod(0o640)
    locked_pem = keygen(tmp_path / "pem", "-t", "rsa", "-b", "2048", "-m", "PEM", passphrase="secret")
    (tmp_path / "junk").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\njunk\n")
    (tmp_path / "text").write_text("no key")
    for path, words in (
        (locked, "locked with a passphrase and no agent holds it"),
        (locked_pem, "locked with a passphrase"),
        (tmp_path / "locked.pub", "is the public half"),
        (exposed, "others may read the SSH key"),
        (tmp_path / "none", "there is no SSH key"),
        (tmp_path / "junk", "is not a private SSH key"),
        (tmp_path / "text", "is not a private SSH key"),
        (tmp_path, "it is a folder|Is a directory|cannot read"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            ssh_key(str(path), tmp_path)
        assert caught.value.reason == "ssh_key" and caught.value.exit_code == 2


@needs_openssh
@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="needs ssh-agent")
def test_a_locked_key_in_the_agent_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keygen(tmp_path / "key", "-t", "ed25519")
    started = subprocess.run(["ssh-agent", "-s", "-a", str(tmp_path / "a")], capture_output=True, text=True, check=True)
    agent_pid = int(started.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "a"))
        subprocess.run(["ssh-add", "-q", str(path)], check=True, capture_output=True)
        subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(path)], check=True, capture_output=True)
        assert ssh_key(str(path), tmp_path).is_in_agent
        path.unlink()
        stand_in = ssh_key(str(tmp_path / "key.pub"), tmp_path)
        assert stand_in.is_in_agent, "the public half stands for a key that only the agent holds"
        assert core(stand_in.public_line) == core((tmp_path / "key.pub").read_text())
    finally:
        os.kill(agent_pid, signal.SIGTERM)


def test_own_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = ssh_key(None, tmp_path)
    private = Path(key.private_path)
    assert private == tmp_path / "ssh" / "id_ed25519" and stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    assert key.public_line.startswith("ssh-ed25519 ") and key.public_line.endswith(" rpd")
    assert own_key(tmp_path) == key
    assert sorted(entry.name for entry in private.parent.iterdir()) == ["id_ed25519", "id_ed25519.pub"]


@needs_openssh
def test_openssh_reads_our_key(tmp_path: Path) -> None:
    key = own_key(tmp_path)
    done = subprocess.run(["ssh-keygen", "-y", "-f", key.private_path], capture_output=True, text=True, check=True)
    assert core(done.stdout) == core(key.public_line)


def test_processes_that_make_it_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from rpd.adapters.access.keys import own_key; print(own_key(pathlib.Path(sys.argv[1])))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = {child.communicate(timeout=60)[0] for child in children}
    assert len(answers) == 1 and "ssh-ed25519" in answers.pop()
