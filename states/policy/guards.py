"""Conditions on the facts that the table uses. They are small and pure: they may be called more than once."""

from __future__ import annotations

from rpd.states.facts import Facts


def job_was_launched(facts: Facts) -> bool:
    """A launch was intended: only the claim folder in the pod says what became of it."""
    return facts.launch.intended


def nothing_owed(facts: Facts) -> bool:
    """No compute debt is open."""
    return not facts.debts.compute


def release_is_proved(facts: Facts) -> bool:
    """Nothing was rented, or the pods were seen as absent (EXITED if kept) often and long enough, by id and name."""
    return facts.release.proof.is_complete or not facts.was_rented


def results_wait(facts: Facts) -> bool:
    """The pod is kept stopped, and its results were not fetched."""
    return facts.results_wait


def person_may_return(facts: Facts) -> bool:
    """The pod is kept stopped, and a person who has worked in it may come back."""
    return facts.person_may_return


def pod_is_stopped(facts: Facts) -> bool:
    """By the last look, the pod in hand is stopped."""
    return facts.pod is not None and facts.pod.is_seen_stopped


def retries_left(facts: Facts) -> bool:
    """The config grants a lost job another launch."""
    return facts.has_retries


def attempts_left(facts: Facts) -> bool:
    """The host failed, not the run: another candidate may be tried."""
    return facts.may_try_next
