"""Which pod a person means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rpd.adapters.pods.joining import Joined
from rpd.adapters.pods.row import PodRow
from rpd.engine.errors import UserError


def meant(pods: Sequence[Joined], word: str | None, *, only: Callable[[PodRow], bool], what: str) -> Joined:
    """The pod with this id, name or run, or a unique beginning of one of them; without a word, the one for which `only`
    holds. `what` names such pods in the plural.

    Raises UserError (exit code 2) if that is not exactly one.
    """
    if word is None:
        found = [each for each in pods if only(each.row)]
        if not found:
            raise UserError(f"there are no {what}", reason="no_pod", hint="rpd pods")
        return _one(found, f"{len(found)} {what}")
    ways: tuple[Callable[[str], bool], ...] = (lambda name: name == word, lambda name: name.startswith(word))
    for fits in ways:
        found = [each for each in pods if any(name is not None and fits(name) for name in _names(each.row))]
        if found:
            return _one(found, f"{word!r} could be any of these")
    raise UserError(f"no pod is called {word!r}", reason="no_pod", hint="rpd pods")


def _names(row: PodRow) -> tuple[str | None, ...]:
    return row.id, row.name, row.owner.run_id


def _one(found: Sequence[Joined], many: str) -> Joined:
    if len(found) == 1:
        return found[0]
    names = "\n         ".join(f"{each.row.id or '?'}  {each.row.name}  {each.row.status}" for each in found[:10])
    raise UserError(f"{many}; name one:\n         {names}", reason="several_pods")
