"""All lifecycles, by the names in record 0 of their journals."""

from __future__ import annotations

from rpd.engine.lifecycle import Lifecycle
from rpd.states.facts import Facts
from rpd.states.lifecycle import JOB_LIFECYCLE
from rpd.states.ports.world import World
from rpd.states.session.lifecycle import SESSION_LIFECYCLE

LIFECYCLES: dict[str, Lifecycle[Facts, World]] = {
    lifecycle.table.name: lifecycle for lifecycle in (JOB_LIFECYCLE, SESSION_LIFECYCLE)
}


def lifecycle_of(name: str) -> Lifecycle[Facts, World]:
    """The lifecycle that a journal names. An unknown name is a job: journals of the first version name nothing else."""
    return LIFECYCLES.get(name, JOB_LIFECYCLE)
