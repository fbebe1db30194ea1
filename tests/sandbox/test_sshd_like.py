"""What real clients do with a real sshd, and the sandbox's did not: it is no kinder, and no poorer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import asyncssh
import pytest

from tests.sandbox.test_sshd import KEY, Pod, isolation, run, running, until

__all__ = ["isolation"]

SOCKET = "import socket; s = socket.socket(socket.AF_UNIX)"


def test_a_plain_command_outlives_its_client_and_keeps_its_session(tmp_path: Path, isolation: str) -> None:
    volume = tmp_path / "pods/pod1/volume"

    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            pod.runtime.set_max_sessions("pod1", 1)
            left = await ssh.create_process(
                "cd /workspace; echo >here; until [ -e go ]; do sleep 0.05; done; echo >done"
            )
            await until((volume / "here").exists)
            left.channel.abort()
            await left.wait_closed()
            for _ in range(3):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await ssh.run("true")
            (volume / "go").touch()
            await until((volume / "done").exists)
            assert await asyncio.wait_for(_room(ssh), 10) == 7

    run(test())


def test_a_client_that_leaves_at_once_leaves_no_session_behind(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            pod.runtime.set_max_sessions("pod1", 1)
            for _ in range(5):
                with contextlib.suppress(asyncssh.ChannelOpenError):
                    session, _ = await ssh.create_session(asyncssh.SSHClientSession, "true")
                    session.abort()
            assert await asyncio.wait_for(_room(ssh), 10) == 7

    run(test())


async def _room(ssh: asyncssh.SSHClientConnection) -> int | None:
    """The exit code of `exit 7`, once a session can be had."""
    while True:
        with contextlib.suppress(asyncssh.ChannelOpenError):
            return (await ssh.run("exit 7")).exit_status
        await asyncio.sleep(0.02)


def test_a_command_with_a_terminal_does_not_outlive_its_client(tmp_path: Path, isolation: str) -> None:
    volume = tmp_path / "pods/pod1/volume"

    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            command = "cd /workspace; trap 'echo >hup; exit' HUP; echo >here; while :; do sleep 0.05; done"
            left = await ssh.create_process(command, term_type="xterm")
            await until((volume / "here").exists)
            left.channel.abort()
            await until((volume / "hup").exists)

    run(test())


def test_a_terminal_has_the_modes_that_are_asked_for(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            modes = {asyncssh.PTY_ECHO: 0, asyncssh.PTY_ICRNL: 0, asyncssh.PTY_VINTR: 24}
            shown = (await ssh.run("stty -a", term_type="xterm", term_modes=modes)).stdout
            usual = (await ssh.run("stty -a", term_type="xterm")).stdout
        for word in (" -echo ", " -icrnl ", "intr = ^X"):
            assert word in str(shown)
            assert word not in str(usual)

    run(test())


def test_a_port_of_the_pod_leads_back_to_the_client(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            for host in ("localhost", ""):
                listener = await ssh.forward_remote_port(host, 0, "127.0.0.1", port)
                ask = f"exec 3<>/dev/tcp/127.0.0.1/{listener.get_port()}; echo hello >&3; cat <&3"
                assert (await ssh.run(ask)).stdout == "HELLO\n"
            tables = (Path("/proc/net/tcp").read_text(), Path("/proc/net/tcp6").read_text())
            everywhere = (f"00000000:{listener.get_port():04X}", f"{'0' * 32}:{listener.get_port():04X}")
            assert not [text for text in tables for each in everywhere if each in text], "on loopback alone"
        server.close()

    run(test())


def test_sockets_of_files_are_forwarded_both_ways(tmp_path: Path, isolation: str) -> None:
    inside = (
        f"{SOCKET}; s.bind('/tmp/in.sock'); s.listen(); print('up', flush=True)\n"
        "c, _ = s.accept(); c.sendall(c.recv(99)[::-1]); c.close()"
    )
    ask = f"{SOCKET}; s.connect('/tmp/out.sock'); s.sendall(b'x'); print(s.recv(9))"

    async def test(home: Path) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read(1) * 3)
            writer.close()

        async with running(home, isolation) as pod, await pod.connect() as ssh:
            server = await ssh.create_process(f'python3 -c "{inside}"')
            assert await server.stdout.readline() == "up\n"
            reader, writer = await ssh.open_unix_connection("/tmp/in.sock")
            writer.write(b"through")
            assert await reader.read() == b"hguorht"
            mine = await asyncio.start_unix_server(answer, str(home / "mine"))
            await ssh.forward_remote_path("/tmp/out.sock", str(home / "mine"))
            assert (await ssh.run(f'python3 -c "{ask}"')).stdout == "b'xxx'\n"
            mine.close()
            for path in ("/tmp/none.sock", "tmp/in.sock"):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await ssh.open_unix_connection(path)

    with tempfile.TemporaryDirectory() as short:  # a socket's path may not be long
        run(test(Path(short)))


def test_a_link_of_the_pod_leads_to_no_socket_of_this_machine(tmp_path: Path) -> None:
    async def test(home: Path) -> None:
        async with running(home, "namespace") as pod, await pod.connect() as ssh:
            mine = await asyncio.start_unix_server(lambda r, w: w.close(), str(home / "mine"))
            await ssh.run(f"ln -s {home} /workspace/out; ln -s {home}/mine /workspace/mine", check=True)
            for path in ("/workspace/out/mine", "/workspace/mine", f"/workspace/../../../..{home}/mine"):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await ssh.open_unix_connection(path)
            mine.close()

    with tempfile.TemporaryDirectory() as short:
        run(test(Path(short)))


def test_the_clients_agent_answers_in_the_pod(tmp_path: Path, isolation: str) -> None:
    asked = f"{SOCKET}; import os; s.connect(os.environ['SSH_AUTH_SOCK']); print(s.recv(9))"

    async def test(home: Path) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"agent")
            writer.close()

        agent = await asyncio.start_unix_server(answer, str(home / "agent"))
        async with running(home / "h", isolation) as pod, await _with_agent(pod, str(home / "agent")) as ssh:
            assert (await ssh.run(f'python3 -c "{asked}"')).stdout == "b'agent'\n"
            where = str((await ssh.run("dirname $SSH_AUTH_SOCK")).stdout).strip()
            assert where.rpartition("/")[2].startswith("ssh-")
            async with await pod.connect() as plain:
                assert (await plain.run("echo $SSH_AUTH_SOCK")).stdout == "\n"
                ssh.close()
                await ssh.wait_closed()
                await until(lambda: not _is_there(pod, where))
        agent.close()

    with tempfile.TemporaryDirectory() as short:
        (Path(short) / "h").mkdir()
        run(test(Path(short)))


async def _with_agent(pod: Pod, path: str) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1",
        pod.port,
        username="root",
        client_keys=[KEY],
        known_hosts=None,
        config=None,
        agent_path=None,
        agent_forwarding=path,
    )


def _is_there(pod: Pod, folder: str) -> bool:
    place = pod.runtime._pod("pod1").inside(folder)
    return place is not None and os.path.lexists(place)


def test_sftp_needs_no_server_of_this_machine(tmp_path: Path, isolation: str) -> None:
    (tmp_path / "big").write_bytes(os.urandom(3_000_000))

    async def test() -> None:
        async with (
            running(tmp_path / "h", isolation) as pod,
            await pod.connect() as ssh,
            ssh.start_sftp_client() as sftp,
        ):
            assert await sftp.getcwd() == "/root"
            await sftp.put(str(tmp_path / "big"), "/workspace/big")
            assert (tmp_path / "h/pods/pod1/volume/big").stat().st_size == 3_000_000
            await sftp.get("/workspace/big", str(tmp_path / "back"))
            assert (tmp_path / "back").read_bytes() == (tmp_path / "big").read_bytes()
            await sftp.symlink("/workspace/big", "/workspace/link")
            assert await sftp.readlink("/workspace/link") == "/workspace/big"
            assert (await sftp.stat("/workspace/link")).size == 3_000_000
            assert {"big", "link"} <= set(await sftp.listdir("/workspace"))
            await sftp.remove("/workspace/link")
            assert not await sftp.exists("/workspace/link")
            assert "BEGIN" not in await (await sftp.open("/root/.ssh/authorized_keys")).read()
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await sftp.stat(str(tmp_path / "nothing"))

    run(test())


@pytest.mark.skipif(shutil.which("sftp") is None, reason="needs OpenSSH's client")
def test_openssh_moves_files_over_sftp(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    key = tmp_path / "key"
    KEY.write_private_key(key)
    key.chmod(0o600)
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
    batch = "put mine /workspace/theirs\nsymlink /workspace/theirs /workspace/link\nget /workspace/link back\nbye\n"

    async def test() -> None:
        async with running(tmp_path / "h", "namespace") as pod:
            words = ["sftp", "-F", "none", "-i", str(key), "-P", str(pod.port), "-b", "-"]
            words += [word for option in options for word in ("-o", option)]
            await asyncio.to_thread(
                subprocess.run, [*words, "root@127.0.0.1"], input=batch, text=True, check=True, cwd=tmp_path
            )

    run(test())
    assert (tmp_path / "back").read_text() == "mine"
    assert (tmp_path / "h/pods/pod1/volume/link").readlink() == Path("/workspace/theirs")
