"""The state home and the settings file: can rpd write there, can others, is there room, what was left over."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from rpd.adapters.doctor.check import Check, Fix, note, ok, problem, warning
from rpd.adapters.local.dirs import place_of_state_home
from rpd.adapters.report.words import plural, size
from rpd.adapters.settings.file import read_settings, settings_file
from rpd.adapters.settings.keys import API_KEY
from rpd.adapters.settings.settings import load
from rpd.states.ports.exits import Exit

NAME = "state home"
LEAST_BYTES, FEW_BYTES = 50_000_000, 1_000_000_000
OLD_SECONDS = 600.0
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "lustre"})
_DRAFT = re.compile(r"(?:\..+|.+\.request)\.(\d+)\.[0-9a-f]{8}\.(?:tmp|taken)\Z")
"""Files that a process writes before it renames them, named by its number."""
_PROBE_BYTES = 8192


def state_home_checks() -> Iterator[Check]:
    """The folder of journals. It is not made here."""
    home = place_of_state_home()
    if not home.exists():
        yield note(NAME, f"{home} does not exist yet; the first run makes it")
        return
    status = home.stat()
    if not stat.S_ISDIR(status.st_mode):
        yield problem(NAME, f"{home} is no folder", "export RPD_HOME=/a/folder/of/yours", Exit.JOURNAL)
        return
    if status.st_uid != os.geteuid():
        yield problem(NAME, f"{home} belongs to another user", "export RPD_HOME=/a/folder/of/yours", Exit.JOURNAL)
        return
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        fix = Fix(f"Take the right to write to {home} from others?", lambda: _narrow(home, 0o700))
        yield problem(NAME, f"others may write to {home}", f"chmod 700 {home}", Exit.JOURNAL, fix)
    wrong = _probe(home)
    if wrong is not None:
        yield problem(NAME, f"nothing can be written in {home}: {wrong}", f"df -h {home}", Exit.JOURNAL)
    else:
        yield ok(NAME, f"{home} can be written")
    yield from _room(home)
    kind = file_system(home)
    if kind in NETWORK:
        text = f"{home} is on a network file system ({kind}), where locks and syncs may not hold"
        yield warning(NAME, text, "export RPD_HOME=/a/folder/of/this/machine")


def settings_checks() -> Iterator[Check]:
    """The settings file: readable, right, private."""
    file = settings_file()
    if file is None:
        yield note("settings", "there is no home folder for a settings file", "export RPD_CONFIG=/a/file")
        return
    found = read_settings(file)
    if found.mode is None:
        yield note("settings", f"{file} does not exist; the defaults hold", "rpd config init")
        return
    loaded = load(file=file)
    for name in loaded.unknown:
        yield warning("settings", f"rpd does not know {name!r} in {file}", "rpd config show")
    if found.is_exposed:
        make = problem if API_KEY in found.data else warning
        yield make("settings", f"others may read {file}", f"chmod 600 {file}", fix=narrowed(file))
    else:
        yield ok("settings", f"{file} is right, and yours alone")


def leftovers() -> Iterator[Check]:
    """Drafts of processes that died while they wrote. They are removed only where it is sure that nobody writes them: a
    number that no process here has, on a file system of this machine."""
    home = place_of_state_home()
    file = settings_file()
    folders = [home, home / "journals", *(home / "journals").glob("*"), home / "sandbox", home / "ssh"]
    found = [each for folder in [*folders, *([file.parent] if file else [])] for each in _drafts(folder)]
    if not found:
        yield ok("leftovers", "nothing of dead processes is left")
    elif file_system(home) in NETWORK:
        yield note("leftovers", f"{plural(len(found), 'draft')} of other processes, perhaps of other machines")
    else:
        fix = Fix(f"Remove {plural(len(found), 'draft')} of dead processes?", lambda: _remove(found))
        yield warning("leftovers", f"{plural(len(found), 'draft')} of dead processes", "rpd doctor --fix", fix)


def file_system(folder: Path) -> str:
    """The type of the file system of a folder. Empty where the system does not say."""
    best, kind = "", ""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    real = str(folder.resolve())
    for line in lines:
        words = line.split()
        place = words[1].replace("\\040", " ").rstrip("/") if len(words) > 2 else "-"
        if (real == place or real.startswith(f"{place}/")) and len(place) >= len(best):
            best, kind = place, words[2]
    return kind


def _room(home: Path) -> Iterator[Check]:
    free = shutil.disk_usage(home).free
    if free < LEAST_BYTES:
        yield problem("disk", f"{size(free)} free for journals and results", f"df -h {home}", Exit.JOURNAL)
    elif free < FEW_BYTES:
        yield warning("disk", f"{size(free)} free for journals and results", f"df -h {home}")
    else:
        yield ok("disk", f"{size(free)} free")


def _probe(home: Path) -> str | None:
    """Write, sync and lock a file, and remove it. What is wrong, in words of the system."""
    path = home / f".doctor.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        return error.strerror
    try:
        os.write(descriptor, bytes(_PROBE_BYTES))
        os.fsync(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.strerror
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            path.unlink()
    return None


def _drafts(folder: Path) -> list[Path]:
    """The drafts in a folder whose process is dead."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a folder may hold a hundred thousand journals
    except OSError:
        return []
    return [folder / name for name in names if (match := _DRAFT.match(name)) and _is_left(folder / name, int(match[1]))]


def _is_left(path: Path, pid: int) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
    return is_ours and time.time() - status.st_mtime > OLD_SECONDS and not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _narrow(path: Path, most: int) -> None:
    """Effect: take rights from others, through no link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, os.fstat(descriptor).st_mode & most)
    finally:
        os.close(descriptor)


def narrowed(path: Path) -> Fix:
    """The mend for a file that others may read."""
    return Fix(f"Make {path} readable by you alone?", lambda: _narrow(path, 0o600))
