"""The person's ssh-agent."""

from __future__ import annotations

import paramiko


def agent_holds(public_line: str) -> bool:
    """Whether an agent answers that has the private half of this key (`ssh-ed25519 AAAA... comment`)."""
    wanted = public_line.split()[1]
    try:
        agent = paramiko.Agent()
    except (paramiko.SSHException, OSError):
        return False
    try:
        return any(key.get_base64() == wanted for key in agent.get_keys())
    finally:
        agent.close()
