"""Where the schedule meets the run: every part of the simulated world reports its moments here, and is told what goes
wrong now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.simulation.schedule import ANYWHERE, Strike

Action = Callable[[Any, Strike], str | None]


class Director:
    """Counts moments per strike, and lets each strike act once. `seen` and `struck` are the coverage of a run: which
    moments came in which states, and which faults struck there. Called some hundred times per run."""

    def __init__(
        self, strikes: tuple[Strike, ...], moments: dict[str, str], act: Callable[[Strike], str | None]
    ) -> None:
        self._seen: dict[str, set[str]] = {}
        self.state = "-"
        self.struck: list[tuple[str, str]] = []
        self.is_calm = False
        self.count: Counter[str] | None = None
        self._act = act
        self._waiting: dict[str, list[list[Any]]] = {}
        for strike in strikes:
            self._waiting.setdefault(moments[strike.fault], []).append([strike.nth, strike])

    @property
    def state(self) -> str:
        """Where the run stands that acts now."""
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        self._state = state
        self._seen_here = self._seen.setdefault(state, set())

    @property
    def seen(self) -> set[tuple[str, str]]:
        """(state, moment) pairs that came up."""
        return {(state, kind) for state, kinds in self._seen.items() for kind in kinds}

    @property
    def has_more(self) -> bool:
        """Whether faults are still waiting for their moment."""
        return any(self._waiting.values())

    def moment(self, kind: str) -> str | None:
        """Something is about to happen that faults may strike. Returns how the fault changes it (None: not at all); the
        fault may also raise."""
        self._seen_here.add(kind)
        if self.count is not None:
            self.count[kind] += 1
        waiting = self._waiting.get(kind)
        if not waiting or self.is_calm:
            return None
        state = self._state
        for entry in waiting:
            strike = entry[1]
            if strike.state != state and strike.state != ANYWHERE:
                continue
            if entry[0] > 0:
                entry[0] -= 1
                continue
            waiting.remove(entry)
            self.struck.append((state, strike.fault))
            return self._act(strike)
        return None
