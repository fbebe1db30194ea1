"""Entries for OpenSSH, and the line that includes them: nothing from elsewhere becomes an option of ssh."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rpd.adapters.reaching import include_line as lines
from rpd.adapters.reaching import ssh_entry, tidying
from rpd.adapters.reaching.pod_of_run import Reached
from rpd.engine.errors import UserError
from rpd.states.ports.world import SshAddress

KEY_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPhkGzlvBEFZ9yXaJWnQKhpIYNSpJHcRiIOEd5HeYwPQ"


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod shows the pinned key."""
    monkeypatch.setattr("rpd.adapters.ssh.host_key.host_key_line", lambda address, **more: KEY_LINE)


def reached(
    home: Path, *, host: str = "127.0.0.1", user: str = "root", run: str = "job-1", pod: str = "abc123"
) -> Reached:
    made: Any = Reached(
        journal=home / "journal",
        facts=cast(Any, SimpleNamespace(run_id=run)),
        access=cast(Any, None),
        key=cast(Any, SimpleNamespace(private_path=str(home / "ssh" / "id_ed25519"), is_in_agent=False)),
        address=SshAddress(host, 2222, user),
        target=cast(Any, SimpleNamespace(pod_id=pod, host_key="SHA256:x")),
    )
    return cast(Reached, made)


@pytest.mark.parametrize(
    "strange",
    [
        {"host": "127.0.0.1\n    ProxyCommand touch owned"},
        {"host": "-oProxyCommand=touch owned"},
        {"host": "a b"},
        {"user": "root\tProxyCommand x"},
        {"run": "job\nHost *"},
        {"pod": "../../evil"},
        {"pod": ""},
    ],
    ids=lambda strange: next(iter(strange)),
)
def test_a_strange_name_becomes_no_option(tmp_path: Path, strange: dict[str, str]) -> None:
    with pytest.raises(UserError, match="cannot stand in a configuration of ssh"):
        ssh_entry.write_entry(tmp_path, reached(tmp_path, **strange))
    assert not list(tmp_path.rglob("*.conf"))


def test_files_are_private_and_come_and_go_together(tmp_path: Path) -> None:
    entry = ssh_entry.write_entry(tmp_path, reached(tmp_path))
    file = ssh_entry.entry_file(tmp_path, "abc123")
    assert ssh_entry.entries(tmp_path) == {file: entry} and entry.name == "rpd-job-1"
    for each in (file, file.with_suffix(".known_hosts")):
        assert each.stat().st_mode & 0o777 == 0o600
    assert file.with_suffix(".known_hosts").read_text() == f"rpd-pod-abc123 {KEY_LINE}\n"
    ssh_entry.remove_entry(file)
    ssh_entry.remove_entry(file)
    assert not list(file.parent.iterdir())


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's client")
def test_ssh_reads_what_was_meant_also_from_a_strange_folder(tmp_path: Path) -> None:
    home = tmp_path / "a b%h 100%"
    home.mkdir()
    ssh_entry.write_entry(home, reached(home))
    file = ssh_entry.entry_file(home, "abc123")
    done = subprocess.run(["ssh", "-G", "-F", str(file), "rpd-job-1"], capture_output=True, text=True, check=True)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    assert (said["hostname"], said["port"], said["user"]) == ("127.0.0.1", "2222", "root")
    assert said["stricthostkeychecking"] in ("true", "yes") and said["identitiesonly"] == "yes"
    assert said["hostkeyalias"] == "rpd-pod-abc123" and said["globalknownhostsfile"] == "/dev/null"
    known = str(file.with_suffix(".known_hosts"))
    assert said["userknownhostsfile"].strip('"').replace("%%", "%") == known
    assert said["identityfile"].strip('"').replace("%%", "%") == str(home / "ssh" / "id_ed25519")


def test_the_line_goes_through_a_link_and_comes_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many people keep their configuration elsewhere, and link to it."""
    user, home = tmp_path / "user", tmp_path / "home"
    (user / ".ssh").mkdir(parents=True)
    kept = tmp_path / "dotfiles"
    kept.write_bytes(b"Host x\n  Port 1\n")
    kept.chmod(0o644)
    (user / ".ssh" / "config").symlink_to(kept)
    monkeypatch.setenv("HOME", str(user))
    lines.include(home)
    lines.include(home)
    assert kept.read_text().count(lines.include_line(home)) == 1 and kept.stat().st_mode & 0o777 == 0o644
    assert (user / ".ssh" / "config").is_symlink() and lines.is_included(home)
    assert lines.exclude(home) and not lines.exclude(home)
    assert kept.read_bytes() == b"Host x\n  Port 1\n"


def test_a_person_without_a_configuration_gets_a_private_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    lines.include(tmp_path / "home")
    own = lines.own_config()
    assert own.stat().st_mode & 0o777 == 0o600 and own.parent.stat().st_mode & 0o777 == 0o700


def test_a_line_that_only_ends_like_ours_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("rpd.adapters.reaching.include_line.user_home", lambda: tmp_path)
    home, config = tmp_path / "home", tmp_path / ".ssh" / "config"
    config.parent.mkdir()
    line = lines.include_line(home)
    before = f"#{line}\nHost theirs\n    User me"
    config.write_text(before)
    assert not lines.exclude(home) and config.read_text() == before
    lines.include(home)
    assert lines.exclude(home) and config.read_text() == before


def test_two_commands_at_a_time_lose_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second command begins when the first has read the file and not yet written it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    first, second = tmp_path / "one", tmp_path / "two"
    write, others = lines.write_whole, list[threading.Thread]()

    def write_late(*args: Any, **more: Any) -> None:
        if not others:
            others.append(threading.Thread(target=lines.include, args=(second,), daemon=True))
            others[0].start()
            others[0].join(0.3)
        write(*args, **more)

    monkeypatch.setattr(lines, "write_whole", write_late)
    lines.include(first)
    others[0].join(10.0)
    assert lines.is_included(first) and lines.is_included(second)


def test_an_entry_made_anew_is_not_removed_with_the_stale_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judgement and the removal are one step for whoever writes the entry again."""
    ssh_entry.write_entry(tmp_path, reached(tmp_path))
    others = [threading.Thread(target=ssh_entry.write_entry, args=(tmp_path, reached(tmp_path)), daemon=True)]

    def leads(entry: Any) -> bool:
        others[0].start()
        others[0].join(0.3)
        return False

    monkeypatch.setattr(tidying, "_leads", leads)
    assert [each.name for each in tidying.tidy(tmp_path)] == ["rpd-job-1"]
    others[0].join(10.0)
    assert len(ssh_entry.entries(tmp_path)) == 1
