"""The inside of simulated pods under the director: claim folders, a job, a watchdog with two deadlines, owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpd.engine.errors import Ambiguous, Interrupted, NotSent, Refused, RpdError, Unavailable
from rpd.states.world import (
    Armed,
    Claim,
    Greeting,
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
from tests.fakes.clock import START_WALL
from tests.fakes.cloud import FakePod
from tests.fakes.remote import CALL_SECONDS, TIMEOUT_SECONDS, FakeRemote, _Run

if TYPE_CHECKING:
    from tests.simulation.run import Simulation


class SimRemote(FakeRemote):
    """The port `Remote` of every laptop of one simulation. `delivered` holds (laptop, label) of results that arrived."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim.cloud, sim.control)
        self.sim = sim
        self.delivered: set[tuple[str, str]] = set()

    # The port.

    def greet(self, target: Target, address: SshAddress) -> Greeting:
        pod = self._inside(target, "greet")
        step = self.sim.director.moment("ssh:greet")
        if address.port != 40000 + pod.container:
            raise Unavailable("connection refused", reason="ssh_unreachable")
        self._mark_owner(pod, target)
        gpus = 0 if step == "few_gpus" else pod.volume.get("gpus", self.gpus)
        assert gpus is None or isinstance(gpus, int)
        anchor = pod.volume.get(f"anchor-{target.run_id}")
        seq, z = anchor if isinstance(anchor, tuple) else (None, None)
        key = f"SHA256:{self._key(pod)}"
        return Greeting(key, pod.id, str(pod.container), self.clock.real, gpus, (), target.epoch, seq, z)

    def arm(self, target: Target, order: SwitchOrder) -> Armed:
        pod = self._inside(target, "arm", effect=True)
        step = self.sim.director.moment("ssh:arm")
        self._check_owner(pod, target)
        self.sim.oracle.before_effect("arm_switch")
        probe = "key_refused" if step == "no_probe" else self.switch_probe
        pod.volume["switch"] = order
        pod.volume["switch_container"] = pod.container
        pod.volume["switch_works"] = probe == "ok"
        self.clock.after(order.limit_at - START_WALL - self.clock.real, lambda: self._limit(pod, order))
        return self._answered(step, Armed(order.generation, order.limit_at, probe, False, 7))

    def run_step(self, target: Target, step: Step) -> StepResult:
        pod = self._inside(target, "step", effect=True)
        fault = self.sim.director.moment("ssh:step")
        self.sim.oracle.before_effect("run_step")
        done = pod.volume.setdefault("steps", {})
        assert isinstance(done, dict)
        if step.key not in done:
            self.clock.advance(3.0)
            self.steps_run.append(step.command)
            done[step.key] = self.job.commands.get(step.command, 0)
        return self._answered(fault, StepResult(done[step.key], ("last line",), 3.0))

    def push(self, target: Target, tree: Tree) -> Pushed:
        self._inside(target, "push", effect=True)
        fault = self.sim.director.moment("ssh:push")
        self.sim.oracle.before_effect("push_tree")
        return self._answered(fault, Pushed(1, 10, 1, 10, "ab"))

    def launch(self, target: Target, order: LaunchOrder) -> Claim:
        pod = self._inside(target, "launch", effect=True)
        fault = self.sim.director.moment("ssh:launch")
        self._check_owner(pod, target)
        self.sim.oracle.before_effect("launch_job")
        key = f"claim-{target.run_id}-{order.launch}"
        if key not in pod.volume or pod.volume[key] == "claimed":
            pod.volume[f"anchor-{target.run_id}"] = (order.anchor_seq, order.anchor_z)
            pod.volume[key] = "claimed" if fault == "claimed" else self._execute(pod, target, order)
        return self._answered(fault, self._claim(pod, target, order.launch, order.success_marker))

    def read_claim(self, target: Target, job: JobRef) -> Claim:
        pod = self._inside(target, "claim")
        self.sim.director.moment("ssh:claim")
        return self._claim(pod, target, job.launch, job.success_marker)

    def watch(self, target: Target, job: JobRef, log_file: str, seconds: float) -> Claim:
        end = self.clock.real + seconds
        pod = self._inside(target, "watch")
        self.sim.director.moment("ssh:watch")
        while True:
            claim = self._claim(pod, target, job.launch, job.success_marker)
            if claim.phase != "running" or self.clock.real >= end or self.control.pending():
                return claim
            run = pod.volume[f"claim-{target.run_id}-{job.launch}"]
            assert isinstance(run, _Run)
            container, left = pod.container, min(end, run.ends_at) - self.clock.real
            self.clock.advance(
                left,
                until=lambda: pod.container != container or pod.status != "RUNNING" or self.control.pending(),
            )
            self._touch(pod)
            if not self._is_reachable(pod) or pod.container != container:
                self.clock.advance(TIMEOUT_SECONDS)
                raise Unavailable("the link was lost", reason="link_lost")

    def stop_job(self, target: Target, job: JobRef, grace_seconds: float) -> Claim:
        pod = self._inside(target, "stop_job", effect=True)
        fault = self.sim.director.moment("ssh:stop_job")
        self._check_owner(pod, target)
        self.sim.oracle.before_effect("stop_job")
        run = pod.volume.get(f"claim-{target.run_id}-{job.launch}")
        if isinstance(run, _Run) and self._phase(pod, run) == "running":
            self.clock.advance(1.0)
            run.ends_at, run.exit_code = self.clock.real, 143
        return self._answered(fault, self._claim(pod, target, job.launch, job.success_marker))

    def fetch_log(self, target: Target, job: JobRef, log_file: str) -> int:
        self._inside(target, "log")
        self.sim.director.moment("ssh:log")
        return 100

    def pull(self, target: Target, pull: Pull) -> Pulled:
        pod = self._inside(target, "pull")
        fault = self.sim.director.moment("ssh:pull")
        self.clock.advance(2.0)
        if self.control.pending():
            raise Interrupted("asked to stop", reason="interrupted")
        if not self._is_reachable(pod):
            raise Unavailable("the link was lost", reason="link_lost")
        kind = self.job.artifacts.get(pull.remote_path, "ok")
        if kind == "corrupt" or fault == "corrupt":
            raise Unavailable("what arrived is not what was sent", reason="verify_failed")
        self.delivered.add((self.sim.laptop.name, pull.label))
        self._answered(fault, None)
        return Pulled(pull.label, kind == "missing", 1, 10, "cd")

    # Inside.

    def _inside(self, target: Target, call: str, *, effect: bool = False) -> FakePod:
        self.sim.turn(CALL_SECONDS)
        self.sim.oracle.before_call()
        pod = self.cloud.pods[target.pod_id]
        if not self._is_reachable(pod):
            self.clock.advance(TIMEOUT_SECONDS)
            raise (NotSent if effect else Unavailable)("no route to sshd", reason="ssh_unreachable")
        if target.host_key not in (None, f"SHA256:{self._key(pod)}"):
            raise Refused("the host key changed", reason="host_key_changed")
        self._touch(pod)
        return pod

    def _is_reachable(self, pod: FakePod) -> bool:
        is_up = pod.status == "RUNNING" and self.clock.real >= pod.ready_at
        return is_up and not self.down_from <= self.clock.real < self.down_until

    def _key(self, pod: FakePod) -> str:
        return f"{pod.id}-{pod.container}-{pod.volume.get('key', 0)}"

    def _answered(self, fault: str | None, answer: object) -> object:
        """The effect has happened; its answer may be lost on the way."""
        self.sim.director.moment("effect:done")
        if fault == "cut":
            raise Ambiguous("the link was lost", reason="link_lost", detail={"sent": True})
        return answer

    def _execute(self, pod: FakePod, target: Target, order: LaunchOrder) -> _Run:
        now = self.clock.real
        self.starts.append(f"{target.run_id}-{order.launch}")
        self.sim.say(f"the script is executed in pod {pod.id}")
        self.clock.after(self.job.seconds + 1.0, lambda: self._wait_for_owner(pod))
        return _Run(pod.container, now, now + self.job.seconds, self.job.exit_code)

    # The watchdog in the pod.

    def _touch(self, pod: FakePod) -> None:
        pod.volume["owner_at"] = self.clock.real

    def _limit(self, pod: FakePod, order: SwitchOrder) -> None:
        if pod.volume.get("switch") == order and self._may_act(pod):
            self.sim.say(f"the switch in pod {pod.id} stops it: its limit")
            self.cloud.halt(pod)

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

    def _mark_owner(self, pod: FakePod, target: Target) -> None:
        self._check_owner(pod, target)
        pod.volume[f"owner-{target.run_id}"] = self._owner(target)

    def _check_owner(self, pod: FakePod, target: Target) -> None:
        mark = pod.volume.get(f"owner-{target.run_id}")
        mine = self._owner(target)
        if isinstance(mark, tuple) and (mark[0] > mine[0] or (mark[0] == mine[0] and mark[1] != mine[1])):
            raise Refused(f"a newer owner, epoch {mark[0]}, acts for this run", reason="taken_over")

    def _owner(self, target: Target) -> tuple[int, str]:
        return target.epoch, ""

    def _claim(self, pod: FakePod, target: Target, launch: int, marker: str | None) -> Claim:
        if pod.volume.get(f"claim-{target.run_id}-{launch}") == "claimed":
            return Claim("claimed", launch)
        return super()._claim(pod, target, launch, marker)


def raised(error: RpdError) -> str:
    """A fault that is an error: raised where it strikes."""
    raise error
