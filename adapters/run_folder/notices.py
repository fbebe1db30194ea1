"""Messages about a run to the person's own command or webhook."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

import msgspec

from rpd.adapters.local.children import environment_for
from rpd.engine.errors import UserError
from rpd.journal.redact import Redactor
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Notice

COMMAND_SECONDS = 10.0
"""A pod may bill while the message is sent."""
WEBHOOK_SECONDS = 5.0


def send(notice: Notice, redactor: Redactor) -> bool:
    """Effect: run the command with the notice as JSON on its stdin, and post it to the webhook. Both are tried. Returns
    whether there was either. `redactor` knows what the command must not find in its environment, unless the job names
    it. Raises UserError with what did not work."""
    problems = []
    body = msgspec.json.encode(document(notice))
    if notice.command is not None and (problem := _run(notice.command, body, notice, redactor)):
        problems.append(problem)
    if notice.webhook is not None and (problem := _post(notice.webhook, body)):
        problems.append(problem)
    if problems:
        raise UserError("; ".join(problems), reason=Fault.STEP_FAILED)
    return notice.command is not None or notice.webhook is not None


def document(notice: Notice) -> dict[str, str]:
    """The message to send: `schema`, `what` (budget, doubt, end, debt), `run_id`, `workflow`, `text`, and what to
    type."""
    return {
        "schema": "rpd.notice/1",
        "what": notice.what,
        "run_id": notice.run_id,
        "workflow": notice.workflow,
        "text": f"{notice.workflow}: {notice.text}",
        "next": f"rpd inspect {notice.run_id}",
    }


def _run(command: str, body: bytes, notice: Notice, redactor: Redactor) -> str | None:
    env = {**environment_for(command, redactor), "RPD_NOTICE": notice.what, "RPD_RUN_ID": notice.run_id}
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return f"notify.command could not be started: {error.strerror}"
    try:
        process.communicate(body, timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"notify.command did not end within {COMMAND_SECONDS:.0f} s"
    return f"notify.command ended with {process.returncode}" if process.returncode else None


def _post(url: str, body: bytes) -> str | None:
    from rpd.adapters.http.wire import Straight, Watch

    watch = Watch()
    watch.begin(WEBHOOK_SECONDS)
    headers = {"Content-Type": "application/json", "User-Agent": "rpd"}
    try:
        with Straight(watch) as session:
            # The body is not read, because that may take any time.
            status = session.post(url, data=body, headers=headers, timeout=WEBHOOK_SECONDS, stream=True).status_code
    except OSError as error:  # its text may hold the URL, and the URL may hold a token
        return f"notify.webhook did not answer ({type(error).__name__})"
    is_heard = 200 <= status < 300  # a redirect is not followed, so the message did not arrive
    return None if is_heard else f"notify.webhook answered {status}"
