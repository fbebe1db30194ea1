"""Push and pull against what people use: `tar | ssh`, and rsync where it is installed.

    python benchmarks/transfer.py [--megabytes 200] [--files 10000] [--rounds 5]

Needs OpenSSH's sshd. Prints each way's median seconds and its ratio to `tar | ssh`; rounds are interleaved, so that a
busy machine hurts all alike. Every way connects anew, as a run does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rpd.adapters.transfer.pull import pull
from rpd.adapters.transfer.push import push
from rpd.states.ports.world import Pull, Tree
from tests.adapters.ssh.ssh_server import Server

Way = Callable[[Path, Path], None]


def main() -> None:
    """Measure all ways over two trees and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        big, small = folder / "big", folder / "small"
        _write(big, 1, options.megabytes * 1_000_000)
        _write(small, options.files, 10_000)
        with Server(folder / "server", kind="sshd") as server:
            for label, source in (
                (f"1 file of {options.megabytes} MB", big),
                (f"{options.files} files of 10 KB", small),
            ):
                for direction, ways in (("push", _pushes(server)), ("pull", _pulls(server))):
                    _report(f"{direction}, {label}", _measure(ways, source, folder / "out", options.rounds))
                _report(f"push again, {label}", _measure_unchanged(_pushes(server), source, folder / "out"))


def _write(root: Path, files: int, size: int) -> None:
    past = time.time() - 1000
    for count in range(files):
        path = root / str(count % 50) / str(count)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        os.utime(path, (past, past))


def _pushes(server: Server) -> dict[str, Way]:
    def ours(source: Path, target: Path) -> None:
        connection = server.connect()
        push(connection, Tree("x", str(source), str(target)), progress=_ignore, interrupted=_never)
        connection.close()

    def tar(source: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        _shell(f"tar -C {source} -cf - . | {_ssh(server)} 'tar -C {target} -xf -'")

    def rsync(source: Path, target: Path) -> None:
        _shell(f"rsync -a {_rsync_options(server)} {source}/ {_user(server)}@127.0.0.1:{target}/")

    return {"tar | ssh": tar, "rpd": ours} | ({"rsync": rsync} if shutil.which("rsync") else {})


def _pulls(server: Server) -> dict[str, Way]:
    def ours(source: Path, target: Path) -> None:
        connection = server.connect()
        pull(connection, Pull("x", str(source), str(target), True), progress=_ignore, interrupted=_never)
        connection.close()

    def tar(source: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        _shell(f"{_ssh(server)} 'tar -C {source} -cf - .' | tar -C {target} -xf -")

    def rsync(source: Path, target: Path) -> None:
        _shell(f"rsync -a {_rsync_options(server)} {_user(server)}@127.0.0.1:{source}/ {target}/")

    return {"tar | ssh": tar, "rpd": ours} | ({"rsync": rsync} if shutil.which("rsync") else {})


def _measure(ways: dict[str, Way], source: Path, target: Path, rounds: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            shutil.rmtree(target, ignore_errors=True)
            began = time.perf_counter()
            way(source, target)
            taken[name].append(time.perf_counter() - began)
    shutil.rmtree(target, ignore_errors=True)
    return taken


def _measure_unchanged(ways: dict[str, Way], source: Path, target: Path) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {}
    for name, way in ways.items():
        shutil.rmtree(target, ignore_errors=True)
        way(source, target)
        taken[name] = []
        for _ in range(3):
            began = time.perf_counter()
            way(source, target)
            taken[name].append(time.perf_counter() - began)
    shutil.rmtree(target, ignore_errors=True)
    return taken


def _report(title: str, taken: dict[str, list[float]]) -> None:
    base = statistics.median(taken["tar | ssh"])
    print(title)
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        print(f"  {name:10} {median:7.2f} s [{min(seconds):.2f}-{max(seconds):.2f}]  {median / base:5.2f}x")


def _ssh(server: Server, *, host: bool = True) -> str:
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    words = f"ssh -F /dev/null {options} -i {server.key} -p {server.port}"
    return f"{words} {_user(server)}@127.0.0.1" if host else words


def _rsync_options(server: Server) -> str:
    return f"--rsync-path={shutil.which('rsync')} -e '{_ssh(server, host=False)}'"


def _user(server: Server) -> str:
    return server.address.username


def _shell(command: str) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)


def _ignore(done: int, total: int) -> None:
    return


def _never() -> bool:
    return False


if __name__ == "__main__":
    main()
