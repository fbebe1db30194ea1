"""A run in rpd's own log: every record in one line, and the costs whenever they may have changed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from rpd.adapters.local.own_log import logger
from rpd.adapters.report.story import tell
from rpd.adapters.report.words import clock, money, rate
from rpd.journal.records import Intent, Outcome, Record, Transition
from rpd.states.facts import Facts
from rpd.states.fold import apply
from rpd.states.policy.rules import cost_cap, released_by, spent_usd, usd_per_hour


class OwnStory:
    """A listener. `facts` are those of record 0 alone, and its own; `records` are what the journal holds already."""

    def __init__(self, facts: Facts, records: Sequence[Record]) -> None:
        self._facts = facts
        self._journal, self._cost = logger("journal"), logger("cost")
        for record in records:
            apply(facts, record)

    def recorded(self, record: Record) -> None:
        """Log the record. A record that cannot be described must not end the run."""
        with contextlib.suppress(Exception):
            self._log(record)

    def _log(self, record: Record) -> None:
        apply(self._facts, record)
        body = record.body
        words = [record.event]
        if isinstance(body, Intent | Outcome):
            words += [body.opid]
            words += [f"debt {each.change} {each.kind} {each.key}" for each in body.debts]
        if isinstance(body, Outcome) and body.error:
            words += [f"{body.reason}: {body.error}"]
        if text := tell(record, self._facts):
            words += [text]
        self._journal.info("#%d %s", record.seq, "; ".join(words))
        if isinstance(body, Transition):
            self._cost.info("%s", _costs(self._facts, record))

    def doing(self, what: str, deadline: float | None) -> None:
        """Waiting is no event."""


def _costs(facts: Facts, record: Record) -> str:
    spent, hourly = spent_usd(facts, record.at), usd_per_hour(facts)
    text = f"{money(spent)} so far (est.), {rate(hourly)}, cap {money(cost_cap(facts))}"
    who = released_by(facts, record.at)
    if who is None:
        return text
    until = f" at {clock(who.at)}, at most {money(who.worst_case_usd or 0.0)}" if who.at is not None else ""
    return f"{text}; released by {who.who}{until}"
