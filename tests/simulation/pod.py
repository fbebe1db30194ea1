"""The inside of simulated pods under the director: claim folders, a job, a watchdog with two deadlines, owners."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeVar

import msgspec

from rpd.engine.errors import Ambiguous, Refused, Unavailable
from rpd.states.ports.job import CHECKPOINT, SecretFile
from rpd.states.ports.session import Served, Service
from rpd.states.ports.world import (
    Armed,
    Claim,
    Greeting,
    Holder,
    JobRef,
    LaunchOrder,
    Pull,
    Pulled,
    Pushed,
    SshAddress,
    Step,
    StepResult,
    SwitchOrder,
    Target,
    Tree,
)
from rpd.states.shared.lease import shared_destinations
from tests.fakes.answers import refusal
from tests.fakes.cloud import FakePod
from tests.fakes.remote import CALL_SECONDS, TIMEOUT_SECONDS, FakeRemote, _Run, unheard
from tests.fakes.switch import is_restart_proof
from tests.simulation.verbose import at_length, length_of, lines_of

if TYPE_CHECKING:
    from tests.simulation.run import Simulation


T = TypeVar("T")

WRITTEN = "written by the job"


class SimRemote(FakeRemote):
    """The port `Remote` of every laptop of one simulation. `delivered` holds (laptop, label) of results that arrived,
    `checkpoints_here` the remote paths of checkpoints that did, `started_in` how often the script was executed in each
    pod, `in_call` the call (and its effect) on its way there."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim.cloud, sim.control)
        self.sim = sim
        self.delivered: set[tuple[str, str]] = set()
        self.checkpoints_here: set[str] = set()
        self.started_in: dict[str, int] = {}
        self.in_call: tuple[str, str | None] = ("", None)
        self._met: str | None = None

    # The port.

    def greet(self, target: Target, address: SshAddress) -> Greeting:
        self.in_call = "greet", None
        greeting = super().greet(target, address)
        gpus = 0 if self._met == "few_gpus" else self.cloud.pods[target.pod_id].volume.get("gpus", greeting.gpus)
        assert gpus is None or isinstance(gpus, int)
        return msgspec.structs.replace(greeting, gpus=gpus)

    def arm(self, target: Target, order: SwitchOrder) -> Armed:
        pod = self._inside(target, effect=True)
        step = self.sim.director.moment("ssh:arm")
        self._write_token(target, pod)
        self.sim.oracle.before_effect("arm_switch")
        probe = "key_refused" if step == "no_probe" else self.switch_probe
        pod.volume["switch"] = order
        pod.volume["switch_container"] = pod.container
        pod.volume["switch_works"] = probe == "ok"
        seconds = order.limit_at - self.sim.laptop.now().wall  # the pod counts by its own clock
        pod.volume["limit"] = self.clock.real + seconds
        self.clock.after(seconds, lambda: self._limit(pod, order))
        if order.launch == 0:
            self.clock.after(order.owner_silence_seconds + 1.0, lambda: self._wait_for_owner(pod))
        return self._answered(step, Armed(order.generation, order.limit_at, probe, is_restart_proof(pod), 7))

    def attend(self, target: Target, services: tuple[Service, ...]) -> tuple[Served, ...]:
        self.in_call = "attend", None
        served = super().attend(target, services)
        pod = self.cloud.pods[target.pod_id]
        self._check_owner(pod, target)
        self._mark_owner(target, pod)
        if length_of(self._met):
            said = at_length(length_of(self._met))
            return tuple(msgspec.structs.replace(each, said=said) for each in served)
        return served

    def run_step(self, target: Target, step: Step) -> StepResult:
        self.in_call = "step", "run_step"
        result = super().run_step(target, step)
        if length_of(self._met):  # and again whenever it is asked for
            self.job.tail = lines_of(length_of(self._met), 40)
            result = msgspec.structs.replace(result, tail=self.job.tail)
        return self._answered(self._met, result)

    def place_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> bool:
        self.in_call = "place", "place_secrets"
        is_volatile = super().place_secrets(target, files)
        return self._answered(self._met, is_volatile)

    def remove_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> None:
        self.in_call = "unplace", "remove_secrets"
        super().remove_secrets(target, files)
        self._answered(self._met, None)

    def take_lease(self, target: Target, places: tuple[str, ...], gone: tuple[str, ...]) -> tuple[Holder, ...]:
        self.in_call = "lease", "take_lease"
        holders = super().take_lease(target, places, gone)
        return self._answered(self._met, holders)

    def drop_lease(self, target: Target) -> None:
        self.in_call = "unlease", "drop_lease"
        super().drop_lease(target)
        self._answered(self._met, None)

    def push(self, target: Target, tree: Tree) -> Pushed:
        self.in_call = "push", "push_tree"
        pod = self.cloud.pods[target.pod_id]
        is_newer = self._place_of(pod, tree.destination).get(f"tree {tree.destination}") == WRITTEN
        is_alone = len(self.sim.laptops) == 1
        if tree.label.startswith(CHECKPOINT) and is_newer and is_alone and self._is_reachable(pod):
            self.sim.oracle.blame("I17 a newer checkpoint was overwritten", f"pod {pod.id}: {tree.destination}")
        pushed = super().push(target, tree)
        return self._answered(self._met, pushed)

    def launch(self, target: Target, order: LaunchOrder) -> Claim:
        pod = self._inside(target, effect=True)
        fault = self.sim.director.moment("ssh:launch")
        self._write_token(target, pod)
        self.sim.oracle.before_effect("launch_job")
        key = f"claim-{target.run_id}-{order.launch}"
        if key not in pod.volume or pod.volume[key] == "claimed":
            pod.volume[f"anchor-{target.run_id}-{order.launch}"] = (order.anchor_seq, order.anchor_z)
            pod.volume[key] = "claimed" if fault == "claimed" else self._execute(pod, target, order)
        return self._answered(
            fault,
            self._claim(pod, target, order.ref),
        )

    def read_claim(self, target: Target, job: JobRef) -> Claim:
        pod = self._inside(target)
        step = self.sim.director.moment("ssh:claim")
        self._check_owner(pod, target)
        return self._at_length(step, unheard(self._claim(pod, target, job)))

    def watch(self, target: Target, job: JobRef, log_file: str, seconds: float) -> Claim:
        end = self.clock.real + seconds
        pod = self._inside(target)
        step = self.sim.director.moment("ssh:watch")
        self._write_token(target, pod)
        known = None
        while True:
            claim = self._claim(pod, target, job)
            known = claim.heard if known is None else known
            if claim.phase != "running" or self.clock.real >= end or self.control.pending() or claim.heard != known:
                return self._at_length(step, claim)
            run = pod.volume[f"claim-{target.run_id}-{job.launch}"]
            assert isinstance(run, _Run)
            words = (run.started_at + at for at in self.job.says.values())
            ends = (end, run.ends_at, *(at for at in words if at > self.clock.real))
            container, left = pod.container, min(ends) - self.clock.real
            self.clock.advance(left, until=functools.partial(self._is_disturbed, pod, container))
            self._touch(pod)
            if not self._is_reachable(pod) or pod.container != container:
                self.clock.advance(TIMEOUT_SECONDS)
                raise Unavailable("the link was lost", reason="link_lost")

    def _is_disturbed(self, pod: FakePod, container: int) -> bool:
        """Whether something ends a watch before the job does."""
        return pod.container != container or pod.status != "RUNNING" or self.control.pending()

    def idle_seconds(
        self, target: Target, launch: int, interval: float, threshold_pct: float, grace_seconds: float
    ) -> float | None:
        self.in_call = "samples", None
        return super().idle_seconds(target, launch, interval, threshold_pct, grace_seconds)

    def stop_job(self, target: Target, job: JobRef, grace_seconds: float) -> Claim:
        pod = self._inside(target, effect=True)
        fault = self.sim.director.moment("ssh:stop_job")
        self._write_token(target, pod)
        self.sim.oracle.before_effect("stop_job")
        run = pod.volume.get(f"claim-{target.run_id}-{job.launch}")
        if isinstance(run, _Run) and self._phase(pod, run) == "running":
            self.clock.advance(1.0)
            run.ends_at, run.exit_code = self.clock.real, 143
        return self._answered(fault, self._claim(pod, target, job))

    def fetch_log(self, target: Target, job: JobRef, log_file: str) -> int:
        pod = self._inside(target)
        self.sim.director.moment("ssh:log")
        return self._claim(pod, target, job).log_bytes

    def pull(self, target: Target, pull: Pull) -> Pulled:
        self.in_call = "pull", None
        pod = self.cloud.pods[target.pod_id]
        is_free = shared_destinations(self.sim.job) and target.run_id not in {each.run_id for each in self.held}
        if is_free and len(self.sim.laptops) == 1:
            self.sim.oracle.blame("I8 results are fetched from a place that others may have", pull.label)
        pulled = super().pull(target, pull)
        if self._met == "corrupt":
            raise refusal("pull", "verify_failed")
        if pull.label.startswith(CHECKPOINT):
            if f"tree {pull.remote_path}" not in self._place_of(pod, pull.remote_path):
                pulled = Pulled(pull.label, is_missing=True)
            else:
                self.checkpoints_here.add(pull.remote_path)
        if length_of(self._met):
            paths = lines_of(length_of(self._met), 20)
            return msgspec.structs.replace(pulled, refused=len(paths), refused_paths=paths)
        self.delivered.add((self.sim.laptop.name, pull.label))
        return self._answered(self._met, pulled)

    # Inside.

    def _turn(self) -> None:
        self.sim.turn(CALL_SECONDS)
        self.sim.oracle.before_call()

    def _check_key(self, target: Target, pod: FakePod) -> None:
        """The pod is reached: the moment of the call that `in_call` names, and of its effect."""
        super()._check_key(target, pod)
        self._touch(pod)
        call, op = self.in_call
        if call:
            self.in_call = "", None
            self._met = self.sim.director.moment(f"ssh:{call}")
            if op is not None:
                self.sim.oracle.before_effect(op)

    def _inside(self, target: Target, *, effect: bool = False) -> FakePod:
        self.in_call = "", None  # one that never arrived, or is another machine's, is not this one
        return self._reach(target, effect=effect)

    def is_here(self, tree: Tree) -> bool:
        return tree.destination in self.checkpoints_here

    def is_running(self, pod: FakePod, run: _Run) -> bool:
        """Whether this execution of the script is alive."""
        return pod.status == "RUNNING" and self._phase(pod, run) == "running"

    def holds(self, pod: FakePod, path: str) -> bool:
        """Whether a checkpoint stands in the pod."""
        return f"tree {path}" in self._place_of(pod, path)

    def _place_of(self, pod: FakePod, path: str) -> dict[str, object]:
        """The disk of a pod that a path is on."""
        return pod.volume if path.startswith(pod.order.volume_path) else pod.disk

    def _answered(self, fault: str | None, answer: T) -> T:
        """The effect has happened; its answer may be lost on the way."""
        self.sim.director.moment("effect:done")
        if fault == "cut":
            raise Ambiguous("the link was lost", reason="link_lost", detail={"sent": True})
        return answer

    def _at_length(self, fault: str | None, claim: Claim) -> Claim:
        return msgspec.structs.replace(claim, note=at_length(length_of(fault))) if length_of(fault) else claim

    def _execute(self, pod: FakePod, target: Target, order: LaunchOrder) -> _Run:
        self.starts.append(f"{target.run_id}-{order.launch}")
        self.started_in[pod.id] = self.started_in.get(pod.id, 0) + 1
        self.sim.say(f"launch {order.launch} of the script is executed in pod {pod.id}")
        is_first = f"claim-{target.run_id}-{order.launch}" not in pod.volume
        self.sim.oracle.executed(pod, order.launch, target.epoch if is_first else None)
        for path in self.sim.job.checkpoints.paths:
            self._place_of(pod, path)[f"tree {path}"] = WRITTEN
        run = self._run_job(pod, order)
        self.clock.after(run.ends_at - self.clock.real + 1.0, lambda: self._wait_for_owner(pod))
        return run

    # The watchdog in the pod.

    def _touch(self, pod: FakePod) -> None:
        pod.volume["owner_at"] = self.clock.real

    def _limit(self, pod: FakePod, order: SwitchOrder) -> None:
        if pod.volume.get("switch") == order and self._may_act(pod):
            self.sim.say(f"the switch in pod {pod.id} stops it: its limit")
            self.cloud.halt(pod, "TERMINATED" if order.action == "terminate" else "EXITED")

    def may_release(self, pod: FakePod) -> bool:
        return bool(pod.volume.get("switch_works", True))

    def _wait_for_owner(self, pod: FakePod) -> None:
        order = pod.volume.get("switch")
        if not isinstance(order, SwitchOrder) or not self._may_act(pod):
            return
        silent = self.clock.real - float(pod.volume.get("owner_at", 0.0))  # type: ignore[arg-type]
        if silent >= order.owner_silence_seconds:
            self.sim.say(f"the switch in pod {pod.id} stops it: its owner is silent")
            self.cloud.halt(pod)
        else:
            self.clock.after(order.owner_silence_seconds - silent + 1.0, lambda: self._wait_for_owner(pod))

    def _may_act(self, pod: FakePod) -> bool:
        is_alive = pod.status == "RUNNING" and pod.volume.get("switch_container") == pod.container
        return is_alive and bool(pod.volume.get("switch_works"))

    # Owners.

    def _write_token(self, target: Target, pod: FakePod) -> None:
        self._check_owner(pod, target)
        pod.volume[f"owner-{target.run_id}"] = self._owner(target)

    def _check_owner(self, pod: FakePod, target: Target) -> None:
        token = pod.volume.get(f"owner-{target.run_id}")
        mine = self._owner(target)
        if isinstance(token, tuple) and (token[0] > mine[0] or (token[0] == mine[0] and token[1] != mine[1])):
            raise Refused(f"a newer owner, epoch {token[0]}, acts for this run", reason="taken_over")

    def _owner(self, target: Target) -> tuple[int, str]:
        return target.epoch, target.owner

    def _claim(self, pod: FakePod, target: Target, job: JobRef) -> Claim:
        if pod.volume.get(f"claim-{target.run_id}-{job.launch}") == "claimed":
            return Claim("claimed", job.launch)
        return super()._claim(pod, target, job)
