"""What `inspect` knows of a run: a pure function of its records. Loads no SSH, HTTP, YAML or state-machine library."""

from __future__ import annotations

from typing import Any

from rpd.adapters.report.words import utc
from rpd.journal.errors import JournalError
from rpd.journal.reader import Reading
from rpd.journal.records import Stamp
from rpd.journal.replay import Snapshot, fold
from rpd.states.facts import Facts
from rpd.states.fold import replayed
from rpd.states.policy.doubts import doubts
from rpd.states.policy.rules import released_by, spent_usd
from rpd.states.ports.names import Reason


def facts_of(reading: Reading) -> Facts:
    """The facts of an opened journal. Raises JournalError if the journal is intact and makes no sense."""
    if reading.opened is None:
        raise reading.damage or JournalError("the journal holds no run", hint="rpd gc   looks for what it rented")
    return replayed(reading.opened, reading.records)


class Inspection:
    """Facts and snapshot of a reading, as of its last good record. Raises JournalError if the journal holds no run, and
    the errors of `facts_of`."""

    def __init__(self, reading: Reading, now: Stamp) -> None:
        self.facts = facts_of(reading)
        self.reading = reading
        self.now = now
        self.snapshot: Snapshot = fold(reading.records)

    def document(self) -> dict[str, Any]:
        """The answer of `rpd inspect --json`. Its names are a promise; new ones may come."""
        facts, snapshot = self.facts, self.snapshot
        closed = snapshot.closed
        kept = self.kept_until()
        return {
            "schema": "rpd.inspect/1",
            "run_id": facts.run_id,
            "workflow": facts.opened.workflow,
            "cloud": facts.opened.cloud,
            "state": str(facts.state),
            "outcome": closed.outcome if closed else self.outcome(),
            "reason": closed.reason if closed else (str(facts.ending.reason) if facts.ending.reason else None),
            "why": self.why(),
            "doubts": [seen.line for seen in doubts(facts)],
            "exit_code": facts.launch.claim.exit_code if facts.launch.claim else None,
            "waits_for": facts.launch.claim.waits_for or None
            if facts.launch.claim and facts.launch.claim.phase == "running"
            else None,
            "pod": self.pod(),
            "debts": self.debts(),
            "records": len(self.reading.records),
            "verified": self.reading.verified,
            "damage": self.reading.damage.message if self.reading.damage else None,
            "torn_bytes": self.reading.torn_bytes,
            "next": self.next_step(),
            "released_by": self.released_by(),
            "kept_until": utc(kept) if kept is not None else None,
            "cost_usd": self.cost_usd(),
            "run_dir": facts.opened.run_dir,
            "journal": facts.opened.journal_path,
            "epoch": facts.process.epoch,
            **({"lifecycle": "session", "services": self.services()} if facts.is_session else {}),
        }

    def cost_usd(self) -> float | None:
        """The estimated cost of all pods up to now (USD). None if it is not known, for example for a salvaged run."""
        closed = self.snapshot.closed
        if closed is not None and closed.reason == Reason.JOURNAL_DAMAGED:
            return closed.cost_usd
        return round(spent_usd(self.facts, self.now), 6)

    def kept_until(self) -> float | None:
        """Until when (UTC seconds) the pod of an ended run stays up on purpose. None if no pod stays up."""
        from rpd.states.shared.preserve import is_kept

        return self.facts.pod.kept_until if self.facts.pod is not None and is_kept(self.facts, self.now) else None

    def outcome(self) -> str | None:
        """How the run ended, or would have ended without the pod that is kept up. None while it goes on."""
        from rpd.states.policy.verdict import verdict

        if self.facts.report.outcome is not None:
            return self.facts.report.outcome
        return str(verdict(self.facts)[0]) if self.kept_until() is not None else None

    def why(self) -> str | None:
        """Why the run ended as it did, in plain words. None for a success and while it goes on."""
        from rpd.adapters.report.why import why

        return why(self.facts) if self.facts.report.outcome not in (None, "succeeded") else None

    def pod(self) -> dict[str, Any] | None:
        """The pod in hand, or the last pod."""
        pod = self.facts.last_pod
        if pod is None:
            return None
        status = pod.seen.status if pod.seen else "UNKNOWN"
        if pod.is_gone or (pod.released_as == "delete" and pod.name not in self.facts.debts.compute):
            status = "TERMINATED"
        elif pod.released_as == "stop" and pod.name not in self.facts.debts.compute:
            status = "EXITED"
        return {
            "id": pod.id,
            "name": pod.name,
            "status": status,
            "gpu": pod.origin.candidate.gpu_id,
            "datacenter": (pod.seen.datacenter_id if pod.seen else None) or pod.origin.candidate.datacenter_id,
            "usd_per_hour": pod.usd_per_hour,
        }

    def services(self) -> list[dict[str, Any]]:
        """The services of a session, as they last answered. A local port ends with the process that opened it."""
        return [
            {
                "port": each.port,
                "url": f"http://127.0.0.1:{each.local_port}" if each.local_port is not None else None,
                "ready": each.is_ready,
                "said": each.said,
            }
            for each in self.facts.container.served
        ]

    def debts(self) -> list[dict[str, Any]]:
        """Open debts, oldest first."""
        return [
            {
                "key": debt.change.key,
                "kind": debt.change.kind,
                "since": utc(debt.since.wall),
                "usd_per_hour": debt.change.usd_per_hour,
                "until": debt.change.until,
            }
            for debt in self.snapshot.debts.values()
        ]

    def next_step(self) -> str | None:
        """What `resume` would do first, or why it would do nothing. None when the run is over."""
        if self.snapshot.closed is not None:
            return None
        if self.reading.damage is not None:
            return (
                f"nothing: the journal is damaged; rpd salvage {self.facts.run_id} releases its pods and ends the run"
            )
        from rpd.adapters.forensics.next_step import next_step

        return next_step(self.facts, self.snapshot, self.now)

    def released_by(self) -> dict[str, Any] | None:
        """Who gives the pod back if nobody returns. None when nothing computes."""
        who = released_by(self.facts, self.now)
        if who is None:
            return None
        return {"who": who.who, "at": utc(who.at) if who.at else None, "worst_case_usd": who.worst_case_usd}
