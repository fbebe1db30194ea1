"""One SSH session: a command or a shell in the container, its streams carried byte for byte with back-pressure."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, cast

import asyncssh

from rpd.adapters.sandbox.machine import processes
from rpd.adapters.sandbox.machine.images import BASH_ENV_PATH
from rpd.adapters.sandbox.machine.sshd_streams import (
    Ends,
    InputEvents,
    OutputEvents,
    ProcessEvents,
    pipe_ends,
    set_size,
)
from rpd.adapters.sandbox.machine.sshd_terminal import set_modes

if TYPE_CHECKING:
    from rpd.adapters.sandbox.machine.guest import Guest

_STDERR = asyncssh.EXTENDED_DATA_STDERR
_HIGH_WATER = 1 << 20
_ACCEPTED_ENV = ("LANG", "LC_")


class SshSession(asyncssh.SSHServerSession[bytes]):
    """Starts what the client asks for, and ends the channel when the process has ended and said all it had to say.

    A client that goes away takes its terminal with it, and hangs up on the process group; a command without a terminal
    lives on, with its streams closed, and keeps its place among the sessions until it ends: as with sshd. `agent` gives
    the path of the client's forwarded agent. `instead` is run in place of whatever the client asks for: ForceCommand.
    """

    def __init__(
        self,
        guest: Guest,
        on_end: Callable[[], None],
        *,
        agent: Callable[[], Awaitable[str | None]],
        instead: str | None = None,
    ) -> None:
        self._guest = guest
        self._on_end = on_end
        self._chan: asyncssh.SSHServerChannel[bytes] | None = None
        self._agent = agent
        self._instead = instead
        self._is_counted = True
        self._is_sftp = False
        self._command: str | None = None
        self._terminal: tuple[str, tuple[int, int, int, int]] | None = None
        self._modes: Mapping[int, int] = {}
        self._master: int | None = None
        self._process: asyncio.SubprocessTransport | None = None
        self._is_stand_in = False
        self._outputs: dict[int, asyncio.ReadTransport] = {}
        self._open_outputs = 0
        self._input: asyncio.WriteTransport | None = None
        self._filter: Callable[[bytes], bytes] | None = None
        self._waiting: list[bytes] = []
        self._is_started = False
        self._status: int | None = None
        self._is_gone = False
        self._is_paused = False
        self._task: asyncio.Task[None] | None = None

    # What the client does.

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan
        chan.set_write_buffer_limits(high=_HIGH_WATER)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_gone = True
        self._chan = None
        if self._status is None and self._terminal is not None:
            self.hang_up()
        self._leave_if_over()
        for output in self._outputs.values():
            output.close()
        self._drop_input()

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        self._terminal, self._modes = (term_type, term_size), dict(term_modes)
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._master is not None:
            set_size(self._master, (width, height, pixwidth, pixheight))

    def shell_requested(self) -> bool:
        return self._guest.has_sshd()

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return self._guest.has_sshd()

    def subsystem_requested(self, subsystem: str) -> bool:
        self._is_sftp = subsystem == "sftp"
        return self._is_sftp and self._guest.has_sshd()

    def session_started(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._start())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._is_started:
            self._feed(data)
        else:
            self._waiting.append(data)

    def eof_received(self) -> bool:
        # An empty piece stands for the end.
        self.data_received(b"", None)
        return True

    def signal_received(self, signal: str) -> None:
        self.send_signal(signal)

    def break_received(self, msec: int) -> bool:
        return False

    def pause_writing(self) -> None:
        self._is_paused = True
        for output in self._outputs.values():
            with contextlib.suppress(RuntimeError):
                output.pause_reading()

    def resume_writing(self) -> None:
        self._is_paused = False
        for output in self._outputs.values():
            with contextlib.suppress(RuntimeError):
                output.resume_reading()
        self._finish_if_done()

    # What the process does; called by its pipes.

    def send_output(self, number: int, data: bytes) -> None:
        """Bytes of the process's standard output (1) or standard error (2)."""
        if self._chan is not None:
            with contextlib.suppress(OSError):
                self._chan.write(data, _STDERR if number == 2 else None)

    def end_output(self, number: int) -> None:
        """One of the outputs is closed."""
        self._open_outputs -= 1
        self._outputs.pop(number, None)
        self._finish_if_done()

    def end_process(self, status: int) -> None:
        """The process ended; negative numbers are signals."""
        self._status = status
        self._finish_if_done()
        self._leave_if_over()

    def hold_input(self) -> None:
        """The process does not read as fast as the client sends."""
        if self._chan is not None:
            self._chan.pause_reading()

    def take_input(self) -> None:
        """The process has caught up.

        Later, not now: resuming may bring the end of the input, and a pipe that is told its end while it calls back
        loses what it was given in the same breath.
        """
        asyncio.get_running_loop().call_soon(self._resume_reading)

    def lose_input(self) -> None:
        """The process reads no more; what the client still sends goes nowhere."""
        self._input = None
        self.take_input()

    def hang_up(self) -> None:
        """SIGHUP to the session's process group."""
        self.send_signal("HUP")

    def send_signal(self, name: str) -> None:
        """A signal, named without SIG, to the session's process group."""
        signum = getattr(signal, f"SIG{name}", None)
        if not isinstance(signum, signal.Signals) or self._process is None or self._status is not None:
            return
        leader = self._process.get_pid()
        if self._is_stand_in:
            inner = processes.children_of(leader)
            leader = inner[0] if inner else leader
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(os.getpgid(leader), signum)

    def _leave_if_over(self) -> None:
        """Make room for another session once the client has left and nothing runs; also where nothing ever ran."""
        is_running = self._process is not None and self._status is None
        is_starting = self._task is not None and not self._task.done() and self._process is None
        if self._is_gone and self._is_counted and not is_running and not is_starting:
            self._is_counted = False
            self._on_end()

    async def _start(self) -> None:
        try:
            if self._chan is not None:  # else the client left at once
                await self._spawn()
        except OSError as error:
            if self._chan is not None:
                self._chan.write(f"cannot start a session: {error.strerror}\n".encode(), _STDERR)
                self._chan.exit(255)
        finally:
            if self._process is None:
                self._task = None
                self._leave_if_over()

    async def _spawn(self) -> None:
        assert self._chan is not None
        self._command = self._instead or self._command
        env = self._environment(self._chan)
        if self._chan.get_agent_path() is not None and (agent := await self._agent()) is not None:
            env["SSH_AUTH_SOCK"] = agent
        if self._is_sftp and self._instead is None:
            launch = self._guest.sftp()
        else:
            launch = self._guest.session(self._command, env, self._terminal is not None)
        self._is_stand_in = launch.is_stand_in
        is_raw = self._is_sftp or self._terminal is not None
        self._filter = None if is_raw else self._guest.stdin_filter(self._command)
        loop = asyncio.get_running_loop()
        ends = self._open_ends()
        try:
            self._open_outputs = len(ends.outputs)
            transport, _ = await loop.subprocess_exec(
                lambda: ProcessEvents(self),
                *launch.argv,
                env=launch.env,
                cwd=launch.cwd,
                start_new_session=True,
                stdin=ends.inner[0],
                stdout=ends.inner[1],
                stderr=ends.inner[2],
            )
        except OSError:
            ends.close_outer()
            raise
        finally:
            ends.close_inner()
        self._process = transport
        for number, fd in ends.outputs.items():
            reader, _ = await loop.connect_read_pipe(partial(OutputEvents, self, number), os.fdopen(fd, "rb", 0))
            self._outputs[number] = reader
            if self._is_paused:
                reader.pause_reading()
        self._input, _ = await loop.connect_write_pipe(partial(InputEvents, self), os.fdopen(ends.input, "wb", 0))
        self._is_started = True
        if self._is_gone:
            self.connection_lost(None)
        for data in self._waiting:
            self._feed(data)
        self._waiting.clear()
        # A quick process may be over already.
        self._finish_if_done()

    def _feed(self, data: bytes) -> None:
        """Hand the client's bytes to the process; an empty piece is the end of them."""
        is_end = not data
        if self._filter is not None:
            data = self._filter(data)
        if self._input is None:
            return
        if data:
            self._input.write(data)
        if is_end and self._terminal is None:
            self._input.write_eof()

    def _finish_if_done(self) -> None:
        """Report the exit once all output is on its way: a status that overtakes data cuts a transfer short."""
        if self._chan is None or self._status is None or self._open_outputs or not self._is_started:
            return
        if self._chan.get_write_buffer_size():
            # Asks for resume_writing when the last byte has left.
            self._chan.set_write_buffer_limits(high=0)
            return
        self._drop_input()
        if self._status >= 0:
            self._chan.exit(self._status)
        else:
            self._chan.exit_with_signal(signal.Signals(-self._status).name.removeprefix("SIG"))

    def _resume_reading(self) -> None:
        if self._chan is not None:
            self._chan.resume_reading()

    def _drop_input(self) -> None:
        # A transport that is closing must not be aborted as well: it would report its end twice.
        if self._input is not None and not self._input.is_closing():
            self._input.abort()

    def _environment(self, chan: asyncssh.SSHServerChannel[bytes]) -> dict[str, str]:
        """A bare login's environment; the container's own is not part of it."""
        peer = cast(tuple[str, int], chan.get_extra_info("peername"))
        own = cast(tuple[str, int], chan.get_extra_info("sockname"))
        env = {key: value for key, value in chan.get_environment().items() if key.startswith(_ACCEPTED_ENV)}
        env |= {"USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "TERM": "dumb", "BASH_ENV": BASH_ENV_PATH}
        env |= {"SSH_CLIENT": f"{peer[0]} {peer[1]} 22", "SSH_CONNECTION": f"{peer[0]} {peer[1]} {own[0]} 22"}
        if self._terminal is not None:
            env["TERM"] = self._terminal[0] or "xterm"
        return env

    def _open_ends(self) -> Ends:
        if self._terminal is None:
            return pipe_ends()
        master, slave = self._guest.open_terminal()
        set_size(master, self._terminal[1])
        set_modes(slave, self._modes)
        self._master = master
        return Ends((slave, slave, slave), {1: master}, os.dup(master))
