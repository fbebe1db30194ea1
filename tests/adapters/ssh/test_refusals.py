"""Refusals of a real sshd: those that no waiting changes are told from those that may pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rpd.engine.errors import Refused, Unavailable
from rpd.states.ports.faults import Fault
from tests.adapters.ssh.ssh_server import Server, has_openssh

needs_sshd = pytest.mark.skipif(not has_openssh(), reason="no OpenSSH server is installed")

BARRING = {
    "password only": (
        {"PubkeyAuthentication": "no", "PasswordAuthentication": "yes"},
        "accepts no key; it accepts .*password",
    ),
    "root not permitted": ({"PermitRootLogin": "no"}, "knows our SSH key and does not let user"),
    "more than a key": (
        {"AuthenticationMethods": "publickey,password", "PasswordAuthentication": "yes"},
        "requires more than a key .*password",
    ),
    "no common algorithm": ({"KexAlgorithms": "diffie-hellman-group1-sha1"}, "shares no algorithm"),
    "no common cipher": ({"Ciphers": "chacha20-poly1305@openssh.com"}, "shares no algorithm"),
    "a forced command": ({"ForceCommand": "echo only this"}, "does not run rpd's commands.*ForceCommand.*only this"),
    "a forced command that fails": ({"ForceCommand": "/bin/false"}, "does not run rpd's commands.*ended with code 1"),
    "sftp alone": ({"ForceCommand": "internal-sftp"}, "does not run rpd's commands"),
    "no session": ({"MaxSessions": 0}, "MaxSessions"),
}


def _word(server: Server) -> tuple[str, str]:
    """The fault of a first command, and what is said of it."""
    with pytest.raises((Refused, Unavailable)) as caught:
        connection = server.connect()
        try:
            connection.run("echo hi", timeout_seconds=10)
        finally:
            connection.close()
    return caught.value.reason, caught.value.message


@needs_sshd
@pytest.mark.parametrize("case", BARRING)
def test_what_an_sshd_is_set_to_is_no_matter_of_time(tmp_path: Path, case: str) -> None:
    options, words = BARRING[case]
    with Server(tmp_path, kind="sshd", **options) as server:
        reason, message = _word(server)
    assert reason == (Fault.NO_SESSION if case == "no session" else Fault.BARRED)
    assert re.search(words, message), message


@needs_sshd
@pytest.mark.parametrize("options", [{}, {"PermitRootLogin": "prohibit-password"}], ids=["usual", "keys for root"])
def test_a_key_that_is_not_written_yet_may_be_written(tmp_path: Path, options: dict[str, object]) -> None:
    with Server(tmp_path, kind="sshd", **options) as server:
        keys = (server.folder / "authorized_keys").read_bytes()
        server.forget_keys()
        reason, message = _word(server)
        assert reason == Fault.AUTH_REFUSED and "does not accept our SSH key" in message
        (server.folder / "authorized_keys").write_bytes(keys)
        connection = server.connect()
        assert connection.run("echo hi", timeout_seconds=10).stdout == b"hi\n"
        connection.close()


@needs_sshd
def test_a_server_without_patience_for_a_question_may_still_write_the_key(tmp_path: Path) -> None:
    with Server(tmp_path, kind="sshd", MaxAuthTries=1, PermitRootLogin="no") as server:
        assert _word(server)[0] in (Fault.AUTH_REFUSED, Fault.SSH_UNREACHABLE)


def test_a_server_that_knows_the_key_and_refuses_is_found_out_without_openssh(tmp_path: Path) -> None:
    with Server(tmp_path, PermitRootLogin="no") as server:
        assert _word(server)[0] == Fault.BARRED
    with Server(tmp_path / "other", PermitRootLogin="no") as server:
        server.forget_keys()
        assert _word(server)[0] == Fault.AUTH_REFUSED


def test_output_in_place_of_a_commands_own_is_told(tmp_path: Path) -> None:
    with Server(tmp_path) as server, server.fault(instead="echo no logins here; exit 7"):
        reason, message = _word(server)
    assert reason == Fault.BARRED and "ended with code 7: no logins here" in message
