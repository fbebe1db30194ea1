"""The inside of fake pods: claim folders on their volumes, a job that runs in virtual time, a link that can be lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import msgspec

from rpd.engine.errors import Ambiguous, Interrupted, NotSent, RpdError, Unavailable
from rpd.states.ports.job import SecretFile
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
    name_mark,
)
from tests.fakes.answers import refusal
from tests.fakes.clock import START_WALL, FakeControl
from tests.fakes.cloud import FakeCloud, FakePod
from tests.fakes.fuse import Fuse
from tests.fakes.switch import FakeSwitch, is_restart_proof

CALL_SECONDS = 0.2
TIMEOUT_SECONDS = 5.0
DROPPED_SECONDS = 45.0
COMMAND_SECONDS = 3.0
WATCH_STEP_SECONDS = 1.0
ORDERED = -1
"""As many GPUs as the pod was ordered with."""


@dataclass
class FakeJob:
    """What the user's script does: it runs `seconds`, then exits."""

    seconds: float = 60.0
    exit_code: int = 0
    has_marker: bool = True
    says: dict[str, float] = field(default_factory=dict)  # marker -> second of the run at which the log shows it
    idle_from: float = inf  # second of the run from which its GPUs do nothing
    artifacts: dict[str, str] = field(default_factory=dict)  # remote path -> "missing", "empty", ...; else ok
    commands: dict[str, int] = field(default_factory=dict)  # command -> exit code, 0 by default
    command_seconds: dict[str, float] = field(default_factory=dict)  # command -> how long it takes, 3 s by default
    tail: tuple[str, ...] = ("last line",)  # of every command
    background: float = 0.0  # so long goes on what the script has left in the background, after its end
    waits_for: str = "python3 (7) uses a GPU"


@dataclass
class _Run:
    """One execution of the script or of a step, as its folder shows it."""

    container: int
    started_at: float
    ends_at: float
    exit_code: int
    round: int = 0
    body_ends_at: float = inf


class FakeRemote:
    """The port `Remote` over the pods of a fake cloud. `starts` counts executions of the script, whoever caused
    them."""

    def __init__(self, cloud: FakeCloud, control: FakeControl) -> None:
        self.cloud, self.control, self.clock = cloud, control, cloud.clock
        self.switch = FakeSwitch(cloud, self)
        self.fuse = Fuse()
        self.job = FakeJob()
        self.starts: list[str] = []
        self.down_from, self.down_until, self.drops = 0.0, 0.0, False
        self.switch_probe = "ok"
        self.gpus: int | None = ORDERED
        self.is_volatile = True  # the pod has memory for files of secrets
        self.has_secrets = True  # this machine has their values
        self.plans: dict[str, list[str | RpdError]] = {}
        self.steps_run: list[str] = []
        self.held: list[Holder] = []  # leases on the network volume
        self.service_seconds = 5.0  # of a container, until its services answer
        self.services_down_until = 0.0
        self.asked_in: FakePod | None = None  # the pod whose services were last asked

    def lose_link(self, seconds: float, *, drops: bool = False) -> None:
        """From now on nothing gets through: connections are refused, or every packet is dropped, which takes longer to
        find out."""
        self.down_until, self.drops = self.clock.real + seconds, drops

    # The port.

    def greet(self, target: Target, address: SshAddress) -> Greeting:
        self._turn()
        pod = next((pod for pod in self.cloud.pods.values() if pod.address == address), None)
        if pod is None or not self._is_reachable(pod):
            raise self._no_route()
        self._check_key(target, pod)
        if pod.id != target.pod_id:
            raise refusal("greet", "wrong_pod")
        self._mark_owner(target, pod)
        self.switch.owner_was_here(pod)
        anchor_seq, anchor_z = self._anchor(target, pod)
        self._plan("greet")
        return Greeting(
            _host_key(pod),
            pod.id,
            str(pod.container),
            START_WALL + self.clock.real,
            pod.order.gpu_count if self.gpus == ORDERED else self.gpus,
            epoch=target.epoch,
            anchor_seq=anchor_seq,
            anchor_z=anchor_z,
        )

    def arm(self, target: Target, order: SwitchOrder) -> Armed:
        self.fuse.reach("before arm")
        pod = self._reach(target, effect=True)
        self.switch.owner_was_here(pod)
        self.switch.arm(pod, order, target.run_id)
        self.fuse.reach("after arm")
        self._plan("arm", effect=True)
        return Armed(order.generation, order.limit_at, self.switch_probe, is_restart_proof(pod), 7)

    def attend(self, target: Target, services: tuple[Service, ...]) -> tuple[Served, ...]:
        pod = self._reach(target)
        self._plan("attend")
        self.switch.owner_was_here(pod)
        self.asked_in = pod
        is_ready = self.answers(pod)
        said = "HTTP 200" if is_ready else "nothing listens"
        return tuple(Served(each.port, each.port, is_ready, said) for each in services)

    def answers(self, pod: FakePod) -> bool:
        """Whether the services in the pod answer."""
        is_up = self.clock.real >= max(pod.ready_at, pod.started_at) + self.service_seconds
        return is_up and self.clock.real >= self.services_down_until

    def run_step(self, target: Target, step: Step) -> StepResult:
        self.fuse.reach(f"before step {step.label}")
        pod = self._reach(target, effect=True)
        steps = pod.volume.setdefault(f"steps-{target.run_id}", {})
        assert isinstance(steps, dict)
        run = self._run_of(pod, steps, step)
        self._stay(pod, run.ends_at - self.clock.real, effect=True)
        if self.clock.real < run.ends_at:  # called off: what was cut short is not done
            del steps[step.key]
            raise Interrupted("asked to stop", reason="interrupted")
        if run.exit_code == 0:
            pod.disk[f"step {step.command}"] = step.round
        self.fuse.reach(f"after step {step.label}")
        self._plan("run_step", effect=True)
        return StepResult(run.exit_code, self.job.tail, run.ends_at - run.started_at)

    def _run_of(self, pod: FakePod, steps: dict[str, _Run], step: Step) -> _Run:
        """The execution that is done or under way (it outlives the link), else a new one."""
        run = steps.get(step.key)
        if run is not None and self._phase(pod, run) != "lost":
            if run.round == step.round:
                return run
            self._stay(pod, run.ends_at - self.clock.real, effect=True)
            if self.clock.real < run.ends_at:
                del steps[step.key]
                raise Interrupted("asked to stop", reason="interrupted")
        self.steps_run.append(step.command)
        seconds = self.job.command_seconds.get(step.command, COMMAND_SECONDS)
        code = self.job.commands.get(step.command, 0) if seconds <= step.timeout_seconds else 124
        now = self.clock.real
        steps[step.key] = run = _Run(pod.container, now, now + min(seconds, step.timeout_seconds), code, step.round)
        return run

    def place_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> bool:
        self.fuse.reach("before place_secrets")
        pod = self._reach(target, effect=True)
        if not self.has_secrets:
            raise refusal("place_secrets", "secret_missing")
        (pod.disk if self.is_volatile else pod.volume)["secrets"] = True
        self.fuse.reach("after place_secrets")
        self._plan("place_secrets", effect=True)
        return self.is_volatile

    def remove_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> None:
        self.fuse.reach("before remove_secrets")
        pod = self._reach(target, effect=True)
        pod.disk.pop("secrets", None)
        pod.volume.pop("secrets", None)
        self.fuse.reach("after remove_secrets")
        self._plan("remove_secrets", effect=True)

    def take_lease(self, target: Target, places: tuple[str, ...], gone: tuple[str, ...]) -> tuple[Holder, ...]:
        self.fuse.reach("before take_lease")
        self._reach(target, effect=True)
        others = [
            held
            for held in self.held
            if held.run_id != target.run_id and held.pod_id != target.pod_id and held.lease not in gone
        ]
        found = tuple(each for each in others if any(_overlap(each.destination, place) for place in places))
        if not found:
            self.held = [each for each in others if each.lease not in gone]
            mine = (target.run_id, target.pod_id, name_mark(target.pod_name))
            self.held += [Holder(f"{target.run_id}-{place}", *mine, place) for place in places]
        self.fuse.reach("after take_lease")
        self._plan("take_lease", effect=True)
        return found

    def drop_lease(self, target: Target) -> None:
        self.fuse.reach("before drop_lease")
        self._reach(target, effect=True)
        self.held = [each for each in self.held if each.run_id != target.run_id]
        self.fuse.reach("after drop_lease")
        self._plan("drop_lease", effect=True)

    def push(self, target: Target, tree: Tree) -> Pushed:
        self.fuse.reach(f"before push {tree.label}")
        pod = self._reach(target, effect=True)
        if tree.is_optional and not self.is_here(tree):
            return Pushed(0, 0, 0, 0, "")
        there = pod.volume if tree.destination.startswith(pod.order.volume_path) else pod.disk
        sent = there.get(f"tree {tree.destination}") != tree.source
        there[f"tree {tree.destination}"] = tree.source
        self.fuse.reach(f"after push {tree.label}")
        self._plan("push", effect=True)
        return Pushed(1, 10, int(sent), 10 * sent, "ab")

    def launch(self, target: Target, order: LaunchOrder) -> Claim:
        self.fuse.reach("before launch")
        pod = self._reach(target, effect=True)
        key = f"claim-{target.run_id}-{order.launch}"
        if key not in pod.volume:
            pod.volume[f"anchor-{target.run_id}-{order.launch}"] = (order.anchor_seq, order.anchor_z)
            pod.volume[key] = self._run_job(pod, order)
            self.starts.append(key)
            self.switch.look_again(pod)
        self.fuse.reach("after launch")
        self._plan("launch", effect=True)
        return self._claim(pod, target, order.ref)

    def _run_job(self, pod: FakePod, order: LaunchOrder) -> _Run:
        """The script begins. What it leaves in the background is waited for where it ended well."""
        now, job = self.clock.real, self.job
        is_waited_for = order.background == "always" or (order.background == "auto" and job.exit_code == 0)
        ends_at = now + job.seconds + (job.background if is_waited_for else 0.0)
        body_ends_at = now + job.seconds if ends_at > now + job.seconds else inf
        return _Run(pod.container, now, ends_at, job.exit_code, body_ends_at=body_ends_at)

    def read_claim(self, target: Target, job: JobRef) -> Claim:
        return unheard(self._claim(self._reach(target), target, job))

    def watch(self, target: Target, job: JobRef, log_file: str, seconds: float) -> Claim:
        end = self.clock.real + seconds
        pod = self._reach(target)
        known = None
        while True:
            self.switch.owner_was_here(pod)
            claim = self._claim(pod, target, job)
            known = claim.heard if known is None else known
            if claim.phase != "running" or self.clock.real >= end or self.control.pending() or claim.heard != known:
                return claim
            self._stay(pod, min(WATCH_STEP_SECONDS, end - self.clock.real))

    def idle_seconds(
        self, target: Target, launch: int, interval: float, threshold_pct: float, grace_seconds: float
    ) -> float | None:
        run = self._reach(target).volume.get(f"claim-{target.run_id}-{launch}")
        idle = self.clock.real - run.started_at - self.job.idle_from if isinstance(run, _Run) else 0.0
        return idle if idle > 0.0 else None

    def stop_job(self, target: Target, job: JobRef, grace_seconds: float) -> Claim:
        self.fuse.reach("before stop_job")
        pod = self._reach(target, effect=True)
        run = pod.volume.get(f"claim-{target.run_id}-{job.launch}")
        if isinstance(run, _Run) and self._phase(pod, run) == "running":
            run.ends_at, run.exit_code = self.clock.real, 143
            self.switch.look_again(pod)
        self.fuse.reach("after stop_job")
        self._plan("stop_job", effect=True)
        return self.read_claim(target, job)

    def fetch_log(self, target: Target, job: JobRef, log_file: str) -> int:
        return self.read_claim(target, job).log_bytes

    def pull(self, target: Target, pull: Pull) -> Pulled:
        self.fuse.reach(f"before pull {pull.label}")
        pod = self._reach(target)
        self._plan("pull")
        self._stay(pod, 2.0)
        if self.control.pending():
            raise Interrupted("asked to stop", reason="interrupted")
        kind = self.job.artifacts.get(pull.remote_path, "ok")
        if kind == "corrupt":
            raise refusal("pull", "verify_failed")
        self.fuse.reach(f"after pull {pull.label}")
        if kind == "refused":
            return Pulled(pull.label, False, 1, 10, "cd", refused=1, refused_paths=("d/d/d/d/f",))
        lost = ("base -> /cache/x (leads to nothing)",)
        if kind == "only links":
            return Pulled(pull.label, False, 0, 0, "cd", is_empty=True, left_out=1, left_out_links=lost)
        if kind == "links left out":
            return Pulled(pull.label, False, 1, 10, "cd", left_out=1, left_out_links=lost)
        if kind == "empty":
            return Pulled(pull.label, False, 0, 0, "cd", is_empty=True)
        return Pulled(pull.label, is_missing=True) if kind == "missing" else Pulled(pull.label, False, 1, 10, "cd")

    def is_here(self, tree: Tree) -> bool:
        """Whether what is to be pushed is on this machine."""
        return True

    def may_release(self, pod: FakePod) -> bool:
        """Whether the pod's own key is accepted for it."""
        return self.switch_probe == "ok"

    def over_at(self, pod: FakePod, run_id: str, launch: int) -> float:
        """When this launch was or will be over; never, where there is none. Without a job: from the beginning."""
        if launch == 0:
            return 0.0
        run = pod.volume.get(f"claim-{run_id}-{launch}")
        if not isinstance(run, _Run):
            return inf
        return min(run.ends_at, pod.container_ends.get(run.container, inf))

    def close(self) -> None:
        """Nothing to drop."""

    # Inside.

    def _turn(self) -> None:
        """Every call takes its time."""
        self.clock.advance(CALL_SECONDS)

    def _reach(self, target: Target, *, effect: bool = False) -> FakePod:
        self._turn()
        pod = self.cloud.pods.get(target.pod_id)
        if pod is None or not self._is_reachable(pod):
            raise self._no_route(effect=effect)
        self._check_key(target, pod)
        return pod

    def _is_reachable(self, pod: FakePod) -> bool:
        is_up = pod.status == "RUNNING" and self.clock.real >= pod.ready_at
        return is_up and not self.down_from <= self.clock.real < self.down_until

    def _no_route(self, *, effect: bool = False) -> RpdError:
        self.clock.advance(DROPPED_SECONDS if self.drops and self.clock.real < self.down_until else TIMEOUT_SECONDS)
        return (NotSent if effect else Unavailable)("no route to sshd", reason="ssh_unreachable")

    def _check_key(self, target: Target, pod: FakePod) -> None:
        if target.host_key not in (None, _host_key(pod)):
            raise refusal("greet", "host_key_changed")

    def _mark_owner(self, target: Target, pod: FakePod) -> None:
        """Owners of a run leave their epoch in its folder; a newer one keeps the older ones out."""
        mark = f"epoch-{target.run_id}"
        if pod.volume.get(mark, 0) > target.epoch:  # type: ignore[operator]
            raise refusal("greet", "taken_over")
        pod.volume[mark] = target.epoch

    def _anchor(self, target: Target, pod: FakePod) -> tuple[int | None, str | None]:
        """The journal's head as the run's latest launch left it."""
        launches = [key for key in pod.volume if key.startswith(f"anchor-{target.run_id}-")]
        latest = max(launches, key=lambda key: int(key.rpartition("-")[2]), default=None)
        return pod.volume[latest] if latest is not None else (None, None)  # type: ignore[return-value]

    def _stay(self, pod: FakePod, seconds: float, *, effect: bool = False) -> None:
        """Let time pass on an open connection; a request ends it early, a link that broke meanwhile is found out."""
        if seconds <= 0.0:
            return
        container = pod.container
        self.clock.advance(seconds, until=lambda: self.control.pending() or pod.container in pod.container_ends)
        if pod.container != container or not self._is_reachable(pod):
            raise _link_lost(effect=effect)

    def _plan(self, call: str, *, effect: bool = False) -> None:
        """What the next call of this name meets when it is done. An effect that cannot tell is no mere failed read."""
        steps = self.plans.get(call)
        step = steps.pop(0) if steps else "work"
        if isinstance(step, Unavailable) and effect:
            raise Ambiguous(step.message, reason=step.reason)
        if isinstance(step, RpdError):
            raise step

    def _phase(self, pod: FakePod, run: _Run) -> str:
        halted = pod.container_ends.get(run.container)
        if halted is not None and halted < run.ends_at:
            return "lost"
        return "ended" if self.clock.real >= run.ends_at else "running"

    def _says(self, marker: str, run: _Run) -> bool:
        at = self.job.says.get(marker)
        return at is not None and run.started_at + at <= min(self.clock.real, run.ends_at)

    def _has_marker(self, job: JobRef, run: _Run) -> bool:
        return self._says(str(job.success_marker), run) if self.job.says else self.job.has_marker

    def _claim(self, pod: FakePod, target: Target, job: JobRef) -> Claim:
        launch, marker = job.launch, job.success_marker
        run = pod.volume.get(f"claim-{target.run_id}-{launch}")
        if not isinstance(run, _Run):
            return Claim("none", launch)
        phase = self._phase(pod, run)
        is_over = phase == "ended"
        is_waited_for = run.body_ends_at <= min(self.clock.real, run.ends_at)
        return Claim(
            phase,
            launch,
            run.exit_code if is_over else None,
            START_WALL + run.started_at,
            START_WALL + run.ends_at if is_over else None,
            log_bytes=int(
                min(self.clock.real, run.ends_at, pod.container_ends.get(run.container, inf)) - run.started_at
            ),
            has_marker=self._has_marker(job, run) if is_over and marker else None,
            failure_marker=next((m for m in job.failure_markers if is_over and self._says(m, run)), None),
            heard=tuple(m for m in (marker, *job.failure_markers) if m and not is_over and self._says(m, run)),
            body_code=self.job.exit_code if is_waited_for else None,
            waits_for=self.job.waits_for if is_waited_for else "",
            is_vain=is_waited_for and "told to outlive" in self.job.waits_for,
        )


def unheard(claim: Claim) -> Claim:
    """Only who follows the log hears what it says while the job runs."""
    return msgspec.structs.replace(claim, heard=())


def _link_lost(*, effect: bool = False) -> RpdError:
    return (Ambiguous if effect else Unavailable)("the link was lost", reason="link_lost")


def _host_key(pod: FakePod) -> str:
    return f"SHA256:{pod.id}-{pod.container}-{pod.key}"


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
