"""The rows of the board: unfinished runs from their journals, pods from the last answer of the clouds."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from rpd.adapters.access.gate import run_folder
from rpd.adapters.board.row import Board, BoardRow
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.forensics.run import metrics_file
from rpd.adapters.forensics.samples import Samples, read_samples
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import state_home
from rpd.adapters.pods.asking import Survey
from rpd.adapters.pods.joining import Joined
from rpd.adapters.report.words import clock, money
from rpd.engine.deadline import elapsed
from rpd.journal.index import Entry, Index
from rpd.journal.lock import holder
from rpd.journal.reader import Reading, read
from rpd.states.policy.rules import released_by

HISTORY = 60
"""How many values of use are kept for each pod."""
NOBODY = "nobody drives it"
WORDS = {"other_rpd": "another rpd", "not_ours": "not rpd's"}

History = Mapping[str, deque[float | None]]


class Gathering:
    """Reads a journal again only if it has grown. Owned by one thread."""

    def __init__(self) -> None:
        self._readings: dict[str, tuple[tuple[int, int, int], Reading]] = {}
        self._samples: dict[str, tuple[int, tuple[float | None, ...]]] = {}

    def board(self, survey: Survey, history: History, asked_at: float) -> Board:
        """The board now. Damage of one journal hides no other row."""
        entries = [each for each in Index(state_home()).entries() if each.outcome is None or _owes_compute(each)]
        by_run: dict[str, list[Joined]] = {}
        for joined in survey.pods:
            if joined.known is not None:
                by_run.setdefault(joined.known.entry.run_id, []).append(joined)
        rows = [self._of_run(entry, by_run.get(entry.run_id, []), history) for entry in entries]
        shown = {row.pod_id for row in rows if row.pod_id is not None}
        rows += [_of_pod(each, history) for each in survey.pods if each.row.id not in shown or each.row.id is None]
        pods = [each.row for each in survey.pods]
        return Board(
            tuple(row for row in rows if row.kind != "pod" or row.pod_id is not None),
            sum(pod.usd_per_hour for pod in pods),
            sum(pod.storage_usd_per_month for pod in pods if not pod.computes),
            survey.unreachable,
            asked_at,
        )

    def _of_run(self, entry: Entry, pods: Sequence[Joined], history: History) -> BoardRow:
        owner = holder(Path(entry.journal))
        kind = "session" if entry.lifecycle == "session" else "run"
        is_elsewhere = owner is not None and owner.host != os.uname().nodename
        listed = pods[0].row if pods else None
        row = BoardRow(
            kind=kind,  # type: ignore[arg-type]
            name=entry.run_id,
            state=entry.state or "validate",
            run_id=entry.run_id,
            pod_id=listed.id if listed is not None else None,
            status=listed.status if listed is not None else None,
            usd_per_hour=listed.usd_per_hour if listed is not None else 0.0,
            owner=f"pid {owner.pid} on {owner.host}" if owner is not None else NOBODY,
            pid=owner.pid if owner is not None and not is_elsewhere else None,
            may_act=not is_elsewhere,
            note=f"its journal cannot be driven ({entry.problem})" if entry.problem else None,
        )
        try:
            return self._told(row, entry, pods, history)
        except Exception as error:  # any problem of this journal
            return msgspec.structs.replace(row, note=row.note or f"its journal makes no sense: {error}")

    def _told(self, row: BoardRow, entry: Entry, pods: Sequence[Joined], history: History) -> BoardRow:
        """The same row with what the journal says. The pod in hand counts, if the account shows it."""
        inspection = Inspection(self._reading(entry), SystemClock().now())
        facts, entered = inspection.facts, inspection.facts.progress.entered
        in_hand = facts.pod.id if facts.pod is not None else None
        pod = next((each.row for each in pods if each.row.id == in_hand), pods[0].row if pods else None)
        told = msgspec.structs.replace(
            row,
            state=str(facts.state),
            for_seconds=elapsed(entered, inspection.now) if entered is not None else None,
            awaits=inspection.next_step(),
            use=self._use(entry, inspection, history.get(pod.id or "") if pod is not None else None),
            cost_usd=inspection.cost_usd(),
            released_by=_released(inspection),
        )
        if pod is None:
            return told
        note = row.note or (pod.note if row.owner == NOBODY else None)
        return msgspec.structs.replace(
            told, pod_id=pod.id, status=pod.status, gpu=pod.gpu, usd_per_hour=pod.usd_per_hour, note=note
        )

    def _reading(self, entry: Entry) -> Reading:
        known = self._readings.get(entry.journal)
        if known is None or known[0] != entry.identity:
            known = self._readings[entry.journal] = entry.identity, read(Path(entry.journal))
        return known[1]

    def _use(self, entry: Entry, inspection: Inspection, seen: deque[float | None] | None) -> tuple[float | None, ...]:
        """The samples that are here already, and what the cloud has said since."""
        folder = run_folder(Path(entry.journal), inspection.facts.opened)
        file = metrics_file(folder) if folder is not None else None
        size = file.stat().st_size if file is not None and file.is_file() else 0
        known = self._samples.get(entry.run_id)
        if known is None or known[0] != size:
            values = mean_use(read_samples(file)) if file is not None and size else ()
            known = self._samples[entry.run_id] = size, values
        return (*known[1], *(seen or ()))[-HISTORY:]


def mean_use(samples: Samples) -> tuple[float | None, ...]:
    """The use of all GPUs in percent, one value for each of the last rows."""
    each = [samples.gpu(index, "util_pct", "%").values[-HISTORY:] for index in samples.gpus()]
    known = ([value for value in row if value is not None] for row in zip(*each, strict=True))
    return tuple(sum(row) / len(row) if row else None for row in known)


def _of_pod(joined: Joined, history: History) -> BoardRow:
    pod = joined.row
    is_ours = pod.owner.is_ours
    whose = f"{pod.owner.kind} {pod.owner.run_id}, {pod.owner.outcome}" if is_ours else WORDS[pod.owner.kind]
    return BoardRow(
        kind="pod",
        name=pod.name,
        state=pod.status,
        run_id=pod.owner.run_id if is_ours else None,
        pod_id=pod.id,
        status=pod.status,
        for_seconds=pod.uptime_seconds,
        gpu=pod.gpu,
        use=tuple(history.get(pod.id or "", ())),
        usd_per_hour=pod.usd_per_hour,
        cost_usd=pod.cost_usd,
        owner=f"{whose} ({pod.owner.who})" if pod.owner.who and not is_ours else whose,
        may_act=is_ours,
        is_over=True,
        note=pod.note,
    )


def _released(inspection: Inspection) -> str | None:
    who = released_by(inspection.facts, inspection.now)
    if who is None:
        return None
    until = f", {clock(who.at)}, at most {money(who.worst_case_usd or 0.0)}" if who.at is not None else ""
    return f"{who.who}{until}"


def _owes_compute(entry: Entry) -> bool:
    return any(debt.kind == "compute" for debt in entry.debts)
