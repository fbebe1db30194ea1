"""A web service as an image brings one: `image-service KIND PORT FOLDER`. It runs in the pod, from this very text, with
nothing but the standard library.

Pods share this machine's network, so the service listens on a free port, and writes its number to `FOLDER/PORT`. The
sandbox's sshd sends what is forwarded to PORT there. `FOLDER/fault` says how the service fails: never (nothing
listens), error (status 500), silent (accepted, and never answered).
"""

from __future__ import annotations

import http.server
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

START_SECONDS = 0.5
"""Loading takes a while, as it does there."""

LOOK_SECONDS = 0.05
PAGES: dict[str, dict[str, Any]] = {
    "comfyui": {
        "/": "<!DOCTYPE html><title>ComfyUI</title><h1>ComfyUI</h1>",
        "/system_stats": {
            "system": {"os": "posix", "comfyui_version": "0.3.60", "python_version": sys.version},
            "devices": [{"name": "cuda:0", "type": "cuda", "index": 0}],
        },
        "/queue": {"queue_running": [], "queue_pending": []},
    },
    "notebook": {
        "/": "<!DOCTYPE html><title>JupyterLab</title><h1>JupyterLab</h1>",
        "/lab": "<!DOCTYPE html><title>JupyterLab</title><h1>JupyterLab</h1>",
        "/api": {"version": "2.17.0"},
    },
    "code-server": {
        "/": "<!DOCTYPE html><title>code-server</title><h1>code-server</h1>",
        "/healthz": {"status": "alive", "lastHeartbeat": 0},
    },
}


class Server(http.server.ThreadingHTTPServer):
    """The service of one kind. `folder` holds its fault."""

    daemon_threads = True

    def __init__(self, kind: str, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.kind = kind
        self.folder = folder


class Answer(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Answer with a page, with JSON, or as the fault wants it."""
        while (how := fault(self.server.folder)) == "silent":
            time.sleep(LOOK_SECONDS)
        page = PAGES[self.server.kind].get(self.path.split("?")[0])
        status = 500 if how == "error" else 404 if page is None else 200
        text = page if isinstance(page, str) else json.dumps(page if status == 200 else {"error": status})
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(page, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Into the container's log."""
        print(f"{self.server.kind}: {format % args}", flush=True)


def fault(folder: Path) -> str:
    """How the service is to fail; empty when it is well."""
    try:
        return (folder / "fault").read_text().strip()
    except OSError:
        return ""


def serve(kind: str, port: int, folder: Path) -> None:
    """Listen until the fault forbids it."""
    with Server(kind, folder) as server:
        threading.Thread(target=server.serve_forever, args=(LOOK_SECONDS,), daemon=True).start()
        written = folder / f"{port}.new"
        written.write_text(str(server.server_port))
        written.replace(folder / str(port))
        print(f"{kind}: to see the page go to http://127.0.0.1:{port}", flush=True)
        while fault(folder) != "never":
            time.sleep(LOOK_SECONDS)
        (folder / str(port)).unlink(missing_ok=True)
        server.shutdown()


def main(kind: str, port: str, folder: str) -> None:
    """Serve for ever."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    time.sleep(START_SECONDS)
    while True:
        if fault(Path(folder)) == "never":
            time.sleep(LOOK_SECONDS)
        else:
            serve(kind, int(port), Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
