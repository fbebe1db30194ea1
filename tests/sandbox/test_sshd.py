"""The SSH door of a pod: bytes, channels, terminals, signals, forwarding, keys and faults, against a real container."""

from __future__ import annotations

import asyncio
import contextlib
import filecmp
import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncssh
import pytest

from rpd.adapters.sandbox.machine.container import ContainerNotStarted
from rpd.adapters.sandbox.machine.runtime import ContainerSpec, Runtime

KEY = asyncssh.generate_private_key("ssh-ed25519")
MEGABYTE = 1_000_000


class Pod:
    """A running pod, its port, and a connection to it."""

    def __init__(self, runtime: Runtime, logins: list[str]) -> None:
        self.runtime = runtime
        self.logins = logins
        self.port = 0

    async def connect(self, key: asyncssh.SSHKey = KEY, username: str = "root") -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            "127.0.0.1",
            self.port,
            username=username,
            client_keys=[key],
            known_hosts=None,
            config=None,
            agent_path=None,
            encryption_algs=["aes128-gcm@openssh.com"],
        )


@pytest.fixture(params=["namespace", "rewritten"])
def isolation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.asynccontextmanager
async def running(home: Path, isolation: str, image: str = "x") -> AsyncIterator[Pod]:
    """A pod whose sshd answers."""
    logins: list[str] = []
    try:
        runtime = Runtime(home, isolation=isolation, on_exit=lambda *_: None, on_login=logins.append)
    except ContainerNotStarted as error:
        pytest.skip(str(error))
    pod = Pod(runtime, logins)
    env = {"PUBLIC_KEY": KEY.export_public_key().decode()}
    try:
        await runtime.start(ContainerSpec("pod1", image, None, env, "/workspace", True, "NVIDIA L4", 1))
        pod.port = await runtime.listen("pod1")
        await until(lambda: (home / "pods/pod1/disk/run/sshd.pid").exists())
        yield pod
    finally:
        await runtime.close()


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def run(test: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))  # type: ignore[arg-type]


def greeting(port: int, seconds: float) -> bytes:
    """What the port says by itself; empty when it closes at once. TimeoutError when it is silent."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as client:
            return client.recv(255)
    except ConnectionResetError:
        return b""


def test_no_byte_is_lost_in_either_direction(tmp_path: Path, isolation: str) -> None:
    data = os.urandom(20 * MEGABYTE)
    digest = hashlib.sha256(data).hexdigest()

    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            pushed = await ssh.run("sha256sum", input=data, encoding=None, check=True)
            assert pushed.stdout.split()[0].decode() == digest  # type: ignore[union-attr]
            await ssh.run("cat > /workspace/data.tar", input=data, encoding=None, check=True)
            pulled = await ssh.run("cat /workspace/data.tar", encoding=None, check=True)
            assert pulled.stdout == data

    run(test())


def test_a_slow_reader_gets_everything(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            process = await ssh.create_process("head -c 8000000 /dev/zero; echo end >&2; exit 4", encoding=None)
            received = 0
            while chunk := await process.stdout.read(65536):
                received += len(chunk)
                await asyncio.sleep(0.001)
            ended = await process.wait()
            assert (received, ended.stderr, ended.exit_status) == (8_000_000, b"end\n", 4)

    run(test())


def test_many_channels_on_one_connection(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            began = time.monotonic()
            for _ in range(6):
                results = await asyncio.gather(*(ssh.run(f"read x; echo {i}-$x", input=f"{i}\n") for i in range(10)))
                assert [result.stdout for result in results] == [f"{i}-{i}\n" for i in range(10)]
            assert time.monotonic() - began < 15
            assert pod.logins == ["pod1"]

    run(test())


def test_a_connection_has_as_many_sessions_as_sshd_allows(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            held = [await ssh.create_process("read x; echo $x") for _ in range(10)]
            with pytest.raises(asyncssh.ChannelOpenError) as refused:
                await ssh.run("true")
            assert refused.value.code == asyncssh.OPEN_CONNECT_FAILED
            held[0].stdin.write("said\n")
            assert (await held[0].wait()).stdout == "said\n"
            assert (await ssh.run("echo again")).stdout == "again\n", "a session that ended makes room"
            pod.runtime.set_max_sessions("pod1", 1)
            async with await pod.connect() as other:
                first = await other.create_process("read x")
                with pytest.raises(asyncssh.ChannelOpenError):
                    await other.run("true")
                first.channel.abort()

    run(test())


def test_exit_codes_and_signals(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            assert (await ssh.run("exit 42")).exit_status == 42
            assert (await ssh.run("true")).exit_status == 0
            assert (await ssh.run("no-such-command")).exit_status == 127
            killed = await ssh.run("kill -TERM $$")
            assert killed.exit_signal is not None
            assert killed.exit_signal[0] == "TERM"
            process = await ssh.create_process(
                "trap 'echo told; exit 9' USR1; echo ready; while :; do sleep 0.05; done"
            )
            assert await process.stdout.readline() == "ready\n"
            process.send_signal("USR1")
            assert await process.stdout.readline() == "told\n"
            assert (await process.wait()).exit_status == 9

    run(test())


def test_input_that_nobody_reads_blocks_nothing(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            result = await ssh.run("head -c 3", input="abc" * MEGABYTE)
            assert (result.stdout, result.exit_status) == ("abc", 0)
            assert (await ssh.run("echo next")).stdout == "next\n"

    run(test())


def test_a_terminal_has_size_name_and_shell(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            shell = await ssh.create_process(term_type="xterm-256color", term_size=(100, 40))
            shell.stdin.write("stty -echo; echo $TERM $(stty size) $(tty | cut -c1-8)\n")
            text = await shell.stdout.readuntil("xterm-256color 40 100 /dev/pts")
            shell.change_terminal_size(120, 50)
            shell.stdin.write("sleep 0.1; echo $(stty size) now\n")
            text = await shell.stdout.readuntil("50 120 now")
            assert text
            shell.stdin.write("exit 6\n")
            assert (await shell.wait()).exit_status == 6

    run(test())


def test_closing_a_terminal_ends_its_shell(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod:
            ssh = await pod.connect()
            shell = await ssh.create_process("echo $PPID-$$ > /workspace/pid; sleep 1000", term_type="xterm")
            pid_file = tmp_path / "pods/pod1/volume/pid"
            await until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
            shell.channel.abort()
            async with await pod.connect() as other:
                deadline = time.monotonic() + 5
                while (await other.run("pgrep -f '[s]leep 1000' | head -1")).stdout and isolation == "namespace":
                    assert time.monotonic() < deadline
            ssh.abort()

    run(test())


def test_forwarding_into_the_pod_reaches_loopback_only(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            server = (
                "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
                "c, _ = s.accept(); c.sendall(c.recv(99)[::-1]); c.close()"
            )
            inside = await ssh.create_process(f'python3 -c "{server}"')
            port = int(await inside.stdout.readline())
            reader, writer = await ssh.open_connection("localhost", port)
            writer.write(b"through")
            assert await reader.read() == b"hguorht"
            with pytest.raises(asyncssh.ChannelOpenError):
                await ssh.open_connection("192.0.2.1", 80)

    run(test())


def test_a_client_that_is_gone_leaves_no_connection_to_a_service(tmp_path: Path, isolation: str) -> None:
    """A service that serves one after another would wait for it, and serve nobody any more."""

    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            server = (
                "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
                "while 1:\n c, _ = s.accept(); c.sendall(c.recv(99)[::-1]); c.close()"
            )
            inside = await ssh.create_process(f'python3 -c "{server}"')
            port = int(await inside.stdout.readline())
            for turns in range(8):
                leaving = await pod.connect()
                opening = asyncio.create_task(leaving.open_connection("localhost", port))
                for _ in range(turns):
                    await asyncio.sleep(0)
                leaving.abort()
                with contextlib.suppress(asyncssh.Error):
                    await opening
                reader, writer = await ssh.open_connection("localhost", port)
                writer.write(b"through")
                assert await asyncio.wait_for(reader.read(), 10) == b"hguorht"

    run(test())


def test_only_the_pods_keys_and_root_get_in(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod:
            stranger = asyncssh.generate_private_key("ssh-ed25519")
            with pytest.raises(asyncssh.PermissionDenied):
                await pod.connect(stranger)
            with pytest.raises(asyncssh.PermissionDenied):
                await pod.connect(username="somebody")
            assert pod.logins == []
            async with await pod.connect() as ssh:
                line = stranger.export_public_key().decode()
                await ssh.run("cat >> /root/.ssh/authorized_keys", input=f"# note\nnonsense\n{line}", check=True)
            async with await pod.connect(stranger):
                assert pod.logins == ["pod1", "pod1"]

    run(test())


def test_faults(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod:
            pod.runtime.set_ssh_fault("pod1", "refuse")
            with pytest.raises(ConnectionRefusedError):
                await asyncio.to_thread(greeting, pod.port, 2)
            pod.runtime.set_ssh_fault("pod1", "nobanner")
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(greeting, pod.port, 0.3)
            pod.runtime.set_ssh_fault("pod1", "close")
            assert (await asyncio.to_thread(greeting, pod.port, 2)).startswith(b"SSH-2.0-")
            with pytest.raises((asyncssh.Error, OSError)):
                await pod.connect()
            pod.runtime.set_ssh_fault("pod1", "auth")
            with pytest.raises(asyncssh.PermissionDenied):
                await pod.connect()
            pod.runtime.set_ssh_fault("pod1", None)
            async with await pod.connect() as ssh:
                pod.runtime.set_ssh_fault("pod1", "refuse")
                assert (await ssh.run("echo still here")).stdout == "still here\n"
            pod.runtime.set_ssh_fault("pod1", None)
            assert (await asyncio.to_thread(greeting, pod.port, 2)).startswith(b"SSH-2.0-")

    run(test())


def test_a_port_is_fresh_and_closes_with_the_pod(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod:
            ssh = await pod.connect()
            await pod.runtime.unlisten("pod1")
            await asyncio.wait_for(ssh.wait_closed(), 5)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.to_thread(greeting, pod.port, 2)
            pod.port = await pod.runtime.listen("pod1")
            ssh = await pod.connect()
            await pod.runtime.stop("pod1")
            await asyncio.wait_for(ssh.wait_closed(), 5)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.to_thread(greeting, pod.port, 2)
            early = await pod.runtime.listen("pod1")
            assert await asyncio.to_thread(greeting, early, 2) == b""

    run(test())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs an ssh client")
def test_openssh_moves_200_megabytes_each_way(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path / "home", "namespace") as pod:
            key = tmp_path / "key"
            KEY.write_private_key(key)
            key.chmod(0o600)
            client = ["ssh", "-F", "none", "-i", str(key), "-p", str(pod.port), "-c", "aes128-gcm@openssh.com"]
            for option in ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"):
                client += ["-o", option]

            async def ssh(command: str, source: Path, target: Path) -> float:
                began = time.monotonic()
                with source.open("rb") as stdin, target.open("wb") as stdout:
                    words = [*client, "root@127.0.0.1", command]
                    await asyncio.to_thread(subprocess.run, words, stdin=stdin, stdout=stdout, check=True)
                return time.monotonic() - began

            sent, got, nothing = tmp_path / "sent", tmp_path / "got", Path(os.devnull)
            sent.write_bytes(os.urandom(10 * MEGABYTE) * 20)
            await ssh("echo $HOME", nothing, got)
            assert got.read_text() == "/root\n"
            push_seconds = await ssh("cat > /workspace/data", sent, got)
            pull_seconds = await ssh("cat /workspace/data", nothing, got)
            assert filecmp.cmp(sent, tmp_path / "home/pods/pod1/volume/data", shallow=False)
            assert filecmp.cmp(sent, got, shallow=False)
            # Far below what an idle machine does, so that only a stall fails the test, not a busy neighbour.
            assert max(push_seconds, pull_seconds) < 20

    run(test())
