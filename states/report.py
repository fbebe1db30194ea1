"""report: the manifest is written; a pure function of the journal and a moment, so it can be written again at any time.
Its intent has its checksum and that moment: with some hundred artifacts the manifest is larger than a record may be."""

from __future__ import annotations

from rpd.engine.decision import Decision, Do, Fire, Pending, Result
from rpd.journal.records import Stamp
from rpd.states.call import pack, repeatable, unknown_operation
from rpd.states.facts import Facts
from rpd.states.manifest import checksum, manifest
from rpd.states.notice import end_notice
from rpd.states.ports.names import Op, Trigger
from rpd.states.ports.world import World
from rpd.states.reading import decide_reading

TRIES_MAX = 3


def decide(facts: Facts, now: Stamp) -> Decision:
    """Write it; a folder that cannot be written does not keep the run open."""
    return decide_telling(facts, now) or Fire(Trigger.REPORTED)


def decide_telling(facts: Facts, now: Stamp) -> Decision | None:
    """Look at the log where nobody has, tell who asked to be told, write the manifest; None when that is done or
    given up."""
    told = decide_reading(facts) or end_notice(facts)
    if told is not None:
        return told
    if facts.report.manifest_sha256 is None and facts.tried(Op.WRITE_MANIFEST).failures < TRIES_MAX:
        whole = manifest(facts, now)
        args = pack(run_dir=facts.opened.run_dir, at=now, checksum=checksum(whole))
        return Do(Op.WRITE_MANIFEST, args, payload=whole)
    return None


def perform(pending: Pending, world: World) -> Result:
    """Write the manifest."""
    if pending.op != Op.WRITE_MANIFEST:
        raise unknown_operation(pending)
    return Result(data={"sha256": world.workspace.write_manifest(str(pending.args["run_dir"]), pending.payload)})


def probe(pending: Pending, world: World) -> Result | None:
    """Writing again gives the same file."""
    return repeatable(pending, world)
