"""One pod's container: started, watched, restarted when it ends by itself, and ended with all that belongs to it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import asyncssh
import msgspec

from rpd.adapters.sandbox.machine import listeners, processes
from rpd.adapters.sandbox.machine.container import ContainerNotStarted, ContainerSpec, Isolation, Launch, PodFolder
from rpd.adapters.sandbox.machine.images import (
    AUTHORIZED_KEYS,
    SERVICE_FAULT_FILE,
    SERVICES_PATH,
    SSHD_PID_FILE,
    argv_of,
    services_of,
)
from rpd.adapters.sandbox.machine.processes import ProcessId
from rpd.adapters.sandbox.machine.rewriting import MARKER
from rpd.adapters.sandbox.machine.sshd import SESSIONS_MAX, SshDoor, SshFault

_START_SECONDS = 20.0
"""A container that does not stand by then will not."""

_END_SECONDS = 20.0
_FIRST_DELAY, _LAST_DELAY = 0.05, 2.0
"""Seconds before a container that ended is started again: the first time, and at most."""

_STEADY_SECONDS = 10.0
"""A container that ran this long starts with the first delay again."""

_LOG_BYTES = 4 << 20
_TIOCSPTLCK, _TIOCGPTPEER = 0x40045431, 0x5441


class _State(msgspec.Struct):
    """What is on disk about a running container: its first process, and the one on this machine that waits for it."""

    init: ProcessId
    parent: ProcessId | None = None


class RunningPod:
    """A pod's container and its SSH door. Not to be entered twice at once: the caller holds the pod's lock."""

    def __init__(self, folder: PodFolder, isolation: Isolation, on_exit: Callable[[str, int], None]) -> None:
        self._folder = folder
        self._isolation = isolation
        self._on_exit = on_exit
        self._watch: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._init: ProcessId | None = None
        self._key: asyncssh.SSHKey | None = None
        self.door: SshDoor | None = None
        self._services: frozenset[int] = frozenset()
        self._service_fault = ""
        self.ssh_fault: SshFault | None = None
        self.max_sessions = SESSIONS_MAX

    @property
    def is_running(self) -> bool:
        """Whether there is a container, or one about to come back."""
        return self._watch is not None

    async def start(self, spec: ContainerSpec) -> None:
        """Start the container and watch over it. Raises ContainerNotStarted."""
        await end_leftovers(self._folder)
        try:
            await self._begin(spec)
        except asyncio.CancelledError:
            await self.stop()
            raise
        self._watch = asyncio.get_running_loop().create_task(self._keep_running(spec))

    async def stop(self) -> None:
        """End the container for good and wipe its disk."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        if self._beginning is not None:
            await asyncio.gather(self._beginning, return_exceptions=True)
        await self._end()
        await asyncio.to_thread(self._folder.wipe_disk)

    def crash(self) -> None:
        """Kill the container; its watch sees the end and starts it again."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def set_ssh_fault(self, how: SshFault | None) -> None:
        """Make new SSH connections fail, now and behind later doors."""
        self.ssh_fault = how
        if self.door is not None:
            self.door.set_fault(how)

    def set_service_fault(self, how: str | None) -> None:
        """Make the services of the image fail, now and in later containers."""
        self._service_fault = how or ""
        if self._init is not None:
            self._spoil_services()

    def set_max_sessions(self, count: int | None) -> None:
        """How many sessions one SSH connection may have, now and behind later doors; None: as many as usual."""
        self.max_sessions = SESSIONS_MAX if count is None else count
        if self.door is not None:
            self.door.sessions_max = self.max_sessions

    async def close_door(self) -> None:
        """Close the SSH port, if there is one."""
        if self.door is not None:
            await self.door.close()
            self.door = None

    # What the door asks.

    def has_sshd(self) -> bool:
        """See Guest."""
        return self._init is not None and (self._folder.disk / SSHD_PID_FILE).exists()

    def host_key(self) -> asyncssh.SSHKey:
        """See Guest."""
        assert self._key is not None
        return self._key

    def authorized_keys(self) -> str:
        """See Guest."""
        try:
            return (self._folder.disk / AUTHORIZED_KEYS).read_text(errors="replace")
        except OSError:
            return ""

    def session(self, command: str | None, env: dict[str, str], pty: bool) -> Launch:
        """See Guest."""
        if self._init is None:
            raise OSError(os.strerror(3))
        return self._isolation.session(self._folder, self._init.pid, command, env, pty)

    def open_terminal(self) -> tuple[int, int]:
        """See Guest. In a namespace it is a terminal of the container's own, so that `tty` knows it."""
        inside = Path(f"/proc/{self._init.pid}/root/dev/pts/ptmx") if self._init is not None else None
        if inside is not None and self._isolation.name == "namespace":
            master = os.open(inside, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                fcntl.ioctl(master, _TIOCSPTLCK, b"\0\0\0\0")
                return master, fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError:
                os.close(master)
                raise
        return os.openpty()

    def sftp(self) -> Launch:
        """See Guest."""
        if self._init is None:
            raise OSError(os.strerror(3))
        return self._isolation.sftp(self._folder, self._init.pid)

    def inside(self, path: str) -> Path | None:
        """See Guest."""
        if self._init is None or not path.startswith("/"):
            return None
        return self._isolation.inside(self._folder, self._init.pid, path)

    def port_of(self, port: int) -> int | None:
        """See Guest. A service of the image listens elsewhere, and says where. Every other port is this machine's."""
        if self._init is None:
            return None
        if port in self._services:
            try:
                return int((self._folder.disk / SERVICES_PATH.lstrip("/") / str(port)).read_text())
            except (OSError, ValueError):
                return None
        return port if listeners.listens(port, [*self._pids(), os.getpid()]) else None

    def _pids(self) -> list[int]:
        assert self._init is not None
        if self._isolation.name == "namespace":
            return listeners.in_namespace_of(self._init.pid)
        return [each.pid for each in _members(self._folder)]

    def _spoil_services(self) -> None:
        file = self._folder.disk / SERVICE_FAULT_FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._service_fault)

    def stdin_filter(self, command: str | None) -> Callable[[bytes], bytes] | None:
        """See Guest."""
        return self._isolation.stdin_filter(self._folder, command)

    async def _keep_running(self, spec: ContainerSpec) -> None:
        """Wait for the container's end, again and again."""
        delay = _FIRST_DELAY
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            assert self._process is not None
            status = await self._process.wait()
            await self._end()
            if self.door is not None:
                await self.door.hang_up()
            self._on_exit(self._folder.pod_id, status if status >= 0 else 128 - status)
            if loop.time() - began > _STEADY_SECONDS:
                delay = _FIRST_DELAY
            await self._start_again(spec, delay)
            delay = min(delay * 2, _LAST_DELAY)

    async def _start_again(self, spec: ContainerSpec, delay: float) -> None:
        """As the cloud does: the same container on a fresh disk, until it comes up."""
        while True:
            await asyncio.sleep(delay)
            await asyncio.to_thread(self._folder.wipe_disk)
            try:
                await self._begin(spec)
            except ContainerNotStarted as error:
                self._log(f"{error}\n")
                delay = _LAST_DELAY
            else:
                return

    async def _begin(self, spec: ContainerSpec) -> None:
        """Start the container once. A cancelled caller leaves it to its end, so that `stop` sees all of it."""
        self._beginning = asyncio.get_running_loop().create_task(self._start_once(spec))
        try:
            await asyncio.shield(self._beginning)
        except OSError as error:
            await self._end()
            raise ContainerNotStarted(f"the container's disk cannot be made: {error}") from error

    async def _start_once(self, spec: ContainerSpec) -> None:
        folder = self._folder
        await asyncio.to_thread(folder.wipe_disk)
        folder.create()
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._services = frozenset(each.port for each in services_of(spec))
        self._spoil_services()
        launch = self._isolation.first(folder, spec, argv_of(spec), dict(spec.env))
        self._trim_log()
        with folder.log_file.open("ab") as log:
            self._process, reported = await _spawn(launch, log.fileno())
        if launch.reports and reported != b"ready":
            await self._end()
            raise ContainerNotStarted(
                f"the container did not come up: {reported.decode(errors='replace') or 'no answer'}"
            )
        if not launch.reports:
            init = processes.identify(self._process.pid)
            if init is not None:
                folder.state_file.write_bytes(msgspec.json.encode(_State(init)))
        state = _read_state(folder)
        self._init = state.init if state is not None else None

    async def _end(self) -> None:
        """End every process of the container, and see them gone."""
        process, self._process, self._init = self._process, None, None
        await end_leftovers(self._folder)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _trim_log(self) -> None:
        log = self._folder.log_file
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.unlink()

    def _log(self, text: str) -> None:
        with self._folder.log_file.open("a") as log:
            log.write(text)


async def end_leftovers(folder: PodFolder) -> bool:
    """End what the files of a pod say is running, and whatever carries its mark; returns whether anything was.

    Only processes that are provably the pod's are touched: same number, same start, same boot, or its mark.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _END_SECONDS
    has_found = False
    while loop.time() < deadline:
        alive = await asyncio.to_thread(_members, folder)
        if not alive:
            break
        has_found = True
        for process in alive:
            processes.end(process)
        await asyncio.sleep(0.005)
    folder.state_file.unlink(missing_ok=True)
    return has_found


def _members(folder: PodFolder) -> list[ProcessId]:
    """The pod's processes that still run, as far as this machine can tell."""
    state = _read_state(folder)
    if state is None:
        return processes.marked(f"{MARKER}={folder.path}")
    known = [process for process in (state.init, state.parent) if process is not None and processes.is_alive(process)]
    if state.parent is not None:
        # In a namespace the kernel ends the rest with the first process.
        return known
    roots = [process.pid for process in known]
    return processes.marked(f"{MARKER}={folder.path}", roots)


def _read_state(folder: PodFolder) -> _State | None:
    try:
        return msgspec.json.decode(folder.state_file.read_bytes(), type=_State)
    except (OSError, msgspec.DecodeError):
        return None


async def _spawn(launch: Launch, log: int) -> tuple[asyncio.subprocess.Process, bytes]:
    """Start a container's first process in a session of its own; returns it with what it reported."""
    read_end, write_end = os.pipe()
    words = (*launch.argv, str(write_end)) if launch.reports else launch.argv
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            env=launch.env,
            cwd=launch.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(write_end,) if launch.reports else (),
        )
    except OSError as error:
        os.close(read_end)
        raise ContainerNotStarted(f"cannot run {launch.argv[0]}: {error.strerror}") from error
    finally:
        os.close(write_end)
    with os.fdopen(read_end, "rb", buffering=0) as report:
        if not launch.reports:
            return process, b""
        reading = asyncio.get_running_loop().run_in_executor(None, report.read, 4096)
        try:
            return process, await asyncio.wait_for(asyncio.shield(reading), _START_SECONDS)
        except TimeoutError:
            process.kill()
            await reading
            return process, b""
