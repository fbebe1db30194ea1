"""Background work of the cloud: what happens later, and beside a pod, with an owner that can call it all off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Errands:
    """Running tasks and, for each, the id of the pod it belongs to (None: it outlives any pod)."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], str | None] = {}

    def later(self, delay: float, work: Callable[[], Coroutine[Any, Any, object]], owner: str | None = None) -> None:
        """Do `work` in `delay` seconds; with an owner it is dropped when that pod stops, starts or ends."""

        async def wait_and_work() -> None:
            await asyncio.sleep(delay)
            await work()

        self.run(wait_and_work(), owner)

    def run(self, work: Coroutine[Any, Any, None], owner: str | None = None) -> None:
        """Run `work` in the background."""
        task = asyncio.create_task(work)
        self._tasks[task] = owner
        task.add_done_callback(self._forget)

    def has_unowned(self) -> bool:
        """Whether something is still to come that belongs to no pod yet."""
        return None in self._tasks.values()

    def cancel(self, owner: str | None = None) -> None:
        """Call off the work of one pod, or all; never the work that asks for it."""
        current = asyncio.current_task()
        for task, of in list(self._tasks.items()):
            if owner in (None, of) and task is not current:
                task.cancel()

    async def finish(self) -> None:
        """Wait until called-off work has ended."""
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        await asyncio.gather(*others, return_exceptions=True)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled():
            task.result()
