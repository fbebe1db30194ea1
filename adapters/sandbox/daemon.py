"""The sandbox seen from outside its process: start it, find it, talk to it, end it. Nothing heavy is imported here.

`home` is the sandbox's own folder, `<state home>/sandbox`. All functions raise UserError for what a person can mend.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.local.children import plain_environment
from rpd.adapters.sandbox.daemon_files import DaemonFiles, SandboxInfo
from rpd.engine.errors import UserError

__all__ = [
    "DaemonFiles",
    "SandboxInfo",
    "call",
    "clear_faults",
    "down",
    "environment",
    "faults",
    "find",
    "open_log",
    "play",
    "reset",
    "set_fault",
    "status",
    "truth",
    "up",
]

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_CALL_SECONDS = 15.0
_LOG_LINES = 5


def up(home: Path, *, boot_seconds: float | None = None, scenario: Path | None = None) -> SandboxInfo:
    """Start the sandbox, or find the one that runs, and return when its API answers.

    `scenario` is a file (JSON or YAML) or the name of one that comes along; it and `boot_seconds` always apply.
    """
    settings = _scenario(scenario) if scenario is not None else {}
    if boot_seconds is not None:
        settings["boot_seconds"] = boot_seconds
    files = DaemonFiles(home)
    files.make_home()
    starting = files.hold("up.lock", wait=True)
    try:
        info = find(home)
        if info is None and (stuck := files.read_info()) is not None:
            text = f"the sandbox of {home} (pid {stuck.pid}) lives and does not answer"
            raise UserError(text, hint="rpd sandbox down")
        info = info or _start(files)
    finally:
        if starting is not None:
            os.close(starting)
    if settings:
        call(info, "POST", "/sandbox/scenario", settings)
    return info


def find(home: Path) -> SandboxInfo | None:
    """The sandbox of this home if it answers; it is not started."""
    files = DaemonFiles(home)
    info = files.read_info()
    if info is None:
        return None
    try:
        call(info, "GET", "/sandbox/status")
    except UserError:
        return None
    return info


def status(home: Path) -> dict[str, Any]:
    """What runs: `running`, and when it does `url`, `pid`, `home`, pods, armed faults, balance; of one that lives and
    does not answer `hangs` and its `pid`. No key in it."""
    info = DaemonFiles(home).read_info()
    if info is None:
        return {"running": False, "home": str(home)}
    try:
        answer = call(info, "GET", "/sandbox/status")
    except UserError:
        return {"running": True, "hangs": True, "home": str(home), "url": info.url, "pid": info.pid}
    return {"running": True, "url": info.url, "pid": info.pid, "home": info.home, **answer}


def down(home: Path) -> bool:
    """End the sandbox and every process of its pods; the state stays. False when none ran."""
    files = DaemonFiles(home)
    if not files.home.is_dir():
        return False
    was_served = files.is_served()
    info = files.read_info()
    if info is not None:
        with contextlib.suppress(UserError):
            call(info, "POST", "/sandbox/shutdown")
        if not _wait_until_gone(files):
            _kill(files, info.pid)
    if not files.is_served():
        _reap(files)
        files.remove_info()
    return was_served


def reset(home: Path) -> None:
    """Forget everything, pods deleted; a running sandbox goes on at its address, one that is down stays down."""
    info = find(home)
    if info is not None:
        call(info, "POST", "/sandbox/reset")
        return
    import shutil

    files = DaemonFiles(home)
    if not files.home.is_dir():
        return
    _reap(files)
    for name in ("state.json", "starts.tsv"):
        (files.home / name).unlink(missing_ok=True)
    for name in ("pods", "volumes"):
        shutil.rmtree(files.home / name, ignore_errors=True)


def set_fault(
    home: Path,
    fault_id: str,
    *,
    times: int = 1,
    after: int = 0,
    pod: str | None = None,
    options: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Arm a fault (the sandbox is started when it is down); returns what is armed and what has struck."""
    order = {"id": fault_id, "times": times, "after": after, "pod": pod, "set": options or {}}
    return call(up(home), "POST", "/sandbox/faults", order)


def clear_faults(home: Path, fault_id: str | None = None) -> dict[str, Any]:
    """Disarm one fault, or all."""
    from urllib.parse import quote

    query = "" if fault_id is None else f"?id={quote(fault_id.upper())}"
    return call(up(home), "DELETE", f"/sandbox/faults{query}")


def play(home: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Apply settings of a scenario (`boot_seconds`, `balance_usd`, `stock`, `prices`, `faults`)."""
    return call(up(home), "POST", "/sandbox/scenario", settings)


def faults() -> list[dict[str, Any]]:
    """All faults the sandbox knows: `id`, `occasion`, `description`, `options`."""
    from rpd.adapters.sandbox.cloud.faults import KNOWN

    return [msgspec.to_builtins(fault) for fault in KNOWN]


def truth(home: Path) -> dict[str, Any]:
    """The outside view: pods, starts of jobs, money. It can be had while the sandbox is down as well."""
    info = find(home)
    if info is not None:
        return call(info, "GET", "/sandbox/truth")
    from rpd.adapters.sandbox.cloud import state_file
    from rpd.adapters.sandbox.cloud.truth import truth as truth_of

    return truth_of(state_file.load(home), home / "starts.tsv", time.time())


def call(info: SandboxInfo, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One request on the control channel. Raises UserError when it is refused or nobody answers."""
    import http.client

    connection = http.client.HTTPConnection(info.url.removeprefix("http://"), timeout=_CALL_SECONDS)
    headers = {"Authorization": f"Bearer {info.api_key}", "Content-Type": "application/json", "User-Agent": "rpd"}
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read() or b"{}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(f"the sandbox at {info.url} does not answer: {error}", hint="rpd sandbox up") from error
    finally:
        connection.close()
    if response.status >= 400:
        lines = answer.get("errors") or [answer.get("detail", "refused")]
        raise UserError("; ".join(str(line) for line in lines), hint="rpd sandbox faults")
    return answer


def _start(files: DaemonFiles) -> SandboxInfo:
    import subprocess

    with open_log(files) as log:
        starter = subprocess.Popen(
            [sys.executable, "-m", "rpd.adapters.sandbox", str(files.home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            close_fds=True,
            start_new_session=True,
            cwd="/",
            env=environment(),
        )
    try:
        code = starter.wait(_START_SECONDS)
    except subprocess.TimeoutExpired as error:
        starter.kill()
        starter.wait()
        raise _no_start(files) from error
    info = find(files.home)
    if info is None or code not in (0, 3):
        raise _no_start(files)
    return info


def environment() -> dict[str, str]:
    """What a daemon gets of ours. It has a key of its own; the user's real one, and every other secret, has no business
    in a process that lives on."""
    return plain_environment("RPD_", "PYTHON", "VIRTUAL_ENV", "COVERAGE_", "COV_CORE_")


@contextlib.contextmanager
def open_log(files: DaemonFiles) -> Iterator[int]:
    """Where a daemon writes what it prints, as a descriptor for it to inherit."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(files.log, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _no_start(files: DaemonFiles) -> UserError:
    try:
        tail = files.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        tail = []
    why = " | ".join(line.strip() for line in tail) or "it left no word"
    if (missing := re.search(r"No module named '([\w.]+)'", why)) is not None:
        hint = "uv tool install 'rpd-cli[sandbox]'   (or pipx install, or pip install)"
        text = f"this rpd was installed without its sandbox: {missing[1]} is not here"
        return UserError(text, hint=hint, reason="sandbox_missing")
    return UserError(f"the sandbox did not start: {why}", hint=f"less {files.log}")


def _wait_until_gone(files: DaemonFiles) -> bool:
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline:
        if not files.is_served():
            return True
        time.sleep(0.02)
    return False


def _kill(files: DaemonFiles, pid: int) -> None:
    """End a daemon that does not listen. Its lock is still held, so the number in its file is its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if _wait_until_gone(files):
            return
    raise UserError(f"the sandbox (pid {pid}) cannot be ended", hint=f"kill -9 {pid}")


def _reap(files: DaemonFiles) -> None:
    """End the processes that a killed daemon left running."""
    if not (files.home / "pods").is_dir() or not any((files.home / "pods").iterdir()):
        return
    import asyncio

    from rpd.adapters.sandbox.machine.runtime import Runtime

    async def reap() -> None:
        runtime = Runtime(files.home, on_exit=lambda pod_id, code: None, on_login=lambda pod_id: None)
        await runtime.reap_leftovers()
        await runtime.close()

    asyncio.run(reap())


def _scenario(path: Path) -> dict[str, Any]:
    from importlib.resources import files

    shipped: dict[str, Any] = json.loads(files("rpd.adapters.sandbox").joinpath("scenarios.json").read_bytes())
    if not path.exists() and str(path) in shipped:
        return dict(shipped[str(path)])
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        names = ", ".join(shipped)
        raise UserError(f"no scenario {path}: {error.strerror}", hint=f"one that comes along: {names}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise UserError(f"the scenario {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"the scenario {path} is not a mapping")
    return content
