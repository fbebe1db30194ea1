"""The inside of a pod: the port `Remote`, made of a connection, a transfer and the scripts of this folder."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from rpd.adapters.local.secret_content import content_of
from rpd.adapters.pod import scripts
from rpd.adapters.pod.answers import (
    Fields,
    armed_of,
    claim_of,
    clean,
    fields_of,
    greeting_of,
    holders_of,
    step_result_of,
)
from rpd.adapters.pod.attention import Attention
from rpd.adapters.pod.bucket import push_out
from rpd.adapters.pod.follower import follow
from rpd.adapters.pod.heartbeat import Heartbeat
from rpd.adapters.pod.idleness import idle_seconds
from rpd.adapters.pod.local_log import LocalLog
from rpd.adapters.pod.markers import MarkerScan
from rpd.adapters.pod.services import Services
from rpd.adapters.pod.step_log import StepLog
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.ssh.pool import Pool
from rpd.adapters.transfer.entry import Progress
from rpd.adapters.transfer.memory import Memory
from rpd.adapters.transfer.pull import pull as pull_tree
from rpd.adapters.transfer.push import push as push_tree
from rpd.engine.errors import Ambiguous, EffectError, Interrupted, NotSent, Refused, RpdError, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import SecretFile, is_away
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

ANSWER_SECONDS = 60.0
"""How long a short script may take. If a volume hangs, rpd must not hang."""

CONNECT_SECONDS = 45.0
"""How long a call tries to open a connection."""

_STEP_SLICE_SECONDS = 2
_LEAVING_SECONDS = 5.0
_FETCH_SECONDS = 24 * 3600.0

T = TypeVar("T")


class PodRemote:
    """`rpd.states.ports.world.Remote` over a pool of connections. Owned by one thread.

    `attention` is the control to which the pool's connections listen as well. `progress` takes the name of a transfer
    and returns the receiver of its progress. `wall` is this machine's clock, by which limits are given (UTC seconds).
    `secret` gives the content of a file of secrets, or raises Refused `secret_missing`.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        attention: Attention,
        progress: Callable[[str], Progress] = lambda what: lambda moved, total: None,
        wall: Callable[[], float] = time.time,
        secret: Callable[[SecretFile], bytes] = content_of,
        services: Services | None = None,
    ) -> None:
        self._services = services
        self._pool = pool
        self._wall = wall
        self._secret = secret
        self._attention = attention
        self._scans: dict[tuple[str, int], MarkerScan] = {}
        self._steps: dict[tuple[str, int], StepLog] = {}
        self._launched: dict[int, float] = {}
        self._progress = progress
        self._memories: dict[tuple[str, str], Memory] = {}

    def greet(self, target: Target, address: SshAddress) -> Greeting:
        """See the port. Also Refused `wrong_pod` and `taken_over`."""
        connection = self._pool.connect(target.pod_id, address, host_key=target.host_key)
        text, _ = self._answer(connection, scripts.greet_script(target), ANSWER_SECONDS)
        return _understand(lambda: greeting_of(text, connection.host_key))

    def arm(self, target: Target, order: SwitchOrder) -> Armed:
        """See the port."""
        return self._effect(lambda: self._arm(target, order))

    def attend(self, target: Target, services: tuple[Service, ...]) -> tuple[Served, ...]:
        """See the port."""
        _, fields = self._answer(self._connection(target), scripts.attend_script(target), ANSWER_SECONDS)
        _understand(lambda: fields["here"])
        if not services:
            return ()
        assert self._services is not None, "ports of this machine are opened for a session"
        return self._services.ask(target, services)

    def run_step(self, target: Target, step: Step) -> StepResult:
        """See the port. After a lost link the command runs on. The same call again waits for it."""
        return self._effect(lambda: self._run_step(target, step))

    def place_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> bool:
        """See the port."""
        script = scripts.place_script(target, files, [self._secret(file) for file in files])

        def place() -> bool:
            _, fields = self._answer(self._connection(target), script, ANSWER_SECONDS)
            return _understand(lambda: fields["memory"] == "1")

        return self._effect(place)

    def remove_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> None:
        """See the port."""
        script = scripts.unplace_script(target, files)

        def remove() -> None:
            _, fields = self._answer(self._connection(target, _LEAVING_SECONDS), script, 2 * _LEAVING_SECONDS)
            _understand(lambda: fields["removed"])

        with self._attention.unheard():
            self._effect(remove)

    def take_lease(self, target: Target, places: tuple[str, ...], gone: tuple[str, ...]) -> tuple[Holder, ...]:
        """See the port."""
        script = scripts.take_lease_script(target, places, gone)

        def take() -> tuple[Holder, ...]:
            text, _ = self._answer(self._connection(target), script, ANSWER_SECONDS)
            return _understand(lambda: holders_of(text))

        return self._effect(take)

    def drop_lease(self, target: Target) -> None:
        """See the port."""
        script = scripts.drop_lease_script(target)

        def drop() -> None:
            _, fields = self._answer(self._connection(target, _LEAVING_SECONDS), script, 2 * _LEAVING_SECONDS)
            _understand(lambda: fields["leases"])

        with self._attention.unheard():
            self._effect(drop)

    def push(self, target: Target, tree: Tree) -> Pushed:
        """See the port."""

        def push() -> Pushed:
            connection, progress = self._connection(target), self._progress(f"sending {tree.label or tree.source}")
            return self._leased(
                connection,
                target,
                lambda: push_tree(connection, tree, progress=progress, interrupted=self._attention.pending),
            )

        return self._effect(push)

    def launch(self, target: Target, order: LaunchOrder) -> Claim:
        """See the port."""
        script, before = scripts.launch_script(target, order), self._wall()
        claim = self._effect(lambda: self._claim(self._connection(target), script, ANSWER_SECONDS))
        self._launched[order.ref.launch] = min(before, before if claim.started_at is None else claim.started_at)
        return claim

    def read_claim(self, target: Target, job: JobRef) -> Claim:
        """See the port."""
        return self._claim(self._connection(target), scripts.claim_script(target, job), ANSWER_SECONDS)

    def watch(self, target: Target, job: JobRef, log_file: str, seconds: float) -> Claim:
        """See the port."""
        scan = self._scan(job, log_file)
        known = 0 if scan.is_new else len(scan.heard)
        scan.is_new = False
        claim, _ = self._follow(
            target,
            job,
            log_file,
            seconds,
            to_size_only=False,
            told=scan.feed,
            is_enough=lambda: len(scan.heard) > known,
        )
        return msgspec.structs.replace(claim, heard=scan.heard) if claim.phase == "running" else claim

    def idle_seconds(
        self, target: Target, launch: int, interval: float, threshold_pct: float, grace_seconds: float
    ) -> float | None:
        """See the port."""
        done = self._connection(target).run(scripts.samples_script(target), timeout_seconds=ANSWER_SECONDS)
        return _understand(
            lambda: idle_seconds(
                done.stdout, launch, interval, threshold_pct=threshold_pct, grace_seconds=grace_seconds
            )
        )

    def stop_job(self, target: Target, job: JobRef, grace_seconds: float) -> Claim:
        """See the port."""
        script = scripts.stop_script(target, job, grace_seconds)
        return self._effect(lambda: self._claim(self._connection(target), script, ANSWER_SECONDS + grace_seconds))

    def fetch_log(self, target: Target, job: JobRef, log_file: str) -> int:
        """See the port."""
        return self._follow(target, job, log_file, _FETCH_SECONDS, to_size_only=True)[1]

    def pull(self, target: Target, pull: Pull) -> Pulled:
        """See the port. The owner heartbeat is renewed meanwhile, because a long pull must not look like a missing
        owner."""
        connection = self._connection(target)

        def fetch() -> Pulled:
            if is_away(pull.local_path):
                return push_out(connection, pull, functools.partial(scripts.bucket_script, target, pull))
            key = (target.pod_id, pull.remote_path)
            memory = self._memories.setdefault(key, Memory())
            progress, interrupted = self._progress(f"fetching {pull.label}"), self._attention.pending
            pulled = pull_tree(connection, pull, progress=progress, interrupted=interrupted, memory=memory)
            self._memories.pop(key, None)  # a later call has to ask the pod again
            return pulled

        return self._leased(connection, target, fetch)

    def close(self) -> None:
        """Drop all connections."""
        if self._services is not None:
            self._services.close()
        self._pool.close()

    def _connection(self, target: Target, seconds: float = CONNECT_SECONDS) -> Connection:
        return self._pool.connection(target.pod_id, host_key=target.host_key, deadline_seconds=seconds)

    def _leased(self, connection: Connection, target: Target, act: Callable[[], T]) -> T:
        """Do `act`, which may be repeated, beside an owner heartbeat. If sshd has room for one session only, do it
        without one."""
        try:
            with Heartbeat(connection.channel(scripts.heartbeat_script(target))):
                return act()
        except Unavailable as error:
            if error.reason != Fault.NO_SESSION:
                raise
        return act()

    def _scan(self, job: JobRef, log_file: str) -> MarkerScan:
        """The scan for the launch's markers. A new scan reads the local copy first."""
        markers = (*((job.success_marker,) if job.success_marker else ()), *job.failure_markers)
        key = (log_file, job.launch)
        if key not in self._scans:
            scan = MarkerScan(markers)
            if markers:
                with LocalLog(log_file) as log:
                    base = log.base
                scan.read(Path(log_file), base, self._check)
            self._scans[key] = scan
        return self._scans[key]

    def _check(self) -> None:
        if self._attention.pending():
            raise Interrupted("interrupted while reading the local log", reason=Fault.INTERRUPTED)

    def _steps_of(self, job: JobRef, log_file: str) -> StepLog:
        key = (log_file, job.launch)
        if key not in self._steps:
            launched_at = self._launched.get(job.launch)
            self._steps[key] = StepLog(Path(log_file), job.launch, self._wall, launched_at, self._check)
        return self._steps[key]

    def _follow(
        self,
        target: Target,
        job: JobRef,
        log_file: str,
        seconds: float,
        *,
        to_size_only: bool,
        told: Callable[[bytes], None] | None = None,
        is_enough: Callable[[], bool] = lambda: False,
    ) -> tuple[Claim, int]:
        def command(offset: int) -> str:
            return scripts.follow_script(target, job, offset)

        steps = self._steps_of(job, log_file)

        def hear(data: bytes, is_backlog: bool) -> None:
            steps.feed(data, log.size, is_backlog=is_backlog)
            if told is not None:
                told(data)

        with LocalLog(log_file, hear) as log:
            claim = follow(
                self._connection(target), command, log, seconds=seconds, to_size_only=to_size_only, is_enough=is_enough
            )
            if log.offset >= claim.log_bytes:  # else more of it is on its way, printed at an unknown time
                steps.is_up_to_date()
            if claim.phase in ("ended", "lost"):
                steps.finish()
            return claim, log.size

    def _claim(self, connection: Connection, script: str, seconds: float) -> Claim:
        _, fields = self._answer(connection, script, seconds)
        return _understand(lambda: claim_of(fields))

    def _arm(self, target: Target, order: SwitchOrder) -> Armed:
        connection = self._connection(target)
        _, fields = self._answer(connection, scripts.arm_script(target, order, self._wall()), 2 * ANSWER_SECONDS)
        return _understand(lambda: armed_of(fields, order))

    def _run_step(self, target: Target, step: Step) -> StepResult:
        """The step runs detached, and rpd asks for it in slices. An interruption takes effect between and within
        them."""
        connection = self._connection(target)
        allowed = step.timeout_seconds + ANSWER_SECONDS
        deadline = time.monotonic() + allowed
        latest = deadline + allowed
        is_first = True
        try:
            while True:
                script = scripts.step_script(target, step, may_start=is_first, patience_seconds=_STEP_SLICE_SECONDS)
                text, fields = self._answer(connection, script, ANSWER_SECONDS)
                if "done" in fields:
                    output = connection.redactor.mask(text.partition("\n\n")[2], is_cut=True)  # only its end was sent
                    return _understand(lambda: step_result_of(fields, output))  # noqa: B023
                if "gone" in fields:
                    raise Ambiguous(f"{step.label}: nothing is left of it in the pod", reason=Fault.STEP_FAILED)
                _understand(lambda: fields["busy"])  # noqa: B023
                if self._attention.pending():
                    raise Interrupted(f"interrupted during {step.label}", reason=Fault.INTERRUPTED)
                if time.monotonic() > deadline:
                    raise Ambiguous(f"{step.label} did not end in its time", reason=Fault.STEP_TIMEOUT)
                is_first = "earlier" in fields  # the run of an earlier round, with a time limit of its own
                if is_first:
                    deadline = min(time.monotonic() + allowed, latest)
        except Interrupted:
            self._call_off(target, step)
            raise

    def _call_off(self, target: Target, step: Step) -> None:
        """End an interrupted step, quickly or not at all. If the link is gone too, the step's own time limit ends
        it."""
        script = scripts.stop_step_script(target, step)
        with self._attention.unheard():
            for _ in range(2):
                with suppress(Unavailable):
                    self._answer(self._connection(target, _LEAVING_SECONDS), script, 2 * _LEAVING_SECONDS)
                    return

    def _answer(self, connection: Connection, script: str, seconds: float) -> tuple[str, Fields]:
        """The output of a script, as text and as fields. Raises Refused for the faults in it."""
        done = connection.run(script, timeout_seconds=seconds)
        # The pod may have cut what a command printed, and this machine cuts what is too long.
        text = connection.redactor.mask_bytes(done.stdout, is_cut=done.is_cut).decode("utf-8", "replace")
        head = text.partition("\n\n")[0]
        fields = _understand(lambda: fields_of(head))
        if "fault" in fields:
            raise _refused(fields["fault"], fields.get("message", ""))
        if done.exit_code != 0:
            stderr = connection.redactor.mask_bytes(done.stderr, is_cut=done.is_cut)
            said = clean(stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])[:300]
            raise Unavailable(
                f"a script in the pod ended with {done.exit_code}: {said or 'it said nothing'}",
                reason=Fault.NO_TOOL if done.exit_code == 127 else Fault.UNREADABLE,
                detail={"sent": True},
            )
        return text, fields

    def _effect(self, act: Callable[[], T]) -> T:
        """In an effect, a failed read means that the effect may have happened, unless it provably never left this
        machine."""
        try:
            return act()
        except Unavailable as error:
            kind: type[EffectError] = NotSent if _never_left(error) else Ambiguous
            raise kind(
                error.message, reason=error.reason, retry_after=error.retry_after, detail=error.detail
            ) from error


def _never_left(error: RpdError) -> bool:
    return error.reason == Fault.SSH_UNREACHABLE or error.detail.get("sent") is False


def _refused(fault: str, message: str) -> Refused:
    """The error for a refusal by the pod. The system's own words tell a full disk from a forbidden path."""
    if "No space left" in message or "quota exceeded" in message:
        return Refused(f"no space left in the pod: {message}", reason=Fault.DISK_FULL)
    if "Read-only file system" in message:
        return Refused(f"the pod refuses writes: {message}", reason=Fault.READ_ONLY)
    if fault in (Fault.WRONG_POD, Fault.TAKEN_OVER, Fault.NO_TOOL):
        return Refused(message, reason=fault)
    return Refused(f"the pod refused: {message}", reason=Fault.PATH_REFUSED)


def _understand(read: Callable[[], T]) -> T:
    try:
        return read()
    except (ValueError, KeyError) as error:
        raise Unavailable(
            f"the pod's answer is not valid: {error}", reason=Fault.UNREADABLE, detail={"sent": True}
        ) from error
