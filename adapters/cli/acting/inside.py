"""`rpd shell`, `exec`, `pull`, `push`: a person in the pod of a run."""

from __future__ import annotations

import sys
from pathlib import Path

from rpd.adapters.reaching.inside import execute, shell
from rpd.adapters.reaching.moving import pull, push
from rpd.adapters.reaching.pod_of_run import reach
from rpd.adapters.report.paint import is_terminal
from rpd.adapters.report.words import clean, one_line, plural, size
from rpd.adapters.runs.finding import find_run_with_pod
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.states.ports.world import left_out, not_sent, refusal


def shell_into(run: str | None) -> int:
    """The exit code of the shell."""
    reached = reach(find_run_with_pod(run))
    output.note([one_line(reached.standing)])
    return shell(reached)


def execute_in(run: str | None, command: list[str] | None, *, is_terminal: bool) -> int:
    """The exit code of the command."""
    if not command:
        raise UserError("there is no command to run", hint="rpd exec RUN -- nvidia-smi")
    return execute(reach(find_run_with_pod(run)), command, is_terminal=is_terminal)


def pull_from(run: str | None, remote: str, local: str | None) -> int:
    """0 if all of it is here, 1 if parts had to be left out."""
    with _Progress() as progress:
        pulled, place = pull(reach(find_run_with_pod(run)), remote, local, progress.tell)
    told = [refusal(pulled)] if pulled.refused else []
    told += [left_out(pulled)] if pulled.left_out else []
    output.note(f"warning: {one_line(text)}" for text in told)
    output.text([f"{plural(pulled.files, 'file')}, {size(pulled.bytes)}, verified, in {Path(place)}"])
    return 1 if pulled.refused or pulled.left_out else 0


def push_to(run: str | None, local: str, remote: str | None, excludes: tuple[str, ...]) -> int:
    """0 once all of it is there, verified."""
    reached = reach(find_run_with_pod(run))
    with _Progress() as progress:
        pushed, place, owner = push(reached, local, remote, excludes, progress.tell)
    if owner is not None:
        output.note(
            [f"pid {owner.pid} drives the run and alone writes its journal, so this push is not recorded there"]
        )
    if pushed.skipped:
        output.note([f"warning: {one_line(not_sent(pushed))}"])
    sent = f"{plural(pushed.sent_files, 'file')} sent ({size(pushed.sent_bytes)})"
    output.text([f"{plural(pushed.files, 'file')}, {size(pushed.bytes)}, verified, in {place} of the pod; {sent}"])
    return 0


class _Progress:
    """The progress of a transfer: one line that changes on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self._is_shown = is_terminal(sys.stderr)
        self._is_begun = False

    def tell(self, text: str) -> None:
        """Show how far it is."""
        if self._is_shown:
            sys.stderr.write(f"\r\x1b[2K{clean(text)}")
            sys.stderr.flush()
            self._is_begun = True

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_begun:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
