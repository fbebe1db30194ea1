"""rpd's own log: what it holds, what it never holds, and that nothing depends on it."""

from __future__ import annotations

import base64
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpd.adapters.local import own_log, rotating_file
from rpd.adapters.local.own_log import begin, keep_trace, log_path, logger, of_run
from rpd.adapters.local.rotating_file import RotatingFile, parts_of
from rpd.journal.redact import Redactor, Secret

CANARY = "canary-7f3a91d0c4be"
PROGRAM = """
import logging, sys
from pathlib import Path
from rpd.adapters.local.own_log import begin, logger
logging.basicConfig(level=logging.DEBUG)
logger("api").error("before it began")
begin(Path(sys.argv[1]))
logger("api").error("after")
"""
WRITER = """
import sys
from pathlib import Path
from rpd.adapters.local.rotating_file import RotatingFile
file = RotatingFile(Path(sys.argv[1]), part_bytes_max=5000, parts=200)
for number in range(300):
    file.append(f"{sys.argv[2]}-{number:03d} {'x' * 40}\\n".encode())
"""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The log is off again after each test, as it is in a process that did not begin it."""
    yield
    root = logging.getLogger(own_log.ROOT)
    for handler in [each for each in root.handlers if isinstance(each, own_log.OwnLog)]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(own_log.LEVELS["off"])


def text(home: Path) -> str:
    return "".join(part.read_text() for part in parts_of(log_path(home)))


# What it holds.


def test_an_entry_says_when_who_and_of_which_run(tmp_path: Path) -> None:
    begin(tmp_path)
    with of_run("train-1"):
        logger("api").info("GET %s", "/v2/pods")
    logger("ssh").warning("no answer")
    first, second = text(tmp_path).splitlines()
    moment, pid, *rest = first.split(" ", 5)
    assert moment.endswith("Z") and "T" in moment and pid == str(os.getpid())
    assert rest == ["train-1", "info", "api", "GET /v2/pods"]
    assert second.endswith(" - warning ssh no answer")


def test_a_traceback_is_whole_and_each_line_of_it_belongs_to_its_entry(tmp_path: Path) -> None:
    begin(tmp_path)
    try:
        raise ValueError("a fault\x1b[31m")
    except ValueError as error:
        keep_trace(error, "rpd gc")
    first, *more = text(tmp_path).splitlines()
    assert first.endswith("error fault rpd gc") and "Traceback" in more[0] and "ValueError: a fault" in more[-1]
    assert all(line.startswith("    ") for line in more) and "\x1b" not in text(tmp_path)


@pytest.mark.parametrize(
    ("word", "kept"), [("off", 0), ("error", 1), ("warning", 2), ("info", 3), ("debug", 4), ("?", 3)]
)
def test_its_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, kept: int) -> None:
    monkeypatch.setenv("RPD_LOG_LEVEL", word)
    begin(tmp_path)
    for number in (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG):
        logger("api").log(number, "x")
    assert len(text(tmp_path).splitlines()) == kept


def test_the_loggers_of_a_program_that_imports_rpd_hear_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert len(text(tmp_path).splitlines()) == 1


# What it never holds.


def test_no_secret_however_late_it_was_learned_and_whatever_its_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_TOKEN", f"env-{CANARY}")
    begin(tmp_path)
    logger("api").info("first")
    Redactor(Secret(CANARY))  # somewhere in this process, long after the log began
    encoded = base64.b64encode(CANARY.encode()).decode()
    logger("api").info("%s %s %s env-%s", CANARY, encoded, CANARY.encode().hex(), CANARY)
    logger("api").info("x" * (own_log.LINE_CHARACTERS_MAX - 10) + CANARY)
    keep_trace(RuntimeError(f"key {CANARY[:8]}\n{CANARY}"), CANARY)
    later = Redactor()
    later.add(Secret("learned-last-5511"))
    logger("api").info("learned-last-5511")
    told = text(tmp_path)
    assert CANARY not in told and encoded not in told and CANARY.encode().hex() not in told
    assert "learned-last" not in told and "***" in told
    assert f"x{CANARY[:6]}" not in told, "it is masked before it is cut"


def test_what_looks_like_a_key_is_not_there_either(tmp_path: Path) -> None:
    begin(tmp_path)
    key, login = "hf_" + "a1" * 15, "https://me:passw0rd@host/"
    logger("api").info("%s %s", key, login)
    assert key not in text(tmp_path) and "passw0rd" not in text(tmp_path)


def test_it_is_readable_by_its_user_alone_from_its_first_byte(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        begin(tmp_path)
        logger("api").info("x")
    finally:
        os.umask(before)
    path = log_path(tmp_path)
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine\n")
    log_path(tmp_path).parent.mkdir()
    log_path(tmp_path).symlink_to(other)
    begin(tmp_path)
    logger("api").info("x")
    assert other.read_text() == "mine\n"


# That it does not grow, and that no line is lost while it is moved.


def test_it_keeps_so_many_parts_of_such_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RotatingFile(tmp_path / "rpd.log", part_bytes_max=1000)
    for number in range(500):
        file.append(f"{number:099d}\n".encode())
    parts = parts_of(tmp_path / "rpd.log")
    assert len(parts) == rotating_file.PARTS and all(part.stat().st_size <= 1000 for part in parts)
    lines = "".join(part.read_text() for part in parts).split()
    assert [int(line) for line in lines] == list(range(500 - len(lines), 500)), "the newest, in order"
    assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in tmp_path.iterdir())


def test_processes_that_write_at_once_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "rpd.log"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    lines = [line for part in path.parent.glob("rpd.log*") for line in part.read_text().splitlines()]
    assert sorted(line.split()[0] for line in lines) == sorted(f"{name}-{n:03d}" for name in "abcd" for n in range(300))
    assert all(line.endswith("x" * 40) for line in lines), "no two are mixed"


def test_who_comes_second_to_the_lock_does_not_move_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "rpd.log"
    first, second = (RotatingFile(path, part_bytes_max=10) for _ in range(2))
    first.append(b"old\n")
    handle = first._open()
    second.append(b"of the second\n")
    first._rotate(handle)  # it has seen that the file is full before the second moved it
    assert [part.read_text() for part in parts_of(path)] == ["old\n", "of the second\n"]


def test_a_file_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "rpd.log")
    file.append(b"one\n")
    (tmp_path / "rpd.log").unlink()
    file.append(b"two\n")
    assert (tmp_path / "rpd.log").read_text() == "two\n"


# That nothing depends on it.


@pytest.mark.parametrize("why", ["no folder", "full disk", "a fault"])
def test_what_cannot_be_written_is_left_out_after_one_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def refuse(*_: object) -> int:
        if why == "a fault":
            raise RuntimeError("never mind")
        raise OSError(28, "No space left on device")

    if why == "no folder":
        (tmp_path / "log").write_text("a file is in the way")
    else:
        monkeypatch.setattr(rotating_file.os, "write", refuse)
    monkeypatch.setattr(own_log, "REST_SECONDS", 0.0)
    notes: list[str] = []
    begin(tmp_path, notes.append)
    for _ in range(3):
        logger("api").info("x")
    assert len(notes) == 1 and "rpd's own log cannot be written" in notes[0]


def test_after_a_failure_the_disk_is_left_alone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def refuse(*_: object) -> int:
        tried.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rotating_file.os, "write", refuse)
    begin(tmp_path)
    for _ in range(100):
        logger("api").info("x")
    assert len(tried) == 1


def test_a_line_cut_by_a_full_disk_does_not_spoil_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, file = os.write, RotatingFile(tmp_path / "rpd.log")
    monkeypatch.setattr(rotating_file.os, "write", lambda handle, data: write(handle, data[:2]))
    file.append(b"one\n")
    monkeypatch.setattr(rotating_file.os, "write", write)
    file.append(b"two\n")
    assert (tmp_path / "rpd.log").read_text().split() == ["on", "two"]
