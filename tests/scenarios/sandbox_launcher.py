"""Where the sandboxes of stages come from: a process that has loaded the daemon's code, and forks for each home.

Loading is most of what a daemon's start costs, and the scenarios start more than a hundred. What runs from there on is
the shipped daemon's own `main`; the command that starts it otherwise is tried in tests/sandbox/test_daemon.py.
"""

from __future__ import annotations

import functools
import json
import os
import select
import subprocess
import sys
from pathlib import Path

from rpd.adapters.sandbox.__main__ import main
from rpd.adapters.sandbox.daemon import environment, open_log
from rpd.adapters.sandbox.daemon_files import DaemonFiles

START_SECONDS = 30.0


class SandboxLauncher:
    """The process. It ends by the end of its input, so with the one that made it at the latest."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.scenarios.sandbox_launcher"],
            cwd=Path(__file__).resolve().parents[2],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def launch(self, home: Path) -> None:
        """A daemon of this home, in this process's environment; it answers when this returns. A launcher that does not
        answer is ended: what it would say later belongs to nobody."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps([str(home), environment()]), file=self._process.stdin, flush=True)
        is_said = select.select([self._process.stdout], [], [], START_SECONDS)[0]
        code = self._process.stdout.readline().strip() if is_said else "no answer"
        if not code:
            code = "it is gone"
        if code not in ("0", "3"):  # 3: there is one already
            if not code.isdecimal():
                close()
            raise AssertionError(f"the sandbox did not start ({code}); see {DaemonFiles(home).log}")

    def close(self) -> None:
        """End it; the daemons live on."""
        try:
            self._process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@functools.cache
def launcher() -> SandboxLauncher:
    """The one of this test process."""
    return SandboxLauncher()


def close() -> None:
    """End the one of this test process, if there is one."""
    if launcher.cache_info().currsize:
        launcher().close()
        launcher.cache_clear()


def _serve() -> None:
    import rpd.adapters.sandbox.server  # noqa: F401  # it is what takes long

    for line in sys.stdin:
        home, variables = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_start(Path(home), variables))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _start(home: Path, variables: dict[str, str]) -> int:
    """What the command's starter does, then the command."""
    os.environ.clear()
    os.environ.update(variables)
    os.setsid()
    os.chdir("/")
    files = DaemonFiles(home)
    files.make_home()
    with open_log(files) as log, open(os.devnull) as nothing:  # noqa: PTH123
        for source, place in ((nothing.fileno(), 0), (log, 1), (log, 2)):
            os.dup2(source, place)
    return main(str(home))


if __name__ == "__main__":
    _serve()
