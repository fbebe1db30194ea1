"""One archive for a bug report: what the doctor found, versions, settings, journals and logs, without secrets.

Every text goes through one filter. It knows each secret that this machine holds for rpd, in all usual forms, and what
keys of well-known kinds look like.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.access.config import find_api_key, runpodctl_file, runpodctl_key
from rpd.adapters.doctor.machine import versions_here
from rpd.adapters.local.dirs import own_key_path, place_of_state_home
from rpd.adapters.local.files import read_regular
from rpd.adapters.local.leaks import environment_secrets, without_shapes
from rpd.adapters.local.own_log import log_path
from rpd.adapters.local.secret_content import values_in
from rpd.adapters.report.words import plural, size
from rpd.adapters.set_up.imports import found_here
from rpd.adapters.set_up.showing import document_of
from rpd.adapters.settings.file import read_settings, settings_file
from rpd.adapters.settings.keys import API_KEY
from rpd.adapters.settings.settings import load
from rpd.engine.errors import RpdError, UserError
from rpd.journal.errors import JournalError
from rpd.journal.paths import journals
from rpd.journal.reader import read
from rpd.journal.redact import Redactor, Secret

MOST_JOURNALS = 50
MOST_BYTES = 5_000_000
"""Of one file: its end."""
_SMALL = 100_000


def write_bundle(path: Path, document: Mapping[str, Any]) -> list[str]:
    """Effect: write the archive, 0600, and never over another file. Returns lines about it. Raises UserError."""
    if path.exists():
        raise UserError(f"{path} exists", hint=f"rpd doctor --bundle {path}.new")
    home = place_of_state_home()
    found = list(_files(home))
    redactor = secrets_here(home, found)
    texts = {
        "doctor.json": json.dumps(document, indent=2),
        "versions.json": json.dumps(versions_here(), indent=2),
        "settings.json": json.dumps(_settings(), indent=2),
    }
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in texts.items():
            _add(archive, name, _clean(redactor, text, is_cut=False))
        for file in found:
            text, is_cut = _end_of(file)
            _add(archive, _clean(redactor, str(file.relative_to(home))), _clean(redactor, text, is_cut=is_cut))
    _write_new(path, content.getvalue())
    return [
        f"{path}: {plural(len(found), 'file')} of {home}, {size(len(content.getvalue()))}, without known secrets",
        "read it before you send it: it holds your job files, the output of jobs, names of files and of hosts",
    ]


def secrets_here(home: Path, files: list[Path]) -> Redactor:
    """All that no text may hold: the API keys, the environment's secrets, what jobs have named, private SSH keys."""
    redactor = Redactor(*map(Secret, environment_secrets(os.environ).values()))
    redactor.add(*_api_keys(home), *_private_keys(home))
    for file in files:
        if file.parent.parent == home / "journals":
            with contextlib.suppress(RpdError, JournalError, OSError):
                redactor.add(*_named_by(file))
    return redactor


def _named_by(journal: Path) -> list[Secret]:
    opened = read(journal).opened
    return list(values_in(opened.config, os.environ, said=msgspec.to_builtins(opened))) if opened is not None else []


def _api_keys(home: Path) -> Iterator[Secret]:
    """Every key that is anywhere, also one that another wins over."""
    with contextlib.suppress(RpdError):
        found = find_api_key()
        if found is not None:
            yield found.secret
    file = settings_file()
    with contextlib.suppress(RpdError):
        kept = read_settings(file).data.get(API_KEY) if file is not None else None
        if isinstance(kept, str):
            yield Secret(kept.strip())
    theirs = runpodctl_key(runpodctl_file())
    if theirs is not None:
        yield Secret(theirs)
    yield from (each.key for each in found_here(os.environ) if each.key is not None)
    with contextlib.suppress(OSError):
        yield Secret(read_regular(home / "sandbox" / "api_key", _SMALL).decode(errors="replace").strip())


def _private_keys(home: Path) -> Iterator[Secret]:
    paths = [own_key_path(home)]
    with contextlib.suppress(RpdError):
        named = load().settings.ssh_key_path
        paths += [Path(named)] if named is not None and not named.endswith(".pub") else []
    for path in paths:
        with contextlib.suppress(OSError):
            lines = read_regular(path, _SMALL).decode(errors="replace").splitlines()
            yield from (Secret(line) for line in lines if not line.startswith("-----"))


def _files(home: Path) -> Iterator[Path]:
    """The newest journals and what was written beside them, emergency records, and logs."""
    with contextlib.suppress(OSError):
        newest = sorted(journals(home), key=lambda each: each.stat().st_mtime, reverse=True)
        yield from newest[:MOST_JOURNALS]
    yield from sorted(home.glob("emergency-*.jsonl"))
    yield from sorted(each for each in log_path(home).parent.glob("*") if each.is_file() and not each.is_symlink())
    yield from (each for each in [home / "sandbox" / "daemon.log"] if each.is_file())


def _settings() -> dict[str, Any]:
    try:
        return document_of(load())
    except RpdError as error:
        return {"problem": error.message}


def _end_of(path: Path) -> tuple[str, bool]:
    """The last bytes of a file, and whether they are not the whole."""
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - MOST_BYTES))
            return file.read(MOST_BYTES).decode(errors="replace"), length > MOST_BYTES
    except OSError as error:
        return f"could not be read: {error.strerror}\n", False


def _clean(redactor: Redactor, text: str, *, is_cut: bool = False) -> str:
    return without_shapes(redactor.mask(text, is_cut=is_cut))


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode(errors="replace")
    info = tarfile.TarInfo(f"rpd-report/{name}")
    info.size, info.mtime, info.mode = len(content), int(time.time()), 0o600
    archive.addfile(info, io.BytesIO(content))


def _write_new(path: Path, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}", exit_code=1, reason="local_disk") from error
