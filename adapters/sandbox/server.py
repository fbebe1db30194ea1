"""The daemon's inside: one event loop with the cloud, its API on loopback, and a watch that ends it when it is idle."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

import uvicorn

from rpd.adapters.sandbox.api import app
from rpd.adapters.sandbox.api.connections import Connections
from rpd.adapters.sandbox.cloud import state_file
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel
from rpd.adapters.sandbox.daemon_files import DaemonFiles, SandboxInfo
from rpd.adapters.sandbox.machine.runtime import Runtime

_IDLE_SECONDS = 60.0
_LOOPBACK = "127.0.0.1"


def serve(files: DaemonFiles, on_ready: Callable[[], None]) -> None:
    """Serve until told to stop or idle; `on_ready` is called once the API answers. No process is left afterwards."""
    asyncio.run(_serve(files, on_ready))


async def _serve(files: DaemonFiles, on_ready: Callable[[], None]) -> None:
    cloud = CloudModel(
        files.home,
        state_file.load(files.home),
        lambda on_exit, on_login: Runtime(files.home, on_exit=on_exit, on_login=on_login),
    )
    listener = _bind(cloud.state.port)
    cloud.state.port = listener.getsockname()[1]
    cloud.api_url = f"http://{_LOOPBACK}:{cloud.state.port}"
    idle = _Idle(cloud)
    connections = Connections()
    server = _Server(
        uvicorn.Config(
            app.build(cloud, connections, files.api_key(), idle.touch, lambda: server.stop()),
            http=connections.protocol(),
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    serving = asyncio.create_task(server.serve([listener]))
    watching = asyncio.create_task(idle.watch(server))
    try:
        await cloud.recover()
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        files.write_info(
            SandboxInfo(
                url=cloud.api_url,
                api_key=files.api_key(),
                home=str(files.home),
                pid=os.getpid(),
                isolation=cloud.runtime.isolation,
            )
        )
        on_ready()
        await serving
    finally:
        files.remove_info()
        watching.cancel()
        await cloud.close()


class _Server(uvicorn.Server):
    """A server that leaves signals to its owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def stop(self) -> None:
        """Finish what is being answered, then return from `serve`."""
        self.should_exit = True


class _Idle:
    """Ends the server some time after the last live pod and the last request."""

    def __init__(self, cloud: CloudModel) -> None:
        self._cloud = cloud
        self._seconds = float(os.environ.get("RPD_SANDBOX_IDLE_SECONDS") or _IDLE_SECONDS)
        self._last = time.monotonic()

    def touch(self) -> None:
        """Somebody asked for something."""
        self._last = time.monotonic()

    async def watch(self, server: _Server) -> None:
        """Look now and then; stop the server when it was idle long enough."""
        while True:
            await asyncio.sleep(min(1.0, self._seconds / 4))
            if self._cloud.has_live_pods():
                self.touch()
            elif time.monotonic() - self._last > self._seconds:
                server.stop()


def _bind(port: int) -> socket.socket:
    """A listening socket on loopback, on the port of the last time if it is free."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, port))
    except OSError:
        listener.bind((_LOOPBACK, 0))
    listener.listen(128)
    return listener
