"""The cloud of one order, with its troubles told to the person, and with an end to the looks after a lost answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.signals import LeaveNow
from rpd.adapters.report.words import duration, one_line
from rpd.adapters.terminal import output
from rpd.engine.deadline import elapsed
from rpd.engine.errors import Refused, RpdError
from rpd.engine.operation import Effect
from rpd.engine.ports import Clock
from rpd.journal.records import Outcome, Record, Stamp
from rpd.states.ports.exits import Exit
from rpd.states.ports.volume import Volume, VolumeCloud
from rpd.states.volume.operations import CreateVolume, DeleteVolume

A = TypeVar("A")


class NotedCloud:
    """`VolumeCloud` and the listener of its loop. `error` is what the order itself raised. If the cloud cannot be read
    by the end of the quiet window, or refuses to be read, the loop is left and the order stays open."""

    def __init__(self, cloud: VolumeCloud, control: ProcessControl, clock: Clock, order: Effect[Any, Any, Any]) -> None:
        self.error: RpdError | None = None
        self._cloud = cloud
        self._control = control
        self._clock = clock
        self._order = order
        self._doubt_since: Stamp | None = None

    # The port.

    def volumes(self) -> tuple[Volume, ...]:
        """Read."""
        return self._read(self._cloud.volumes)

    def volume(self, volume_id: str) -> Volume | None:
        """Read."""
        return self._read(lambda: self._cloud.volume(volume_id))

    def create_volume(self, name: str, size_gb: int, datacenter: str, kind: str) -> Volume:
        """Effect."""
        return self._sent(lambda: self._cloud.create_volume(name, size_gb, datacenter, kind))

    def grow_volume(self, volume_id: str, size_gb: int) -> Volume:
        """Effect."""
        return self._sent(lambda: self._cloud.grow_volume(volume_id, size_gb))

    def delete_volume(self, volume_id: str) -> None:
        """Effect."""
        self._sent(lambda: self._cloud.delete_volume(volume_id))

    # The listener.

    def recorded(self, record: Record) -> None:
        """A lost answer begins the time in which the order may still show."""
        body = record.body
        if isinstance(body, Outcome) and body.status == "unknown":
            self._doubt_since = record.at
            if isinstance(self._order, CreateVolume):
                window = duration(self._order.quiet_window_seconds)
                output.note([one_line(body.error or "no answer"), f"looking for the volume for up to {window}"])

    def doing(self, what: str, deadline: float | None) -> None:
        """The person has been told what goes on."""

    def _sent(self, call: Callable[[], A]) -> A:
        try:
            return call()
        except RpdError as error:
            self.error = error
            raise

    def _read(self, call: Callable[[], A]) -> A:
        try:
            return call()
        except RpdError as error:
            output.note([one_line(error.message)])
            self._leave_if_late(error)
            raise

    def _leave_if_late(self, error: RpdError) -> None:
        if isinstance(self._order, DeleteVolume):
            return  # the state `prove` has a limit of its own
        since = self._doubt_since = self._doubt_since or self._clock.now()
        window = self._order.quiet_window_seconds if isinstance(self._order, CreateVolume) else 0.0
        if isinstance(error, Refused) or elapsed(since, self._clock.now()) >= window:
            self._control.patience.leave(LeaveNow(error.message, Exit.STILL_BILLING))
