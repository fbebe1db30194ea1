"""A login with a key as `ssh` does it: rpd first asks the server whether it knows the key, and then signs with it.

A server that refuses a login does not say why. Its answer to the question tells whether it does not know the key, or
knows the key and does not let the user in. paramiko signs at once, and then sshd answers no question about that key.
"""

from __future__ import annotations

from collections.abc import Callable

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import cMSG_USERAUTH_REQUEST

_KEY_IS_KNOWN = 60  # SSH_MSG_USERAUTH_PK_OK; in paramiko's own table the number means something of another method


class KeyLogin(AuthHandler):
    """One login over a transport. `auth_publickey` begins it. `is_known`: the server has said that it knows the key."""

    def __init__(self, transport: paramiko.Transport) -> None:
        super().__init__(transport)
        self.is_known = False
        transport.auth_handler = self

    def _parse_service_accept(self, message: paramiko.Message) -> None:
        """Logins may begin: ask."""
        kind, blob = self._get_key_type_and_bits(self.private_key)  # type: ignore[attr-defined]
        question = paramiko.Message()
        question.add_byte(cMSG_USERAUTH_REQUEST)
        for word in (self.username or "", "ssh-connection", "publickey"):
            question.add_string(word)
        question.add_boolean(False)
        question.add_string(self._finalize_pubkey_algorithm(kind))  # type: ignore[attr-defined]
        question.add_string(blob)
        self.transport._send_message(question)  # type: ignore[attr-defined]

    def _parse_known(self, message: paramiko.Message) -> None:
        """Sign with the key, as paramiko does when logins may begin."""
        self.is_known = True
        accepted = paramiko.Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]

    @property
    def _client_handler_table(self) -> dict[int, Callable[[paramiko.Message], None]]:
        return {**super()._client_handler_table, _KEY_IS_KNOWN: self._parse_known}  # type: ignore[misc]
