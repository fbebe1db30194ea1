"""Network volumes: what must be so before one is made, grown or deleted, and what a lost answer means. In this process,
with a fake account and virtual time."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters import wiring
from rpd.adapters.cli.reading.inspect import inspect_run
from rpd.adapters.cli.reading.volumes import list_volumes
from rpd.adapters.local.patience import Patience
from rpd.adapters.runpod.wire import Mount
from rpd.adapters.runs.finding import find_journal
from rpd.adapters.terminal import asking, output
from rpd.adapters.volumes import account as volume_account
from rpd.adapters.volumes import changes as volume_changes
from rpd.adapters.volumes import orders as volume_orders
from rpd.adapters.volumes.create import VolumeOrder, create_volume
from rpd.engine.errors import Ambiguous, NotSent, Refused, RpdError, Unavailable, UserError
from rpd.journal.errors import JournalNotOurs, JournalUnwritable
from rpd.journal.index import Index
from rpd.journal.records import Body, Intent, Outcome, Record
from rpd.journal.store import Journal
from rpd.states.ports.faults import Fault
from rpd.states.ports.volume import Volume
from rpd.states.ports.world import DataCenter
from tests.adapters.cli.desk import Patiently
from tests.fakes import past
from tests.fakes.clock import FakeClock

LOST = Ambiguous("no whole answer in time", reason=Fault.TIMEOUT)
SILENCE = Unavailable("no whole answer in time", reason=Fault.TIMEOUT)
NO_KEY = Refused("no", reason=Fault.KEY_REFUSED)


@dataclass
class VolumeCloud:
    """An account with network volumes. What is in `late` shows only from that moment on, `raises` is for next calls."""

    clock: FakeClock
    there: dict[str, Volume] = field(default_factory=dict)
    late: dict[str, float] = field(default_factory=dict)
    mounted: list[Mount] = field(default_factory=list)
    raises: dict[str, list[RpdError | None]] = field(default_factory=dict)
    orders: list[Volume] = field(default_factory=list)
    is_deaf: bool = False
    before_answer: Callable[[], None] = lambda: None

    def volumes(self) -> tuple[Volume, ...]:
        self._call("volumes")
        return tuple(each for each in self.there.values() if self._shows(each.id))

    def volume(self, volume_id: str) -> Volume | None:
        self._call("volume")
        return self.there.get(volume_id)

    def mounts(self) -> tuple[Mount, ...]:
        self._call("mounts")
        return tuple(self.mounted)

    def datacenters(self) -> tuple[DataCenter, ...]:
        self._call("datacenters")
        return (
            DataCenter("EUR-IS-1", volume_types=("STANDARD",)),
            DataCenter("US-TX-3"),
            DataCenter("EU-NO-1", volume_types=()),
        )

    def create_volume(self, name: str, size_gb: int, datacenter: str, kind: str) -> Volume:
        made = Volume(f"vol{len(self.orders) + 1}", name, size_gb, datacenter, kind)
        self.orders.append(made)
        if not self.is_deaf:
            self.there[made.id] = made
        self.before_answer()
        self._call("create")
        return made

    def grow_volume(self, volume_id: str, size_gb: int) -> Volume:
        old = self.there[volume_id]
        if not self.is_deaf:
            self.there[volume_id] = Volume(old.id, old.name, size_gb, old.data_center, old.type)
        self._call("grow")
        return self.there[volume_id]

    def delete_volume(self, volume_id: str) -> None:
        if not self.is_deaf and not any(each.volume_id == volume_id for each in self.mounted):
            self.there.pop(volume_id, None)
        self._call("delete")

    def _shows(self, volume_id: str) -> bool:
        return self.clock.real >= self.late.get(volume_id, 0.0)

    def _call(self, name: str) -> None:
        self.clock.advance(0.1)
        steps = self.raises.get(name, [])
        error = steps.pop(0) if steps else None
        if error is not None:
            raise error


class Stand:
    """Somebody who types `rpd volumes ...`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.cloud = VolumeCloud(self.clock)
        self.home, self.folder = folder / "home", folder / "project"
        self.folder.mkdir()
        (folder / "user").mkdir()
        self.told: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.patiences: list[float] = []
        monkeypatch.setenv("RPD_HOME", str(self.home))
        monkeypatch.setenv("RUNPOD_API_KEY", "rpa_0123456789abcdef")
        monkeypatch.delenv("RPD_API_URL", raising=False)
        monkeypatch.setattr(wiring, "cloud_for", lambda _access, _control: self.cloud)
        monkeypatch.setattr(output, "answer", self.told.append)
        monkeypatch.setattr(output, "note", self.notes.extend)
        monkeypatch.setattr(volume_account, "ProcessControl", self._control)
        monkeypatch.setattr(volume_orders, "SystemClock", lambda: self.clock)

    def _control(self, *, patience: Patience | None) -> Patiently:
        control = Patiently(self.clock, patience or Patience())
        self.patiences.append(control.patience.seconds)
        return control

    def has(self, volume_id: str, name: str | None = "data", size: int | None = 50, kind: str = "STANDARD") -> Volume:
        self.cloud.there[volume_id] = Volume(volume_id, name, size, "EUR-IS-1", kind)
        return self.cloud.there[volume_id]

    def mounts(self, volume_id: str, run_id: str | None = None, status: str = "EXITED", name: str = "p") -> None:
        self.cloud.mounted.append(Mount(volume_id, "pod1", name, status, run_id))

    def create(self, name: str = "data", size_gb: int = 50, place: str = "EUR-IS-1", kind: str | None = None) -> int:
        return create_volume(VolumeOrder(name, size_gb, place, kind), yes=True, use_sandbox=False, as_json=True)

    def delete(self, word: str, *, yes: bool = True) -> int:
        return volume_changes.delete_volume(word, yes=yes, use_sandbox=False, as_json=True)

    def grow(self, word: str, size_gb: int) -> int:
        return volume_changes.grow_volume(word, size_gb, use_sandbox=False, as_json=True)

    def unsettled(self) -> int:
        folders = (self.home / "volumes").glob("*/")
        return sum(len(volume_orders.unsettled(folder)) for folder in folders)


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    return Stand(tmp_path, monkeypatch)


def refused(code: int, reason: str, do: Callable[[], object]) -> UserError:
    with pytest.raises(UserError) as caught:
        do()
    assert (caught.value.exit_code, caught.value.reason) == (code, reason), caught.value.message
    return caught.value


# Making one.


def test_one_is_made_and_its_order_is_settled(stand: Stand) -> None:
    assert stand.create() == 0
    assert [each.name for each in stand.cloud.orders] == ["data"]
    assert (stand.told[0]["answer_was_lost"], stand.told[0]["same_name"]) == (False, [])
    assert stand.told[0]["volume"]["usd_per_month"] == 3.5
    assert stand.unsettled() == 0
    assert any("$3.50 a month" in line for line in stand.notes)


def test_the_order_stands_on_disk_while_it_is_out(stand: Stand) -> None:
    seen: list[int] = []
    stand.cloud.before_answer = lambda: seen.append(stand.unsettled())
    stand.create()
    assert seen == [1]


@pytest.mark.parametrize("name", ["data", "vol9"])
def test_a_name_or_an_id_that_is_taken_is_none(stand: Stand, name: str) -> None:
    stand.has("vol9")
    assert "there is a network volume" in refused(2, "name_taken", lambda: stand.create(name)).message
    assert stand.cloud.orders == []


@pytest.mark.parametrize("size", [9, 4097])
def test_a_size_that_is_not_to_be_had(stand: Stand, size: int) -> None:
    refused(2, "bad_size", lambda: stand.create(size_gb=size))
    assert stand.cloud.orders == []


@pytest.mark.parametrize("size", [10, 4096])
def test_the_smallest_and_the_largest(stand: Stand, size: int) -> None:
    assert stand.create(size_gb=size) == 0


@pytest.mark.parametrize("name", ["", " data", "data ", "da\nta", "da\tta", "da\x1bta"])
def test_a_name_that_is_none(stand: Stand, name: str) -> None:
    refused(2, "bad_name", lambda: stand.create(name))


def test_a_place_that_cannot_have_it(stand: Stand) -> None:
    assert "did you mean 'EUR-IS-1'" in refused(2, "no_datacenter", lambda: stand.create(place="eur-is-1")).message
    assert "did you mean 'EUR-IS-1'" in refused(2, "no_datacenter", lambda: stand.create(place="EUR-IS")).message
    assert "did you mean 'EUR-IS-1'" in refused(2, "no_datacenter", lambda: stand.create(place="EU-IS-1")).message
    assert "has no network volumes" in refused(2, "no_datacenter", lambda: stand.create(place="EU-NO-1")).message
    assert "but standard" in refused(2, "no_datacenter", lambda: stand.create(kind="high-performance")).message
    assert stand.cloud.orders == []
    assert stand.create(place="US-TX-3", kind="high_performance") == 0
    assert stand.told[-1]["volume"]["usd_per_month"] is None


def test_a_lost_answer_makes_no_second_one(stand: Stand) -> None:
    stand.cloud.raises = {"create": [LOST], "volumes": [None, None, SILENCE]}
    stand.cloud.late = {"vol1": 100.0}
    assert stand.create() == 0
    assert (len(stand.cloud.orders), stand.told[0]["answer_was_lost"], stand.unsettled()) == (1, True, 0)


def test_an_order_that_never_showed_is_settled_when_its_window_is_over(stand: Stand) -> None:
    stand.cloud.raises = {"create": [LOST]}
    stand.cloud.is_deaf = True
    begun = stand.clock.real
    doubt = refused(8, "in_doubt", stand.create)
    assert "$3.50 a month" in doubt.message
    assert 180.0 <= stand.clock.real - begun <= 210.0
    stand.cloud.is_deaf = False
    begun = stand.clock.real
    assert stand.create() == 0
    assert stand.clock.real - begun < 30.0, "its window was over"
    assert stand.unsettled() == 0


def test_an_order_that_nobody_could_look_for_stays_on_disk_and_the_next_command_looks_first(stand: Stand) -> None:
    stand.cloud.raises = {"create": [LOST], "volumes": [None, None, *[SILENCE] * 99]}
    stand.cloud.is_deaf = True
    refused(8, "in_doubt", stand.create)
    assert stand.unsettled() == 1
    refused(8, "in_doubt", stand.create)
    stand.cloud.raises, begun = {}, stand.clock.real
    stand.cloud.is_deaf = False
    assert stand.create() == 0
    assert stand.clock.real - begun >= 180.0, "nobody knows when it was sent last"
    assert any("an earlier order for this name was never settled" in line for line in stand.notes)
    assert (len(stand.cloud.orders), stand.unsettled()) == (2, 0)


def test_the_list_says_that_an_unsettled_order_may_bill(stand: Stand) -> None:
    stand.cloud.before_answer = lambda: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        stand.create()
    stand.cloud.late = {"vol1": stand.clock.real + 100.0}
    assert list_volumes(use_sandbox=False, as_json=False) == 0
    said = "\n".join(stand.notes)
    assert "'data' (50 GB in EUR-IS-1) was never settled; if it was made, it bills $3.50 a month" in said
    stand.notes.clear()
    stand.clock.advance(100.0)
    list_volumes(use_sandbox=False, as_json=True)
    assert not any("never settled" in line for line in stand.notes), "the list itself shows it"


def test_the_list_tells_of_an_order_whose_journal_cannot_be_read(stand: Stand) -> None:
    stand.cloud.before_answer = lambda: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        stand.create()
    (path,) = (stand.home / "volumes").glob("*/*.jsonl")
    first, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first[:40] + b"?" + first[41:] + b"".join(others))
    list_volumes(use_sandbox=False, as_json=True)
    assert any("cannot be read" in line and "may have been made, and bill" in line for line in stand.notes), stand.notes


def test_the_list_does_not_warn_of_an_order_that_is_just_being_made(stand: Stand) -> None:
    def listed() -> None:
        there, stand.cloud.there = stand.cloud.there, {}
        list_volumes(use_sandbox=False, as_json=True)
        stand.cloud.there = there

    stand.cloud.before_answer = listed
    assert stand.create() == 0
    assert not any("never settled" in line for line in stand.notes)


def test_no_order_is_a_run(stand: Stand) -> None:
    assert stand.create() == 0
    assert len(list((stand.home / "volumes").glob("*/*.jsonl"))) == 1
    assert Index(stand.home).entries() == []


def test_a_command_for_runs_says_that_an_order_is_none(stand: Stand) -> None:
    """Its journal is intact: there is nothing to salvage, and nothing to copy among those of the runs."""
    assert stand.create() == 0
    (journal,) = (stand.home / "volumes").glob("*/*.jsonl")
    commands: list[Callable[[], object]] = [
        lambda: inspect_run(str(journal), as_json=False, as_graph=False),
        lambda: find_journal(str(journal), to_act=True),
    ]
    for command in commands:
        with pytest.raises(JournalNotOurs, match="order for a network volume") as caught:
            command()
        assert caught.value.hint.startswith("rpd volumes ") and "salvage" not in caught.value.hint


def test_two_commands_do_not_order_under_one_name(stand: Stand) -> None:
    account = volume_account.VolumeAccount(use_sandbox=False)
    with volume_orders.VolumeOrders(account, "data").held():
        assert "another rpd makes a network volume" in refused(9, "in_use", stand.create).message
        assert stand.create("other") == 0
    assert stand.create() == 0


def test_an_answer_that_the_journal_cannot_keep_leaves_the_order_in_doubt(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Journal.append

    def full(journal: Journal, body: Body, *, sync: bool = True) -> Record:
        if isinstance(body, full_for):
            raise JournalUnwritable("disk full")
        return append(journal, body, sync=sync)

    monkeypatch.setattr(Journal, "append", full)
    full_for: tuple[type, ...] = (Intent,)
    with pytest.raises(JournalUnwritable):
        stand.create()
    assert stand.cloud.orders == [], "nothing is sent that is not written down"
    full_for = (Outcome,)
    told = refused(8, "in_doubt", stand.create)
    assert "disk full" in told.message and "$3.50 a month" in told.message
    full_for = ()
    assert stand.unsettled() == 1
    refused(2, "name_taken", stand.create)
    assert (len(stand.cloud.orders), stand.unsettled()) == (1, 0)


def test_an_order_that_cannot_be_read_stops_the_next_one(stand: Stand) -> None:
    stand.cloud.before_answer = lambda: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        stand.create()
    (journal,) = (stand.home / "volumes").glob("*/*.jsonl")
    first, *rest = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(first.replace(b"EUR", b"EUS") + b"".join(rest))
    told = refused(9, "journal_damaged", stand.create)
    assert str(journal) in told.hint and len(stand.cloud.orders) == 1


def test_one_that_turns_up_late_takes_the_name(stand: Stand) -> None:
    """A command was killed in mid order."""

    def killed() -> None:
        raise SystemExit

    stand.cloud.before_answer = killed
    with pytest.raises(SystemExit):
        stand.create()
    stand.cloud.before_answer = lambda: None
    stand.cloud.late = {"vol1": stand.clock.real + 170.0}
    refused(2, "name_taken", stand.create)
    assert len(stand.cloud.orders) == 1


def test_ctrl_c_in_mid_order_is_in_doubt(stand: Stand) -> None:
    def pressed() -> None:
        raise KeyboardInterrupt

    stand.cloud.before_answer = pressed
    assert "interrupted" in refused(8, "in_doubt", stand.create).message
    assert stand.unsettled() == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(NO_KEY, 4), (Refused("no", reason=Fault.POOL_FORBIDDEN), 4), (NotSent("no"), 6), (Refused("bad"), 2)],
)
def test_an_order_that_came_to_nothing_is_settled(stand: Stand, error: RpdError, code: int) -> None:
    stand.cloud.raises = {"create": [error]}
    with pytest.raises(UserError) as caught:
        stand.create()
    assert (caught.value.exit_code, stand.unsettled()) == (code, 0)


def test_only_what_was_ordered_is_taken_for_it(stand: Stand) -> None:
    stand.cloud.raises = {"create": [LOST]}
    stand.cloud.is_deaf = True

    def somebody_else() -> None:
        stand.cloud.there["a"] = Volume("a", "data", 60, "EUR-IS-1", "STANDARD")
        stand.cloud.there["b"] = Volume("b", "data", 50, "US-TX-3", "STANDARD")
        stand.cloud.there["c"] = Volume("c", "other", 50, "EUR-IS-1", "STANDARD")

    stand.cloud.before_answer = somebody_else
    refused(8, "in_doubt", stand.create)


def test_a_cloud_that_refuses_to_show_leaves_the_doubt(stand: Stand) -> None:
    stand.cloud.raises = {"create": [LOST], "volumes": [None, None, NO_KEY]}
    refused(8, "in_doubt", stand.create)
    assert stand.clock.real < 10.0


def test_a_twin_of_the_same_moment_is_named(stand: Stand) -> None:
    stand.cloud.before_answer = lambda: stand.has("twin") and None
    assert stand.create() == 0
    assert stand.told[0]["same_name"] == ["twin"]
    assert any("rpd volumes delete twin" in line for line in stand.notes)


# Deleting one.


def test_one_is_deleted_by_name_or_id(stand: Stand) -> None:
    stand.has("a", "one")
    stand.has("b", "two")
    assert stand.delete("one") == 0
    assert stand.delete("b") == 0
    assert stand.cloud.there == {}
    assert stand.told[0]["usd_per_month_saved"] == 3.5
    assert set(stand.patiences) == {60.0}


def test_a_name_that_two_bear_is_no_name_and_an_id_is_none_s_name(stand: Stand) -> None:
    stand.has("a", "data")
    stand.has("b", "data")
    refused(2, "ambiguous_name", lambda: stand.delete("data"))
    stand.has("c", "a")
    assert stand.delete("a") == 0
    assert set(stand.cloud.there) == {"b", "c"}


def test_one_that_is_not_there(stand: Stand) -> None:
    stand.has("a", "datas")
    assert "did you mean 'datas'" in refused(2, "no_volume", lambda: stand.delete("data")).message


@pytest.mark.parametrize("status", ["RUNNING", "EXITED"])
def test_one_that_a_pod_mounts_is_not_deleted(stand: Stand, status: str) -> None:
    stand.has("a")
    stand.mounts("a", status=status)
    said = refused(2, "in_use", lambda: stand.delete("data"))
    assert "not of this machine" in said.message
    assert "delete the pod first" in said.hint
    assert set(stand.cloud.there) == {"a"}


def test_another_s_mount_is_no_reason(stand: Stand) -> None:
    stand.has("a", "one")
    stand.has("b", "two")
    stand.mounts("b")
    assert stand.delete("one") == 0


@pytest.mark.parametrize(("is_over", "status", "command"), [
    (True, "EXITED", "release"), (False, "EXITED", "resume"), (False, "RUNNING", "cancel"),
])  # fmt: skip
def test_the_run_that_has_it_is_named_with_what_frees_it(
    stand: Stand, is_over: bool, status: str, command: str
) -> None:
    where = {"name": "runpod", "url": "https://api.runpod.io/v2"}
    with past.open_run(stand.home, stand.folder, where, token=26 * "0") as journal:
        if is_over:
            past.closed(journal, "pod1", kept=True)
        else:
            past.rented(journal, "pod1")
    stand.has("a")
    stand.mounts("a", journal.run_id, status, past.pod_name(journal))
    said = refused(2, "in_use", lambda: stand.delete("data"))
    assert said.hint.startswith(f"rpd {command} {journal.run_id}")
    assert "not of this machine" not in said.message


def test_without_a_terminal_or_yes_nothing_is_deleted(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.has("a")
    refused(2, "needs_yes", lambda: stand.delete("data", yes=False))
    for typed, is_gone in (("datas\n", False), ("y\n", False), ("data\n", True)):
        monkeypatch.setattr(
            asking, "sys", types.SimpleNamespace(
                stdin=types.SimpleNamespace(isatty=lambda: True, readline=lambda typed=typed: typed)
            )
        )  # fmt: skip
        monkeypatch.setattr(output, "prompt", lambda _text: None)
        if is_gone:
            assert stand.delete("data", yes=False) == 0
        else:
            refused(3, "declined", lambda: stand.delete("data", yes=False))
        assert (stand.cloud.there == {}) is is_gone


def test_a_pod_that_came_while_the_name_was_typed_keeps_it(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.has("a")

    def typed() -> str:
        stand.mounts("a")
        return "data\n"

    stdin = types.SimpleNamespace(isatty=lambda: True, readline=typed)
    monkeypatch.setattr(asking, "sys", types.SimpleNamespace(stdin=stdin))
    monkeypatch.setattr(output, "prompt", lambda _text: None)
    calls: list[str] = []
    monkeypatch.setattr(stand.cloud, "delete_volume", calls.append)
    refused(2, "in_use", lambda: stand.delete("data", yes=False))
    assert calls == []


def test_one_that_stays_is_not_deleted(stand: Stand) -> None:
    stand.has("a")
    stand.cloud.is_deaf = True
    assert "still there and bills $3.50 a month" in refused(8, "still_there", lambda: stand.delete("data")).message
    stand.cloud.raises = {"delete": [LOST]}
    assert LOST.message in refused(8, "still_there", lambda: stand.delete("data")).message


def test_a_lost_answer_is_settled_by_looking(stand: Stand) -> None:
    stand.has("a")
    stand.cloud.raises = {"delete": [LOST], "volumes": [None, SILENCE]}
    assert stand.delete("data") == 0


def test_the_list_alone_proves_nothing_and_the_id_alone_neither(stand: Stand) -> None:
    stand.has("a")
    stand.cloud.is_deaf = True
    shown: list[int] = []
    first = stand.cloud.volumes

    def listed() -> tuple[Volume, ...]:
        shown.append(1)
        return first() if len(shown) == 1 else ()

    stand.cloud.volumes = listed  # type: ignore[method-assign]
    refused(8, "still_there", lambda: stand.delete("data"))
    stand.cloud.volumes = first  # type: ignore[method-assign]
    stand.cloud.volume = lambda _id: None  # type: ignore[method-assign]
    refused(8, "still_there", lambda: stand.delete("data"))


def test_a_refusal_for_a_pod_that_has_it_names_the_pod(stand: Stand) -> None:
    stand.has("a")

    def refuse(volume_id: str) -> None:
        stand.mounts(volume_id)
        raise Refused("in use", reason=Fault.CONFLICT)

    stand.cloud.delete_volume = refuse  # type: ignore[method-assign]
    assert "mounted by" in refused(2, "in_use", lambda: stand.delete("data")).message


def test_a_refusal_for_anything_else_is_told(stand: Stand) -> None:
    stand.has("a")
    stand.cloud.raises = {"delete": [NO_KEY]}
    refused(4, "key_refused", lambda: stand.delete("data"))
    stand.cloud.there["a"] = Volume("a", "data", 50, "EUR-IS-1", "STANDARD")
    stand.cloud.raises = {"delete": [NotSent("nothing left")]}
    refused(6, "not_sent", lambda: stand.delete("data"))


# Growing one.


def test_one_grows_and_never_shrinks(stand: Stand) -> None:
    stand.has("a")
    refused(2, "cannot_shrink", lambda: stand.grow("data", 49))
    refused(2, "bad_size", lambda: stand.grow("data", 4097))
    assert stand.cloud.there["a"].size == 50
    assert (stand.grow("data", 50), stand.told[-1]["did"]) == (0, "nothing")
    assert (stand.grow("data", 4096), stand.told[-1]["did"]) == (0, "grown")
    assert stand.told[-1]["was"] == {"size_gb": 50, "usd_per_month": 3.5}
    assert stand.cloud.there["a"].size == 4096


def test_a_lost_answer_to_growing_is_settled_by_looking(stand: Stand) -> None:
    stand.has("a")
    stand.cloud.raises = {"grow": [LOST]}
    assert stand.grow("data", 60) == 0
    stand.cloud.is_deaf = True
    stand.cloud.raises = {"grow": [LOST]}
    refused(8, "in_doubt", lambda: stand.grow("data", 70))
    stand.cloud.raises = {"grow": [Refused("no", reason=Fault.NO_CREDIT)]}
    refused(4, "no_credit", lambda: stand.grow("data", 70))


def test_growth_that_cannot_be_read_is_in_doubt_and_the_next_command_settles_it(stand: Stand) -> None:
    stand.has("a")
    stand.cloud.raises = {"grow": [LOST], "volume": [SILENCE, SILENCE]}
    assert LOST.message in refused(8, "in_doubt", lambda: stand.grow("data", 60)).message
    assert stand.unsettled() == 1
    stand.cloud.there["a"] = Volume("a", "data", 50, "EUR-IS-1", "STANDARD")
    refused(8, "in_doubt", lambda: stand.grow("data", 70))
    assert stand.grow("data", 70) == 0
    assert stand.unsettled() == 0


def test_prices(stand: Stand) -> None:
    stand.has("a", "one", 50)
    stand.has("b", "two", 50, "HIGH_PERFORMANCE")
    stand.has("c", "three", None)
    rows = {row.volume.id: row for row in volume_account.VolumeAccount(use_sandbox=False).rows()}
    assert [rows[each].usd_per_month for each in "abc"] == [pytest.approx(3.5), None, None]
    assert volume_account.monthly(rows["b"].volume, None) == "more than $3.50 a month"
    assert volume_account.monthly(rows["c"].volume, None) == "an unknown price"
