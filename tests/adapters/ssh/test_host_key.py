"""The whole host key of a pod, for OpenSSH's files: only the pinned one is ever believed."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from rpd.adapters.ssh.host_key import host_key_line
from rpd.engine.errors import Refused, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import SshAddress
from tests.adapters.ssh.ssh_server import QUICK, Server


def test_it_is_the_key_whose_fingerprint_is_pinned_and_needs_no_login(tmp_path: Path) -> None:
    with Server(tmp_path / "ssh") as own:
        own.forget_keys()
        line = host_key_line(own.address, pin=own.pin, alias="rpd-pod-p1", timeouts=QUICK)
    key = asyncssh.read_private_key(str(own.folder / "host_key"))
    assert line.split() == key.export_public_key().decode().split()[:2]


def test_another_key_is_refused(server: Server) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").get_fingerprint()
    with pytest.raises(Refused) as refused:
        host_key_line(server.address, pin=other, alias="rpd-pod-p1", timeouts=QUICK)
    assert refused.value.reason == Fault.HOST_KEY_CHANGED
    assert refused.value.detail == {"expected": other, "found": server.pin}


def test_where_nobody_answers_there_is_none(server: Server) -> None:
    with pytest.raises(Unavailable) as missing:
        host_key_line(SshAddress("127.0.0.1", 1), pin=server.pin, alias="rpd-pod-p1", timeouts=QUICK)
    assert missing.value.reason == Fault.SSH_UNREACHABLE
