"""`rpd logs`: which of the three logs is meant."""

from __future__ import annotations

import time

import msgspec

from rpd.adapters.forensics.timeline import age_seconds
from rpd.engine.errors import UserError

OWN_TAIL = 200


class ChosenLog(msgspec.Struct, frozen=True):
    """What a person wants to see of a log. `tail` 0: all of it; None: as much as is usual. `since` is an age."""

    run: str | None
    follow: bool
    tail: int | None
    since: str | None
    launch: int | None

    @property
    def since_wall(self) -> float | None:
        """UTC seconds. Raises UserError."""
        return None if self.since is None else time.time() - age_seconds(self.since)


def show_log(chosen: ChosenLog, *, system: bool, own: bool, full: bool) -> int:
    """Print one log. Raises UserError if two are named."""
    if chosen.tail is not None and chosen.tail < 0:
        raise UserError("--tail takes the number of lines")
    if system and own:
        raise UserError("--system is the pod's log, --rpd is rpd's own: name one")
    if chosen.launch is not None and (system or own):
        raise UserError("--launch belongs to the job's log")
    since = chosen.since_wall
    if own:
        from rpd.adapters.cli.reading.own_log import show_own_log

        tail = chosen.tail if chosen.tail is not None else 0 if full or since is not None else OWN_TAIL
        return show_own_log(chosen.run, follow=chosen.follow, tail=tail, since_wall=since)
    if system:
        from rpd.adapters.cli.reading.system_log import show_system_log

        return show_system_log(chosen.run, follow=chosen.follow, tail=chosen.tail or 0, since_wall=since)
    from rpd.adapters.cli.reading.logs import show_logs

    return show_logs(chosen.run, follow=chosen.follow, tail=chosen.tail or 0, launch=chosen.launch, since_wall=since)
