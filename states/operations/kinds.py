"""The two kinds of operation, for the facts and the world of this lifecycle."""

from __future__ import annotations

from typing import Generic

from rpd.engine import operation
from rpd.engine.operation import A
from rpd.states.facts import Facts
from rpd.states.ports.world import World


class Effect(operation.Effect[Facts, World, A], Generic[A], frozen=True, omit_defaults=True):
    """An operation that changes the world."""


class Reading(operation.Reading[Facts, World, A], Generic[A], frozen=True, omit_defaults=True):
    """An operation that only reads the world."""
