"""`rpd gc`, `rpd release` and `rpd cancel` in this process, over real journals, with fake clouds and virtual time."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters import wiring
from rpd.adapters.access import opening
from rpd.adapters.access.clouds import Access
from rpd.adapters.cleanup import accounts, acting, all_clouds, cleanup, planning, stopped
from rpd.adapters.cleanup.scope import CleanupScope
from rpd.adapters.cli.acting import gc
from rpd.adapters.disposal import giveback, kept, unrecorded
from rpd.adapters.driving import driving, ending
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.side_by_side import Work
from rpd.adapters.local.signals import LeaveNow
from rpd.adapters.pods import asking, effects
from rpd.adapters.runs import release
from rpd.adapters.terminal import output
from rpd.engine.errors import Ambiguous, NotSent, RpdError, Unavailable
from rpd.engine.ports import Request
from rpd.journal.reader import read
from rpd.journal.records import Body
from rpd.journal.replay import fold
from rpd.journal.store import Journal
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Pod, PodOrder
from tests.fakes import past
from tests.fakes.clock import FakeClock, FakeControl
from tests.fakes.cloud import FakeCloud

FIRST, SECOND = "https://one.invalid/v2", "https://two.invalid/v2"
SILENCE = Unavailable("no whole answer in time", reason=Fault.TIMEOUT, retryable=True)


class Patient:
    """A fake cloud that tells of each call as the real client does; its time is virtual."""

    def __init__(self, cloud: FakeCloud, access: Access, control: Any) -> None:
        self._cloud, self._url, self._patience = cloud, access.profile.url, control.patience
        self._patience._now = lambda: cloud.clock.real

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._cloud, name)

        def call(*arguments: Any) -> Any:
            what = f"{name} {arguments}"
            if self._patience.leaving is not None:
                raise Unavailable(self._patience.leaving.why, reason=Fault.NOT_SENT)
            self._patience.asked(what)
            try:
                found = method(*arguments)
            except (Unavailable, Ambiguous, NotSent) as error:
                self._patience.is_over(what, self._url, error.message)
                raise
            self._patience.answered(what)
            return found

        return call


class Patiently(FakeControl):
    """`ProcessControl` in virtual time."""

    def __init__(self, clock: FakeClock, patience: Patience) -> None:
        super().__init__(clock)
        self.patience = patience

    def ask(self, what: Any, **_detail: object) -> None:
        self._requests.append(what)

    def pending(self) -> bool:
        return self.patience.leaving is not None or super().pending()

    def take(self) -> Request | None:
        if self.patience.leaving is not None:
            raise self.patience.leaving
        return super().take()


def one_after_the_other(works: Sequence[Work], command: Patience) -> None:
    """`side_by_side` in one thread, so that virtual time has one owner."""
    for work in works:
        if command.leaving is None:
            with contextlib.suppress(LeaveNow):
                work.do()


class Desk:
    """One state home, and somebody who types there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.folder = folder / "home", folder / "project"
        self.folder.mkdir()
        (folder / "user").mkdir()
        self.clock = FakeClock()
        self.clouds: dict[str, FakeCloud] = {}
        self.told: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.patiences: list[Patience] = []
        self._tokens = (f"{number:026d}" for number in itertools.count())
        self._patch = monkeypatch
        monkeypatch.setenv("RPD_HOME", str(self.home))
        monkeypatch.setenv("HOME", str(folder / "user"))
        monkeypatch.setenv("RUNPOD_API_KEY", "rpa_0123456789abcdef")
        monkeypatch.setattr(wiring, "cloud_for", self._cloud_for)
        for module in (all_clouds, cleanup, asking):
            monkeypatch.setattr(module, "side_by_side", one_after_the_other)
        monkeypatch.setattr(output, "answer", self.told.append)
        monkeypatch.setattr(output, "note", self.notes.extend)
        for module in (giveback, wiring, driving, release, kept, unrecorded, ending, opening, planning, acting, asking):
            monkeypatch.setattr(module, "SystemClock", lambda: self.clock)
        for module in (giveback, driving, kept, unrecorded, accounts, effects):
            monkeypatch.setattr(module, "ProcessControl", self._control)
        monkeypatch.setattr(stopped, "time", types.SimpleNamespace(time=lambda: self.clock.now().wall))

    def _control(self, *_where: object, patience: Patience | None = None, **_more: object) -> Patiently:
        control = Patiently(self.clock, patience or Patience())
        self.patiences.append(control.patience)
        return control

    def _cloud_for(self, access: Access, control: Any, _redactor: object = None) -> Patient:
        return Patient(self.cloud(access.profile.url), access, control)

    def cloud(self, url: str = FIRST) -> FakeCloud:
        """The account at this address."""
        return self.clouds.setdefault(url, FakeCloud(self.clock))

    # What happened before.

    def open(self, workflow: str = "job", url: str = FIRST, cloud: dict[str, str] | None = None) -> Journal:
        """A run has begun, and is driven by this process until it is closed."""
        cloud = {"name": "runpod", "url": url, **(cloud or {})}
        return past.open_run(
            self.home, self.folder, cloud, token=next(self._tokens), workflow=workflow, now=self.clock.now
        )

    def died(self, workflow: str = "job", url: str = FIRST, cloud: dict[str, str] | None = None) -> tuple[Path, str]:
        """A run whose engine died while its pod booted."""
        with self.open(workflow, url, cloud) as journal:
            pod = self.rent(past.pod_name(journal), journal.run_id, url)
            past.rented(journal, pod.id)
        return journal.path, pod.id

    def append(self, journal: Path, *bodies: Body) -> None:
        """More of what happened then."""
        with self.reopened(journal) as again:
            for body in bodies:
                again.append(body)

    def reopened(self, journal: Path) -> Journal:
        """It is driven by this process again."""
        return Journal.open(journal, now=self.clock.now, command="test", tool_version="0", ballast_bytes=0)

    def damage(self, journal: Path) -> None:
        """A bit of its last record flips."""
        data = bytearray(journal.read_bytes())
        data[-30] ^= 1
        journal.write_bytes(data)

    def copy_home(self, *, anew: bool = True) -> None:
        """`cp -r` of the state home, which is the one in use from now on."""
        copy = self.home.with_name("copy")
        if anew:
            shutil.copytree(self.home, copy)
        self.at_home(copy)

    def at_home(self, home: Path) -> None:
        """`export RPD_HOME=...`."""
        self.home = home
        self._patch.setenv("RPD_HOME", str(home))

    def only_journal(self) -> Path:
        """The one that there is in this state home."""
        (journal,) = (self.home / "journals").glob("*/*.jsonl")
        return journal

    def signal_at_first_call(self, cloud: FakeCloud, request: Request) -> None:
        """Somebody ends the next command as soon as it asks this cloud."""
        begin = all_clouds.signal_requests
        handlers: list[Callable[[Request], None]] = []

        def noted(ask: Callable[[Request], None]) -> Any:
            handlers.append(ask)
            return begin(ask)

        self._patch.setattr(all_clouds, "signal_requests", noted)
        cloud.plan("list", lambda: handlers[-1](request))

    def over(self, workflow: str = "job", url: str = FIRST, *, kept: bool = False) -> tuple[Path, str]:
        """A run that is over; its pod is stopped (`kept`), or gone."""
        with self.open(workflow, url) as journal:
            pod = self.rent(past.pod_name(journal), journal.run_id, url)
            past.closed(journal, pod.id, kept=kept)
        (self.cloud(url).stop if kept else self.cloud(url).delete)(pod.id)
        return journal.path, pod.id

    def rent(self, name: str, run_id: str | None, url: str = FIRST) -> Pod:
        """A pod with this name, whose env names this run."""
        env = {"RPD_OWNER": "me@here", **({"RPD_RUN_ID": run_id} if run_id is not None else {})}
        order = PodOrder(name, "i", "RTX A5000", 1, "SECURE", (), 20, env, volume_gb=10)
        return self.cloud(url).create(order)

    # Typing.

    def gc(self, *, act: bool = True, **wanted: Any) -> dict[str, Any]:
        """What `rpd gc --json` says."""
        code = gc.collect_garbage(CleanupScope(**wanted), act=act, as_json=True)
        document = self.told.pop()
        assert document["exit_code"] == code
        return document

    def ends(self, run: str, what: str, **detail: Any) -> int:
        """`rpd cancel` or `rpd release` of a run that is not over."""
        return ending.end_run(self._path(run), Request(what, f"rpd {what}", detail), as_json=True)

    def _path(self, run: str) -> Path:
        return next((self.home / "journals").glob(f"*/{run}.jsonl"))

    # Judging.

    def debts(self, journal: Path) -> list[tuple[str, str]]:
        """What the journal owes: names and kinds."""
        return sorted(fold(read(journal).records).debts)

    def kinds(self, journal: Path) -> list[str]:
        """The kinds alone."""
        return [kind for _, kind in self.debts(journal)]

    def status(self, pod_id: str, url: str = FIRST) -> str:
        """As the ledger says."""
        return self.cloud(url).pods[pod_id].status

    def rows(self, document: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The rows of gc by workflow."""
        return {Path(row["journal"]).parent.name: row for row in document["runs"]}


def breaks(*calls: str) -> dict[str, RpdError]:
    """For `FakeCloud.broken`: nothing answers these calls."""
    return dict.fromkeys(calls, SILENCE)


def names(pods: Sequence[dict[str, Any]]) -> list[str]:
    """Of what gc shows."""
    return [str(pod["id"]) for pod in pods]
