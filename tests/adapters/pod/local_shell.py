"""A pod on this machine: the same scripts, run by a real `sh` in a folder, behind the face of an SSH connection."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rpd.adapters.ssh.connection import Completed
from rpd.engine.errors import Interrupted, Unavailable
from rpd.engine.ports import Request
from rpd.journal.redact import Redactor
from rpd.states.ports.world import SshAddress, Target

POD_ID = "pod1234567890a"
KEY = "rpa_TESTKEYTESTKEY"
ADDRESS = SshAddress("127.0.0.1", 22)


SHELLS = ("dash", "bash", "busybox", "mksh", "ksh93", "yash")
"""What `sh` of an image may be."""


def shell_at(name: str, folder: Path) -> str:
    """This shell by the name `sh`, alone in a folder; the test is left out where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine")
    place = folder / f"as-{name}" / "sh"
    place.parent.mkdir()
    place.symlink_to(found)
    return str(place)


class Requests:
    """A control that a test sets."""

    def __init__(self) -> None:
        self.waiting: list[Request] = []

    def ask(self, what: str = "interrupt") -> None:
        self.waiting.append(Request(what, "test"))

    def pending(self) -> bool:
        return bool(self.waiting)

    def take(self) -> Request | None:
        return self.waiting.pop(0) if self.waiting else None

    def wait(self, seconds: float) -> None:
        until(self.pending, seconds, must=False)


class LocalChannel:
    """A `sh` process with its three streams."""

    def __init__(self, shell: LocalShell, command: str) -> None:
        self._shell = shell
        self.process = subprocess.Popen(
            [*shell.words, "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=shell.env,
            cwd=shell.volume,
        )
        self._queues = [queue.Queue[bytes](maxsize=4), queue.Queue[bytes](maxsize=4)]
        self._over = [False, False]
        self._threads = [
            threading.Thread(target=self._pump, args=(stream, where), daemon=True)
            for stream, where in zip((self.process.stdout, self.process.stderr), self._queues, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def _pump(self, stream, where) -> None:
        while data := os.read(stream.fileno(), 65536):
            where.put(data)
        where.put(b"")

    def send(self, data: bytes) -> bool:
        self._check()
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return False
        return True

    def recv(self, timeout: float) -> bytes | None:
        return self._take(0, timeout)

    def recv_stderr(self, timeout: float) -> bytes | None:
        return self._take(1, timeout)

    def _take(self, which: int, timeout: float) -> bytes | None:
        self._check()
        if self._over[which]:
            return b""
        try:
            data = self._queues[which].get(timeout=timeout) if timeout else self._queues[which].get_nowait()
        except queue.Empty:
            return None
        self._over[which] = data == b""
        return data

    def _check(self) -> None:
        if self._shell.is_cut:
            raise Unavailable("cut", reason="link_lost", detail={"sent": True})
        if self._shell.interrupted():
            raise Interrupted("asked", reason="interrupted")

    def close(self) -> None:
        """As sshd does: the streams close, no signal is sent."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        while any(thread.is_alive() for thread in self._threads):
            for where in self._queues:
                with contextlib.suppress(queue.Empty):
                    where.get(timeout=0.01)
        self.process.wait(10)
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()


class LocalShell:
    """A pod: `volume` is its volume, `env` what a session over SSH sees. Is its own pool."""

    host_key = "SHA256:test"

    def __init__(self, volume: Path, *, sh: str = "sh", path: str | None = None, prefix: tuple[str, ...] = ()) -> None:
        self.volume = self.inside = volume  # `inside` is where it is seen from here
        self.words = [*prefix, shutil.which(sh) or sh]
        self.tag = uuid.uuid4().hex
        self.env = {
            "PATH": path or os.environ["PATH"],
            "HOME": str(volume),
            "RPD_TEST_POD": self.tag,
            "RUNPOD_POD_ID": POD_ID,
            "RUNPOD_API_KEY": KEY,
        }
        self.is_cut = False
        self.redactor = Redactor()
        self.interrupted: Callable[[], bool] = lambda: False
        self.run_id = f"run-{self.tag[:12]}"
        self._inits: list[subprocess.Popen[bytes]] = []

    @property
    def target(self) -> Target:
        return Target(POD_ID, "rpd-test", self.run_id, 1, str(self.volume / ".rpd" / self.run_id))

    @property
    def folder(self) -> Path:
        return Path(self.target.folder)

    def connection(self, pod_id: str, *, host_key: str | None, deadline_seconds: float) -> LocalShell:
        self.is_cut = False
        return self

    def connect(self, pod_id: str, address: SshAddress, *, host_key: str | None) -> LocalShell:
        return self

    def run(self, script: str, *, timeout_seconds: float, max_bytes: int = 1 << 20) -> Completed:
        if self.interrupted():
            raise Interrupted("asked", reason="interrupted")
        text = b"{ :\n" + script.encode("utf-8", "surrogateescape") + b"\n} </dev/null; exit\n"
        done = subprocess.run(
            self.words, input=text, capture_output=True, env=self.env, cwd=self.volume, timeout=timeout_seconds
        )
        return Completed(done.returncode, done.stdout[:max_bytes], done.stderr[:max_bytes])

    def channel(self, command: str, *, window: int | None = None) -> LocalChannel:
        return LocalChannel(self, command)

    def close(self) -> None:
        """Nothing is kept open."""

    def start_container(self, extra: dict[str, str] | None = None) -> None:
        """A first process with the pod's environment, which a session does not see; called again it is a restart."""
        for init in self._inits:
            init.kill()
            init.wait()
        first = {**self.env, **(extra or {})}
        self._inits = [subprocess.Popen(["sleep", "3600"], env=first)]
        self.env = {key: value for key, value in self.env.items() if not key.startswith("RUNPOD_")}
        self.env["RPD_INIT_PID"] = str(self._inits[0].pid)

    def processes(self) -> list[int]:
        """Living processes of this pod, its first one left out."""
        mark = f"RPD_TEST_POD={self.tag}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or any(init.pid == int(entry.name) for init in self._inits):
                continue
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found

    def kill_all(self) -> None:
        """What a container's end does to its processes."""
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def end(self) -> None:
        self.kill_all()
        for init in self._inits:
            init.kill()
            init.wait()
        for left in Path("/dev/shm").glob(f"rpd-{self.run_id}-*"):
            left.unlink()


@contextmanager
def tool_folder(folder: Path, *names: str) -> Iterator[str]:
    """A PATH on which only these programs are found."""
    folder.mkdir()
    for name in names:
        found = os.path.realpath(sys.executable) if name == "python3" else shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not on this machine")
        (folder / name).symlink_to(found)
    yield str(folder)


def until(condition: Callable[[], object], seconds: float = 40.0, *, must: bool = True) -> None:
    """Wait for a condition; with `must` its absence fails the test."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            assert not must, f"waited {seconds} s in vain"
            return
        time.sleep(0.01)
