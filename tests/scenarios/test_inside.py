"""A person in the pod of a run: shell, commands, files, and the real OpenSSH clients through `ssh-config`."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpd.adapters.forensics.inspection import facts_of
from rpd.journal.reader import read
from rpd.journal.records import Intent, Outcome
from rpd.states.ports.names import Op
from tests.scenarios.harness import GATED, CommandLine, Terminal, config, eventually, staged
from tests.scenarios.live import RPD

pytestmark = pytest.mark.xdist_group("inside")
"""One process for all, so that one run is enough."""
needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's client")


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A run whose job waits, without an engine. No test of this module ends it."""
    with staged(tmp_path_factory.mktemp("inside")) as cli:
        done = cli.run(config(GATED), "--detach")
        assert done.returncode == 75, done.stderr
        yield cli


def volume(cli: CommandLine) -> Path:
    return cli.sandbox_home / "pods" / cli.live_pod()["id"] / "volume"


def pinned(cli: CommandLine) -> str:
    """The fingerprint that the greeting has recorded."""
    pod = facts_of(read(cli.journal)).pod
    assert pod is not None and pod.container.greeting is not None
    return pod.container.greeting.host_key


def executed(cli: CommandLine, *words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`rpd exec` with this input."""
    return subprocess.run(
        [*RPD, "exec", cli.run_id, "--", *words],
        input=data,
        cwd=cli.folder,
        env=cli.environment,
        capture_output=True,
        timeout=120,
        check=False,
    )


# exec


@pytest.mark.parametrize("code", [0, 7, 255])
@pytest.mark.row(82)
def test_exec_ends_as_its_command_does(inside: CommandLine, code: int) -> None:
    done = executed(inside, "sh", "-c", f"echo out; echo err >&2; exit {code}")
    assert (done.returncode, done.stdout) == (code, b"out\n")
    assert b"err\n" in done.stderr


def test_exec_takes_the_words_as_they_are(inside: CommandLine) -> None:
    words = ["a b", "$HOME", "'quoted'", "*", "", "--json", "ümläut", "new\nline"]
    done = executed(inside, "python3", "-c", "import sys; print(sys.argv[1:])", *words)
    assert done.stdout.decode().strip() == str(words)


def test_exec_carries_bytes_both_ways_to_the_last_one(inside: CommandLine) -> None:
    data = os.urandom(12_000_000)
    assert executed(inside, "cat", data=data).stdout == data
    done = executed(inside, "sha256sum", data=data)  # it answers only after the end of its input
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_exec_does_not_wait_for_a_command_that_reads_no_more(inside: CommandLine) -> None:
    done = executed(inside, "head", "-c", "3", data=b"abc" * 3_000_000)
    assert (done.returncode, done.stdout) == (0, b"abc")


def test_exec_passes_signals_on_and_ends_as_the_command_ends(inside: CommandLine) -> None:
    own = inside.start(
        "exec", inside.run_id, "--", "sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"
    )
    eventually(lambda: "up" in own.out)
    own.process.send_signal(signal.SIGTERM)
    assert own.end(20) == 9
    plain = inside.start("exec", inside.run_id, "--", "sh", "-c", "echo up; exec sleep 1000")
    eventually(lambda: "up" in plain.out)
    plain.process.send_signal(signal.SIGINT)
    assert plain.end(20) == 128 + signal.SIGINT
    assert b"sleep 1000" not in executed(inside, "ps", "-eo", "args").stdout


def test_exec_waits_for_a_command_that_has_closed_its_outputs(inside: CommandLine) -> None:
    assert executed(inside, "sh", "-c", "exec >&- 2>&-; sleep 1; exit 3").returncode == 3


def test_exec_of_a_command_that_somebody_kills(inside: CommandLine) -> None:
    done = executed(inside, "sh", "-c", "kill -KILL $$")
    assert done.returncode == 128 + signal.SIGKILL


def test_exec_without_a_reader_ends_as_a_pipe_does(inside: CommandLine) -> None:
    typed = " ".join([*RPD, "exec", inside.run_id, "--", "yes"])
    done = subprocess.run(
        ["bash", "-c", f"{typed} | head -1; exit ${{PIPESTATUS[0]}}"],
        env=inside.environment,
        cwd=inside.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("y\n", 128 + signal.SIGPIPE)


def test_exec_loses_no_byte_to_a_pipe_that_somebody_has_made_non_blocking(inside: CommandLine) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    live = subprocess.Popen(
        [*RPD, "exec", inside.run_id, "--", "head", "-c", "3000000", "/dev/zero"],
        env=inside.environment,
        cwd=inside.folder,
        stdout=theirs,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    select.select([ours], [], [], 60.0)
    with pytest.raises(subprocess.TimeoutExpired):
        live.wait(1.0)  # the pipe is full
    with os.fdopen(ours, "rb") as pipe:
        assert len(pipe.read()) == 3_000_000
    assert live.wait(60) == 0 and live.stderr is not None and live.stderr.read() == b""


@pytest.mark.parametrize(("streams", "said"), [(">/dev/full", "cannot write the output"), ("<&-", None)])
def test_exec_says_which_stream_is_no_good(inside: CommandLine, streams: str, said: str | None) -> None:
    typed = " ".join([*RPD, "exec", inside.run_id, "--", "echo", "hello", streams])
    done = subprocess.run(
        ["bash", "-c", typed],
        env=inside.environment,
        cwd=inside.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    if said is None:
        assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    else:
        assert done.returncode != 0 and said in done.stderr, done.stderr


def test_exec_and_shell_take_no_lock_and_leave_no_record(inside: CommandLine) -> None:
    before = len(inside.records())
    assert executed(inside, "true").returncode == 0
    assert len(inside.records()) == before


# shell


def resize(terminal: Terminal, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@pytest.mark.parametrize("client", [pytest.param("ssh", marks=needs_ssh), "own"])
@pytest.mark.row(82, 221)
def test_a_shell_has_this_terminal_and_its_size(inside: CommandLine, client: str, tmp_path: Path) -> None:
    """By the system's `ssh`, and without it."""
    if client == "own":
        (tmp_path / "bin").mkdir()
        path = str(tmp_path / "bin")  # no ssh is there; rpd itself is called by its full path
    else:
        path = os.environ["PATH"]
    former = os.environ["PATH"]
    os.environ["PATH"] = path
    try:
        terminal = inside.start_on_terminal("shell", inside.run_id)
    finally:
        os.environ["PATH"] = former
    eventually(lambda: "# " in terminal.text or "$ " in terminal.text, tell=lambda: terminal.text)
    terminal.type("tty | cut -c1-8; echo $HOME\n")
    for columns, rows in ((97, 31), (143, 41)):
        resize(terminal, columns, rows)

        def is_followed(size: str = f"{rows} {columns}") -> bool:
            terminal.type("stty size\n")
            return size in terminal.text

        eventually(is_followed, 20, lambda: terminal.text)
    assert "/dev/pts" in terminal.text and "/root" in terminal.text
    terminal.type("echo be''gun; sleep 1000\n")
    eventually(lambda: "begun" in terminal.text, 20, lambda: terminal.text)

    def is_back() -> bool:
        terminal.press()  # Ctrl-C is for the command in the pod, not for rpd; the shell may not have started it yet
        with contextlib.suppress(AssertionError):
            eventually(lambda: re.search(r"\^C(?s:.)*[#$] ", terminal.text), 2)
            return True
        return False

    eventually(is_back, 20, lambda: terminal.text)
    terminal.type("exit 6\n")
    assert terminal.end(20) == 6
    assert f"pod {inside.live_pod()['id']} of run {inside.run_id}" in terminal.text
    assert "released by" in terminal.text


def test_exec_with_a_terminal(inside: CommandLine) -> None:
    terminal = inside.start_on_terminal("exec", "-t", inside.run_id, "--", "sh", "-c", "tty; exit 5")
    assert terminal.end(30) == 5
    assert "/dev/pts" in terminal.text
    done = inside.rpd("exec", "-t", inside.run_id, "--", "true")
    assert done.returncode == 2 and "no terminal" in done.stderr


# ssh-config


def configured(cli: CommandLine) -> tuple[str, Path]:
    """The pod's name for ssh, and the person's configuration."""
    done = cli.rpd("ssh-config", cli.run_id, "--yes")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1], cli.user / ".ssh" / "config"


def typed(cli: CommandLine, *words: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """A client of OpenSSH, which knows nothing but the person's configuration. It looks for that in the password
    database, not in $HOME."""
    name, *rest = words
    return subprocess.run(
        [name, "-F", str(cli.user / ".ssh" / "config"), *rest],
        input=data,
        cwd=cli.folder,
        env=cli.environment,
        capture_output=True,
        timeout=60,
        check=False,
    )


@needs_ssh
def test_openssh_clients_just_use_the_entry(inside: CommandLine) -> None:
    name, own = configured(inside)
    assert own.stat().st_mode & 0o777 == 0o600
    assert typed(inside, "ssh", name, "echo $HOME").stdout == b"/root\n"
    data = os.urandom(300_000)
    (inside.folder / "here").write_bytes(data)
    for words in (("scp", "here", f"{name}:/workspace/by-scp"), ("scp", "-O", "here", f"{name}:/workspace/by-old-scp")):
        done = typed(inside, *words)
        assert done.returncode == 0, done.stderr
    assert (volume(inside) / "by-scp").read_bytes() == data == (volume(inside) / "by-old-scp").read_bytes()
    done = typed(inside, "sftp", "-b", "-", name, data=b"get /workspace/by-scp back\nbye\n")
    assert done.returncode == 0 and (inside.folder / "back").read_bytes() == data


@needs_ssh
@pytest.mark.skipif(shutil.which("rsync") is None, reason="needs rsync")
def test_rsync_just_uses_the_entry(inside: CommandLine) -> None:
    name, own = configured(inside)
    (inside.folder / "tree").mkdir(exist_ok=True)
    (inside.folder / "tree" / "file").write_text("content")
    words = ["rsync", "-a", "-e", f"ssh -F {own}", "tree/", f"{name}:/workspace/tree/"]
    done = subprocess.run(
        words, cwd=inside.folder, env=inside.environment, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (volume(inside) / "tree" / "file").read_text() == "content"


@needs_ssh
def test_an_editor_streams_its_server_through_the_entry(inside: CommandLine) -> None:
    """As VS Code does it: `ssh -T -D PORT HOST sh`, a script on stdin, its answer on stdout, then a stream through the
    dynamic port to what the script has started."""
    name, own = configured(inside)
    script = b"""
    cat > /tmp/serve.py <<'EOF'
import socket
s = socket.create_server(("127.0.0.1", 0)); print("listening", s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept(); c.sendall(c.recv(99)[::-1]); c.close()
EOF
    echo ready; exec python3 -u /tmp/serve.py
    """
    dynamic = _free_port()
    editor = subprocess.Popen(
        ["ssh", "-F", str(own), "-T", "-D", f"127.0.0.1:{dynamic}", name, "sh"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=inside.environment,
    )
    assert editor.stdin is not None and editor.stdout is not None
    try:
        editor.stdin.write(script)
        editor.stdin.close()
        assert editor.stdout.readline() == b"ready\n"
        port = int(editor.stdout.readline().split()[1])
        assert _through_socks(dynamic, port, b"through") == b"hguorht"
    finally:
        editor.kill()
        editor.wait()
        editor.stdout.close()


@needs_ssh
def test_ports_lead_both_ways_and_the_agent_comes_along(inside: CommandLine, tmp_path: Path) -> None:
    """`ssh -L`, `-R` and `-A` through the entry."""
    import socket
    import tempfile

    name, own = configured(inside)
    with socket.create_server(("127.0.0.1", 0)) as here, tempfile.TemporaryDirectory() as short:
        mine = here.getsockname()[1]
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", f"{short}/a"], stdout=subprocess.DEVNULL)
        try:
            eventually(lambda: Path(f"{short}/a").exists())
            environment = {**inside.environment, "SSH_AUTH_SOCK": f"{short}/a"}
            key = str(inside.home / "ssh" / "id_ed25519")
            subprocess.run(["ssh-add", "-q", key], env=environment, check=True, capture_output=True)
            back, local = _free_port(), _free_port()
            inner = _free_port()
            script = (
                f"ssh-add -l; exec 3<>/dev/tcp/127.0.0.1/{back}; echo from-the-pod >&3; "
                f"python3 -c \"import socket; s = socket.create_server(('127.0.0.1', {inner})); "
                "print('up', flush=True); "
                'c, _ = s.accept(); c.sendall(c.recv(9)[::-1])"'
            )
            words = ["-A", "-L", f"127.0.0.1:{local}:localhost:{inner}", "-R", f"{back}:127.0.0.1:{mine}"]
            ssh = subprocess.Popen(
                ["ssh", "-F", str(own), *words, name, script], env=environment, stdout=subprocess.PIPE, text=True
            )
            assert ssh.stdout is not None
            said = ssh.stdout.readline()
            assert "ED25519" in said, said
            here.settimeout(20)
            visitor, _ = here.accept()
            with visitor:
                assert visitor.makefile().readline() == "from-the-pod\n"
            assert ssh.stdout.readline() == "up\n"
            with socket.create_connection(("127.0.0.1", local), timeout=20) as client:
                client.sendall(b"abc")
                assert client.recv(9) == b"cba"
            assert ssh.wait(20) == 0
            ssh.stdout.close()
        finally:
            agent.kill()
            agent.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _through_socks(proxy: int, port: int, data: bytes) -> bytes:
    """SOCKS5, without a login, to a name: the name is resolved in the pod."""
    import socket

    with socket.create_connection(("127.0.0.1", proxy), timeout=20) as client:
        client.sendall(b"\x05\x01\x00")
        assert client.recv(2) == b"\x05\x00"
        client.sendall(b"\x05\x01\x00\x03\x09localhost" + struct.pack(">H", port))
        assert client.recv(10)[:2] == b"\x05\x00"
        client.sendall(data)
        return client.recv(99)


@needs_ssh
@pytest.mark.row(73, 222)
def test_ssh_refuses_another_host_key_at_the_pods_address(inside: CommandLine) -> None:
    """What makes the entry safe: the key in it is the pinned one, and no other is believed or learnt."""
    name, _ = configured(inside)
    known = next((inside.home / "ssh" / "pods").glob("*.known_hosts"))
    line = known.read_text()
    alias, kind, _ = line.split()
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIPhkGzlvBEFZ9yXaJWnQKhpIYNSpJHcRiIOEd5HeYwPQ"
    known.write_text(f"{alias} {kind} {other}\n")
    try:
        done = typed(inside, "ssh", name, "echo in")
        assert done.returncode == 255 and done.stdout == b""
        assert b"REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
    finally:
        known.write_text(line)
    assert typed(inside, "ssh", name, "echo in").stdout == b"in\n"
    assert known.read_text() == line, "ssh writes nothing into it"


def test_the_entry_pins_the_key_of_the_greeting_and_holds_no_secret(inside: CommandLine) -> None:
    import base64

    pin = pinned(inside)
    configured(inside)
    known = next((inside.home / "ssh" / "pods").glob("*.known_hosts")).read_text().split()
    digest = base64.b64encode(hashlib.sha256(base64.b64decode(known[2])).digest()).decode().rstrip("=")
    assert f"SHA256:{digest}" == pin
    printed = inside.rpd("ssh-config", inside.run_id, "--print").stdout
    for line in ("StrictHostKeyChecking yes", "IdentitiesOnly yes", "HostKeyAlias rpd-pod-", "UpdateHostKeys no"):
        assert line in printed
    assert "PRIVATE" not in printed


def test_the_persons_own_configuration_stays_as_it_is(inside: CommandLine) -> None:
    own = inside.user / ".ssh" / "config"
    own.parent.mkdir(exist_ok=True)
    mine = b"Host mine\n    User me # \xff\n"
    own.write_bytes(mine)
    own.chmod(0o640)
    try:
        done = inside.rpd("ssh-config", inside.run_id)  # nobody can be asked: it says what to do
        assert done.returncode == 0 and own.read_bytes() == mine
        assert "put this line at the top" in done.stderr and "ssh -F " in done.stdout
        configured(inside)
        configured(inside)
        assert own.read_bytes().startswith(b"# rpd") and own.read_bytes().endswith(mine)
        assert own.read_bytes().count(b"Include") == 1 and own.stat().st_mode & 0o777 == 0o640
        assert inside.rpd("ssh-config", "--remove").returncode == 0
        assert own.read_bytes() == mine
        assert not list((inside.home / "ssh" / "pods").iterdir())
    finally:
        own.unlink()


# push and pull


def test_push_and_pull_are_verified_and_a_push_is_in_the_journal(inside: CommandLine) -> None:
    tree = inside.folder / "data"
    (tree / "sub").mkdir(parents=True, exist_ok=True)
    (tree / "sub" / "blob").write_bytes(os.urandom(200_000))
    (tree / "skip.tmp").write_text("no")
    os.mkfifo(tree / "pipe")
    before = len(inside.records())
    done = inside.rpd("push", inside.run_id, "data", "--exclude", "*.tmp")
    assert done.returncode == 0, done.stderr
    assert "warning: 1 socket, pipe or device was left out: pipe" in done.stderr
    assert "left out: pipe" in inside.rpd("events", inside.run_id).stdout
    assert "1 file, 200.0 kB, verified, in /workspace/data of the pod; 1 file sent" in done.stdout
    assert not (volume(inside) / "data" / "skip.tmp").exists()
    added = [record.body for record in inside.records()[before:]]
    intents = [body for body in added if isinstance(body, Intent)]
    outcomes = [body for body in added if isinstance(body, Outcome)]
    assert [body.op for body in intents] == [Op.PUSH_TREE] == [body.op for body in outcomes]
    assert outcomes[0].status == "ok" and outcomes[0].opid == intents[0].opid
    assert "0 files sent" in inside.rpd("push", inside.run_id, "data", "--exclude", "*.tmp").stdout
    seen = len(inside.records())
    done = inside.rpd("pull", inside.run_id, "/workspace/data/sub", "sub-back")
    assert done.returncode == 0, done.stderr
    assert (inside.folder / "sub-back" / "blob").read_bytes() == (tree / "sub" / "blob").read_bytes()
    assert len(inside.records()) == seen, "a pull only reads"
    done = inside.rpd("pull", inside.run_id, "/workspace/nothing")
    assert done.returncode == 2 and "nothing is at /workspace/nothing" in done.stderr
    assert inside.inspect()["verified"] and inside.state() == "monitor"


def test_a_pull_without_some_of_the_links_is_not_all_of_it(inside: CommandLine) -> None:
    folder = volume(inside) / "linked"
    folder.mkdir()
    (folder / "whole").write_text("whole")
    (folder / "lost").symlink_to("/nowhere/else")
    done = inside.rpd("pull", inside.run_id, "/workspace/linked", "linked")
    assert done.returncode == 1 and "1 link was left out" in done.stderr, done.stderr
    assert (inside.folder / "linked" / "whole").read_text() == "whole"


# Which pod


@pytest.mark.slow
def test_a_pod_is_meant_by_its_id_or_its_name_too(inside: CommandLine) -> None:
    pod = inside.live_pod()
    for word in (pod["id"], pod["name"], "job", inside.run_id):
        done = inside.rpd("exec", word, "--", "echo", "in")
        assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr


@pytest.mark.slow
def test_the_run_whose_pod_computes_is_meant_without_a_word(inside: CommandLine) -> None:
    assert inside.run(config("exit 1", name="a-failed-one")).returncode == 5  # it keeps a disk
    done = inside.rpd("exec", "--", "hostname")
    assert (done.returncode, done.stdout.strip()) == (0, inside.live_pod()["id"]), done.stderr


def test_a_pod_of_somebody_else_is_none_of_ours(inside: CommandLine) -> None:
    done = inside.rpd("exec", "theirs12345678", "--", "true")
    assert done.returncode == 2
    assert "no run or pod that is ours is named 'theirs12345678'" in done.stderr


def test_no_secret_of_the_environment_reaches_ssh(inside: CommandLine, tmp_path: Path) -> None:
    """A stand-in for `ssh` shows what it gets."""
    stand_in = tmp_path / "bin" / "ssh"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\nenv; for word in "$@"; do echo "word $word"; done\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        [*RPD, "shell", inside.run_id],
        env={**inside.environment, "PATH": f"{stand_in.parent}:{os.environ['PATH']}", "HF_TOKEN": "hf_canary12345"},
        cwd=inside.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "hf_canary" not in done.stdout and "PATH=" in done.stdout
    words = re.findall(r"^word (.*)$", done.stdout, re.MULTILINE)
    assert words[0] == "-F" and words[2:] == [f"rpd-pod-{inside.live_pod()['id']}"]
