"""Which of its possible answers the world gives. A step is run again and again until every answer was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """One course of answers: those of `script`, then always the first, which is how a fair world answers."""

    def __init__(self, script: tuple[int, ...] = ()) -> None:
        self._script = script
        self._taken: list[tuple[int, int]] = []
        self.words: list[str] = []

    def pick(self, *options: str) -> str:
        """The answer at this point."""
        at = len(self._taken)
        index = self._script[at] if at < len(self._script) else 0
        self._taken.append((index, len(options)))
        if index:
            self.words.append(options[index])
        return options[index]

    @property
    def is_fair(self) -> bool:
        """Nothing failed."""
        return not any(index for index, _ in self._taken)

    def others(self) -> Iterator[tuple[int, ...]]:
        """Scripts of the courses that branch off after the end of this one's script."""
        indices = tuple(index for index, _ in self._taken)
        for at in range(len(self._script), len(self._taken)):
            for other in range(1, self._taken[at][1]):
                yield (*indices[:at], other)


def every_course(run: Callable[[Choices], T]) -> Iterator[tuple[Choices, T]]:
    """`run` with every course of answers it can get."""
    scripts: list[tuple[int, ...]] = [()]
    while scripts:
        choices = Choices(scripts.pop())
        result = run(choices)
        scripts.extend(choices.others())
        yield choices, result
