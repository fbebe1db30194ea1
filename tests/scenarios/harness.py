"""A user with a folder, a state home and a sandbox, who calls `rpd` as real processes, on a terminal or off it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from rpd.adapters.sandbox import daemon
from rpd.journal.lock import holder
from rpd.journal.reader import read
from rpd.journal.records import Record, Transition
from tests.canary import ARGV_LOG, HOOK, is_clean
from tests.features import used
from tests.scenarios.live import RPD, Live, Terminal, eventually
from tests.scenarios.sandbox_launcher import launcher

__all__ = ["GATED", "CommandLine", "Live", "Terminal", "artifact", "bare", "config", "eventually", "staged"]

COMPUTING = ("PROVISIONING", "STARTING", "RUNNING", "ERROR")
BOOT_SECONDS = 0.3
IMAGE = "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04"
GATED = "echo begun; until [ -e /workspace/go ]; do sleep 0.05; done\n"
"""The beginning of a job that runs until the test says go."""
ON_A_FULL_DISK = ("bash", "-c", 'ulimit -f 0; exec "$@"', "-")
"""Before a command: it can make files and cannot let them grow."""


def config(body: str = "echo hello", **sections: Any) -> dict[str, Any]:
    """A small job file; a section given here replaces or, for mappings, is laid over the usual one. What this machine's
    Python holds is left out: to list it takes longer than the rest of what a pod does."""
    usual: dict[str, Any] = {
        "name": "job",
        "pod": {"image": IMAGE, "gpu_order": ["NVIDIA L4"], "datacenters": ["EUR-IS-1"]},
        "storage": {"mode": "ephemeral", "volume_gb": 10},
        "budget": {"cost_cap_usd": 1.0, "max_runtime_minutes": 10},
        "run": {"body": body},
        "lifecycle": {"on_success": "delete", "on_failure": "stop"},
        "telemetry": {"capture_remote_env": False},
    }
    for name, section in sections.items():
        base = usual.get(name)
        usual[name] = {**base, **section} if isinstance(base, dict) and isinstance(section, dict) else section
    return usual


def artifact(**changes: Any) -> list[dict[str, Any]]:
    """One required artifact: the folder `/workspace/out`."""
    return [{"label": "result", "remote_path": "/workspace/out", "local_path": "{run_dir}/out", **changes}]


class CommandLine:
    """One state home, its sandbox, and the commands typed there."""

    def __init__(self, folder: Path, *, isolation: str | None = None) -> None:
        self.folder = folder / "project"
        self.home = folder / "home"
        self.user = folder / "user"
        self.isolation = isolation
        self.variables: dict[str, str] = {}
        self._live: list[Live] = []

    # Typing commands.

    @property
    def environment(self) -> dict[str, str]:
        """A user's environment with a state home and a home folder of its own, and `variables` of the test."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("RPD_", "RUNPOD_"))}
        isolation = self.isolation or os.environ.get("RPD_SANDBOX_ISOLATION")
        mine = {"RPD_HOME": str(self.home), "HOME": str(self.user), "TERM": "xterm"}
        heard = {"PYTHONPATH": str(HOOK), "RPD_TEST_ARGV": str(self.home.parent / ARGV_LOG)}
        chosen = {"RPD_SANDBOX_ISOLATION": isolation} if isolation else {}
        return {**kept, **mine, **heard, **chosen, **self.variables}

    def rpd(self, *arguments: str, seconds: float = 150.0) -> subprocess.CompletedProcess[str]:
        """A command, to its end, off a terminal."""
        return self._typed([*RPD, *arguments], arguments[:1], seconds)

    def rpd_on_a_full_disk(self, *arguments: str, seconds: float = 150.0) -> subprocess.CompletedProcess[str]:
        """The same where no file can grow; what it prints goes through pipes."""
        return self._typed([*ON_A_FULL_DISK, *RPD, *arguments], arguments[:1], seconds)

    def _typed(self, command: list[str], names: tuple[str, ...], seconds: float) -> subprocess.CompletedProcess[str]:
        used.update(names)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        # `sandbox up` is asked for the key.
        assert names == ("sandbox",) or is_clean(done.stdout + done.stderr), f"{command} shows a key"
        return done

    def start(self, *arguments: str) -> Live:
        """A command left running off a terminal, leader of its own session."""
        used.update(arguments[:1])
        live = Live(self, arguments)
        self._live.append(live)
        return live

    def start_on_terminal(self, *arguments: str) -> Terminal:
        """A command left running on a terminal of its own, in the foreground."""
        used.update(arguments[:1])
        live = Terminal(self, arguments)
        self._live.append(live)
        return live

    def job(self, document: dict[str, Any] | str, name: str = "job.yaml") -> Path:
        """Write a job file (JSON is YAML)."""
        path = self.folder / name
        path.write_text(document if isinstance(document, str) else json.dumps(document, indent=1))
        return path

    def run(self, document: dict[str, Any] | None = None, *more: str) -> subprocess.CompletedProcess[str]:
        """`rpd run` of this job in the sandbox, to its end."""
        if document is not None:
            self.job(document)
        return self.rpd("run", "job.yaml", "--sandbox", *more)

    def begin(self, document: dict[str, Any], *more: str) -> Live:
        """The same, left running."""
        self.job(document)
        return self.start("run", "job.yaml", "--sandbox", *more)

    # The sandbox.

    def up(self, boot_seconds: float = BOOT_SECONDS) -> None:
        """Start the sandbox."""
        if self.isolation is None:
            if not daemon.DaemonFiles(self.sandbox_home).is_served():
                launcher().launch(self.sandbox_home)
            daemon.up(self.sandbox_home, boot_seconds=boot_seconds)
            return
        done = self.rpd("sandbox", "up", "--boot-seconds", str(boot_seconds), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["isolation"] == self.isolation

    def play(self, **settings: Any) -> None:
        """Change boot time, stock, prices or balance."""
        daemon.play(self.sandbox_home, settings)

    def fault(self, fault_id: str, *, times: int = 1, after: int = 0, pod: str | None = None, **options: Any) -> None:
        """`rpd sandbox fault`."""
        words = {name: str(value) for name, value in options.items()}
        daemon.set_fault(self.sandbox_home, fault_id, times=times, after=after, pod=pod, options=words)

    def clear_faults(self, fault_id: str | None = None) -> None:
        """`rpd sandbox fault --clear`."""
        daemon.clear_faults(self.sandbox_home, fault_id)

    def struck(self, fault_id: str) -> int:
        """How often a fault has struck."""
        info = daemon.find(self.sandbox_home)
        assert info is not None, "the sandbox is up"
        return int(daemon.call(info, "GET", "/sandbox/faults")["struck"].get(fault_id, 0))

    def somebody(self, what: str) -> None:
        """Somebody else's hand on the newest live pod: `stop`, `delete` or `host-down`."""
        info = daemon.find(self.sandbox_home)
        assert info is not None, "the sandbox is up"
        daemon.call(info, "POST", f"/sandbox/pods/{self.live_pod()['id']}/{what}", {})

    def api_key(self) -> str:
        """The key of the sandbox's account."""
        return self._info().api_key

    def sandbox_url(self) -> str:
        """The address of the sandbox's API."""
        return self._info().url

    def _info(self) -> daemon.SandboxInfo:
        info = daemon.find(self.sandbox_home)
        assert info is not None, "the sandbox is up"
        return info

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        """Somebody else's request to the cloud's API, with the account's key."""
        info = daemon.find(self.sandbox_home)
        assert info is not None, "the sandbox is up"
        headers = {"Authorization": f"Bearer {info.api_key}", "User-Agent": "somebody"}
        answer = requests.request(method, f"{info.url}{path}", json=body, headers=headers, timeout=10)
        assert answer.ok, answer.text

    def truth(self) -> dict[str, Any]:
        """What `rpd sandbox truth --json` says."""
        return daemon.truth(self.sandbox_home)

    @property
    def sandbox_home(self) -> Path:
        """Where this state home's sandbox lives."""
        return self.home / "sandbox"

    def live_pod(self) -> dict[str, Any]:
        """The one pod that computes."""
        pods = [pod for pod in self.truth()["pods"] if pod["status"] in COMPUTING]
        assert len(pods) == 1, pods
        return dict(pods[0])

    def go(self) -> None:
        """Let a gated job end."""
        (self.sandbox_home / "pods" / self.live_pod()["id"] / "volume" / "go").touch()

    # Judging.

    def statuses(self) -> list[str]:
        """Statuses of all pods there ever were, oldest first."""
        return [pod["status"] for pod in self.truth()["pods"]]

    def starts(self) -> int:
        """How often the user's script was started, over all runs and launches."""
        return sum(count for launches in self.truth()["jobs"].values() for count in launches.values())

    def judge(self, *statuses: str, starts: int) -> None:
        """All pods there ever were have these statuses, and the script was started so often."""
        truth = self.truth()
        assert [pod["status"] for pod in truth["pods"]] == list(statuses), truth
        assert self.starts() == starts, truth

    def nothing_computes(self) -> None:
        """No pod bills for computing, and no run started its job twice."""
        truth = self.truth()
        assert not [pod for pod in truth["pods"] if pod["status"] in COMPUTING], truth
        assert all(sum(launches.values()) <= 1 for launches in truth["jobs"].values()), truth

    # The newest run.

    def journals(self) -> list[Path]:
        """Canonical journals."""
        return sorted((self.home / "journals").glob("*/*.jsonl"))

    @property
    def journal(self) -> Path:
        """The newest one."""
        return self.journals()[-1]

    @property
    def run_id(self) -> str:
        """The newest run."""
        return self.journal.stem

    def records(self) -> tuple[Record, ...]:
        """Its good records so far."""
        return tuple(read(self.journal).records)

    def state(self) -> str:
        """Where it stands."""
        if not self.journals():
            return "none"
        moves = [record.body.dest for record in self.records() if isinstance(record.body, Transition)]
        return str(moves[-1]) if moves else "validate"

    def inspect(self, run: str | None = None) -> dict[str, Any]:
        """What `rpd inspect --json` says."""
        done = self.rpd("inspect", run or self.run_id, "--json")
        assert done.returncode in (0, 9), done.stderr
        return dict(json.loads(done.stdout))

    def run_folder(self, run: str | None = None) -> Path:
        """The folder of a run."""
        return Path(self.inspect(run)["run_dir"])

    def result(self, name: str = "out/result.txt") -> str:
        """A file of its results here."""
        return Path(self.inspect()["run_dir"], name).read_text()

    def close(self) -> None:
        """End whatever still runs, also a session that has outlived its terminal."""
        for live in self._live:
            live.kill()
        for owner in filter(None, map(holder, self.journals())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(owner.pid, signal.SIGKILL)
        daemon.down(self.sandbox_home)
        assert all(is_clean(live.text) for live in self._live), "a command shows a key"


def bare(folder: Path, *, isolation: str | None = None) -> CommandLine:
    """A command line without a sandbox."""
    cli = CommandLine(folder, isolation=isolation)
    cli.folder.mkdir()
    cli.user.mkdir()
    return cli


@contextlib.contextmanager
def staged(folder: Path, *, isolation: str | None = None, boot_seconds: float = BOOT_SECONDS) -> Iterator[CommandLine]:
    """A command line with its sandbox up. Afterwards nothing of it runs."""
    cli = bare(folder, isolation=isolation)
    try:
        cli.up(boot_seconds)
        yield cli
    finally:
        info = daemon.DaemonFiles(cli.sandbox_home).read_info()
        cli.close()
        # Its lock is free as soon as it lets go of it; the process itself ends a moment later.
        eventually(lambda: not _left(folder), tell=lambda: f"processes are left: {_left(folder)}")
        eventually(lambda: info is None or not _is_alive(info.pid), tell=lambda: "the sandbox is left")


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if Path("/proc").is_dir() else []  # noqa: PTH208


def _left(folder: Path) -> list[int]:
    return [pid for pid in _processes() if _names(pid, folder)]


def _names(pid: int, folder: Path) -> bool:
    """Whether the process was started with a state home in this folder."""
    try:
        return f"RPD_HOME={folder}/".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and was not waited for yet does not."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text() if Path("/proc").is_dir() else ""
    except OSError as error:
        return error.errno not in (errno.ESRCH, errno.ENOENT)
    return stat.rpartition(")")[2].split()[:1] != ["Z"]
