"""When a release counts as proved: all pods were seen as absent or stopped, often and long enough, by id and by name.
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from rpd.engine.deadline import remaining
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import Span
from rpd.states.facts.release import Proof, SurveyedPod


def count_survey(facts: Facts, seen: Sequence[SurveyedPod], at: Stamp, *, is_whole: bool) -> None:
    """Fold one survey of the account: what is left of this run there, and whether it is now proved that nothing is
    left.
    """
    found = [pod for pod in seen if _is_known(facts, pod)]
    for pod in found:
        _know(facts, pod)
    left = tuple(pod for pod in found if not _is_as_wanted(facts, pod))
    if left or not is_whole:  # the state of the pods that did not fit into the record is not known
        facts.release.proof = Proof(found=left)
        return
    facts.release.tries, facts.release.tried_since = 0, None
    proof = facts.release.proof = facts.release.proof.again(at)
    is_long = proof.lasts(facts.profile.proof_interval_seconds, at)
    proof.is_complete = is_long and quiet_seconds_left(facts, at) == 0.0


def quiet_seconds_left(facts: Facts, now: Stamp) -> float:
    """How long a pod may still appear. Either its create had no answer, or it is so young that the account has never
    shown it. Then a 404 to its delete and its absence say nothing.
    """
    window = facts.profile.quiet_window_seconds
    young = (pod for pod in facts.pods.values() if pod.is_unknown or (pod.id is not None and not pod.was_found))
    return max((remaining(pod.origin.last_sent_at, window, now) for pod in young), default=0.0)


def proof_text(facts: Facts, now: Stamp) -> str:
    """The proof in words, for the record that closes the debt."""
    kept = any(pod.released_as == "stop" for pod in facts.pods.values())
    what = "stopped or absent" if kept else "absent"
    return facts.release.proof.text(f"{what} by id and by name", now)


def _is_known(facts: Facts, found: SurveyedPod) -> bool:
    """Every pod of this process had its intent written down first. A pod of this run without an intent was rented by
    another owner (on a machine with a copy of the journal), and that owner must give it back.
    """
    is_named = found.name in facts.pods and not found.is_others
    is_known = is_named or any(pod.id == found.id for pod in facts.pods.values())
    facts.launch.was_taken_over = facts.launch.was_taken_over or not is_known
    return is_known


def _is_as_wanted(facts: Facts, found: SurveyedPod) -> bool:
    if found.status == "TERMINATED":
        return True
    return found.status == "EXITED" and any(
        pod.id == found.id and pod.released_as == "stop" for pod in facts.pods.values()
    )


def _know(facts: Facts, found: SurveyedPod) -> None:
    """A pod that appeared after its create was given up gets its id. It is billed from the moment it was ordered."""
    pod = facts.pods.get(found.name)
    if pod is not None and pod.id == found.id:
        pod.was_found = True
    if pod is not None and pod.id is None:
        pod.id, pod.was_found = found.id, True
        pod.is_gone = False
        if not pod.spans:
            pod.spans.append(Span(pod.origin.sent_at, pod.usd_per_hour))
