"""The daemon's process: `python -m rpd.adapters.sandbox HOME` leaves its starter's session and returns when it serves.

Exit code 0 means it answers; 1 that it could not start (the log says why); 3 that another one lives in this home.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from rpd.adapters.sandbox.daemon_files import DaemonFiles


def main(home: str) -> int:
    """Fork the daemon off and wait until it is ready."""
    files = DaemonFiles(Path(home))
    files.make_home()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        os._exit(_daemon(files, writer))
    os.close(writer)
    word = os.read(reader, 1)
    return {b"r": 0, b"o": 3}.get(word, 1)


def _daemon(files: DaemonFiles, writer: int) -> int:
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    held = files.hold_soon()
    if held is None:
        os.write(writer, b"o")
        return 3

    def ready() -> None:
        os.write(writer, b"r")
        os.close(writer)

    try:
        from rpd.adapters.sandbox.server import serve

        serve(files, ready)
    except BaseException:
        # The last stop before the process ends: the log is the only place left to say why.
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
