"""Containers as the sandbox runs them, with and without namespaces: real processes, real SSH, real files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncssh
import msgspec
import pytest

from rpd.adapters.sandbox.machine.container import ContainerNotStarted
from rpd.adapters.sandbox.machine.runtime import ContainerSpec, Runtime

KEY = asyncssh.generate_private_key("ssh-ed25519")
PUBLIC_KEY = KEY.export_public_key().decode().strip()
INSTALL_KEY = 'mkdir -p /root/.ssh; echo "$PUBLIC_KEY" > /root/.ssh/authorized_keys'
WAIT_SECONDS = 15.0


def order(pod_id: str, **changes: object) -> ContainerSpec:
    """An order for an official-like image with two GPUs and a volume."""
    env = {"PUBLIC_KEY": PUBLIC_KEY, "RUNPOD_POD_ID": pod_id, "RUNPOD_API_KEY": "pod-scoped", "RPD_RUN_ID": "run-1"}
    spec = ContainerSpec(pod_id, "runpod/pytorch:2.8", None, env, "/workspace", True, "NVIDIA H100 80GB HBM3", 2)
    return msgspec.structs.replace(spec, **changes)


class Bench:
    """A runtime with what it reported, and a client for its pods."""

    def __init__(self, home: Path, isolation: str) -> None:
        self.home = home
        self.exits: list[tuple[str, int]] = []
        self.logins: list[str] = []
        self.runtime = Runtime(
            home,
            isolation=isolation,
            on_exit=lambda pod_id, status: self.exits.append((pod_id, status)),
            on_login=self.logins.append,
        )

    async def up(self, spec: ContainerSpec) -> asyncssh.SSHClientConnection:
        await self.runtime.start(spec)
        return await self.enter(await self.runtime.listen(spec.pod_id))

    async def enter(self, port: int) -> asyncssh.SSHClientConnection:
        """Connect as soon as sshd answers."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return await connect(port)
            except (OSError, asyncssh.ConnectionLost):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.01)


async def connect(port: int) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1", port, username="root", client_keys=[KEY], known_hosts=None, config=None, agent_path=None
    )


async def said(connection: asyncssh.SSHClientConnection, command: str, **options: object) -> str:
    """What a command wrote to standard output, which must end with 0."""
    result = await connection.run(command, check=True, **options)
    return str(result.stdout)


async def until(condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def commands() -> dict[int, list[str]]:
    """The words of every process of this machine."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return found


def sleepers(mark: str) -> list[int]:
    """Shells that were given the mark as their name; not what speaks of it, or is about to become one."""
    return [pid for pid, words in commands().items() if words[0] == "bash" and mark in words]


@pytest.fixture(params=["namespace", "rewritten"])
def isolation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    yield folder
    left = [words for words in commands().values() if any(str(folder) in word for word in words)]
    assert left == [], "a process of the test is left"
    assert str(folder) not in Path("/proc/self/mountinfo").read_text(), "a mount of the test is left"


@contextlib.asynccontextmanager
async def bench(home: Path, isolation: str) -> AsyncIterator[Bench]:
    try:
        made = Bench(home, isolation)
    except ContainerNotStarted as error:
        pytest.skip(str(error))
    try:
        yield made
    finally:
        await made.runtime.close()


def run(test: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))  # type: ignore[arg-type]


def test_the_volume_stays_and_the_container_disk_does_not(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            ssh = await b.up(order("pod1"))
            await said(
                ssh, "echo kept > /workspace/kept; for f in /root/x /tmp/x /dev/shm/x /var/tmp/x; do echo x > $f; done"
            )
            assert (home / "pods/pod1/volume/kept").read_text() == "kept\n"
            assert await said(ssh, "cd /workspace && cat kept && cat /workspace/kept") == "kept\nkept\n"
            await b.runtime.stop("pod1")
            assert not b.runtime.is_running("pod1")
            assert not (home / "pods/pod1/disk").exists()
            ssh = await b.up(order("pod1"))
            assert (
                await said(ssh, "cat /workspace/kept; ls /root/x /tmp/x /dev/shm/x /var/tmp/x 2>/dev/null || true")
                == "kept\n"
            )
            await b.runtime.remove("pod1")
            assert not (home / "pods/pod1").exists()
            assert not Path("/workspace/kept").exists()

    run(test())


def test_without_a_volume_nothing_stays(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            ssh = await b.up(order("pod1", has_volume=False, volume_path="/data/work"))
            await said(ssh, "echo x > /data/work/x && test -f /data/work/x")
            await b.runtime.stop("pod1")
            ssh = await b.up(order("pod1", has_volume=False, volume_path="/data/work"))
            assert await said(ssh, "ls /data/work") == ""

    run(test())


def test_sessions_have_a_bare_environment_and_pid_1_the_containers(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            ssh = await b.up(order("pod1"))
            env = dict(line.split("=", 1) for line in (await said(ssh, "env")).splitlines())
            assert not {"RUNPOD_POD_ID", "RUNPOD_API_KEY", "PUBLIC_KEY", "RPD_RUN_ID"} & set(env)
            assert {"PATH", "HOME", "USER", "SHELL", "BASH_ENV"} <= set(env)
            container = (await said(ssh, "tr '\\0' '\\n' < /proc/1/environ")).splitlines()
            assert {"RUNPOD_POD_ID=pod1", "RUNPOD_API_KEY=pod-scoped", "RPD_RUN_ID=run-1"} <= set(container)
            assert (
                await said(
                    ssh,
                    "until [ -e /etc/rp_environment ]; do sleep 0.01; done; . /etc/rp_environment; echo $RPD_RUN_ID",
                )
                == "run-1\n"
            )
            assert await said(ssh, "cd; [ $PWD = $HOME ] && [ $HOME -ef /root ] && echo same") == "same\n"

    run(test())


def test_stop_ends_jobs_that_left_their_session(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            ssh = await b.up(order("pod1"))
            mark = f"{os.getpid()}{time.monotonic_ns()}"
            job = f"bash -c 'while :; do sleep 0.1; done' job-{mark}"
            quiet = "</dev/null >/dev/null 2>&1"
            await said(ssh, f"setsid {job} {quiet} & setsid -f env -i {job} {quiet}; true")
            await until(lambda: len(sleepers(f"job-{mark}")) >= (2 if isolation == "namespace" else 1))
            await b.runtime.stop("pod1")
            await until(lambda: len(sleepers(f"job-{mark}")) <= (0 if isolation == "namespace" else 1))
            left = sleepers(f"job-{mark}")
            for pid in left:
                # Without namespaces a job that gave up session, parent and environment is out of reach.
                os.kill(pid, signal.SIGKILL)
            assert not (left and isolation == "namespace")

    run(test())


def test_a_client_that_is_gone_ends_what_has_its_terminal_and_a_stop_ends_the_rest(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            ssh = await b.up(order("pod1"))
            mark = f"{os.getpid()}{time.monotonic_ns()}"
            loop = "while :; do sleep 0.1; done"
            await ssh.create_process(
                f"setsid bash -c '{loop}' detached-{mark} </dev/null >/dev/null 2>&1 & bash -c '{loop}' attached-{mark}"
            )
            await ssh.create_process(f"bash -c '{loop}' terminal-{mark}", term_type="xterm")
            words = [f"{each}-{mark}" for each in ("detached", "attached", "terminal")]
            await until(lambda: all(sleepers(word) for word in words))
            ssh.abort()
            await until(lambda: not sleepers(words[2]))
            assert sleepers(words[0])
            assert sleepers(words[1])
            await b.runtime.stop("pod1")
            assert not sleepers(words[0])
            assert not sleepers(words[1])

    run(test())


def test_a_container_that_ends_is_started_again(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            args = "bash -c 'echo up >> /workspace/starts; touch /root/here; service ssh start; sleep 0.3; exit 7'"
            await b.runtime.start(order("pod1", args=args))
            await until(lambda: len(b.exits) >= 2)
            assert b.exits[:2] == [("pod1", 7), ("pod1", 7)]
            assert b.runtime.is_running("pod1")
            await b.runtime.stop("pod1")
            seen = len(b.exits)
            starts = (home / "pods/pod1/volume/starts").read_text()
            assert starts.count("up") >= 2
            await asyncio.sleep(0.2)
            assert len(b.exits) == seen

    run(test())


def test_an_end_of_the_container_takes_jobs_connections_and_host_key_along(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            args = "bash -c '/start.sh & until [ -e /workspace/end ]; do sleep 0.02; done; rm /workspace/end'"
            ssh = await b.up(order("pod1", args=args))
            first = ssh.get_server_host_key()
            mark = f"{os.getpid()}{time.monotonic_ns()}"
            job = f"setsid bash -c 'while :; do sleep 0.1; done' job-{mark} </dev/null >/dev/null 2>&1 &"
            await said(ssh, f"{job} touch /root/disk")
            await until(lambda: sleepers(f"job-{mark}"))
            port = ssh.get_extra_info("peername")[1]
            (home / "pods/pod1/volume/end").touch()
            await asyncio.wait_for(ssh.wait_closed(), 10)
            await until(lambda: not sleepers(f"job-{mark}"))
            ssh = await b.enter(port)
            assert ssh.get_server_host_key() != first
            assert await said(ssh, "ls /root") == ""
            assert b.exits == [("pod1", 0)]

    run(test())


@pytest.mark.parametrize(
    ("image", "args", "has_sshd"),
    [
        ("anything/at-all:1", None, True),
        ("anything/at-all:1", "sleep infinity", False),
        ("anything/at-all:1", "sh -c 'true & exec /start.sh'", True),
        ("anything/at-all:1", f"bash -c '{INSTALL_KEY}; service ssh start; sleep infinity'", True),
        ("sandbox/bare", "sleep infinity", False),
        ("sandbox/no-sshd", None, False),
        ("sandbox/own-entrypoint", "whatever it is", True),
    ],
)
def test_images(home: Path, isolation: str, image: str, args: str | None, has_sshd: bool) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            await b.runtime.start(order("pod1", image=image, args=args))
            port = await b.runtime.listen("pod1")
            if has_sshd:
                assert await said(await b.enter(port), "echo in") == "in\n"
            else:
                await asyncio.sleep(0.3)
                with pytest.raises((OSError, asyncssh.Error)):
                    await connect(port)
            assert b.exits == []
            assert b.logins == (["pod1"] if has_sshd else [])

    run(test())


def test_the_bare_image_ends_at_once_and_again(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            await b.runtime.start(order("pod1", image="sandbox/bare"))
            await until(lambda: len(b.exits) >= 2)
            assert set(b.exits) == {("pod1", 0)}

    run(test())


def test_without_a_key_there_is_no_sshd(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            await b.runtime.start(order("pod1", env={"PUBLIC_KEY": ""}))
            await until(lambda: "ready" in b.runtime.log_file("pod1").read_text())
            with pytest.raises((OSError, asyncssh.Error)):
                await connect(await b.runtime.listen("pod1"))

    run(test())


def test_args_that_cannot_be_run(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            with pytest.raises(ContainerNotStarted, match="words"):
                await b.runtime.start(order("pod1", args="sh -c 'not closed"))
            assert not b.runtime.is_running("pod1")
            await b.runtime.start(order("pod1", args="/no/such/program"))
            await until(lambda: b.exits)
            assert b.exits[0][1] != 0
            assert "/no/such/program" in b.runtime.log_file("pod1").read_text()

    run(test())


def test_nvidia_smi(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            ssh = await b.up(order("pod1"))
            listed = (await said(ssh, "nvidia-smi -L")).splitlines()
            assert [line.split(" (")[0] for line in listed] == [f"GPU {i}: NVIDIA H100 80GB HBM3" for i in (0, 1)]
            query = "nvidia-smi --query-gpu=index,name,memory.total,utilization.gpu"
            assert (
                await said(ssh, f"{query} --format=csv,noheader,nounits -i 1") == "1, NVIDIA H100 80GB HBM3, 81559, 0\n"
            )
            header, *rows = (await said(ssh, f"{query} --format=csv")).splitlines()
            assert header == "index, name, memory.total [MiB], utilization.gpu [%]"
            assert rows[0] == "0, NVIDIA H100 80GB HBM3, 81559 MiB, 0 %"
            assert "NVIDIA-SMI" in await said(ssh, "nvidia-smi")
            wrong = await ssh.run("nvidia-smi --query-gpu=nonsense --format=csv")
            assert wrong.exit_status == 2
            ssh = await b.up(order("pod2", gpu_count=0))
            none = await ssh.run("nvidia-smi -L")
            assert none.stdout == "No devices were found\n"
            assert none.exit_status != 0

    run(test())


def test_a_start_of_the_users_script_is_counted_once_and_unseen(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            ssh = await b.up(order("pod1"))
            env = "RPD_SCRIPT=/workspace/job.sh RPD_RUN_ID=run-1 RPD_LAUNCH=3"
            script = "echo out; bash -c true; bash /workspace/other.sh; echo $RPD_LAUNCH $#\n"
            await said(ssh, "cat > /workspace/job.sh; echo : > /workspace/other.sh", input=script)
            command = f"cd /workspace; {env} setsid bash -eu ./job.sh one"
            result = await ssh.run(command, check=True)
            assert (result.stdout, result.stderr) == ("out\n3 1\n", "")
            assert b.runtime.starts_file.read_text() == "run-1\t3\n"
            traced = await ssh.run(f"{env} bash -x /workspace/job.sh", check=True)
            assert "starts" not in str(traced.stderr)
            assert b.runtime.starts_file.read_text() == "run-1\t3\n" * 2
            await said(ssh, f"{env} bash -c true /workspace/job.sh; bash /workspace/job.sh")
            assert b.runtime.starts_file.read_text() == "run-1\t3\n" * 2

    run(test())


def test_the_tools_of_this_machine_reach_its_loopback(home: Path, isolation: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with bench(home, isolation) as b:
            ssh = await b.up(order("pod1"))
            url = f"http://127.0.0.1:{port}/"
            fetch = f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"
            assert await said(ssh, f'python3 -c "{fetch}"') == "hello\n"
            if shutil.which("curl"):
                assert await said(ssh, f"curl -s {url}") == "hello"
        server.close()

    run(test())


def test_a_killed_runtime_leaves_pods_running_and_its_successor_finds_them(home: Path, isolation: str) -> None:
    mark = f"{os.getpid()}{time.monotonic_ns()}"
    program = f"""
import asyncio
from pathlib import Path
from rpd.adapters.sandbox.machine.runtime import ContainerSpec, Runtime
async def main():
    runtime = Runtime(Path({str(home)!r}), isolation={isolation!r}, on_exit=print, on_login=print)
    args = "bash -c 'while :; do sleep 0.1; done' pod-{mark}"
    await runtime.start(ContainerSpec("pod1", "x", args, {{}}, "/workspace", True, "", 0))
    print("up", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""

    async def test() -> None:
        async with bench(home, isolation) as b:
            daemon = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
            assert daemon.stdout is not None
            with daemon.stdout:
                assert await asyncio.to_thread(daemon.stdout.readline) == b"up\n"
            await until(lambda: bool(sleepers(f"pod-{mark}")))
            daemon.kill()
            daemon.wait()
            assert sleepers(f"pod-{mark}")
            assert await b.runtime.reap_leftovers() == ["pod1"]
            await until(lambda: not sleepers(f"pod-{mark}"))
            assert await b.runtime.reap_leftovers() == []

    run(test())


def test_a_stranger_with_the_number_of_a_pods_process_is_spared(home: Path, isolation: str) -> None:
    async def test() -> None:
        async with bench(home, isolation) as b:
            stranger = subprocess.Popen(["sleep", "60"])
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            process = {"pid": stranger.pid, "started": "1", "boot": boot}
            control = home / "pods/pod1/control"
            control.mkdir(parents=True)
            (control / "state.json").write_bytes(msgspec.json.encode({"init": process, "parent": process}))
            assert await b.runtime.reap_leftovers() == []
            assert stranger.poll() is None
            stranger.kill()
            stranger.wait()

    run(test())


def test_a_container_is_up_quickly(home: Path) -> None:
    async def test() -> None:
        async with bench(home, "namespace") as b:
            times = []
            for number in range(3):
                began = time.monotonic()
                ssh = await b.up(order(f"pod{number}"))
                await said(ssh, "true")
                times.append(time.monotonic() - began)
            assert min(times) < 0.9

    run(test())


def test_a_namespace_hides_and_protects_this_machine(home: Path) -> None:
    async def test() -> None:
        async with bench(home, "namespace") as b:
            ssh = await b.up(order("pod1"))
            mounts = Path("/proc/self/mountinfo").read_text()
            assert "pod1" not in mounts
            seen = (await said(ssh, "ps axo pid=,args= | wc -l; ls /home; hostname")).split()
            assert int(seen[0]) < 10
            assert seen[1:] == ["pod1"]
            assert (await ssh.run(f"ls {Path(__file__).parent}")).exit_status != 0
            await ssh.run(
                "echo bad > /etc/rpd-test; echo bad > /usr/rpd-test; echo bad > /bin/rpd-test; echo bad > /var/rpd-test"
            )
            assert not [where for where in ("/etc", "/usr", "/var") if (Path(where) / "rpd-test").exists()]
            for command in (
                "echo 1 > /proc/sys/vm/drop_caches",
                "mount -o remount,rw /sys",
                "mount -t tmpfs none /mnt",
                "mknod /dev/vda b 254 0",
                "kill -0 " + str(os.getpid()),
                "hostname other",
            ):
                assert (await ssh.run(command)).exit_status != 0, command

    run(test())


def test_isolation_is_chosen_by_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPD_SANDBOX_ISOLATION", "rewritten")
    assert Runtime(home, on_exit=lambda *_: None, on_login=lambda _: None).isolation == "rewritten"
    with pytest.raises(ValueError, match="isolation"):
        Runtime(home, isolation="other", on_exit=lambda *_: None, on_login=lambda _: None)
