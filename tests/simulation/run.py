"""One simulated run: the world put together, the person's acts carried out, the judge heard."""

from __future__ import annotations

import contextlib
import copy
import traceback
from collections.abc import Iterator
from typing import Any

import msgspec

from rpd.engine.ports import Request
from rpd.journal.records import Record
from rpd.states.lifecycles import lifecycle_of
from rpd.states.policy.reuse import shape
from rpd.states.ports.job import Job
from rpd.states.ports.world import Notice, Paused, PodOrder
from tests.fakes.clock import FakeClock, FakeControl
from tests.fakes.cloud import FakePod
from tests.fakes.driven import RUN_ID, machine_of
from tests.fakes.fake_world import FakeWorkspace, job_config, opened_job
from tests.fakes.fuse import Crash
from tests.fakes.remote import FakeJob
from tests.journal.fake_disk import FakeDisk
from tests.simulation.catalogue import FAULTS, MOMENTS
from tests.simulation.cloud import GoesInCircles, SimCloud
from tests.simulation.director import Director
from tests.simulation.laptop import HOME, PROFILE, End, Laptop
from tests.simulation.life import Life
from tests.simulation.lineage import OLD_NAME, OLD_RUN
from tests.simulation.lives import LIVES
from tests.simulation.oracle import ALLOWANCE_SECONDS, Oracle, Violation
from tests.simulation.person import Person
from tests.simulation.pod import SimRemote
from tests.simulation.schedule import Schedule, Strike

BETWEEN_SECONDS = 30.0
AWAY_SECONDS = 7200.0
PROCESSES_MAX = 14
AFTERWARDS_SECONDS = 3600.0
TURNS_MAX = 4000
BEFORE_THE_POD_IS_KNOWN = ("-", "validate", "reclaim", "select", "create")
"""What a pod carries of its owners can only be read where there is one; see docs/reliability.md on copied journals."""


class Verdict(msgspec.Struct):
    """What came of one schedule. `seen` and `struck` are coverage, `digest` the last record's checksum (the same
    schedule gives the same), `places` how many moments of each kind the first process passed."""

    violations: list[Violation]
    seen: set[tuple[str, str]]
    struck: list[tuple[str, str]]
    digest: str
    simulated_seconds: float
    ends: list[End]
    closed: tuple[str, str | None, int] | None


class SimWorkspace(FakeWorkspace):
    """The person's files; writing the manifest is an effect like others."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__()
        self._sim = sim

    def notify(self, notice: Notice) -> bool:
        self._sim.turn(0.0)
        self._sim.oracle.before_effect("notify")
        if self._sim.oracle.in_emergency:
            return True  # the journal will not know of it, so it is said again
        sent = super().notify(notice)
        self._sim.director.moment("effect:done")
        if len(set(self.notices)) < len(self.notices) and len(self._sim.laptops) == 1:
            self._sim.oracle.blame("I15 somebody was told twice", notice.what)
        return sent

    def write_manifest(self, run_dir: str, manifest: dict[str, Any]) -> str:
        self._sim.oracle.before_effect("write_manifest")
        digest = super().write_manifest(run_dir, manifest)
        self._sim.director.moment("effect:done")
        return digest


class Simulation:
    """The world of one schedule. `laptop` is the machine that acts now; `story` collects lines for people."""

    def __init__(self, schedule: Schedule, *, story: list[str] | None = None) -> None:
        life = LIVES[schedule.life]
        self.lifecycle = lifecycle_of(life.lifecycle)
        self.machine = machine_of(self.lifecycle.table)
        self.person = Person(self, **life.world.get("person", {}))
        self.schedule = schedule
        self.story = story
        self.run_id = RUN_ID
        self.clock = FakeClock()
        self.control = FakeControl(self.clock)
        self.director = Director((*life.strikes, *schedule.strikes), MOMENTS, self._act)
        self.oracle = Oracle(self)
        self.cloud = SimCloud(self)
        self.remote = SimRemote(self)
        self.workspace = SimWorkspace(self)
        config, self.job = _configured(life)
        self.opened = opened_job(config, PROFILE, life.options, life.lifecycle)
        self.paused: list[Paused] = []
        self.pod_owners: dict[str, str] = {}
        self.required = {each.label: each.remote_path for each in self.job.artifacts if each.required}
        self.optional = {each.label: each.remote_path for each in self.job.artifacts if not each.required}
        self._prepare(life)
        self.laptop = Laptop(self, "home", _disk())
        self.laptops = [self.laptop]
        self._drivers: list[tuple[Laptop, FakeControl]] = []
        self._turns_left: int | None = None
        self._turns = 0

    def _prepare(self, life: Life) -> None:
        job = {"seconds": 40.0, **life.job}
        self.remote.job = FakeJob(**{name: copy.copy(value) for name, value in job.items()})  # faults may change it
        for name, value in life.world.items():
            if name == "problems":
                self.workspace.problems = value
            elif name == "log":
                self.workspace.log_reading = value
            elif name == "paused":
                self._pause(**value)
            elif name == "crowd":
                self._leave_many(value)
            elif name == "held":
                self.remote.held = list(value)
            elif name in ("is_volatile", "service_seconds"):
                setattr(self.remote, name, value)
            elif name == "person":
                pass  # who is there already
            else:
                setattr(self.cloud, name, copy.deepcopy(value))

    def _pause(self, status: str = "EXITED", **changes: object) -> None:
        """An earlier run of the lineage has left a pod; `changes` are what it was ordered as and is not any more."""
        job = self.job
        env = {"RPD_RUN_ID": OLD_RUN}
        order = PodOrder(OLD_NAME, job.pod.image, "RTX A5000", 1, "SECURE", (), 20, env, volume_gb=20)
        pod = self.cloud.make_paused(order, status)
        if pod.is_billing:
            self.oracle.unseen.add(OLD_NAME)
        ordered = {**shape(job), **changes}
        self.paused.append(Paused("/old", OLD_RUN, OLD_RUN, pod.id, OLD_NAME, "RTX A5000", "SECURE", 0.27, ordered))

    def _leave_many(self, count: int) -> None:
        """So many more are on record, and have drifted; nobody is to touch them."""
        drifted = {**shape(self.job), "pod.image": "old"}
        for n in range(count):
            name, run = f"rpd-train-{n:026}-a1", f"train-20270109T{n:06}Z-oooooo"
            self.paused.append(
                Paused(
                    f"/old{n}", run, run, f"old{n}", name, "RTX A5000", "SECURE", 0.27, drifted, since=float(count - n)
                )
            )

    # The course.

    def run(self) -> Verdict:
        """Play the schedule to its end and judge it."""
        life = LIVES[self.schedule.life]
        is_closed = False
        try:
            is_closed = self._play((*life.acts, *self.schedule.acts))
            self.clock.advance(AFTERWARDS_SECONDS)
            self.oracle.over(is_closed=is_closed)
        except Exception as fault:
            trace = traceback.format_exc().strip().splitlines()
            self.oracle.blame("internal error", f"{type(fault).__name__}: {fault} | {' | '.join(trace[-7:-1])}")
        account = self.oracle._accounts.get("home")
        closed = account.closed if account is not None else None
        return Verdict(
            self.oracle.violations,
            self.director.seen,
            self.director.struck,
            self.laptop.acked[-1][1] if self.laptop.acked else "",
            self.clock.real,
            [end for laptop in self.laptops for end in laptop.ends],
            (closed.outcome, closed.reason, closed.exit_code) if closed is not None else None,
        )

    def _play(self, acts: tuple[str, ...]) -> bool:
        end = self._process("run")
        for act in acts:
            if end.how == "closed":
                break
            end = self._perform(act, end)
        for _ in range(4):
            if end.how == "closed" or not self.director.has_more:
                break
            end = self._process("resume")
        self._calm()
        if end.how != "closed" and self.schedule.end == "never":
            self._nobody_returns()
        elif end.how != "closed" and self.schedule.end == "gc":
            self._gc_until_quiet()
        return self._finish()

    def _perform(self, act: str, end: End) -> End:
        if act == "away":
            self.say("nobody is here for two hours")
            self.oracle.excused_seconds += AWAY_SECONDS
            self.clock.advance(AWAY_SECONDS)
            return end
        if act == "gc" and not self._owes():
            return end  # gc drives only what owes
        return self._process(act)

    def _finish(self) -> bool:
        """On every machine in turn the person resumes, until the run is over there."""
        for _ in range(PROCESSES_MAX):
            for laptop in self.laptops:
                self.laptop = laptop
                if self._is_over(laptop):
                    continue
                end = self._process("resume")
                if not self._is_over(laptop):
                    self._pass(600.0 if end.how == "left" else 1.0)
            if all(self._is_over(laptop) for laptop in self.laptops):
                return True
        return False

    def _is_over(self, laptop: Laptop) -> bool:
        """The run was closed here, or was taken over by a machine that closed it."""
        last = laptop.ends[-1] if laptop.ends else None
        if last is None or last.how == "closed":
            return last is not None
        others = (other.ends[-1] for other in self.laptops if other is not laptop and other.ends)
        return last.exit_code == 9 and any(end.how == "closed" for end in others)

    def _process(self, command: str) -> End:
        self._pass(BETWEEN_SECONDS)
        if not self.laptop.has_journal() and self.laptop.moved is None:
            command = "run"
        request, detail = command if command in ("gc", "cancel", "release") else None, {}
        if command == "keep":  # rpd release --keep-until 1h
            request, detail = "release", {"how": "preserve", "until": self.clock.now().wall + 3600.0}
        end = self.laptop.process(command, *([Request(request, "test", detail)] if request else []))
        self.oracle.process_ended(self.laptop, end)
        return end

    def _pass(self, seconds: float) -> None:
        self.oracle.excused_seconds += seconds
        self.clock.advance(seconds)

    def _calm(self) -> None:
        """From here on the world is fair, and a person who leaves a session has no more use for it."""
        self.person.leaves, self.person.stays = ("delete",), 60.0
        self.remote.services_down_until = 0.0
        if self.schedule.strikes:
            self.remote.service_seconds = min(self.remote.service_seconds, 5.0)
        self.director.is_calm = True
        self.cloud.down_until = self.cloud.locked_until = self.cloud.sold_out_until = self.cloud.lag_until = 0.0
        self.cloud.held_until = 0.0
        self.remote.down_until = 0.0
        for laptop in self.laptops:
            laptop.disk.room = None
        for pod in self.cloud.ours():
            pod.volume.pop("host_full_until", None)
        if self.remote.job.artifacts.get("/workspace/out") == "corrupt" and self.schedule.strikes:
            self.remote.job.artifacts.clear()

    def _gc_until_quiet(self) -> None:
        """As a timer would: `rpd gc --yes` until nothing bills. Results may then wait in a stopped pod. One that was
        started by others, or is a twin shown late, though its run owes nothing, gc finds in the account itself
        (tests/adapters/cli)."""
        self._found_in_the_account()
        for _ in range(PROCESSES_MAX):
            if not self._owes() or not (self.laptop.has_journal() or self.laptop.moved):
                break
            if self._process("gc").how == "closed":
                return
            self._pass(600.0)
        self._found_in_the_account()
        for pod in self.cloud.bills():
            self.oracle.blame("I1 gc leaves a pod billing", f"pod {pod.id}")

    def _found_in_the_account(self) -> None:
        for pod in self.cloud.bills():
            is_found = pod.order.name in self.oracle.unseen or "#" in self.oracle._key(pod)
            if is_found and not self._owes():
                self.cloud.halt(pod)

    def _nobody_returns(self) -> None:
        """The laptop is gone for good: an armed switch must have stopped its pod by its limit."""
        self.say("nobody comes back")
        for pod in self.cloud.bills():
            order = pod.volume.get("switch")
            if not self.remote._may_act(pod):
                continue
            seconds = float(pod.volume["limit"]) - self.clock.real + 60.0  # type: ignore[arg-type]
            seconds = min(seconds, self.oracle.budget_seconds() + ALLOWANCE_SECONDS)
            self.oracle.excused_seconds += max(0.0, seconds)
            self.clock.advance(max(0.0, seconds))
            if pod.is_billing:
                self.oracle.blame("I1 the switch did not stop its pod", f"pod {pod.id}, limit {order.limit_at}")  # type: ignore[attr-defined]

    def _owes(self) -> bool:
        account = self.oracle._accounts.get(self.laptop.name)
        return account is not None and bool(account.debts)

    # What the parts of the world call.

    def turn(self, seconds: float) -> None:
        """The world turns a little: whatever can happen at any time may happen now."""
        director = self.director
        self._turns += 1
        if self._turns > TURNS_MAX:
            raise GoesInCircles(f"no end after {TURNS_MAX} calls and waits")
        if self._turns_left is not None and len(self._drivers) > 1:
            self._turns_left -= 1
            if self._turns_left < 0:
                raise Crash("the other machine goes away")
        director.moment("turn")
        mine = self.cloud.mine
        if mine:
            status = mine[-1].status
            if status == "RUNNING":
                director.moment("turn:live")
                if director.state not in BEFORE_THE_POD_IS_KNOWN:
                    director.moment("turn:known")
            elif status == "EXITED":
                director.moment("turn:stopped")
        if seconds:
            self.clock.advance(seconds)

    @contextlib.contextmanager
    def driving(self, laptop: Laptop, control: FakeControl) -> Iterator[None]:
        """`laptop` acts inside the block; another one may act inside it, as if the first were asleep."""
        before = self.laptop, self.control, self.director.state, self.oracle._runner, self.oracle.in_emergency
        in_call = self.remote.in_call
        self.laptop, self.control = laptop, control
        self.remote.control = control
        self.oracle._runner = None
        self._drivers.append((laptop, control))
        try:
            yield
        finally:
            self._drivers.pop()
            self.laptop, self.control, self.director.state, self.oracle._runner, self.oracle.in_emergency = before
            self.remote.control, self.remote.in_call = self.control, in_call

    def say(self, text: str) -> None:
        """A line of the story."""
        if self.story is not None:
            self.story.append(f"{self.clock.real:10.1f} s  {self.director.state:9}  {text}")

    def tell(self, record: Record) -> None:
        """A record, for the story."""
        self.say(f"    {record.seq:3} {record.event} {_gist(record)}".rstrip())

    def _act(self, strike: Strike) -> str | None:
        self.say(f"FAULT {strike.fault}" + (f" ({strike.amount:g})" if strike.amount else ""))
        return FAULTS[strike.fault].act(self, strike)

    # Faults of the world.

    def stop_by_others(self) -> None:
        """Somebody, or the provider, stops the pod."""
        self.cloud.halt(self._last())

    def delete_by_others(self) -> None:
        """Somebody deletes the pod in the console. What was in it is gone, and no fault of ours."""
        self.cloud.halt(self._last(), "TERMINATED")

    def restart_container(self) -> None:
        """The container ends and is started anew, on the same volume, at another port, with another host key."""
        pod = self._last()
        pod.container_ends.setdefault(pod.container, self.clock.real)
        pod.container += 1
        pod.disk.clear()
        pod.ready_at = self.clock.real + 5.0

    def renew_container(self) -> None:
        """Somebody has the container made anew, which the API shows."""
        pod = self._last()
        self.cloud.renew_container(pod)
        pod.ready_at = self.clock.real + 5.0

    def break_services(self, seconds: float) -> None:
        """The services in the pod do not answer for a while."""
        self.remote.services_down_until = self.clock.real + seconds

    def start_by_others(self) -> None:
        """Somebody starts a stopped pod in the console."""
        pod = self._last()
        if "host_full_until" not in pod.volume and self._drivers:
            self.cloud._start(pod)
            self.oracle.unseen.add(pod.order.name)

    def change_host_key(self) -> None:
        """The pod shows another key, and nothing explains it."""
        pod = self._last()
        pod.key += 1

    def reprice(self) -> None:
        """The cloud charges more for the same pod."""
        self._last().rate *= 1.3

    def fill_hosts(self, seconds: float) -> None:
        """A stopped pod cannot be started for a while: others have its GPUs."""
        self._last().volume["host_full_until"] = self.clock.real + seconds
        self.oracle.excused_seconds += seconds

    def cut_link(self, seconds: float) -> None:
        """Nothing gets through to the pod."""
        self.remote.lose_link(seconds)
        self.oracle.excused_seconds += seconds

    def cut_api(self, seconds: float) -> None:
        """The API cannot be reached."""
        self.cloud.lose_api(seconds)
        self.oracle.excused_seconds += seconds

    def go_offline(self, seconds: float, *, drops: bool = False) -> None:
        """Nothing gets through to anybody."""
        self.remote.lose_link(seconds, drops=drops)
        self.cloud.lose_api(seconds, drops=drops)
        self.oracle.excused_seconds += seconds

    def refuse_key(self, seconds: float) -> None:
        """The key is not accepted until a person mends it."""
        self.cloud.locked_until = self.clock.real + seconds
        self.oracle.excused_seconds += seconds

    def hold_pods(self, seconds: float) -> None:
        """The cloud stops and deletes nothing, and says so."""
        self.cloud.held_until = self.clock.real + seconds
        self.oracle.excused_seconds += seconds

    def sell_out(self, seconds: float) -> None:
        """No candidate has stock."""
        self.cloud.sold_out_until = self.clock.real + seconds

    def lag(self, seconds: float) -> None:
        """For a while, lists do not show pods younger than that."""
        self.cloud.lag_until, self.cloud.lag_of_young = self.clock.real + seconds, seconds

    # Faults of the laptop.

    def sleep(self, seconds: float) -> None:
        """The lid is closed. Every clock runs on; whatever is planned happens meanwhile."""
        self.oracle.excused_seconds += seconds
        self.clock.advance(seconds)

    def set_clock(self, seconds: float) -> None:
        """Somebody, or NTP, sets the wall clock."""
        self.laptop.set_wall(seconds)

    def fill_disk(self, seconds: float) -> None:
        """Another program takes all room, for a while. What was written of this line is a part of it."""
        disk = self.laptop.disk
        disk.room = 11
        self.clock.after(seconds, lambda: setattr(disk, "room", None))

    def tear(self, size: float) -> None:
        """The next write takes only a part."""
        self.laptop.disk.tear_next_write(int(size))

    def fail_sync(self, code: int) -> None:
        """The disk reports an error at this sync, and success afterwards."""
        self.laptop.disk.fail("sync", code)

    def lose_journal(self) -> None:
        """Somebody moves the journal away."""
        self.laptop.moved = self.laptop.disk.take_away(self.laptop.path) or self.laptop.moved

    # Persons.

    def ask(self, what: str, **detail: object) -> None:
        """Somebody asks the loop for something."""
        self.control.ask(what, **detail)

    def ask_to_keep(self, seconds: float) -> None:
        """Somebody wants the run ended, and its pod kept up for a while."""
        self.oracle.excused_seconds += seconds
        self.ask("release", how="preserve", until=self.laptop.now().wall + seconds)

    def intrude(self) -> None:
        """Another process wants the journal that is in use."""
        if len(self._drivers) == 1:
            laptop = self.laptop
            end = laptop.process("resume")
            laptop.ends.pop()
            if end.how != "refused":
                self.oracle.blame("I13 two processes on one journal", end.how)

    def copy_elsewhere(self, turns: int) -> None:
        """The journal is copied to another machine and resumed there, while this one is as good as asleep."""
        journal = self.laptop.disk.find(self.laptop.path)
        if len(self._drivers) != 1 or not self.cloud.mine or journal is None:
            return
        disk = _disk()
        disk.put(self.laptop.path, bytes(journal.data))
        other = Laptop(self, f"other{len(self.laptops)}", disk, offset=3.0)
        self.laptops.append(other)
        self._turns_left = turns
        began = self.clock.real
        end = other.process("resume")
        self._turns_left = None
        self.oracle.excused_seconds += self.clock.real - began
        self.oracle.process_ended(other, end)

    def _last(self) -> FakePod:
        return self.cloud.mine[-1]


_FOLDERS = tuple(map(str, [*reversed((HOME / "journals" / "train").parents), HOME / "journals" / "train"]))


def _disk() -> FakeDisk:
    disk = FakeDisk()
    disk.put_folders(_FOLDERS)
    return disk


_CONFIGS: dict[str, tuple[dict[str, Any], Job]] = {}


def _configured(life: Life) -> tuple[dict[str, Any], Job]:
    if life.name not in _CONFIGS:
        config = job_config(**life.config)
        _CONFIGS[life.name] = (config, msgspec.convert(config, Job))
    return _CONFIGS[life.name]


def _gist(record: Record) -> str:
    body = record.body
    words = [
        str(getattr(body, name))
        for name in ("op", "status", "trigger", "dest", "what", "reason", "error", "outcome")
        if getattr(body, name, None)
    ]
    return " ".join(words)[:110]
