"""What `rpd run` asks a person about a paused pod of the same lineage, before any hand-over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rpd.adapters.access.clouds import Access
from rpd.adapters.forensics.lineage import find_paused
from rpd.adapters.report.words import money, one_line
from rpd.adapters.spec.jobfile import LoadedJob
from rpd.adapters.terminal import output
from rpd.adapters.terminal.asking import DECLINED, answer, can_ask
from rpd.engine.errors import UserError
from rpd.states.policy import cost
from rpd.states.policy.reuse import drift, stopped_usd_per_hour
from rpd.states.ports.world import Paused


def pause_options(loaded: LoadedJob, access: Access, home: Path, *, fresh: bool) -> dict[str, Any]:
    """The person's choice, for record 0. Removing the config's `state_file` before a run means `--fresh`, which scripts
    rely on. Raises UserError if there is a question and no terminal, or if the answer is no."""
    lifecycle = loaded.job.lifecycle
    if lifecycle.on_success != "recycle":
        return {"fresh": True} if fresh else {}
    if fresh:
        return {"fresh": True}
    found = find_paused(home, loaded.lineage, access.as_recorded(""))
    if not found:
        return {}
    if loaded.job.state_file is not None and not Path(loaded.job.state_file).exists():
        output.note([f"{loaded.job.state_file} is gone: a fresh pod is rented, and the paused one is released"])
        return {"fresh": True}
    differences = drift(found[0], loaded.job)
    if lifecycle.on_drift == "ask" and differences:
        return {"on_drift": _ask(found[0], differences)}
    return {}


def _ask(paused: Paused, differences: tuple[str, ...]) -> str:
    monthly = money(stopped_usd_per_hour(paused) * cost.HOURS_PER_MONTH)
    head = f"paused pod {paused.pod_id} of run {paused.run_id} ({monthly} a month) differs from the job file:"
    if not can_ask():
        raise UserError(
            one_line(" | ".join([head, *differences])),
            hint="lifecycle.on_drift: ask needs a terminal; rpd run --fresh, or on_drift: replace or keep",
            reason="drift",
        )
    output.note([one_line(line) for line in (head, *(f"  {line}" for line in differences))])
    question = "replace it, keep it (use it all the same), or cancel? [replace/keep/cancel] "
    word = answer(question, undone="nothing was done").lower()
    words = {"r": "replace", "replace": "replace", "k": "keep", "keep": "keep"}
    if word not in words:
        raise UserError("nothing was done", exit_code=DECLINED, reason="declined")
    return words[word]
