"""The run folder and the user's own files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from rpd.adapters.pod.local_log import base_path
from rpd.adapters.run_folder import notices
from rpd.adapters.run_folder.log_reading import PART_BYTES
from rpd.adapters.run_folder.workspace import MANIFEST_NAME, LocalWorkspace, link_events, prepare_run_dir
from rpd.engine.errors import UserError
from rpd.journal.redact import Redactor, Secret
from rpd.states.ports.job import Artifact, Job, Local, PodSpec, Run, Ssh, Staging, Storage
from rpd.states.ports.log_reading import LINE_CHARACTERS, LogReading, SeenSign
from rpd.states.ports.world import Notice


def job(**fields: object) -> Job:
    return Job(name="j", pod=PodSpec(image="i", gpu_order=("G",)), run=Run(body="true"), **fields)  # type: ignore[arg-type]


@pytest.fixture
def workspace(tmp_path: Path) -> LocalWorkspace:
    (tmp_path / "user").mkdir()
    return LocalWorkspace(tmp_path / "state", tmp_path / "user")


def test_good_inputs(workspace: LocalWorkspace, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    good = job(
        staging=(Staging(source=str(tmp_path / "src"), destination="/workspace/src"),),
        local=Local(required_paths=(str(tmp_path / "src"),)),
        artifacts=(Artifact(label="a", remote_path="/o", local_path=str(tmp_path / "run" / "results")),),
    )
    assert workspace.check_inputs(good, str(tmp_path / "run")) == ()
    assert not (tmp_path / "run").exists(), "checking makes nothing in the project"


def test_every_bad_input_is_told(workspace: LocalWorkspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    sources = (tmp_path / "none", tmp_path / "user", tmp_path, Path("/"), tmp_path / "pipe")
    bad = job(
        staging=tuple(Staging(source=str(source), destination="/workspace/x") for source in sources),
        local=Local(required_paths=(str(tmp_path / "gone"),)),
        ssh=Ssh(key_path=str(tmp_path / "no-key")),
        artifacts=(Artifact(label="a", remote_path="/o", local_path=str(tmp_path / "user")),),
    )
    wide = "is your home folder, holds it or is the whole disk"
    assert workspace.check_inputs(bad, str(tmp_path / "file" / "run")) == (
        f"local.required_paths[0] {tmp_path}/gone does not exist",
        f"staging[0].source {tmp_path}/none does not exist",
        f"staging[1].source {tmp_path}/user {wide}; name the project's own folder",
        f"staging[2].source {tmp_path} {wide}; name the project's own folder",
        f"staging[3].source / {wide}; name the project's own folder",
        f"staging[4].source {tmp_path}/pipe is neither a folder nor a file",
        f"artifacts[0].local_path {tmp_path}/user {wide}",
        (
            f"there is no SSH key {tmp_path}/no-key (rpd config unset ssh-key-path, "
            "and name no key (ssh.key_path, --key), for a key of rpd's own)"
        ),
        f"{tmp_path}/file/run cannot be made: {tmp_path}/file is a file",
    )


@pytest.mark.parametrize(
    ("places", "mode", "options", "told"),
    [
        (
            ("/w/",),
            "network_volume",
            {},
            "staging[0].delete would empty /w, the whole network volume; name a folder below",
        ),
        (
            ("//w",),
            "network_volume",
            {},
            "staging[0].delete would empty /w, the whole network volume; name a folder below",
        ),
        (("/w",), "network_volume", {"delete": False}, ""),
        (("/w/x",), "network_volume", {}, ""),
        (("/w",), "network_volume", {"includes": ("*.py",)}, ""),
        (("/w",), "ephemeral", {}, ""),
        (
            ("/w/a", "/w//a/"),
            "ephemeral",
            {},
            "staging[1].delete would remove what staging[0] sends to /w/a; say delete",
        ),
        (("/w/a", "/w/a/b", "/w/ab"), "network_volume", {}, ""),
    ],
)
def test_no_folder_is_sent_at_the_cost_of_a_volume_or_of_another_entry(
    places: tuple[str, ...], mode: str, options: dict[str, object], told: str, workspace: LocalWorkspace, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    trees = tuple(Staging(source=str(tmp_path / "src"), destination=place, **options) for place in places)  # type: ignore[arg-type]
    storage = Storage(mode=mode, volume_mount="/w", volume_name="data")  # type: ignore[arg-type]
    found = workspace.check_inputs(job(staging=trees, storage=storage), str(tmp_path / "run"))
    assert [told in each for each in found] == ([True] if told else []), found


def test_a_folder_above_the_pods_own_volume_takes_rpds_folder_along(workspace: LocalWorkspace, tmp_path: Path) -> None:
    """The switch's orders and the launch's claim are in it."""
    (tmp_path / "src").mkdir()
    tree = Staging(source=str(tmp_path / "src"), destination="/mnt")
    bad = job(staging=(tree,), storage=Storage(volume_mount="/mnt/volume"))
    [problem] = workspace.check_inputs(bad, str(tmp_path / "run"))
    assert problem.startswith("staging[0].delete would empty /mnt/volume, the whole volume; name a folder below")


def test_a_folder_above_a_network_volume_is_the_volume_too(workspace: LocalWorkspace, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    tree = Staging(source=str(tmp_path / "src"), destination="/mnt")
    storage = Storage(mode="network_volume", volume_mount="/mnt/volume", volume_name="data")
    [problem] = workspace.check_inputs(job(staging=(tree,), storage=storage), str(tmp_path / "run"))
    assert problem.startswith("staging[0].delete would empty /mnt/volume, the whole network volume")


def test_two_files_may_go_into_one_folder(workspace: LocalWorkspace, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    trees = tuple(Staging(source=str(tmp_path / "a"), destination="/workspace/x/") for _ in range(2))
    assert workspace.check_inputs(job(staging=trees), str(tmp_path / "run")) == ()


def test_a_link_to_the_home_folder_is_the_home_folder(workspace: LocalWorkspace, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "user")
    [problem] = workspace.check_inputs(
        job(staging=(Staging(source=str(tmp_path / "link"), destination="/workspace/x"),)), str(tmp_path / "run")
    )
    assert "home folder" in problem


TOKEN = "hf_" + "a1B2c3D4" * 5


def test_a_log_is_read_at_both_ends_and_tells_no_secret(tmp_path: Path) -> None:
    workspace = LocalWorkspace(tmp_path / "state", tmp_path, redactor=Redactor(Secret(TOKEN)))
    log = tmp_path / "run.log"
    trace = "Traceback (most recent call last):\n  File 'x'\n"
    hidden = f"{trace}ValueError: token {TOKEN[:20]}\x1b[0m{TOKEN[20:]} is bad\n"
    log.write_text(hidden + "step\n" * PART_BYTES + "OSError: [Errno 28] No space left on device\n")
    reading = workspace.read_log(str(log))
    assert reading.cause == SeenSign("ValueError: token *** is bad")
    assert [seen.sign for seen in reading.doubts] == ["", "disk_full"]
    log.write_text(f"{trace}ValueError: {'x' * (LINE_CHARACTERS - 32)}{TOKEN}\n")
    cause = workspace.read_log(str(log)).cause
    assert cause is not None and cause.line.endswith("x***"), "of a secret that was cut off nothing stays"
    base_path(log).write_text(f"{log.stat().st_size}\n")
    assert workspace.read_log(str(log)) == LogReading(), "what an earlier copy of the log says is not this job's"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"api_key {TOKEN} refused", "api_key *** refused"),
        ("key 0123456789abcdef0123456789abcdef01234567 refused", "key *** refused"),
        ("cannot clone https://me:s3cret-word@example.org/x", "cannot clone https://***@example.org/x"),
        (
            "CUDNN_STATUS_EXECUTION_FAILED_CUDART at /workspace/x",
            "CUDNN_STATUS_EXECUTION_FAILED_CUDART at /workspace/x",
        ),
    ],
)
def test_who_does_not_know_the_secrets_of_a_run_tells_none_either(said: str, kept: str, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text(f"Traceback (most recent call last):\n  File 'x'\nValueError: {said}\n")
    cause = LocalWorkspace(tmp_path / "state", tmp_path).read_log(str(log)).cause
    assert cause is not None and cause.line == f"ValueError: {kept}"


def test_a_log_that_cannot_be_read_says_nothing(workspace: LocalWorkspace, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "none", tmp_path, tmp_path / "pipe"):
        assert workspace.read_log(str(place)) == LogReading()


@pytest.mark.weak_point(8)
def test_pointer_is_written_and_removed_only_if_ours(workspace: LocalWorkspace, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "pointer"
    workspace.write_pointer(str(path), {"journal": "/j", "pod_id": "p1"})
    assert json.loads(path.read_text()) == {"journal": "/j", "pod_id": "p1"}
    workspace.write_pointer(str(path), {"journal": "/j", "pod_id": "p2"})
    workspace.remove_pointer(str(path), "p1")
    assert path.exists()
    workspace.remove_pointer(str(path), "p2")
    workspace.remove_pointer(str(path), "p2")
    assert not path.exists() and list(path.parent.iterdir()) == []


def test_a_pointer_in_the_home_folder(
    workspace: LocalWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    workspace.write_pointer("~/.current", {"pod_id": "p"})
    assert (tmp_path / "user" / ".current").exists()


@pytest.mark.parametrize("content", ["precious text", "[1]", '{"other": 1}'])
def test_a_file_that_is_no_pointer_is_left_alone(workspace: LocalWorkspace, tmp_path: Path, content: str) -> None:
    path = tmp_path / "precious"
    path.write_text(content)
    with pytest.raises(UserError, match="left alone"):
        workspace.write_pointer(str(path), {"pod_id": "p"})
    workspace.remove_pointer(str(path), "p")
    assert path.read_text() == content


def test_manifest(workspace: LocalWorkspace, tmp_path: Path) -> None:
    digest = workspace.write_manifest(str(tmp_path / "run"), {"a": 1})
    content = (tmp_path / "run" / MANIFEST_NAME).read_bytes()
    assert digest == hashlib.sha256(content).hexdigest() and json.loads(content) == {"a": 1, "telemetry_files": []}
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        workspace.write_manifest(str(tmp_path / "file" / "run"), {})


def test_events_are_the_journal_itself(tmp_path: Path) -> None:
    run_dir = prepare_run_dir(tmp_path / "artifacts" / "runpod" / "r")
    assert stat.S_IMODE(run_dir.stat().st_mode) == 0o700
    journal = tmp_path / "r.jsonl"
    journal.write_text("1\n")
    link = link_events(journal, run_dir)
    assert not link.is_copy and link_events(journal, run_dir).is_copy is False
    with journal.open("a") as file:
        file.write("2\n")
    assert (run_dir / "events.jsonl").read_text() == "1\n2\n"
    (run_dir / "events.jsonl").unlink()
    (run_dir / "events.jsonl").write_text("something older")
    link.refresh()
    assert (run_dir / "events.jsonl").samefile(journal) and len(list(run_dir.iterdir())) == 1


@pytest.mark.skipif(
    not os.access("/dev/shm", os.W_OK) or Path("/dev/shm").stat().st_dev == Path("/tmp").stat().st_dev,
    reason="needs a second file system",
)
def test_across_file_systems_events_are_a_copy_that_is_refreshed(tmp_path: Path) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        journal = Path(elsewhere) / "r.jsonl"
        journal.write_text("1\n")
        link = link_events(journal, tmp_path)
        assert link.is_copy and (tmp_path / "events.jsonl").read_text() == "1\n"
        journal.write_text("1\n2\n")
        link.refresh()
        assert (tmp_path / "events.jsonl").read_text() == "1\n2\n"


@pytest.mark.weak_point(10)
def test_a_folder_with_files_of_ones_own_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "project/src").mkdir(parents=True)
    (tmp_path / "project/results").mkdir()
    tree = Staging(source=str(tmp_path / "project/src"), destination="/workspace/src")

    def told(local_path: Path, *others: Artifact, delete: bool = True) -> str:
        item = Artifact(label="r", remote_path="/workspace/r", local_path=str(local_path), delete=delete)
        found = LocalWorkspace(tmp_path / "state").check_inputs(
            job(staging=(tree,), artifacts=(item, *others), local=Local(project_root=str(tmp_path / "project"))),
            str(tmp_path / "runs/1"),
        )
        return "\n".join(found)

    assert "would empty" in told(tmp_path / "project")
    assert "would empty" in told(tmp_path / "project/src")
    assert told(tmp_path / "project", delete=False) == ""
    assert told(tmp_path / "project/results") == ""
    assert "would empty" in told(tmp_path / "runs") and "would empty" in told(tmp_path / "runs/1")
    assert "would empty" in told(tmp_path / "state")
    assert told(tmp_path / "runs/1/out") == ""
    other = Artifact(label="o", remote_path="/workspace/o", local_path=str(tmp_path / "project/results/deep/o"))
    assert "would empty" in told(tmp_path / "project/results", other)
    assert told(tmp_path / "project/results/deep/r", other) == ""
    (tmp_path / "project/results/.git").mkdir()
    assert "a git repository" in told(tmp_path / "project/results")


@pytest.mark.parametrize("status", [204, 302, 404])
def test_a_webhook_has_heard_a_notice_when_it_says_so(tmp_path: Path, status: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook?token=s3cr3t"

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 %d x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" % status)

    thread = threading.Thread(target=answer)
    thread.start()
    notice = Notice("end", "r", "w", "text", None, url)
    with listener, contextlib.nullcontext() if status == 204 else pytest.raises(UserError) as caught:
        assert LocalWorkspace(tmp_path).notify(notice)
    thread.join()
    if caught is not None:
        assert caught.value.message == f"notify.webhook answered {status}"


@pytest.mark.parametrize("drip", [b"X", b" "], ids=["headers", "body"])
def test_a_webhook_that_talks_on_holds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drip: bytes) -> None:
    monkeypatch.setattr(notices, "WEBHOOK_SECONDS", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))
    begin = b"HTTP/1.1 200 x\r\n" + (b"" if drip == b"X" else b"\r\n")
    gone = threading.Event()

    def talk() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(begin)
            while not gone.wait(0.05):
                connection.sendall(drip)

    thread = threading.Thread(target=talk)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
    began = time.monotonic()
    with listener, pytest.raises(UserError) if drip == b"X" else contextlib.nullcontext():
        LocalWorkspace(tmp_path).notify(Notice("end", "r", "w", "text", None, url))
    took = time.monotonic() - began
    gone.set()
    thread.join()
    assert took < 5.0


def test_a_webhook_that_is_not_there_is_told_of_without_its_address(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        LocalWorkspace(tmp_path).notify(Notice("end", "r", "w", "text", None, "http://127.0.0.1:1/hook?token=s3cr3t"))
    assert caught.value.message == "notify.webhook did not answer (ConnectionError)"


@pytest.mark.parametrize(
    ("command", "said"), [("exit 3", "notify.command ended with 3"), ("true", ""), ("kill -9 $$", "ended with -9")]
)
def test_a_command_has_been_told_when_it_ends_well(tmp_path: Path, command: str, said: str) -> None:
    notice = Notice("end", "r", "w", "text", command)
    with pytest.raises(UserError, match=said) if said else contextlib.nullcontext():
        assert LocalWorkspace(tmp_path).notify(notice)
    assert not LocalWorkspace(tmp_path).notify(Notice("end", "r", "w", "text")), "nobody was named"
