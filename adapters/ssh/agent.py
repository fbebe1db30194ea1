"""The person's ssh-agent."""

from __future__ import annotations

from typing import NamedTuple

import paramiko


class AgentKey(NamedTuple):
    """A key that the agent holds: its public line (`ssh-ed25519 AAAA...`) and the name that was given to it."""

    line: str
    comment: str


def agent_keys() -> list[AgentKey]:
    """The keys of the agent. Empty if no agent answers."""
    try:
        agent = paramiko.Agent()
    except (paramiko.SSHException, OSError):
        return []
    try:
        return [AgentKey(f"{key.get_name()} {key.get_base64()}", key.comment or "") for key in agent.get_keys()]
    finally:
        agent.close()


def agent_holds(public_line: str) -> bool:
    """Whether an agent answers that has the private half of this key (`ssh-ed25519 AAAA... comment`)."""
    wanted = public_line.split()[1]
    return any(key.line.split()[1] == wanted for key in agent_keys())
