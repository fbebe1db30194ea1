"""A state home with one journal that is not as it was: a worn disk, another version or an adversary who can make its
chain whole again has changed it. Whatever it says, every command ends with an exit code that is documented, without a
trace, and `gc` treats the sound journal beside it."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from rpd.adapters import wiring
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.signals import LeaveNow
from rpd.adapters.sandbox import daemon
from rpd.engine.errors import Unavailable
from rpd.journal.index import Index
from rpd.journal.paths import journal_path
from rpd.states.lifecycle import JOB_LIFECYCLE
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Offer, Pod, PodLog, World
from tests.fakes.account import Account
from tests.fakes.clock import FakeClock, FakeControl
from tests.fakes.driven import build_runner
from tests.fakes.fake_world import FakeWorkspace
from tests.fakes.lineage import FakeLineage
from tests.fakes.lines import Rows, life, sealed
from tests.fakes.typed import KEY, Done, type_in

SHARE = 60
LIVES = (
    "success", "recycled", "a paused pod is taken up", "checkpoints", "job fails", "secrets in memory", "preserved",
    "create adopted, lists lag", "launched again in a fresh pod", "a CPU job",
)  # fmt: skip
"""Simulated lives whose journals are changed, beside the golden ones."""
COMMANDS = (
    "inspect", "inspect --json", "inspect --verify --json", "inspect --graph", "inspect --at 3", "events",
    "events --json", "summary", "summary --json", "compare", "metrics", "cost", "logs", "resume", "cancel", "release",
    "release --delete", "release --keep-until 1h",
)  # fmt: skip
"""Of one run; its name follows."""
OF_ALL = (
    "runs", "runs --json", "events --all", "gc", "gc --yes", "gc --yes --stopped", "summary --root", "events --root",
    "runs --root", "volumes", "run job.yaml", "run job.yaml --max-usd-per-day 1",
)  # fmt: skip
CODES = frozenset(int(code) for code in Exit) | {0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 75, 130, 143}
JUDGES = frozenset({"summary", "compare"})
"""Their exit code 1 means a run that failed."""
WAITS_MAX = 200
_CLASS = re.compile(r"\b[A-Z][a-z]+Error\b")
"""No sentence for people names an exception."""
URL = "http://127.0.0.1:9/v2"
NEIGHBOUR = "neighbour-20270115T080000Z-abcdef"
JOB_FILE = """name: train
pod: {image: "runpod/pytorch", gpu_order: [RTX A5000]}
storage: {volume_gb: 10}
run: {body: "echo hello"}
"""


def play(seed: int) -> None:
    """One change, the index as it may be, and some commands."""
    rng = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="rpd-fuzz-"))
    try:
        world = _Home(folder, rng)
        words = [rng.choice(OF_ALL), rng.choice(COMMANDS), "gc --yes --json", rng.choice(COMMANDS)]
        for line in words:
            world.type(line)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Home:
    """A user with two runs: a sound one whose engine died, and one whose journal was changed."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.rng, self.folder = rng, folder
        self.home, self.user, self.elsewhere = (folder / name for name in ("home", "user", "elsewhere"))
        for each in (self.home, self.user):
            each.mkdir(mode=0o700)
        (self.user / "job.yaml").write_text(JOB_FILE)
        self.account = _Account()
        self.clock = FakeClock()
        self.clock.advance(86400.0)
        rows = _settled(_bases()[rng.choice(sorted(_bases()))], self.folder)
        self.run_id = str(rows[0]["run"])
        self.path = self._put(rows, self.run_id)
        self.account.rent_for(rows)
        self._add_neighbour()
        Index(self.home).entries() if rng.random() < 0.6 else None
        if rng.random() < 0.5:
            del rows[rng.randrange(1, len(rows)) :]
            self.path.write_bytes(sealed(rows))
            if rng.random() < 0.5:
                Index(self.home).rebuild()
        self.path.write_bytes(_changed(rows, rng))
        run_folder = self.folder / "runs" / self.run_id
        run_folder.mkdir(parents=True)
        (run_folder / "events.jsonl").hardlink_to(self.path)

    def type(self, line: str) -> None:
        """One command, and what must be true of every one."""
        words = line.split()
        command = words[0]
        if line in COMMANDS:
            words.append(self.rng.choice([self.run_id, str(self.path), str(self.folder / "runs" / self.run_id)]))
            words += [NEIGHBOUR] if command == "compare" else []
        elif words[-1] == "--root":
            words.append(str(self.folder / "runs"))
        with _out_of_reach(self.account, self.clock):
            done = type_in(self.user, words, self._environ())
        told = f"{line}: {done.code}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        assert "Traceback" not in done.stderr and "internal error" not in done.stderr, told
        is_over = command == "resume" and "is over" in done.stderr  # it says how its journal ends
        assert done.code in CODES or (is_over and 0 <= done.code <= 255), told
        assert done.code != 1 or command in JUDGES or is_over or "does not answer" in done.stderr, told
        assert not _CLASS.search(done.stderr), told
        assert not self.elsewhere.exists(), f"{line}: wrote by the word of a journal"
        if line == "gc --yes --json":
            self._judge_gc(done)

    def _judge_gc(self, done: Done) -> None:
        rows = {row["run_id"]: row for row in json.loads(done.stdout)["runs"]}
        mine = self.account.pods["neighbour"]
        assert NEIGHBOUR in rows or mine.status != "RUNNING", f"the sound run was not treated: {done.stdout}"
        assert mine.status != "RUNNING", f"the sound run's pod bills on: {done.stdout}"

    def _put(self, rows: Rows, run_id: str) -> Path:
        path = journal_path(self.home, str(rows[0]["data"]["workflow"]), run_id)
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        (self.home / "journals").chmod(0o700)
        path.parent.chmod(0o700)
        path.write_bytes(sealed(rows))
        path.chmod(0o600)
        return path

    def _add_neighbour(self) -> None:
        """Its engine died while the pod booted."""
        rows = _settled(_bases()["success"], self.folder, run=NEIGHBOUR, token="n" * 26)
        boot = next(at for at, row in enumerate(rows) if row["event"] == "boot_to_connect")
        text = json.dumps(rows[:boot])
        pod_id = next(row["data"]["data"]["pod"]["id"] for row in rows if row["event"] == "create_pod_ok")
        rows = json.loads(text.replace(f'"{pod_id}"', '"neighbour"'))
        self._put(rows, NEIGHBOUR)
        self.account.rent_for(rows)

    def _environ(self) -> dict[str, str]:
        return {
            "RPD_HOME": str(self.home),
            "HOME": str(self.user),
            "RPD_API_URL": URL,
            "RUNPOD_API_KEY": KEY,
            "NO_COLOR": "1",
        }


# What a journal is, and how it may change.


@functools.cache
def _bases() -> dict[str, Rows]:
    """Records of whole runs, as plain data."""
    found = {name: life(name) for name in LIVES}
    for file in (Path(__file__).parents[1] / "golden").glob("*.jsonl"):
        found[file.stem] = [json.loads(line) for line in file.read_bytes().splitlines()]
    return found


def _settled(rows: Rows, folder: Path, *, run: str | None = None, token: str | None = None) -> Rows:
    """The same run, on the cloud of this test, with its own folder."""
    text = json.dumps(rows)
    first = rows[0]
    if run is not None:
        text = text.replace(str(first["run"]), run)
    if token is not None:
        text = text.replace(str(first["data"]["token"]), token)
    rows = json.loads(text)
    opened = rows[0]["data"]
    opened["cloud"] |= {"url": URL}
    opened["run_dir"] = str(folder / "runs" / str(rows[0]["run"]))
    return rows


def _changed(rows: Rows, rng: random.Random) -> bytes:
    """The journal after its accident."""
    if rng.random() < 0.35:
        return _worn(bytearray(sealed(rows)), rng)
    rows = copy.deepcopy(rows)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        rng.choice((_value, _value, _value, _value, _value, _name, _name, _missing, _order))(rows, rng)
    for seq, row in enumerate(rows):
        if rng.random() < 0.98 and isinstance(row, dict) and isinstance(row.get("seq"), int):
            row["seq"] = seq  # the chain is whole again
    return sealed(rows)


def _worn(data: bytearray, rng: random.Random) -> bytes:
    lines = bytes(data).splitlines(keepends=True)
    at = 0 if rng.random() < 0.5 else rng.randrange(len(lines))
    match rng.randrange(7):
        case 6:  # one bit of what says whose cloud it is
            data[data.index(b'"cloud":') + rng.randrange(100)] ^= 1 << rng.randrange(7)
            return bytes(data)
        case 0 | 1:
            start = sum(map(len, lines[:at]))
            data[start + rng.randrange(len(lines[at]))] ^= 1 << rng.randrange(8)
            return bytes(data)
        case 2:
            return bytes(data[: rng.randrange(len(data))])
        case 3:
            del lines[at]
        case 4:
            lines.insert(at, lines[rng.randrange(len(lines))])
        case _:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
    return b"".join(lines)


def _order(rows: Rows, rng: random.Random) -> None:
    at, other = rng.randrange(len(rows)), rng.randrange(len(rows))
    match rng.randrange(3):
        case 0 if len(rows) > 2:
            del rows[at]
        case 1:
            rows.insert(at, copy.deepcopy(rows[other]))
        case _:
            rows[at], rows[other] = rows[other], rows[at]


def _value(rows: Rows, rng: random.Random) -> None:
    holder, key = _place(rows, rng)
    holder[key] = _strange(rows, rng, holder[key])


def _name(rows: Rows, rng: random.Random) -> None:
    holder, key = _place(rows, rng)
    if isinstance(key, str) and key:
        at = rng.randrange(len(key))
        holder[key[:at] + chr(ord(key[at]) ^ 1) + key[at + 1 :]] = holder.pop(key)


def _missing(rows: Rows, rng: random.Random) -> None:
    holder, key = _place(rows, rng)
    del holder[key]


def _place(rows: Rows, rng: random.Random) -> tuple[Any, Any]:
    """A container and the key of something in it, at any depth of any record; often of record 0."""
    row = rows[0 if rng.random() < 0.35 else rng.randrange(len(rows))]
    data = row.get("data")
    node = row if rng.random() < 0.15 or not data or not isinstance(data, dict | list) else data
    while True:
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.2:
            return node, key
        node = inner


def _at(holder: Any, key: Any) -> Any:
    return holder[key]


def _strange(rows: Rows, rng: random.Random, value: Any) -> Any:
    makers: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: rng.choice((True, False)),
        lambda: rng.choice((0, -1, 1, 10**26, -(10**26), 2**63, 2**64, 1e308, -1e308, 5e-324, 0.5)),
        lambda: rng.choice(("RAW:1e400", "RAW:-1e400", "RAW:NaN", "RAW:Infinity", "RAW:1" + "0" * 400)),
        lambda: rng.choice(("", "x", "\0", "../../../elsewhere", "~", "\ud800", "\x1b[31m", "0", "-1", "nan", "1e400")),
        lambda: "y" * 5000,
        lambda: rng.choice(([], {}, [None], {"a": None}, [[]], [{}], {"": ""})),
        lambda: "RAW:" + "[" * 600 + "]" * 600,
        lambda: [value],
        lambda: {"x": value},
        lambda: str(value),
        lambda: copy.deepcopy(_at(*_place(rows, rng))),
        lambda: str(Path(tempfile.gettempdir())),
    )
    return rng.choice(makers)()


# What is outside of the process.


class _Account(Account):
    """A provider with the pods of both runs, which rents nothing more."""

    def rent_for(self, rows: Rows) -> None:
        """The pods of this journal, as it is before it is changed."""
        for row in rows:
            if row["event"] == "create_pod_ok" and isinstance(row["data"]["data"].get("pod"), dict):
                pod = row["data"]["data"]["pod"]
                env = {"RPD_RUN_ID": row["run"], "RPD_OWNER": "me@here"}
                self.pods[pod["id"]] = Pod(pod["id"], pod["name"], "RUNNING", usd_per_hour=0.3, env=env)

    def start(self, pod_id: str) -> None:
        raise Unavailable("no GPU is free", reason="start_refused", retryable=False)

    def create(self, order: Any) -> Pod:
        raise Unavailable("no more", reason="no_capacity", retryable=False)

    def offers(self, gpu_count: int) -> tuple[Offer, ...]:
        return ()

    def cpu_offers(self) -> tuple[Offer, ...]:
        return ()

    def datacenters(self) -> tuple[Any, ...]:
        return ()

    def network_volume_id(self, name: str) -> str | None:
        return None

    def pod_log(self, pod_id: str, lines: int) -> PodLog:
        return PodLog()

    def __getattr__(self, name: str) -> Any:
        return getattr(_NoPod(), name)


class _NoPod:
    """Nobody answers there."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any, **named: Any) -> Any:
            if name != "close":
                raise Unavailable("no route", reason=Fault.SSH_UNREACHABLE, retryable=True)

        return call


class _Impatient(FakeControl):
    """Waits cost nothing, and after enough of them a person has had enough."""

    def wait(self, seconds: float) -> None:
        if len(self.waits) >= WAITS_MAX:
            raise LeaveNow("a person had enough", 130)
        super().wait(min(seconds, 3600.0))


@contextlib.contextmanager
def _out_of_reach(account: _Account, clock: FakeClock) -> Iterator[None]:
    """The clouds, pods and processes that a command would reach are those of the test."""

    def drive(journal: Any, access: Any, control: Any, listeners: Any, state_home: Path, **options: Any) -> Any:
        waiting = _Impatient(clock, *iter(control.take, None))
        world = World(account, _NoPod(), FakeWorkspace(), clock, FakeLineage(journal.run_id))  # type: ignore[arg-type]
        return build_runner(
            JOB_LIFECYCLE, world, journal, journal.records,
            clock=clock, control=waiting, listener=wiring.Listeners(listeners),
        ).run()  # fmt: skip

    def no_client(*_: Any) -> Any:
        return _NoPod()

    def no_daemon(*args: Any, **named: Any) -> Any:
        return daemon.SandboxInfo(url=URL, api_key=KEY, home="", pid=1, isolation="")

    with contextlib.ExitStack() as stack:
        for where, name, stand_in in (
            (wiring, "drive", drive),
            (wiring, "client_for", no_client),
            (wiring, "cloud_for", lambda *_: account),
            (wiring, "remote_for", lambda *_: _NoPod()),
            (daemon, "up", no_daemon),
            (daemon, "find", lambda home: None),
            (SystemClock, "now", lambda self: clock.now()),
            (ProcessControl, "wait", lambda self, seconds: clock.advance(min(seconds, 3600.0))),
        ):
            stack.enter_context(mock.patch.object(where, name, stand_in))
        yield
