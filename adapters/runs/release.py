"""`rpd release`: give the pod of a run back, whether the run is alive, dead, parked or over."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from rpd.adapters.disposal.kept import release_kept
from rpd.adapters.disposal.losses import require_word
from rpd.adapters.driving.ending import end_run, report_run
from rpd.adapters.forensics.inspection import Inspection, facts_of
from rpd.adapters.forensics.timeline import age_seconds
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.patience import OWN_SECONDS, Patience
from rpd.adapters.local.person import expanded
from rpd.adapters.runs.finding import find_journal, owing
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.engine.ports import Request
from rpd.journal.reader import read
from rpd.journal.replay import fold


class How(msgspec.Struct, frozen=True):
    """What a person wants for the pod: "stop", "delete", "preserve" (`until` is UTC seconds; None: as it is), or None
    for the setting of the config."""

    word: Literal["stop", "delete", "preserve"] | None = None
    until: float | None = None

    @classmethod
    def from_options(cls, *, stop: bool, delete: bool, keep_until: str | None, mode: str | None) -> How:
        """The options as one word. Raises UserError if they contradict each other."""
        if mode is not None and mode not in ("stop", "delete", "preserve"):
            raise UserError(f"--mode {mode!r} is not known", hint="stop, delete or preserve")
        words = [
            *(["stop"] if stop or mode == "stop" else []),
            *(["delete"] if delete or mode == "delete" else []),
            *(["preserve"] if keep_until is not None or mode == "preserve" else []),
        ]
        if len(words) > 1:
            raise UserError(f"{' and '.join(words)} contradict each other")
        until = moment(keep_until, time.time()) if keep_until is not None else None
        return cls(words[0] if words else None, until)  # type: ignore[arg-type]

    @property
    def detail(self) -> dict[str, Any]:
        """The detail of a request."""
        if self.word is None:
            return {}
        return {"how": self.word} if self.until is None else {"how": self.word, "until": self.until}


def moment(text: str, now: float) -> float:
    """UTC seconds of `2h` from now, or of a UTC time in RFC 3339. Raises UserError."""
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return now + age_seconds(text)
    until = at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    if until <= now:
        raise UserError(f"{text} is over")
    return until


def release_run(run: str | None, how: How, *, state_file: str | None, as_json: bool, yes: bool = False) -> int:
    """Exit code 0 when nothing of the run computes any more against the person's will (and, with "delete", nothing is
    stored). Uncollected results are deleted only if a person agrees once more, or with `yes`."""
    if run is not None and state_file is not None:
        raise UserError("name the run, or its --state-file")
    name = run if state_file is None else str(Path(expanded(state_file)).absolute())
    path = find_journal(name, only=owing, ends=True, to_act=True)
    if how.word == "preserve" and how.until is None:
        return report_run(path, as_json=as_json)
    reading = read(path)
    if how.word == "delete" and reading.verified:
        require_word(facts_of(reading), f"rpd release {path.stem} --delete", yes=yes)
    if fold(reading.records).closed is None:
        return end_run(path, Request("release", "rpd release", how.detail), as_json=as_json)
    if how.word == "preserve":
        raise UserError(
            f"run {path.stem} is over, and its pod is given back: there is nothing to keep up", reason="run_over"
        )
    return _release_stopped(path, delete=how.word == "delete", as_json=as_json)


def _release_stopped(path: Path, *, delete: bool, as_json: bool) -> int:
    """The run is over. At most a stopped pod is left, and rpd deletes it only on an explicit order."""
    inspection = Inspection(read(path), SystemClock().now())
    facts = inspection.facts
    known = {pod.name: pod.id for pod in facts.pods.values()}
    kept = [known.get(name) or name for name in facts.debts.storage]
    if kept and not delete:
        raise UserError(
            f"run {facts.run_id} is over; its pod {kept[0]} is stopped and keeps {facts.volume_gb} GB",
            hint=f"rpd release {facts.run_id} --delete",
        )
    lines = release_kept(path, "rpd release", Patience(OWN_SECONDS)) if kept else []
    if as_json:
        output.answer(Inspection(read(path), SystemClock().now()).document())
    output.note(lines or [f"run {facts.run_id} is over and owes nothing"])
    return 0
