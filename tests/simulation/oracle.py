"""The judge: what must hold whatever happens, read from the cloud's ledger, the pods and the disk, never from what the
journal claims. Names are those of the invariants in docs/reliability.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rpd.engine.runner import Runner
from rpd.journal.records import (
    Closed,
    DebtChange,
    HandedOver,
    Intent,
    Observation,
    Outcome,
    Record,
    Requested,
    Transition,
)
from rpd.journal.store import Journal
from rpd.states.policy import cost
from rpd.states.policy.outage import PATIENCE_SECONDS
from rpd.states.policy.reuse import drift
from rpd.states.ports.world import PodOrder, SwitchOrder
from tests.fakes.cloud import FakePod
from tests.fakes.remote import _Run
from tests.simulation.cloud import CANARY
from tests.simulation.lineage import OLD_NAME
from tests.simulation.lives import LIVES
from tests.simulation.schedule import Strike

if TYPE_CHECKING:
    from tests.simulation.laptop import End, Laptop
    from tests.simulation.run import Simulation

ALLOWANCE_SECONDS = 2400.0
"""How long pods may compute beyond the budget and beyond what was excused: collecting (600 s), deadlines of boots and
links, the quiet window, the owner's silence."""


TWIN_SHOWN_SECONDS = 60.0
"""A twin that the account has shown for so long is known to whoever leaves its pod up or ends the run, unless the
account could not be asked."""
TWIN_BILLS_SECONDS = 500.0
"""How long a twin may compute beyond what was excused: until the end of the quiet window, and until the cloud has let
go of it."""
AFTERWARDS_MAX_SECONDS = 7200.0
"""How long a pod that others have started after the end may have computed when the judge looks."""


BOTH_WAYS = frozenset({"this machine is offline", "every packet is dropped", "the API is down"})
ON_THE_HOST = ("arm", "setup", "stage", "preflight", "launch", "monitor", "collect", "release", "tunnel", "attend")
"""Where a link that is down says nothing about how long a host takes to come up."""


def is_survived(strike: Strike) -> bool:
    """Whether a run goes on after this, once it is over, as if nothing had been."""
    if strike.fault == "the container is made anew by others":
        return strike.state in ("arm", "setup", "stage", "preflight", "tunnel", "attend")
    return strike.fault in BOTH_WAYS or (strike.fault == "the link is down" and strike.state in ON_THE_HOST)


class Violation(msgspec.Struct, frozen=True):
    """A broken promise. `rule` is one of the invariants, `text` what was seen."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


_WITH_DEBTS = frozenset({Intent, Outcome, Observation, Transition, HandedOver})
_WITH_REASON = frozenset({Outcome, Observation, Transition, Closed})


class Account:
    """What one laptop's journal has said so far, as the judge reads it record by record."""

    def __init__(self, state: str = "validate") -> None:
        self.intents: dict[str, str] = {}
        self.names: set[str] = set()
        self.ids: dict[str, str] = {}
        self.debts: set[str] = set()
        self.stored: set[str] = set()
        self.state = state
        self.closed: Closed | None = None
        self.launched = False
        self.met_another = False
        self.is_unprotected = False
        self.is_kept = False
        self.is_launch_unseen = False
        self.attended = False
        self.wishes: set[str] = set()  # what persons wanted of the pod

    def take(self, record: Record) -> tuple[DebtChange, ...]:
        """One more record; returns the debts that it changes."""
        body: Any = record.body
        kind = type(body)
        if kind is Intent:
            self.intents[body.opid] = body.op
            if body.op == "launch_job":
                self.is_launch_unseen = self.launched = True
            elif body.op == "create_pod":
                self.names.add(body.args["order"]["name"])
        elif kind is Outcome:
            if body.op == "create_pod" and body.status == "ok":
                self.ids[body.data["pod"]["name"]] = body.data["pod"]["id"]
            if body.op == "arm_switch":
                self.is_unprotected = body.status != "ok"
                self.is_kept = self.state == "release" and not self.is_unprotected
            if body.op == "launch_job" and body.status == "ok":
                self.is_launch_unseen = False
            if body.status != "unknown" or body.settled:
                self.intents.pop(body.opid, None)
        elif kind is Observation:
            if body.op in ("read_claim", "watch_job") and body.error is None:
                self.is_launch_unseen = False
        elif kind is Transition:
            self.state = body.dest
            self.attended = self.attended or body.dest == "attend"
        elif kind is Requested:
            self.wishes.add(str(body.detail.get("how") or ""))
        elif kind is Closed:
            self.closed = body
        if kind in _WITH_REASON and body.reason == "taken_over":
            self.met_another = True
        changes: tuple[DebtChange, ...] = body.debts if kind in _WITH_DEBTS else ()
        for change in changes:
            held = self.debts if change.kind == "compute" else self.stored
            (held.add if change.change == "open" else held.discard)(change.key)
        return changes


class Oracle:
    """Watches one simulation. `violations` are in the order in which they were seen; `unseen` are the names of pods
    that somebody else started, and of which no process knows yet."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.violations: list[Violation] = []
        self.in_emergency = False
        self.excused_seconds = 0.0
        self.unseen: set[str] = set()
        self.proved_at = 0.0
        self.was_in_emergency = False
        self._accounts: dict[str, Account] = {}
        self._runner: Runner[Any, Any] | None = None

    def blame(self, rule: str, text: str) -> None:
        """A promise is broken."""
        self.sim.say(f"VIOLATION {rule}: {text}")
        self.violations.append(Violation(rule, text))

    # What the world reports.

    def opened(self, laptop: Laptop, journal: Journal) -> None:
        """A process has its journal: whatever was ever acknowledged must be in it."""
        self.in_emergency = False
        account = self._accounts[laptop.name] = Account(str(self.sim.lifecycle.table.initial))
        for record in journal.records:
            account.take(record)
        if laptop.acked:
            held = {(record.seq, record.z) for record in journal.records}
            lost = [seq for seq, z in laptop.acked if (seq, z) not in held]
            if lost:
                self.blame("I4 an acknowledged record is lost", f"records {lost} of {laptop.name}")

    def driven(self, runner: Runner[Any, Any]) -> None:
        """The loop that acts now."""
        self._runner = runner

    def appended(self, laptop: Laptop, record: Record) -> None:
        """An append returned: its record counts as durable."""
        changes = self._accounts[laptop.name].take(record)
        if self.unseen and type(record.body) is Observation and record.body.op == "survey":
            self.unseen -= {pod["name"] for pod in record.body.data.get("found", ()) if pod["status"] == "RUNNING"}
        if type(record.body) is Transition and record.body.source == "release":
            self.proved_at = self.sim.clock.real
        if type(record.body) is Closed:
            self._check_twins()
        if type(record.body) is Transition and self.sim.opened.lifecycle == "session":
            self._session_moved(laptop, record.body)
        for change in changes:
            if change.kind == "compute":
                self.unseen.discard(change.key)
                if change.change == "close":
                    self._closes(change.key)

    def _session_moved(self, laptop: Laptop, move: Transition) -> None:
        """What is said to the person must be true, and what the person has worked in belongs to the person."""
        pod = self.sim.remote.asked_in
        if move.trigger == "connected":
            is_true = pod is not None and (
                self.sim.remote.answers(pod) or not self.sim.opened.options["session"]["services"]
            )
            if not is_true:
                self.blame("I20 connected, and no service answers", f"pod {pod.id if pod is not None else None}")
            elif pod is not None:
                pod.volume["person"] = True
        if move.trigger == "returned" and move.source == "attend":
            self.excused_seconds += self.budget_seconds()  # asked for once more

    def before_call(self) -> None:
        """A port is about to be called: all that was said is durable, and the loop stands where the journal says."""
        laptop = self.sim.laptop
        if self.in_emergency:
            return
        inode = laptop.disk.find(laptop.path)
        if inode is not None and not inode.is_synced:
            self.blame("I6 acted before the journal was synced", f"{len(inode.data) - inode.durable_bytes} bytes")
        if self._runner is not None and self._runner.state != self._accounts[laptop.name].state:
            where = self._accounts[laptop.name].state
            self.blame("I5 moved without a record", f"the loop is in {self._runner.state}, the journal in {where}")

    def before_effect(self, op: str) -> None:
        """An effect that costs or changes something is about to be caused."""
        if self.in_emergency:
            if op in ("stop_job", "write_manifest", "notify"):
                return  # a part of giving the pod back, and of saying so
            self.blame("I5 effect without intent", f"{op} although the journal cannot be written")
        elif op not in self._accounts[self.sim.laptop.name].intents.values():
            self.blame("I5 effect without intent", op)

    def before_create(self, order: PodOrder) -> None:
        """A create reaches the cloud. Owners with copies of one journal may both use its next name."""
        if order.name in self.sim.cloud.creates and len(self.sim.laptops) == 1:
            self.blame("I2 a create was sent again", order.name)

    def before_touch(self, call: str, pod: FakePod) -> None:
        """A pod is about to be started, stopped or deleted."""
        if pod.id in self.sim.cloud.foreign:
            self.blame("I7 another's pod was touched", f"{call} {pod.order.name}")
        elif not self._is_ours(pod):
            self.blame("I7 another owner's pod was touched", f"{call} {pod.order.name[-3:]}")
        elif call == "delete" and pod.order.name == OLD_NAME and not self._is_replaced():
            self.blame("I8 a good paused pod was deleted", f"pod {pod.id}")
        elif call == "delete" and not self._may_be_gone(pod):
            self.blame("I20 the work of a person was deleted", f"pod {pod.id}")
        elif call == "delete" and not self._may_delete(pod):
            self.blame("I8 uncollected results were deleted", f"pod {pod.id}, {self.uncollected(pod)}")

    def executed(self, pod: FakePod, launch: int, epoch: int | None) -> None:
        """The script begins: whatever it needs must be in the container that it runs in, and no other launch of it may
        be alive. `epoch` is of the process that claimed and launches it in one; None when it was claimed before."""
        job, is_alone = self.sim.job, len(self.sim.laptops) == 1
        for each in self.sim.cloud.ours():
            if is_alone and any(self.sim.remote.is_running(each, run) for run in self._runs(each)):
                self.blame("I3 two launches run at once", f"launch {launch} in pod {pod.id} beside pod {each.id}")
        order = pod.volume.get("switch")
        is_told = self._accounts[self.sim.laptop.name].is_unprotected  # every line says so
        if isinstance(order, SwitchOrder) and order.launch != launch and not is_told:
            self.blame("I17 the switch looks after another launch", f"{order.launch}, not {launch}")
        for path in job.checkpoints.paths if launch > 1 and is_alone else ():
            if path in self.sim.remote.checkpoints_here and not self.sim.remote.holds(pod, path):
                self.blame("I17 launched again without its checkpoint", f"pod {pod.id}: {path}")
        missing = [each.command for each in (*job.setup, *job.preflight) if f"step {each.command}" not in pod.disk]
        if missing:
            self.blame("I16 the job runs in a pod that is not ready for it", f"pod {pod.id}: {missing[0]}")
        steps = (*job.setup, *job.preflight) if epoch is not None and is_alone else ()
        if old := [each.command for each in steps if each.repeatable and pod.disk.get(f"step {each.command}") != epoch]:
            self.blame("I16 the job runs in a pod that is not ready for it", f"pod {pod.id}: {old[0]} was not repeated")
        if job.secrets and not ("secrets" in pod.disk or "secrets" in pod.volume):
            self.blame("I16 the job runs in a pod that is not ready for it", f"pod {pod.id}: its secrets")

    # The ends.

    def process_ended(self, laptop: Laptop, end: End) -> None:
        """Between two processes nobody watches: what bills must be written down."""
        if not self.was_in_emergency:
            self._check_paused()  # whoever never comes back pays all the same
        known = {key for account in self._accounts.values() for key in account.debts}
        for pod in self.sim.cloud.bills():
            if pod.order.name in self.unseen or self._is_unseen_twin(pod, end):
                continue
            if self._key(pod) not in known:
                self.blame("I1 a pod bills unnoticed", f"pod {pod.id} ({pod.order.name[-3:]}) after {end.how}")
            elif end.how == "left" and self._is_kept_unasked(laptop, end):
                self.blame("I20 a pod is kept, and nobody said so", f"pod {pod.id}")
            elif end.how == "left" and not self._is_told(laptop, end, pod):
                self.blame("I1 a pod bills untold", f"pod {pod.id} ({pod.order.name[-3:]}), exit code {end.exit_code}")
            elif self._is_preserved(laptop, end) and "secrets" in pod.volume and not self._may_hold_secrets(pod):
                self.blame("I10 a preserved pod holds a secret", f"pod {pod.id}")  # its switch only stops it

    def _key(self, pod: FakePod) -> str:
        """What the journal calls it: the birth name, and for a twin its id with it."""
        name = pod.order.name
        ids = {account.ids.get(name) for account in self._accounts.values()}
        return name if pod.id in ids or ids <= {None} else f"{name}#{pod.id}"

    def _is_unseen_twin(self, pod: FakePod, end: End) -> bool:
        """The other pod of a create that made two, and whoever ends now could not know of it, or is cut off."""
        if "#" not in self._key(pod):
            return False
        cloud = self.sim.cloud
        looked_at = self.proved_at if end.how == "closed" else self.sim.clock.real
        is_young = looked_at < pod.listed_at + TWIN_SHOWN_SECONDS or cloud._lags(pod)
        return is_young or cloud.list_failed or end.how in ("crashed", "trouble") or end.exit_code in (8, 9)

    def _is_told(self, laptop: Laptop, end: End, pod: FakePod) -> bool:
        """By its exit code: 8; 75, or its own where the pod is kept up on purpose, while a switch in the pod that has
        proved itself will act (that its container was restarted meanwhile, without the switch, nobody may have seen);
        9 where another owner acts."""
        if end.exit_code == 9:
            return len(self.sim.laptops) > 1
        is_kept = self._accounts[laptop.name].is_kept
        return end.exit_code == 8 or ((end.exit_code == 75 or is_kept) and bool(pod.volume.get("switch_works")))

    def _is_kept_unasked(self, laptop: Laptop, end: End) -> bool:
        """A session ends with its pod up only if a person has chosen that."""
        is_session = self.sim.opened.lifecycle == "session" and end.exit_code not in (8, 9)
        return is_session and "preserve" not in self._accounts[laptop.name].wishes

    def _is_preserved(self, laptop: Laptop, end: End) -> bool:
        return end.how == "left" and end.exit_code not in (8, 9, 75) and self._accounts[laptop.name].is_kept

    def _is_ours(self, pod: FakePod) -> bool:
        """Asked for by this owner, or handed over to its run."""
        if pod.order.name == OLD_NAME:
            return self.sim.pod_owners.get(OLD_NAME) == self.sim.run_id
        return pod.order.name in self._accounts[self.sim.laptop.name].names

    def _is_replaced(self) -> bool:
        """A pod that was taken up may go when it drifted, when a person said so, and when a better one is left."""
        ran = [run for pod in self.sim.cloud.ours() for run in self._runs(pod)]
        drifted = any(drift(paused, self.sim.job) for paused in self.sim.paused)
        return bool(drifted or ran or self.sim.opened.options or self._was_released())

    def _was_released(self) -> bool:
        return "release" in self.sim.schedule.acts or any(
            strike.fault.startswith("rpd release") for strike in self.sim.schedule.strikes
        )

    def over(self, *, is_closed: bool) -> None:
        """After everything has settled and some time has passed."""
        sim = self.sim
        for pod in sim.cloud.bills():
            if self._is_for_others(pod) or self._is_shown_too_late(pod):
                self.excused_seconds += AFTERWARDS_MAX_SECONDS
                continue
            self.blame("I1 a pod bills on", f"pod {pod.id} ({pod.order.name[-3:]})")
        self._check_starts()
        self._check_paused()
        if not is_closed:
            self.blame("I12 the run does not come to its end", str([end.text for end in sim.laptop.ends[-3:]]))
        self._check_verdict()
        self._check_outages()
        self._check_cost()
        self._check_secrets()

    def _check_outages(self) -> None:
        """Minutes without any way out, or a container that is made anew before the launch, and nothing else: the run
        ends as without them, on the same host."""
        sim, account = self.sim, self._accounts.get(self.sim.laptop.name)
        life, schedule = LIVES[sim.schedule.life], sim.schedule
        is_plain = schedule.strikes and not (life.acts or schedule.acts) and schedule.end == "resume"
        if account is None or account.closed is None or not is_plain or life.outcome != "succeeded":
            return
        if not all(is_survived(strike) for strike in schedule.strikes):
            return
        if sum(strike.amount for strike in schedule.strikes) >= PATIENCE_SECONDS:
            return
        if account.closed.outcome != "succeeded":
            self.blame("I19 an outage ends a run", f"{account.closed.outcome}: {account.closed.reason}")
        if not (life.strikes or life.world) and len(sim.cloud.mine) > 1:
            self.blame("I19 an outage costs a host", f"{len(sim.cloud.mine)} pods")

    def _is_for_others(self, pod: FakePod) -> bool:
        """Somebody else has started it after the run had proved its release, and its switch cannot act: `gc` finds
        it, and nobody has called that (docs/reliability.md)."""
        return pod.order.name in self.unseen and not pod.volume.get("switch_works")

    def _check_twins(self) -> None:
        """One that the account has shown is known to the run, which counts it and has not kept it."""
        assert self._runner is not None, "a run was closed"
        counted = {pod.id for pod in self._runner.facts.pods.values()}
        for pod in self.sim.cloud.ours():
            if "#" not in self._key(pod) or self._is_shown_too_late(pod) or len(self.sim.laptops) > 1:
                continue
            (begin, end), *_ = pod.billed
            seconds = (self.proved_at if end is None else end) - (begin or 0.0)
            was_shown = end is None or end > pod.listed_at + TWIN_SHOWN_SECONDS
            if pod.id not in counted and was_shown and not self.was_in_emergency:
                self.blame("I11 a twin is not counted", f"pod {pod.id}")
            if seconds > TWIN_BILLS_SECONDS + self.excused_seconds:
                self.blame("I11 a twin bills beside the job", f"pod {pod.id}, {seconds:.0f} s")

    def _is_shown_too_late(self, pod: FakePod) -> bool:
        """A twin that the account did not show before the release was proved: the same holds for it."""
        shown_at = max(pod.listed_at, self.sim.cloud.hidden_at.get(pod.id, pod.listed_at))
        return "#" in self._key(pod) and shown_at + TWIN_SHOWN_SECONDS > self.proved_at

    def _check_paused(self) -> None:
        """What was left paused belongs to exactly one run, which knows that it pays for it."""
        if self.sim.pod_owners.get(OLD_NAME) != self.sim.run_id or len(self.sim.laptops) > 1:
            return
        pod = next(pod for pod in self.sim.cloud.pods.values() if pod.order.name == OLD_NAME)
        account = self._accounts[self.sim.laptop.name]
        if pod.status == "EXITED" and OLD_NAME not in account.stored and OLD_NAME not in account.debts:
            self.blame("I14 a paused pod belongs to nobody", f"pod {pod.id}")

    def _check_starts(self) -> None:
        """Once, whatever happens. Two owners with copies of one journal find each other through the mark in the pod, so
        for them it is once in each pod (docs/reliability.md)."""
        remote, allowed = self.sim.remote, 1 + self.sim.job.retries
        started = remote.started_in
        most = max(started.values(), default=0) if len(self.sim.laptops) > 1 else sum(started.values())
        if most > allowed:
            self.blame("I3 the job was started twice", f"{most} times")
        if len(self.sim.laptops) == 1 and len(set(remote.starts)) < len(remote.starts):
            self.blame("I3 a launch was executed twice", ", ".join(remote.starts))

    def _check_verdict(self) -> None:
        account = self._accounts.get(self.sim.laptop.name)
        if account is None or account.closed is None:
            return
        if account.debts:
            self.blame("I1 closed with an open debt", ", ".join(sorted(account.debts)))
        if account.closed.outcome == "succeeded":
            kinds = self.sim.remote.job.artifacts
            if hollow := [
                label for label, path in self.sim.required.items() if kinds.get(path) in ("missing", "empty")
            ]:
                self.blame("I8 a success whose results are none", ", ".join(hollow))
            if self.sim.opened.lifecycle == "session":
                return
            ran = [run for pod in self.sim.cloud.ours() for run in self._runs(pod)]
            is_done = self.sim.job.run.done_on == "marker"
            if not any(run.exit_code == 0 for run in ran) and not is_done:
                self.blame("I8 a success that was none", f"exit codes {[run.exit_code for run in ran]}")
            missing = set(self.sim.required) - {label for name, label in self.sim.remote.delivered}
            if missing:
                self.blame("I8 a success without its results", ", ".join(sorted(missing)))

    def _check_cost(self) -> None:
        billed = sum((end or self.sim.clock.real) - begin for pod in self.sim.cloud.ours() for begin, end in pod.billed)
        allowed = self.budget_seconds() + self.excused_seconds + ALLOWANCE_SECONDS
        if billed > allowed:
            self.blame("I11 the budget does not hold", f"{billed:.0f} s billed, {allowed:.0f} s explained")

    def _check_secrets(self) -> None:
        for laptop in self.sim.laptops:
            for name, inode in laptop.disk.contents():
                if CANARY.encode() in inode.data:
                    self.blame("I10 a secret was kept", name)
        for pod in self.sim.cloud.ours():
            if pod.status == "EXITED" and "secrets" in pod.volume and not self._may_hold_secrets(pod):
                self.blame("I10 a kept pod holds a secret", f"pod {pod.id}")

    def _may_hold_secrets(self, pod: FakePod) -> bool:
        """Results that nobody has weigh more, and so does what another owner, or a launch into which nobody could look
        afterwards, may have left; the end of the run says so."""
        is_unseen = self._accounts[self.sim.laptop.name].is_launch_unseen
        return bool(self.uncollected(pod)) or self._was_released() or len(self.sim.laptops) > 1 or is_unseen

    # Truth.

    def budget_seconds(self) -> float:
        """How long the pods of this run may compute by its job file, at the lowest price."""
        budget = self.sim.job.budget
        limit = budget.cost_cap_usd / min(self.sim.cloud.prices.values()) * cost.SECONDS_PER_HOUR
        return limit if budget.max_runtime_minutes is None else min(limit, budget.max_runtime_minutes * 60.0)

    def uncollected(self, pod: FakePod) -> list[str]:
        """Labels of required results that exist in this pod and arrived nowhere; of a job that ended well, all."""
        if not self._runs(pod):
            return []
        here = {label for _, label in self.sim.remote.delivered}
        kinds = self.sim.remote.job.artifacts
        wanted = {**self.sim.required, **(self.sim.optional if self._ended_well(pod) else {})}
        return [label for label, path in wanted.items() if label not in here and kinds.get(path) != "missing"]

    def _runs(self, pod: FakePod) -> list[_Run]:
        return [value for value in pod.volume.values() if isinstance(value, _Run)]

    def _may_delete(self, pod: FakePod) -> bool:
        """Whether the results in it are here, were renounced in the job file, or are unknown to this owner: before it
        has met the mark of another one it may give back a pod in which it launched nothing (docs/reliability.md)."""
        account = self._accounts[self.sim.laptop.name]
        if len(self.sim.laptops) > 1 and not (account.launched or account.met_another):
            return True
        policy = self.sim.job.lifecycle
        told = "delete" in (policy.on_failure, policy.on_interrupt) and not self._ended_well(pod)
        return told or not self.uncollected(pod)

    def _may_be_gone(self, pod: FakePod) -> bool:
        """Nobody has worked in it, or somebody wants it deleted. Who has copied the journal and has not met the mark of
        the other owner cannot know (docs/reliability.md)."""
        account = self._accounts[self.sim.laptop.name]
        if "person" not in pod.volume or any("delete" in each.wishes for each in self._accounts.values()):
            return True
        return len(self.sim.laptops) > 1 and not (account.attended or account.met_another)

    def _ended_well(self, pod: FakePod) -> bool:
        """The script in it came to its own end with exit code 0, and no marker is to say more than that."""
        run, is_over = self.sim.job.run, pod.container_ends
        is_marked = run.success_marker is not None or run.failure_markers
        ended = [each for each in self._runs(pod) if each.ends_at <= is_over.get(each.container, self.sim.clock.real)]
        return not is_marked and any(each.exit_code == 0 for each in ended)

    def _closes(self, name: str) -> None:
        for pod in self.sim.cloud.ours():
            if self._key(pod) == name and pod.is_billing:
                self.blame("I9 a debt was closed without proof", f"pod {pod.id} ({name[-3:]}) bills")
