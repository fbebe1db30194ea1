"""Containers of an ordinary user: the runtime runs as `nobody`, in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

PROGRAM = r"""
import asyncio, site, sys
from pathlib import Path
site.addsitedir(sys.argv[1])
import asyncssh
from rpd.adapters.sandbox.machine.runtime import ContainerSpec, Runtime

async def main():
    home = Path(sys.argv[2])
    runtime = Runtime(home, on_exit=print, on_login=lambda pod_id: None)
    print(runtime.isolation)
    key = asyncssh.generate_private_key("ssh-ed25519")
    env = {"PUBLIC_KEY": key.export_public_key().decode(), "RUNPOD_POD_ID": "pod1"}
    spec = ContainerSpec("pod1", "x", None, env, "/workspace", True, "NVIDIA L4", 1)

    async def enter():
        await runtime.start(spec)
        port = await runtime.listen("pod1")
        for _ in range(1000):
            try:
                options = {"username": "root", "client_keys": [key], "known_hosts": None, "config": None}
                return await asyncssh.connect("127.0.0.1", port, **options)
            except (OSError, asyncssh.ConnectionLost):
                await asyncio.sleep(0.01)

    async def say(command, **options):
        print(str((await ssh.run(command, **options)).stdout).strip())

    ssh = await enter()
    await say("echo kept > /workspace/x; touch /tmp/x /root/x /new; cat /workspace/x")
    await say("id -u")
    await say("until [ -s /etc/rp_environment ]; do sleep 0.01; done; . /etc/rp_environment; echo $RUNPOD_POD_ID")
    await say("test -s /etc/passwd && test -s /etc/resolv.conf && touch /etc/new && echo etc")
    await say("touch /usr/new 2>/dev/null || echo denied")
    await say("nvidia-smi -L | grep -c L4; command -v curl >/dev/null && curl --version >/dev/null && echo curl")
    await say("mount -t tmpfs none /mnt 2>/dev/null || echo no mount")
    await say("tty; stty size", term_type="xterm", term_size=(90, 30))
    await say("setsid sleep 1000 </dev/null >/dev/null 2>&1 & until ps axo args= | grep '^sleep 1000'; do :; done")
    await runtime.stop("pod1")
    print("disk is there" if (home / "pods/pod1/disk").exists() else "disk is gone")
    ssh = await enter()
    await say("cat /workspace/x; ls /tmp /root")
    await runtime.close()

asyncio.run(main())
"""


def can_run(python: str) -> bool:
    """Whether an ordinary user can run this interpreter, and reach installed packages that fit it."""
    packages = sysconfig.get_path("purelib")
    script = (
        f"import site, sys; site.addsitedir({packages!r}); import asyncssh, rpd.adapters.sandbox.machine.runtime; "
        f"sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    )
    words = [*AS_NOBODY, python, "-S", "-c", script]
    return subprocess.run(words, capture_output=True, cwd="/", check=False).returncode == 0


@pytest.fixture
def home() -> Iterator[Path]:
    # Not pytest's own folder: that is root's alone.
    folder = Path("/tmp") / f"rpd-user-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root to become an ordinary user")
def test_containers_of_an_ordinary_user(home: Path) -> None:
    python = next(filter(can_run, ("/usr/bin/python3", sys.executable)), None)
    if python is None:
        pytest.skip("no interpreter and packages that an ordinary user can reach")
    words = [*AS_NOBODY, python, "-S", "-c", PROGRAM, sysconfig.get_path("purelib"), str(home)]
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd="/", env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    if lines[0] != "namespace":
        pytest.skip("this machine gives an ordinary user no namespaces")
    assert lines == [
        "namespace",
        "kept",
        "0",
        "pod1",
        "etc",
        "denied",
        "1",
        *(["curl"] if shutil.which("curl") else []),
        "no mount",
        "/dev/pts/0",
        "30 90",
        "sleep 1000",
        "disk is gone",
        "kept",
        "/root:",
        "",
        "/tmp:",
    ]
