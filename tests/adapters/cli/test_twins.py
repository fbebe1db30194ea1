"""What `gc` finds beside the pods that a journal knows."""

from __future__ import annotations

import pytest

from rpd.adapters.cli.suspects import twins
from rpd.states.world import Pod
from tests.states.situations import add_pod, facts_of


@pytest.mark.parametrize(
    ("changes", "is_twin"),
    [
        ({}, True),
        ({"status": "STARTING"}, True),
        ({"status": "unheard-of"}, True),
        ({"status": "EXITED"}, False),
        ({"status": "TERMINATED"}, False),
        ({"id": "pod1"}, False),
        ({"env": {"RPD_RUN_ID": "another-run"}}, False),
        ({"name": "somebody-s"}, False),
    ],
)
def test_a_second_pod_of_a_create_is_a_twin(changes: dict[str, object], is_twin: bool) -> None:
    facts = facts_of()
    pod = add_pod(facts)
    usual = {"id": "pod9", "name": pod.name, "status": "RUNNING", "env": {"RPD_RUN_ID": facts.run_id}}
    other = Pod(**{**usual, **changes})  # type: ignore[arg-type]
    assert (other in twins(facts, [Pod("pod1", pod.name, "RUNNING"), other])) is is_twin
