"""The texts that run in a pod: the shell files of this folder, put together with the values they need.

Every value becomes a quoted assignment before the first line, so no value can be read as shell text.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
import math
import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from rpd.engine.errors import Refused
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import SecretFile
from rpd.states.ports.world import JobRef, LaunchOrder, Pull, Step, SwitchOrder, Target

STALE_SECONDS = 30
"""The age from which on a claim that never started may be taken over, if no process is alive behind it."""

SETTLE_SECONDS = 2
"""How long the processes that a script leaves may take to end by themselves, before rpd counts them or waits for
them."""

SAMPLES_BYTES = 512 * 1024
"""How much of the samples is read: half a day of one GPU's."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}\Z")


def greet_script(target: Target) -> str:
    """Asks the pod for its identity, and writes the owner's fencing token."""
    return _put_together(target, {"rpd_expected": target.pod_id}, "common", "environment", "greet")


def claim_script(target: Target, job: JobRef) -> str:
    """Prints the claim."""
    return _put_together(target, _job_values(target, job), "common", "claim") + "rpd_yield\nrpd_print_claim\n"


def launch_script(target: Target, order: LaunchOrder, *, stale_seconds: int = STALE_SECONDS) -> str:
    """Starts the job exactly once. Raises Refused for a script that no shell can carry and for bad variable names."""
    body = order.script if order.script.endswith("\n") else order.script + "\n"
    job = order.ref
    values = {
        **_job_values(target, job),
        "rpd_script": order.script_path,
        "rpd_anchor": f"{order.anchor_seq} {order.anchor_z}",
        "rpd_stale_seconds": str(stale_seconds),
    }
    sampling = {
        "rpd_sample_seconds": str(order.sample_seconds) if order.sample_seconds else "",
        "rpd_captures": " ".join(order.captures),
    }
    background = {
        "rpd_background": order.background,
        "rpd_settle": str(SETTLE_SECONDS),
        "rpd_keeps_left": "1" if order.keeps_left else "",
        "rpd_results": "\n".join(order.results),
    }
    named = _named_shell(order.shell) if order.shell else _file("shell")
    files = ("common", "sampler", "left", "background", "reserve")
    wrapper = _put_together(target, {**values, **sampling, **background}, *files, texts=named, last="wrapper")
    texts = _exports(order.env) + _text_function("rpd_script_text", body) + _text_function("rpd_wrapper_text", wrapper)
    return _put_together(target, values, "common", "environment", "claim", texts=texts, last="launch")


def _named_shell(shell: str) -> str:
    """The same function as in the file `shell`, with the words of the job file in place of its choice."""
    try:
        words = " ".join(map(_quote, shlex.split(shell)))
    except ValueError as error:
        raise Refused(f"run.shell cannot be split into words: {error}", reason=Fault.INVALID) from error
    return f'rpd_exec_script() {{ rpd_exec_session "$@" {words} "$rpd_script"; }}\n'


def follow_script(target: Target, job: JobRef, offset: int) -> str:
    """Sends the log from `offset` on and reports the job's end."""
    return _put_together(target, {**_job_values(target, job), "rpd_offset": str(offset)}, "common", "claim", "follow")


def samples_script(target: Target) -> str:
    """Prints the pod's time, and the newest samples."""
    tail = f'rpd_now; tail -c {SAMPLES_BYTES} "$rpd_folder/telemetry/metrics.jsonl" 2>/dev/null; :\n'
    return _put_together(target, {}, "common") + tail


def stop_script(target: Target, job: JobRef, grace_seconds: float) -> str:
    """Ends the job."""
    values = {**_job_values(target, job), "rpd_grace": str(math.ceil(grace_seconds))}
    return _put_together(target, values, "common", "claim", "left", "stop")


def attend_script(target: Target) -> str:
    """Renews the owner heartbeat once, unless another owner acts."""
    return _put_together(target, {}, "common", last="attend")


def heartbeat_script(target: Target) -> str:
    """Renews the owner heartbeat with every line it reads, until there are no more."""
    values = _values(target)
    beats = 'while read -r rpd_beat; do date +%s >"$rpd_folder/switch/owner"; done\n'
    return _assignments(values) + 'mkdir -p "$rpd_folder/switch"\n' + beats


def step_script(target: Target, step: Step, *, may_start: bool, patience_seconds: int) -> str:
    """Starts a step, or waits for it up to `patience_seconds`, or prints its result."""
    text = _python_text(step) if step.python else step.command
    command = text if text.endswith("\n") else text + "\n"
    values = {
        **_step_values(target, step),
        "rpd_timeout": str(max(1, math.ceil(step.timeout_seconds))),
        "rpd_may_start": "1" if may_start else "",
        "rpd_round": str(step.round),
        "rpd_patience": str(patience_seconds),
    }
    supervisor = _put_together(target, values, "common", "supervisor")
    texts = (
        _exports(step.env)
        + _text_function("rpd_command_text", command)
        + _text_function("rpd_supervisor_text", supervisor)
    )
    return _put_together(target, values, "common", "environment", texts=texts, last="step")


def _python_text(step: Step) -> str:
    """The installation of an interpreter, as the command of its step."""
    return _assignments({"rpd_version": step.python, "rpd_project": step.project}) + _file("python")


def place_script(target: Target, files: Sequence[SecretFile], contents: Sequence[bytes]) -> str:
    """Writes files of secrets. Their content travels as text of the script, on its stdin."""
    texts, lines = "", []
    for number, (file, content) in enumerate(zip(files, contents, strict=True), start=1):
        texts += _text_function(f"rpd_secret_{number}", base64.encodebytes(content).decode() or "\n")
        lines.append(f"rpd_place {number} {_quote(file.destination)} {file.mode} {len(content)}")
    texts += _all("rpd_place_all", lines)
    return _put_together(target, {}, "common", "secret_place", texts=texts, last="place")


def unplace_script(target: Target, files: Sequence[SecretFile]) -> str:
    """Removes files of secrets."""
    lines = [f"rpd_unplace {number} {_quote(file.destination)}" for number, file in enumerate(files, start=1)]
    return _put_together(target, {}, "common", "secret_place", texts=_all("rpd_unplace_all", lines), last="unplace")


def take_lease_script(target: Target, places: Sequence[str], gone: Sequence[str]) -> str:
    """Takes the leases of destinations on the volume, or reports the holder of one."""
    values = {**_lease_values(target), "rpd_gone": " ".join(gone)}
    lines = []
    for place in places:
        key = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        lines.append(f'"$1" {key} {_quote(place.partition(chr(10))[0])}')
    return _put_together(target, values, "common", "volume_lease", texts=_all("rpd_places", lines)) + "rpd_take_all\n"


def drop_lease_script(target: Target) -> str:
    """Drops all leases of the run."""
    return _put_together(target, _lease_values(target), "common", "volume_lease") + "rpd_drop_all\n"


def _lease_values(target: Target) -> dict[str, str]:
    leases = PurePosixPath(target.folder).parent / "leases"
    return {"rpd_leases": str(leases), "rpd_pod": target.pod_id, "rpd_pod_name": target.pod_name, "rpd_gone": ""}


def bucket_script(
    target: Target, pull: Pull, *, root: str, place: str, single: str, names: Sequence[str], is_all: bool
) -> str:
    """Pushes files below `root` to a bucket and lists it. The script holds values of the environment, so it must not be
    in an argument list."""
    values = {"rpd_root": root, "rpd_to": place, "rpd_single": single, "rpd_is_all": "1" if is_all else ""}
    texts = (
        _exports(pull.env)
        + "".join(["rpd_sources() {\n:\n", *(f". {path}\n" for path in pull.source_files), "}\n"])
        + _text_function("rpd_names", "".join(f"{name}\n" for name in names))
    )
    return _put_together(target, values, "common", "environment", texts=texts, last="bucket")


def stop_step_script(target: Target, step: Step) -> str:
    """Calls a step off."""
    return _put_together(target, _step_values(target, step), "common", "stop_step")


def arm_script(target: Target, order: SwitchOrder, now: float) -> str:
    """Gives the switch its orders, checks that it runs, and reads all back. `now` is the time of this machine's clock,
    by which the limit was computed (UTC seconds). In the pod the limit counts by the pod's clock."""
    values = {
        "rpd_expected": target.pod_id,
        "rpd_generation": str(order.generation),
        "rpd_limit": str(math.ceil(order.limit_at)),
        "rpd_rest": f"{order.action} {math.ceil(order.owner_silence_seconds)}",
        "rpd_here": str(int(now)),
        "rpd_launch": str(order.launch),
    }
    texts = _text_function("rpd_switch_text", switch_text() + 'rpd_switch "$1" "$2"\n')
    return _put_together(target, values, "common", "environment", "switch", texts=texts, last="arm")


@functools.cache
def switch_text() -> str:
    """The switch without comments and indents: short enough for a start command."""
    lines = (line.strip() for line in _file("switch").splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


def _put_together(target: Target, values: Mapping[str, str], *names: str, texts: str = "", last: str = "") -> str:
    files = [_file(name) for name in names]
    return _assignments({**_values(target), **values}) + "".join(files) + texts + (_file(last) if last else "")


def _values(target: Target) -> dict[str, str]:
    """The values of a run. `rpd_workdir` is the volume, where jobs and steps start: the folder that contains the run's
    folder."""
    folder = PurePosixPath(target.folder)
    return {
        "rpd_run": target.run_id,
        "rpd_folder": target.folder,
        "rpd_workdir": str(folder.parent.parent),
        "rpd_epoch": str(target.epoch),
        "rpd_owner": target.owner,
    }


def _job_values(target: Target, job: JobRef) -> dict[str, str]:
    return {
        "rpd_launch": str(job.launch),
        "rpd_job": f"{target.folder}/jobs/{job.launch}",
        "rpd_log": job.log_path,
        "rpd_marker": job.success_marker or "",
        "rpd_failures": "\n".join(job.failure_markers),
    }


def _step_values(target: Target, step: Step) -> dict[str, str]:
    if not _PLAIN_KEY.match(step.key):
        raise Refused(f"{step.key!r} cannot name a step's folder", reason=Fault.PATH_REFUSED)
    return {"rpd_key": step.key, "rpd_step": f"{target.folder}/steps/{step.key}"}


def _exports(env: Mapping[str, str]) -> str:
    """A function that exports `env`. The values stay out of every argument list."""
    for name in env:
        if not _NAME.match(name):
            raise Refused(f"{name!r} is not the name of a variable", reason=Fault.INVALID)
    lines = "".join(f"export {name}={_quote(value)}\n" for name, value in env.items())
    return f"rpd_exports() {{\n:\n{lines}}}\n"


def _all(name: str, lines: Sequence[str]) -> str:
    """A function that runs one line after the other, as long as each succeeds."""
    return f"{name}() {{\n{' &&'.join(f'{chr(10)}{line}' for line in lines)}\n}}\n"


def _text_function(name: str, text: str) -> str:
    """A function that prints `text`, which ends with a newline. The delimiter is random, so no line of the text can be
    equal to it."""
    _quote(text)
    while True:
        delimiter = f"RPD_{secrets.token_hex(16)}"
        if delimiter not in text:
            return f"{name}() {{\ncat <<'{delimiter}'\n{text}{delimiter}\n}}\n"


def _assignments(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={_quote(value)}\n" for name, value in values.items())


def _quote(value: str) -> str:
    if "\0" in value:
        raise Refused("a text for the pod holds a NUL byte, which no shell can carry", reason=Fault.INVALID)
    return shlex.quote(value)


@functools.cache
def _file(name: str) -> str:
    return importlib.resources.files("rpd.adapters.pod").joinpath(f"{name}.sh").read_text(encoding="utf-8")
