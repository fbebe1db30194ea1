"""What an effect on a pod destroys or saves, in lines for a person, and the person's word."""

from __future__ import annotations

import shlex
import time

from rpd.adapters.disposal.losses import losses
from rpd.adapters.forensics.timeline import wall_of
from rpd.adapters.pods.effects import How, Ours
from rpd.adapters.pods.row import PodRow
from rpd.adapters.report.words import duration, money, one_line, rate
from rpd.adapters.terminal import output
from rpd.adapters.terminal.asking import ask

RESULTS = {
    "collected": "collected",
    "not_collected": "NOT COLLECTED: they are in this pod alone",
    "none": "none: no job was launched in it",
    "unknown": "not known",
}


def require_word(pod: Ours, how: How, *, yes: bool) -> None:
    """Pass if a person agrees on a terminal, or by `--yes`. A delete that destroys uncollected results wants the pod's
    name. Raises UserError (exit code 2 off a terminal without `--yes`, 3 for a no)."""
    row = pod.row
    command = f"rpd pod {how} {shlex.quote(row.id or row.name)} --yes"
    destroys = how == "delete" and row.results in ("not_collected", "unknown")
    if not yes:
        output.note([one_line(line) for line in summary(pod, how)])
    hint = f"{command}   does it without a question"
    if destroys and not pod.is_over and pod.known.holder is None:
        hint += f"; rpd resume {pod.facts.run_id}   collects first"
    words: tuple[str, ...] = ("y", "Y", "yes")
    question = f"{how} it? [y/N] "
    if destroys:
        question, words = f"type the pod's name ({row.name}) to delete it, anything else to keep it: ", (row.name,)
    ask(question, words, yes=yes, hint=hint, undone="nothing was done")


def summary(pod: Ours, how: How) -> list[str]:
    """The pod, its cost, its run, and what this effect does."""
    row, facts = pod.row, pod.facts
    lines = [
        f"pod      {row.id} {row.name}, {row.status}{age(row)}",
        f"cost     {money(row.cost_usd)} so far (est.)" if row.cost_usd is not None else "cost     not known",
        f"run      {facts.run_id}, {pod.known.entry.outcome or f'in state {facts.state}'}",
        results_line(row),
    ]
    if not pod.is_over:
        session, run = "its session", "its run: the job is stopped, and what can be fetched is fetched first"
        lines.append(f"ends     {session if facts.is_session else run}")
    if how == "stop":
        stored = money(row.storage_usd_per_month)
        lines.append(f"saves    {rate(row.usd_per_hour)}; its disk then costs {stored} a month until it is deleted")
        return lines
    if row.results == "not_collected":
        return [*lines, *(line for line in losses(facts) if line.startswith("lost"))]
    return [
        *lines,
        f"lost     its disk of {row.volume_gb} GB" if row.volume_gb else "lost     nothing but the container",
    ]


def results_line(row: PodRow) -> str:
    """Whether something exists only in this pod."""
    if row.owner.kind == "session" and row.results == "not_collected":
        return "content  what you have put or made there is in this pod alone"
    return f"results  {RESULTS[row.results]}"


def age(row: PodRow) -> str:
    """How old the pod is and how long it is up, as the end of a phrase."""
    born = wall_of({"ts_utc": row.created_at})
    old = f", {duration(max(0.0, time.time() - born))} old" if born is not None else ""
    up = f", up {duration(row.uptime_seconds)}" if row.uptime_seconds is not None else ""
    return old + up
