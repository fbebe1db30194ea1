"""Uncollected results that are lost with a pod's disk, and the consent of a person to that."""

from __future__ import annotations

from rpd.adapters.report.words import one_line
from rpd.adapters.terminal import output
from rpd.adapters.terminal.asking import ask
from rpd.states.facts import Facts
from rpd.states.ports.names import WITH_JOB, Reason


def require_word(facts: Facts, command: str, *, yes: bool) -> None:
    """Pass if deleting the run's pod destroys no uncollected results, or if a person agrees: by an answer on a
    terminal, by `--yes` elsewhere. `command` is the typed command, without `--yes`. Raises UserError."""
    if yes or not (lines := losses(facts)):
        return
    output.note([one_line(line) for line in lines])
    first = f"; rpd resume {facts.run_id}   collects first" if facts.report.outcome is None else ""
    ask(
        "type yes to delete it with all that, or anything else to keep it: ",
        ("yes", "y"),
        yes=yes,
        hint=f"{command} --yes   deletes it all the same{first}",
        undone="nothing was deleted",
    )


def losses(facts: Facts) -> list[str]:
    """What exists only on the disk of the run's pod, in lines for a person. Empty if everything is here, or if no job
    ever began there."""
    if facts.report.reason == Reason.JOURNAL_DAMAGED and facts.debts.storage:
        return [
            f"run      {facts.run_id}, whose journal was damaged",
            f"pod      {', '.join(sorted(facts.debts.storage))}, with a disk of {facts.volume_gb} GB",
            "lost     everything on that disk: the journal does not say what ran there or which results are here",
        ]
    pod = facts.pod
    if pod is None or pod.id is None or pod.is_gone or pod.released_as == "delete" or not facts.has_launched_here:
        return []
    if facts.is_attended:
        return [
            f"session  {facts.opened.workflow}, state {facts.state}",
            f"pod      {pod.id}, with a disk of {facts.volume_gb} GB",
            "lost     whatever somebody has left on it",
        ]
    log = [] if facts.results.log_fetched else ["its log"]
    labels = [each.label for each in facts.job.artifacts if not facts.is_here(each.label)]
    # Only the person knows whether a job that names no results has left some.
    unnamed = (
        []
        if facts.job.artifacts or facts.job.checkpoints.paths
        else ["whatever else the job, which declares no artifact, wrote"]
    )
    left = [*log, *(f"artifact {label}" for label in labels), *unnamed]
    left = ["what a person has put or made there"] if facts.is_session else left
    has_never_run = facts.collected and not facts.results.log_fetched
    if not left or has_never_run:
        return []
    is_open = facts.report.outcome is None and facts.state in WITH_JOB
    runs = is_open and (facts.launch.claim is None or facts.launch.claim.phase in ("claimed", "running"))
    return [
        f"run      {facts.run_id}, state {facts.state}" + ("; its job may still run" if runs else ""),
        f"pod      {pod.id}, with a disk of {facts.volume_gb} GB",
        f"lost     {', '.join(left)}: not collected; only that pod holds them",
    ]
