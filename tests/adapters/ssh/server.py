"""A real SSH server for tests, as a program: `python server.py FOLDER [KEX]`.

It runs commands with `sh` in FOLDER/home. FOLDER holds `host_key` and `authorized_keys`; `faults.json` there is read
before every command and may hold {"cut_stdout": BYTES} (the stream ends early, with exit code 0) or
{"instead": COMMAND}. Prints its port, then
serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import asyncssh

from rpd.adapters.sandbox.machine.sshd import bar_logins

_CHUNK = 128 * 1024


async def _feed(process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, asyncssh.Error):
        while data := await process.stdin.read(_CHUNK):
            child.stdin.write(data)
            await child.stdin.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.close()


async def _pump(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes], allowed: int | None) -> None:
    """Bytes on to the client with back-pressure; after `allowed` bytes the rest is swallowed."""
    while data := await source.read(_CHUNK):
        if allowed is not None:
            data, allowed = data[:allowed], max(0, allowed - len(data))
        if data:
            target.write(data)
            await target.drain()


async def _serve_command(process: asyncssh.SSHServerProcess[bytes], folder: Path) -> None:
    faults = {}
    with contextlib.suppress(FileNotFoundError):
        faults = json.loads((folder / "faults.json").read_text())
    child = await asyncio.create_subprocess_exec(
        *("sh", "-c", faults.get("instead") or process.command or "exit 0"),
        cwd=folder / "home",
        env={**os.environ, "HOME": str(folder / "home"), "PATH": faults.get("path", os.environ["PATH"])},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None and child.stderr is not None
    feeder = asyncio.create_task(_feed(process, child))
    try:
        await asyncio.gather(
            _pump(child.stdout, process.stdout, faults.get("cut_stdout")), _pump(child.stderr, process.stderr, None)
        )
        code = await child.wait()
        if code < 0:
            process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            process.exit(0 if "cut_stdout" in faults else code)
    except (asyncssh.Error, OSError):
        child.kill()
        await child.wait()
    finally:
        feeder.cancel()


class _Doorkeeper(asyncssh.SSHServer):
    """As many sessions on one connection as the environment's MAX_SESSIONS says; the library itself knows no limit.
    With PERMIT_ROOT_LOGIN=no a key is known, and its login refused, as sshd does it. With ALLOW_TCP_FORWARDING=no no
    port is forwarded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = 0
        self._conn: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn

    def public_key_auth_supported(self) -> bool:
        return True

    def begin_auth(self, username: str) -> bool:
        if os.environ.get("PERMIT_ROOT_LOGIN") == "no":
            assert self._conn is not None
            bar_logins(self._conn)
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        known = (self._folder / "authorized_keys").read_text()
        return key.export_public_key().decode().split()[1] in known.split()

    def session_requested(self) -> asyncssh.SSHServerProcess[bytes] | bool:
        if self._open >= int(os.environ["MAX_SESSIONS"]):
            return False
        self._open += 1
        return asyncssh.SSHServerProcess(self._handle, None, 3, False)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        if os.environ.get("ALLOW_TCP_FORWARDING") == "no":
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
        return dest_host == "localhost"

    async def _handle(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        try:
            await _serve_command(process, self._folder)
        finally:
            self._open -= 1


async def _serve(folder: Path) -> None:
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: _Doorkeeper(folder),
        server_host_keys=[str(folder / "host_key")],
        encoding=None,
        compression_algs=None,
        kex_algs=sys.argv[2:] or (),
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
