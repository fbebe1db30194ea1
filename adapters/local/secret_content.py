"""The content of files of secrets, from this machine's environment and files; and all of their values, so that they can
be kept out of everything that is written."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.local.files import read_regular
from rpd.engine.errors import Refused
from rpd.journal.redact import Secret
from rpd.states.faults import Fault
from rpd.states.job import Job, SecretFile

FILE_BYTES_MAX = 1024 * 1024


def content_of(file: SecretFile, environ: Mapping[str, str] = os.environ) -> bytes:
    """What is to stand in the pod. Raises Refused `secret_missing`."""
    problem = problem_with(file, environ)
    if problem is not None:
        raise Refused(problem, reason=Fault.SECRET_MISSING, retryable=False)
    if file.file is not None:
        return _read(file.file)
    return "".join(f"export {name}={shlex.quote(environ[name])}\n" for name in file.env).encode(
        errors="surrogateescape"
    )


def problem_with(file: SecretFile, environ: Mapping[str, str] = os.environ) -> str | None:
    """Why a file of secrets cannot be had here, in one sentence; None when it can."""
    if file.file is not None:
        try:
            is_whole = len(_read(file.file)) <= FILE_BYTES_MAX
        except OSError as error:
            return f"secret {file.name}: {file.file} cannot be read: {error.strerror}"
        return None if is_whole else f"secret {file.name}: {file.file} has more than {FILE_BYTES_MAX // 1024} KiB"
    missing = [f"${name}" for name in file.env if not environ.get(name)]
    return f"secret {file.name}: {', '.join(missing)} is not set on this machine" if missing else None


def secret_problems(job: Job) -> Iterator[str]:
    """One sentence for each file of secrets that cannot be had on this machine."""
    return (problem for file in job.secrets if (problem := problem_with(file)) is not None)


def values_in(config: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Iterator[Secret]:
    """Every value behind the `secrets` of a job as record 0 has it; what cannot be read is left out."""
    try:
        files = msgspec.convert(config.get("secrets", ()), tuple[SecretFile, ...])
    except msgspec.ValidationError:
        return
    for file in files:
        yield from (Secret(environ[name]) for name in file.env if environ.get(name))
        if file.file is not None and problem_with(file, environ) is None:
            yield Secret(_read(file.file).decode(errors="surrogateescape"))


def _read(path: str) -> bytes:
    return read_regular(Path(path), FILE_BYTES_MAX + 1)
