"""The fakes as a world of the suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.contract.contract_world import fresh_token
from tests.fakes.answers import no_answer, refusal
from tests.fakes.clock import FakeClock, FakeControl
from tests.fakes.cloud import FakeCloud
from tests.fakes.remote import FakeJob, FakeRemote

T = TypeVar("T")

LOOK_SECONDS = 0.5
DEADLINE_SECONDS = 600.0
LONG_SECONDS = 5000.0
CALLS = ("create", "get", "list", "start", "stop", "delete", "offers")


class Simulated:
    """`tests.contract.contract_world.ContractWorld` over the fakes; seconds cost nothing here."""

    gpu = "RTX A5000"
    moment = 30.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = fresh_token()
        self.run_id = f"run-{self.token[:8]}"
        self.clock = FakeClock()
        self.control = FakeControl(self.clock)
        self.cloud = FakeCloud(self.clock)
        self.remote = FakeRemote(self.cloud, self.control)

    def now(self) -> float:
        return self.clock.now().wall

    def until(self, look: Callable[[], T]) -> T:
        deadline = self.clock.real + DEADLINE_SECONDS
        while not (found := look()):
            assert self.clock.real < deadline, "waited in vain"
            self.clock.advance(LOOK_SECONDS)
        return found

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        self.clock.after(seconds, act)

    def ask(self) -> None:
        self.control.ask("interrupt")

    def ask_no_more(self) -> None:
        self.control.take()

    def status(self, pod_id: str) -> str:
        return self.cloud.pods[pod_id].status

    def billed(self, pod_id: str) -> float:
        spans = self.cloud.pods[pod_id].billed
        return sum((self.clock.real if until is None else until) - (since or 0.0) for since, until in spans)

    def pods(self, name: str) -> list[str]:
        return [pod.id for pod in self.cloud.pods.values() if pod.order.name == name]

    def starts(self, launch: int = 1) -> int:
        return self.remote.starts.count(f"claim-{self.run_id}-{launch}")

    def runs(self, pod_id: str, command: str) -> int:
        return self.remote.steps_run.count(command)

    def command(self, exit_code: int = 0, *, seconds: float = 0.0) -> str:
        text = f"command {exit_code} {seconds}"
        self.remote.job.commands[text] = exit_code
        self.remote.job.command_seconds[text] = seconds
        return text

    def job(self, exit_code: int = 0, *, says: str = "hello", lasts: bool = False) -> str:
        self.remote.job = FakeJob(LONG_SECONDS if lasts else 5.0, exit_code, has_marker="marker" in says)
        return "script"

    def local_file(self) -> str:
        return "/source"

    def missing_path(self) -> str:
        self.remote.job.artifacts["/workspace/nothing"] = "missing"
        return "/workspace/nothing"

    def refuse(self, call: str, reason: str) -> None:
        self.cloud.broken[call] = refusal(call, reason)

    def fail(self, call: str, reason: str) -> None:
        self.cloud.broken[call] = no_answer(call, reason)

    def unplug(self) -> None:
        for call in CALLS:
            self.fail(call, "not_sent")

    def heal(self) -> None:
        self.cloud.broken.clear()
        self.cloud.plans.clear()

    def lose_answer(self, call: str, reason: str) -> None:
        self.cloud.plan(call, f"ambiguous:{reason}")

    def do_late(self, seconds: float) -> None:
        self.cloud.plan("create", f"late:{seconds}")

    def ignore(self, call: str) -> None:
        self.cloud.plan(call, "ignored")

    def deny(self, call: str) -> None:
        self.cloud.plan(call, "absent")

    def hide_young(self, seconds: float, *, from_list_only: bool = False) -> None:
        self.cloud.list_lag_seconds = seconds
        self.cloud.lag_seconds = 0.0 if from_list_only else seconds

    def set_boot(self, seconds: float) -> None:
        self.cloud.boot_seconds = [seconds]

    def take_gpus(self) -> None:
        self.cloud.plan("start", refusal("start", "start_refused"))

    def somebody(self, what: str, pod_id: str) -> None:
        self.cloud.halt(self.cloud.pods[pod_id], {"stop": "EXITED", "delete": "TERMINATED"}[what])

    def restart_container(self, pod_id: str) -> None:
        self.cloud.restart_container(self.cloud.pods[pod_id])

    def cut(self, pod_id: str) -> None:
        self.remote.lose_link(DEADLINE_SECONDS)

    def mend(self, pod_id: str) -> None:
        self.remote.down_until = 0.0

    def break_pod_key(self, pod_id: str) -> None:
        self.remote.switch_probe = "http 401"
