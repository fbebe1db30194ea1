"""A shell or a command in the pod: by the system's `ssh` on a terminal, by SSH of our own otherwise."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import shutil
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence

from rpd.adapters.access.clouds import redactor_for
from rpd.adapters.local.children import environment_for
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.reaching.pod_of_run import Reached, explained
from rpd.adapters.reaching.ssh_entry import entry_file, write_entry
from rpd.adapters.reaching.streams import carry
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.ssh.pool import Pool
from rpd.adapters.terminal import output
from rpd.engine.errors import RpdError, UserError
from rpd.states.ports.faults import Fault

CONNECT_SECONDS = 20.0
LINK_LOST = 255
"""The exit code of `ssh` for an error of its own."""
_SETTLING = "trap : HUP INT QUIT TERM USR1 USR2"
"""The shell around the command outlives a signal, and so reports how the command took it."""


@contextlib.contextmanager
def connected(reached: Reached) -> Iterator[Connection]:
    """A connection of this process's own to the pod. SSH failures are UserError."""
    control = ProcessControl()
    pool = Pool(
        locate=lambda pod_id: reached.address,
        key_path=reached.key_path,
        clock=SystemClock(),
        control=control,
        random=random.Random(),
        redactor=redactor_for(reached.access, opened=reached.facts.opened),
    )
    try:
        yield pool.connection(reached.target.pod_id, host_key=reached.pin, deadline_seconds=CONNECT_SECONDS)
    except RpdError as error:
        if isinstance(error, UserError):
            raise
        raise explained(error, reached) from error
    finally:
        pool.close()


def shell(reached: Reached) -> int:
    """The login shell of the pod, with this terminal. `ssh` replaces this process, so that its exit code, its signals
    and the window's size are those of a plain `ssh`."""
    if (ssh := shutil.which("ssh")) is not None:
        _become(ssh, reached, [])
    return _on_own_terminal(reached, None)


def execute(reached: Reached, command: Sequence[str], *, is_terminal: bool) -> int:
    """Run these words in the pod, exactly as they are, with the streams of this process. Returns the exit code: that of
    the command, 128 + N after a signal that was passed on, 255 if the link was lost."""
    words = shlex.join(command)
    if is_terminal and not sys.stdin.isatty():
        raise UserError("there is no terminal here to give to the command", hint="leave -t out")
    if is_terminal:
        if (ssh := shutil.which("ssh")) is not None:
            _become(ssh, reached, ["-t"], words)
        return _on_own_terminal(reached, words)
    with connected(reached) as connection:
        return _lost_as_255(lambda: carry(connection.channel(f"{_SETTLING}; {words}; exit $?")))


def _become(ssh: str, reached: Reached, options: Sequence[str], *command: str) -> None:
    """Effect: `ssh` in place of this process, with the pod's entry as its whole configuration. It gets no secret of our
    environment. Raises UserError for what can be known before."""
    try:
        entry = write_entry(state_home(), reached)
    except UserError:
        raise
    except RpdError as error:
        raise explained(error, reached) from error
    configuration = str(entry_file(state_home(), entry.pod_id))
    sys.stdout.flush()
    sys.stderr.flush()
    environment = environment_for("", redactor_for(reached.access, opened=reached.facts.opened))
    os.execve(ssh, [ssh, "-F", configuration, *options, entry.alias, *command], environment)


def _on_own_terminal(reached: Reached, words: str | None) -> int:
    """The same without `ssh`: the terminal here is raw, and the pod's draws on it."""
    if not sys.stdin.isatty():
        with connected(reached) as connection:
            return _lost_as_255(lambda: carry(connection.channel('exec "${SHELL:-/bin/sh}" -l')))
    with connected(reached) as connection:
        size = os.get_terminal_size(0)
        term = os.environ.get("TERM", "xterm")
        channel = connection.terminal(term, size.columns, size.lines, words)
        with _raw():
            return _lost_as_255(lambda: carry(channel, is_terminal=True))


def _lost_as_255(act: Callable[[], int]) -> int:
    try:
        return act()
    except RpdError as error:
        if error.reason != Fault.LINK_LOST:
            raise
        output.note([f"error: {error.message}; the command may go on in the pod"])
        return LINK_LOST


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Every key goes to the pod, also Ctrl-C."""
    former = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, former)
