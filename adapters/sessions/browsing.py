"""Open a service of a session in the person's browser."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable

from rpd.adapters.terminal import output
from rpd.journal.records import Record, Transition
from rpd.states.facts import Facts
from rpd.states.ports.names import Trigger


def open_page(facts: Facts, page: str) -> None:
    """Effect: open the page of the first service. A machine without a browser only says so."""
    port = next((each.local_port for each in facts.container.served if each.local_port is not None), None)
    if port is None:
        return
    url = f"http://127.0.0.1:{port}{page}"
    try:
        is_open = webbrowser.open(url)
    except webbrowser.Error:
        is_open = False
    if not is_open:
        output.note([f"no browser could be opened here: {url}"])


class OpensBrowser:
    """A listener that opens the page when the session is connected for the first time. `facts` are those of a view, or
    replayed from the records."""

    def __init__(self, read: Callable[[], Facts], page: str) -> None:
        self._read = read
        self._page = page
        self._is_done = False

    def recorded(self, record: Record) -> None:
        """Open it once."""
        if isinstance(record.body, Transition) and record.body.trigger == Trigger.CONNECTED and not self._is_done:
            self._is_done = True
            open_page(self._read(), self._page)

    def doing(self, what: str, deadline: float | None) -> None:
        """Nothing to do."""
