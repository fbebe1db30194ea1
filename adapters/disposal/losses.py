"""What goes with a pod's disk that nobody has collected, and a person's word on it."""

from __future__ import annotations

from rpd.adapters.report.words import one_line
from rpd.adapters.terminal import output
from rpd.adapters.terminal.asking import ask
from rpd.states.facts import Facts
from rpd.states.ports.names import WITH_JOB, Reason


def require_word(facts: Facts, command: str, *, yes: bool) -> None:
    """Pass where the deletion of the run's pod destroys no results that nobody has collected, or a person wants it all
    the same: asked on a terminal, told by `--yes` off it. `command` is what they typed, without `--yes`. Raises
    UserError."""
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
    """What the disk of the run's pod holds that is nowhere else, in lines for a person; empty where all of it is here,
    or no job ever began there."""
    if facts.report.reason == Reason.JOURNAL_DAMAGED and facts.debts.storage:
        return [
            f"run      {facts.run_id}, whose journal was damaged",
            f"pod      {', '.join(sorted(facts.debts.storage))}, with a disk of {facts.volume_gb} GB",
            "lost     whatever lies there: the journal does not say what ran in it, nor what of it is here",
        ]
    pod = facts.pod
    if pod is None or pod.id is None or pod.is_gone or pod.released_as == "delete" or not facts.has_launched_here:
        return []
    log = [] if facts.results.log_fetched else ["its log"]
    labels = [each.label for each in facts.job.artifacts if not facts.is_here(each.label)]
    # Only the person knows whether a job that names no results has left some.
    unnamed = (
        []
        if facts.job.artifacts or facts.job.checkpoints.paths
        else ["whatever else the job, which declares no artifact, wrote"]
    )
    left = [*log, *(f"artifact {label}" for label in labels), *unnamed]
    has_never_run = facts.collected and not facts.results.log_fetched
    if not left or has_never_run:
        return []
    is_open = facts.report.outcome is None and facts.state in WITH_JOB
    runs = is_open and (facts.launch.claim is None or facts.launch.claim.phase in ("claimed", "running"))
    return [
        f"run      {facts.run_id}, state {facts.state}" + ("; its job may still run" if runs else ""),
        f"pod      {pod.id}, with a disk of {facts.volume_gb} GB",
        f"lost     {', '.join(left)}: collected by nobody, and in that pod alone",
    ]
