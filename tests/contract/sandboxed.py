"""The sandbox behind the shipped adapters: real HTTP, real SSH, real processes."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rpd.adapters.access.keys import own_key
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import new_token
from rpd.adapters.pod.attention import Attention
from rpd.adapters.pod.remote import PodRemote
from rpd.adapters.renting import Renting
from rpd.adapters.runpod.client import Limits, RunPodClient
from rpd.adapters.runpod.cloud import RunPodCloud
from rpd.adapters.sandbox import daemon
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.ssh.pool import Pool
from rpd.engine.ports import Request
from rpd.journal.redact import Secret
from rpd.states.ports.world import SshAddress

T = TypeVar("T")

DEADLINE_SECONDS = 20.0
PATIENCE_SECONDS = 0.3
ACTIONS = ("start", "stop")

REFUSALS: dict[str, tuple[str, dict[str, str]]] = {
    "no_capacity": ("F1", {}),
    "invalid": ("F5", {}),
    "no_credit": ("F8", {}),
    "pool_forbidden": ("F8", {"how": "pool"}),
    "key_refused": ("F9", {}),
    "forbidden": ("F9", {"how": "scope"}),
    "blocked": ("F10", {}),
    "rate_limited": ("F11", {"retry_after": "30"}),
    "bad_request": ("F35", {}),
    "conflict": ("F23", {}),
}
FAILURES: dict[str, tuple[str, dict[str, str]]] = {
    "server_error": ("500", {}),
    "connection_lost": ("drop", {}),
    "timeout": ("timeout", {"seconds": "2"}),
    "unreadable": ("truncated", {}),
}
"""From a reason to the `how` of the faults F12 and F13."""


class Asked:
    """A control whose requests the test makes."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ask(self) -> None:
        self._event.set()

    def ask_no_more(self) -> None:
        self._event.clear()

    def pending(self) -> bool:
        return self._event.is_set()

    def take(self) -> Request | None:
        return Request("interrupt", "test") if self._event.is_set() else None

    def wait(self, seconds: float) -> None:
        self._event.wait(seconds)


class ImpatientPool(Pool):
    """A pool that soon gives up: nobody waits most of a minute for a pod that a test has stopped."""

    def connection(self, pod_id: str, *, host_key: str | None, deadline_seconds: float) -> Connection:
        return super().connection(pod_id, host_key=host_key, deadline_seconds=min(deadline_seconds, PATIENCE_SECONDS))


class Sandboxed:
    """`tests.contract.contract_world.ContractWorld` over one sandbox and the adapters of one run."""

    gpu = "NVIDIA L4"
    moment = 0.4

    def __init__(self, home: Path, info: daemon.SandboxInfo, folder: Path) -> None:
        self.home = home
        self.info = info
        self.folder = folder
        self.token = new_token()
        self.run_id = f"run-{self.token[:8]}"
        self.control = Asked()
        self._key = own_key(home.parent)
        self._timers: list[threading.Timer] = []
        self.cloud = self._cloud(info.url)
        attention = Attention(self.control)
        pool = ImpatientPool(
            locate=self._locate,
            key_path=Path(self._key.private_path),
            clock=SystemClock(),
            control=attention,
            random=random.Random(1),
        )
        self.remote = PodRemote(pool, attention=attention)

    def close(self) -> None:
        """Drop what is open."""
        for timer in self._timers:
            timer.join()
        self.remote.close()

    def now(self) -> float:
        return time.time()

    def until(self, look: Callable[[], T]) -> T:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (found := look()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)
        return found

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        self._timers.append(threading.Timer(seconds, act))
        self._timers[-1].start()

    def ask(self) -> None:
        self.control.ask()

    def ask_no_more(self) -> None:
        self.control.ask_no_more()

    def status(self, pod_id: str) -> str:
        return str(self._truth(pod_id)["status"])

    def billed(self, pod_id: str) -> float:
        return float(self._truth(pod_id)["billed_seconds"])

    def pods(self, name: str) -> list[str]:
        return [pod["id"] for pod in daemon.truth(self.home)["pods"] if pod["name"] == name]

    def starts(self, launch: int = 1) -> int:
        return int(daemon.truth(self.home)["jobs"].get(self.run_id, {}).get(str(launch), 0))

    def runs(self, pod_id: str, command: str) -> int:
        marks = self.home / "pods" / pod_id / "volume" / "runs"
        return marks.read_text().count(f"<{_mark(command)}>") if marks.exists() else 0

    def command(self, exit_code: int = 0, *, seconds: float = 0.0) -> str:
        mark = f"{exit_code}-{seconds}"
        return f"echo '<{mark}>' >>/workspace/runs\nsleep {seconds}; echo last line; exit {exit_code}"

    def job(self, exit_code: int = 0, *, says: str = "hello", lasts: bool = False) -> str:
        return f"echo {says}; {'sleep 100' if lasts else f'exit {exit_code}'}"

    def local_file(self) -> str:
        source = self.folder / "source"
        source.mkdir()
        (source / "ten").write_bytes(b"0123456789")
        return str(source)

    def missing_path(self) -> str:
        return "/workspace/nothing"

    def refuse(self, call: str, reason: str) -> None:
        fault_id, options = REFUSALS[reason]
        on = {"on": call} if fault_id in ("F9", "F10", "F11", "F35") else {}
        self._fault(fault_id, 0, **options, **on)

    def fail(self, call: str, reason: str) -> None:
        if call == "create":
            how, more = FAILURES[reason]
            self._fault("F13", 0, how=how, **more)
            return
        assert reason == "server_error", "only a create can fail in other ways here"
        self._fault("F33", 0, on={"offers": "catalog"}.get(call, call))

    def unplug(self) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            self.cloud = self._cloud(f"http://127.0.0.1:{nobody.getsockname()[1]}")

    def heal(self) -> None:
        daemon.clear_faults(self.home, None)
        self.cloud = self._cloud(self.info.url)

    def lose_answer(self, call: str, reason: str) -> None:
        how, more = FAILURES[reason]
        if call == "create":
            self._fault("F12", 1, how=how, **more)
            return
        assert reason == "server_error", "only a create can be answered in other ways here"
        self._fault("F29", 1, on=call, how="5xx")

    def do_late(self, seconds: float) -> None:
        self._fault("F12", 1, delay=str(seconds))

    def ignore(self, call: str) -> None:
        self._fault("F29", 1, on=call, how="ignored")

    def deny(self, call: str) -> None:
        assert call == "delete", "only a delete is denied here"
        self._fault("F29", 1, how="late404")

    def hide_young(self, seconds: float, *, from_list_only: bool = False) -> None:
        self._fault("F14", 0, lag=str(seconds), what="list" if from_list_only else "both")

    def set_boot(self, seconds: float) -> None:
        daemon.play(self.home, {"boot_seconds": seconds})

    def take_gpus(self) -> None:
        self._fault("F21", 1)

    def somebody(self, what: str, pod_id: str) -> None:
        daemon.call(self.info, "POST", f"/sandbox/pods/{pod_id}/{what}", {})

    def restart_container(self, pod_id: str) -> None:
        daemon.set_fault(self.home, "F25", pod=pod_id, options={"how": "once"})

    def cut(self, pod_id: str) -> None:
        daemon.set_fault(self.home, "F40", pod=pod_id)

    def mend(self, pod_id: str) -> None:
        daemon.clear_faults(self.home, "F40")

    def break_pod_key(self, pod_id: str) -> None:
        # The first read of a pod from now on is the switch's own.
        self._fault("F9", 1, on="get")

    def _cloud(self, url: str) -> Renting:
        client = RunPodClient(
            url,
            Secret(self.info.api_key),
            interrupted=lambda: False,
            wait=lambda seconds: None,
            random=random.Random(1),
            limits=Limits(create_seconds=0.7),
        )
        return Renting(
            RunPodCloud(client),
            public_key=self._key.public_line,
            api_url=self.info.url,
            run_id=self.run_id,
            token=self.token,
        )

    def _locate(self, pod_id: str) -> SshAddress | None:
        pod = self.cloud.get(pod_id)
        return pod.ssh if pod is not None and pod.status == "RUNNING" else None

    def _fault(self, fault_id: str, times: int, **options: str) -> None:
        daemon.set_fault(self.home, fault_id, times=times, options=options)

    def _truth(self, pod_id: str) -> dict[str, Any]:
        return next(pod for pod in daemon.truth(self.home)["pods"] if pod["id"] == pod_id)


def _mark(command: str) -> str:
    return command.partition("<")[2].partition(">")[0]
