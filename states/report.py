"""report: write the manifest. It is a pure function of the journal and a moment, so it can be written again at any
time.
"""

from __future__ import annotations

from rpd.engine.decision import Decision, Fire
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.ports.names import Trigger
from rpd.states.shared.notice import decide_telling


def decide(facts: Facts, now: Stamp) -> Decision:
    """Write the manifest. A folder that cannot be written does not keep the run open."""
    return decide_telling(facts, now) or Fire(Trigger.REPORTED)
