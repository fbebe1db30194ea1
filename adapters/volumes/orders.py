"""Orders for one network volume: each has a journal of its own and is driven by the one engine. One process at a time
orders under a name.

The journals lie at `<state home>/volumes/<mark>/<order>.jsonl`, apart from those of runs. The mark stands for the cloud
and the volume's name, or its id if it exists. A journal that is not closed is an order that nobody has settled.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.access.clouds import redactor_for
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import new_run_id, private_folder
from rpd.adapters.local.signals import LeaveNow
from rpd.adapters.local.version import version
from rpd.adapters.report.words import duration, one_line
from rpd.adapters.terminal import output
from rpd.adapters.volumes.account import VolumeAccount, VolumeRow, monthly
from rpd.adapters.volumes.noted import NotedCloud
from rpd.adapters.volumes.users import cloud_mark
from rpd.engine.errors import RpdError, UserError
from rpd.engine.operation import Effect
from rpd.journal.disk import OsDisk
from rpd.journal.errors import JournalError, JournalLocked
from rpd.journal.lock import Lock, Owner, holder
from rpd.journal.reader import read
from rpd.journal.records import SCHEMA_VERSION, Closed, Opened
from rpd.journal.store import Journal
from rpd.states.ports.exits import Exit
from rpd.states.ports.volume import Volume
from rpd.states.volume.facts import VolumeFacts
from rpd.states.volume.fold import config_of, replayed
from rpd.states.volume.lifecycle import VOLUME_LIFECYCLE
from rpd.states.volume.operations import CreateVolume

SUFFIX = ".jsonl"


class Sent(msgspec.Struct, frozen=True):
    """What became of an order. `error` is what its call raised. `left` says why the loop ended early, if it did."""

    facts: VolumeFacts
    error: RpdError | None
    left: str = ""

    @property
    def refusal(self) -> RpdError | None:
        """The error that proves that the order did nothing."""
        ended = self.facts.ended
        if ended is None or ended.status != "failed" or ended.settled:
            return None
        return self.error or UserError(ended.error or "the order was not sent", reason=ended.reason)


class VolumeOrders:
    """The orders under one word: the name of a volume to be made, or the id of one that exists. `does` says what such
    an order does."""

    def __init__(self, account: VolumeAccount, word: str, does: str = "makes a network volume") -> None:
        self._account = account
        self._cloud = account.access.as_recorded("")
        self._word = word
        self._does = does
        mark = hashlib.sha256(f"{account.mark}\n{word}".encode()).hexdigest()[:24]
        self._folder = account.home / "volumes" / mark

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """No other process orders under this word. Earlier orders are settled first. Raises UserError (exit code 9) if
        another process does."""
        private_folder(self._folder)
        try:
            lock = Lock.take(OsDisk(), self._folder / "orders", Owner.here("volumes"))
        except JournalLocked:
            raise UserError(
                f"another rpd {self._does} at this moment; nothing was done",
                exit_code=Exit.JOURNAL,
                reason="in_use",
                hint="rpd volumes   shows what it has made; then the same command again",
            ) from None
        try:
            self._settle_earlier()
            yield
        finally:
            lock.release()

    def send(self, order: Effect[Any, Any, Any]) -> Sent:
        """Write the order down, send it once, and find out what became of it. Raises JournalError if it was not sent
        because its journal cannot be kept."""
        order_id = new_run_id("volume", time.time())
        opened = self._opened(order, self._folder / f"{order_id}{SUFFIX}")
        with Journal.create(
            Path(opened.journal_path),
            opened,
            run_id=order_id,
            now=SystemClock().now,
            redactor=redactor_for(self._account.access),
            ballast_bytes=0,
        ) as journal:
            return self._drive(journal, order)

    def _settle_earlier(self) -> None:
        """An order that was never settled may still turn up. rpd looks for it, and orders nothing."""
        for path, facts in unsettled(self._folder):
            if isinstance(facts.order, CreateVolume) and facts.is_in_doubt:
                window = duration(facts.order.quiet_window_seconds)
                output.note([f"an earlier order for this name was never settled; looking for it for {window}"])
            with Journal.open(
                path,
                now=SystemClock().now,
                command="volumes",
                tool_version=version(),
                redactor=redactor_for(self._account.access),
                ballast_bytes=0,
            ) as journal:
                sent = self._drive(journal, facts.order)
            if sent.facts.is_in_doubt:
                bills = f"; it may bill {price_of(facts.order)}" if isinstance(facts.order, CreateVolume) else ""
                raise UserError(
                    f"an earlier order for network volume {self._word!r} cannot be settled: {sent.left}{bills}",
                    exit_code=Exit.STILL_BILLING,
                    reason="in_doubt",
                    hint=f"rpd volumes{self._account.words}   shows whether it is there; the same command again, later",
                )

    def _drive(self, journal: Journal, order: Effect[Any, Any, Any]) -> Sent:
        from rpd.adapters.wiring import volume_runner

        clock = SystemClock()
        cloud = NotedCloud(self._account.cloud, self._account.control, clock, order)
        runner = volume_runner(journal, cloud, self._account.control, cloud, clock)
        left = ""
        try:
            runner.run()
        except LeaveNow as leaving:
            left = leaving.why
        except JournalError as error:
            if not runner.facts.begun:
                raise
            left = error.message
        return Sent(runner.facts, cloud.error, one_line(left))

    def _opened(self, order: Effect[Any, Any, Any], path: Path) -> Opened:
        owner = Owner.here("volumes")
        return Opened(
            tool_version=version(),
            min_reader=SCHEMA_VERSION,
            lifecycle=VOLUME_LIFECYCLE.table.name,
            workflow=self._word,
            lineage="",
            config_path="",
            config_sha256="",
            config=config_of(order),
            journal_path=str(path),
            run_dir="",
            cloud=self._cloud,
            user=owner.user,
            host=owner.host,
            token="",
        )


def in_doubt(account: VolumeAccount) -> list[CreateVolume]:
    """Volumes that were ordered from this state home, and of which nobody knows whether they were made. Not those that
    another process is making now. The person is told of a journal that cannot be read: its volume may bill, and the
    next order under its name stops at it."""
    found = []
    for folder in sorted((account.home / "volumes").glob("*/")):
        try:
            orders = unsettled(folder, account.mark)
        except UserError as error:
            output.note([f"warning: {error.message}; the volume may have been made, and bill"])
            continue
        found += [facts.order for path, facts in orders if facts.is_in_doubt and holder(path) is None]
    return [order for order in found if isinstance(order, CreateVolume)]


def price_of(order: CreateVolume) -> str:
    """What the volume costs if it was made, in words."""
    row = VolumeRow(Volume("", order.volume_name, order.size_gb, type=order.kind))
    return monthly(row.volume, row.usd_per_month)


def unsettled(folder: Path, mark: str | None = None) -> list[tuple[Path, VolumeFacts]]:
    """The orders in this folder whose journals are not closed, oldest first; with `mark`, those of this cloud. Raises
    UserError for a journal that cannot be read."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            reading = read(path)
            if reading.damage is not None:
                raise reading.damage
            if any(isinstance(record.body, Closed) for record in reading.records):
                continue
            if mark is None or (reading.opened is not None and cloud_mark(reading.opened.cloud) == mark):
                found.append((path, replayed(reading.records)))
        except JournalError as error:
            raise UserError(
                f"an earlier order for this network volume cannot be read: {one_line(error.message)}",
                exit_code=Exit.JOURNAL,
                reason="journal_damaged",
                hint=f"rpd volumes   shows whether it was made; then remove {path}",
            ) from error
    return found
