"""The ports `Remote` and `Workspace` with every answer they can give, over the truth."""

from __future__ import annotations

from typing import Any

from rpd.engine.errors import Ambiguous, NotSent, Refused, Unavailable, UserError
from rpd.states.ports.job import SecretFile
from rpd.states.ports.log_reading import LogReading
from rpd.states.ports.names import Op
from rpd.states.ports.session import Served, Service
from rpd.states.ports.world import (
    Armed,
    Claim,
    Greeting,
    Holder,
    JobRef,
    LaunchOrder,
    Notice,
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
from tests.simulation.model.reality import Died, Reality, Violation
from tests.simulation.model.truth import JobLife, PodStatus, PodTruth, changed

PHASES = {JobLife.DONE: "ended", JobLife.FAILED: "ended"}
UNHEARD = ("unknown, done", "unknown, not done", "not sent", "dies before it", "dies after it")


class ModelRemote:
    """The inside of a pod that is up; of any other, nothing answers."""

    def __init__(self, reality: Reality) -> None:
        self.reality = reality

    def greet(self, target: Target, address: SshAddress) -> Greeting:
        pod, answer = self._read(target, "no GPU", "another host key")
        if answer == "another host key":
            raise Refused("another host key", reason="host_key_changed")
        key = f"SHA256:{pod.id}-{pod.container}"
        return Greeting(key, pod.id, str(pod.container), self.reality.at, 0 if answer == "no GPU" else 1)

    def arm(self, target: Target, order: SwitchOrder) -> Armed:
        pod, answer = self._effect(Op.ARM_SWITCH, target, "its key is refused")
        if answer == "its key is refused":
            return Armed(order.generation, order.limit_at, "forbidden", False, 7)
        self._settle(changed(pod, is_armed=True), answer)
        return Armed(order.generation, order.limit_at, "ok", False, 7)

    def attend(self, target: Target, services: tuple[Service, ...]) -> tuple[Served, ...]:
        pod, answer = self._read(target, "not ready yet")
        self.reality.put(changed(pod, has_answered=answer == "ok"))
        return tuple(Served(each.port, each.port, answer == "ok", answer) for each in services)

    def run_step(self, target: Target, step: Step) -> StepResult:
        pod, answer = self._effect(Op.RUN_STEP, target, "exits with 1")
        self._settle(pod, answer)
        return StepResult(1 if answer == "exits with 1" else 0, ("last line",), 3.0)

    def place_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> bool:
        pod, answer = self._effect(Op.PLACE_SECRETS, target, "on its disk", "not here")
        if answer == "not here":
            raise Refused("$TOKEN is not set", reason="secret_missing", retryable=False)
        self._settle(changed(pod, secrets="disk" if answer == "on its disk" else "memory"), answer)
        return answer != "on its disk"

    def remove_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> None:
        pod, answer = self._effect(Op.REMOVE_SECRETS, target)
        self._settle(changed(pod, secrets=""), answer)

    def take_lease(self, target: Target, places: tuple[str, ...], gone: tuple[str, ...]) -> tuple[Holder, ...]:
        pod, answer = self._effect(Op.TAKE_LEASE, target)
        self._settle(pod, answer)
        return ()

    def drop_lease(self, target: Target) -> None:
        pod, answer = self._effect(Op.DROP_LEASE, target)
        self._settle(pod, answer)

    def push(self, target: Target, tree: Tree) -> Pushed:
        pod, answer = self._effect(Op.PUSH_TREE, target, "arrives broken")
        if answer == "arrives broken":
            raise Unavailable("what arrived is not what was sent", reason="verify_failed")
        self._settle(pod, answer)
        return Pushed(1, 10, 1, 10, "ab")

    def launch(self, target: Target, order: LaunchOrder) -> Claim:
        pod, answer = self._effect(Op.LAUNCH_JOB, target, "no tool", "unknown, only claimed")
        if answer == "no tool":
            raise Refused("no setsid", reason="no_tool")
        if order.launch > pod.launch:
            if pod.job is JobLife.RUNNING:
                raise Violation("a launch beside one that runs")
            pod = changed(pod, launch=order.launch, job=JobLife.NONE, job_starts=0)
        if answer == "unknown, only claimed" and pod.job is JobLife.NONE:
            self.reality.put(changed(pod, job=JobLife.CLAIMED))
            raise Ambiguous("no answer", reason="link_lost")
        if pod.job in (JobLife.NONE, JobLife.CLAIMED):
            pod = changed(pod, job=JobLife.RUNNING, job_starts=pod.job_starts + 1)
        self._settle(pod, answer)
        return _claim(pod, order.launch)

    def read_claim(self, target: Target, job: JobRef) -> Claim:
        pod, _ = self._read(target)
        return _claim(pod, job.launch)

    def watch(self, target: Target, job: JobRef, log_file: str, seconds: float) -> Claim:
        pod, answer = self._read(target, "no room here for the log")
        if answer == "no room here for the log":
            raise UserError("no space left", reason="local_disk")
        if pod.job is JobLife.RUNNING:
            self.reality.pass_time(seconds)
        return _claim(self.reality.truth.find(pod.id) or pod, job.launch)

    def idle_seconds(
        self, target: Target, launch: int, interval: float, threshold_pct: float, grace_seconds: float
    ) -> float | None:
        _, answer = self._read(target, "idle for long", "no samples")
        return {"idle for long": 3600.0, "no samples": None}.get(answer, 0.0)

    def stop_job(self, target: Target, job: JobRef, grace_seconds: float) -> Claim:
        pod, answer = self._effect(Op.STOP_JOB, target)
        if pod.job is JobLife.RUNNING:
            pod = changed(pod, job=JobLife.FAILED)
        self._settle(pod, answer)
        return _claim(pod, job.launch)

    def fetch_log(self, target: Target, job: JobRef, log_file: str) -> int:
        pod, answer = self._effect(Op.FETCH_LOG, target)
        self._settle(pod, answer)
        return 100

    def pull(self, target: Target, pull: Pull) -> Pulled:
        asked = self.reality.last_record
        is_early = asked is not None and getattr(asked.body, "op", None) == Op.PULL_CHECKPOINT
        op = Op.PULL_CHECKPOINT if is_early else Op.PULL_ARTIFACT
        pod, answer = self._effect(op, target, "arrives broken", "nothing there")
        if answer == "arrives broken":
            raise Unavailable("what arrived is not what was sent", reason="verify_failed")
        self._settle(pod, answer)
        return Pulled(pull.label, answer == "nothing there", 1, 10, "cd")

    def close(self) -> None:
        """Nothing to drop."""

    # Inside.

    def _reach(self, target: Target) -> PodTruth | None:
        pod = self.reality.truth.find(target.pod_id)
        if pod is None or not pod.is_up or pod.life is not PodStatus.RUNNING:
            self.reality.pass_time(5.0)
            return None
        if target.host_key not in (None, f"SHA256:{pod.id}-{pod.container}"):
            raise Refused("the host key changed", reason="host_key_changed")
        return pod

    def _read(self, target: Target, *special: str) -> tuple[PodTruth, str]:
        pod = self._reach(target)
        if pod is None:
            raise Unavailable("no route to sshd", reason="ssh_unreachable")
        answer = self.reality.ask("ok", "link lost", *special)
        if answer == "link lost":
            raise Unavailable("the connection was lost", reason="link_lost")
        return pod, answer

    def _effect(self, op: Op, target: Target, *special: str) -> tuple[PodTruth, str]:
        self.reality.effect(op)
        pod = self._reach(target)
        if pod is None:
            raise NotSent("no route to sshd", reason="ssh_unreachable")
        answer = self.reality.ask("ok", *special, *UNHEARD)
        if answer == "dies before it":
            raise Died
        if answer == "not sent":
            raise NotSent("no route to sshd", reason="ssh_unreachable")
        if answer == "unknown, not done":
            raise Ambiguous("no answer", reason="link_lost")
        return pod, answer

    def _settle(self, pod: PodTruth, answer: str) -> None:
        if pod.job_starts > 1:
            raise Violation("the script was executed twice")
        self.reality.put(pod)
        if answer == "dies after it":
            raise Died
        if answer == "unknown, done":
            raise Ambiguous("no answer", reason="link_lost")


class ModelWorkspace:
    """The files of this machine."""

    def __init__(self, reality: Reality) -> None:
        self.reality = reality

    def check_inputs(self, job: Any, run_dir: str) -> tuple[str, ...]:
        answer = self.reality.ask("ok", "an input is missing", "unreadable")
        if answer == "unreadable":
            raise UserError("no right to read", reason="local_disk")
        return ("an input is missing",) if answer != "ok" else ()

    def notify(self, notice: Notice) -> bool:
        self.reality.effect(Op.NOTIFY)
        answer = self.reality.ask("ok", "the command fails", "dies before it", "dies after it")
        if answer == "the command fails":
            raise UserError("exit code 1", reason="step_failed")
        if answer != "ok":
            raise Died
        return True

    def write_pointer(self, path: str, content: dict[str, Any]) -> None:
        raise AssertionError("no job of the model asks for a pointer")

    def remove_pointer(self, path: str, pod_id: str) -> None:
        raise AssertionError("no job of the model asks for a pointer")

    def read_log(self, log_file: str) -> LogReading:
        return LogReading()

    def write_manifest(self, run_dir: str, manifest: dict[str, Any]) -> str:
        self.reality.effect(Op.WRITE_MANIFEST)
        answer = self.reality.ask("ok", "no room", "dies before it", "dies after it")
        if answer == "no room":
            raise UserError("no space left", reason="disk_full")
        if answer != "ok":
            raise Died
        return "ef"


def _claim(pod: PodTruth, launch: int) -> Claim:
    if launch > pod.launch:
        return Claim("none", launch)
    exit_code = {JobLife.DONE: 0, JobLife.FAILED: 1}.get(pod.job)
    is_over = exit_code is not None
    return Claim(
        PHASES.get(pod.job, str(pod.job)), launch, exit_code, 1.0, 2.0 if is_over else None, has_marker=is_over or None
    )
