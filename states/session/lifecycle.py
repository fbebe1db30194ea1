"""The complete lifecycle of a session: its table and the decisions of its states. All else is shared with the job."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from rpd.engine.lifecycle import Lifecycle
from rpd.states import arm, boot, connect, create, done, select
from rpd.states.facts import Facts
from rpd.states.lifecycle import JOB_LIFECYCLE
from rpd.states.ports.names import State
from rpd.states.ports.world import World
from rpd.states.session import attend, release, tunnel
from rpd.states.session.table import SESSION

FILES: dict[State, ModuleType] = {
    State.SELECT: select,
    State.CREATE: create,
    State.BOOT: boot,
    State.CONNECT: connect,
    State.ARM: arm,
    State.TUNNEL: tunnel,
    State.ATTEND: attend,
    State.RELEASE: release,
    State.DONE: done,
}
"""One file per state."""

SESSION_LIFECYCLE: Lifecycle[Facts, World] = replace(
    JOB_LIFECYCLE, table=SESSION, decide={state: file.decide for state, file in FILES.items()}
)
"""The life of `rpd connect`."""
