"""`rpd pod stop`, `delete` and `start`."""

from __future__ import annotations

from collections.abc import Callable

from rpd.adapters.driving.ending import report_run
from rpd.adapters.pods.asking import Survey, survey_pods
from rpd.adapters.pods.choosing import meant
from rpd.adapters.pods.consent import require_word
from rpd.adapters.pods.effects import How, Ours, anew, give_back, require_ours, require_possible, start
from rpd.adapters.pods.row import PodRow
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError


def end_pod(word: str | None, how: How, *, yes: bool, as_json: bool) -> int:
    """Stop or delete one pod. Exit code 8 if something of its run may still compute."""
    which = "running pods of ours" if how == "stop" else "pods of ours"
    pod = _chosen(word, lambda row: row.computes or how == "delete", which)
    if how == "stop" and not pod.row.computes:
        output.note([f"pod {pod.row.id} is stopped already; rpd pod delete {pod.row.id}   ends its disk too"])
        return report_run(pod.path, as_json=as_json)
    require_possible(pod, how)
    require_word(pod, how, yes=yes)
    return give_back(anew(pod, how, yes=yes), how, as_json=as_json)


def start_pod(word: str | None, *, as_json: bool) -> int:
    """Go on with the run of a stopped pod. Exit code of that run."""
    pod = _chosen(word, lambda row: row.status == "EXITED", "stopped pods of ours")
    if pod.row.computes:
        output.note([f"pod {pod.row.id} is {pod.row.status} already"])
        return report_run(pod.path, as_json=as_json)
    return start(pod, as_json=as_json)


def _chosen(word: str | None, fits: Callable[[PodRow], bool], what: str) -> Ours:
    survey = survey_pods()
    try:
        chosen = meant(survey.pods, word, only=lambda row: row.is_listed and row.owner.is_ours and fits(row), what=what)
    except UserError as error:
        raise _not_reached(error, survey) from None
    return require_ours(chosen)


def _not_reached(error: UserError, survey: Survey) -> UserError:
    """The same error. It says which clouds were not asked, because the pod may be there."""
    if error.reason != "no_pod" or not survey.unreachable:
        return error
    places = "; ".join(survey.unreachable)
    return UserError(
        f"{error.message}; could not reach {places}", exit_code=survey.exit_code, reason="not_reached", hint="rpd pods"
    )
