"""The content of files of secrets, from this machine's environment and files; and all of their values, so that rpd can
keep them out of everything that it writes."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.local.files import read_regular
from rpd.adapters.local.leaks import SHORTEST_SECRET, environment_secrets, is_secret_name
from rpd.engine.errors import Refused
from rpd.journal.redact import SECRET_CHARACTERS_MIN, Redactor, Secret
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import ENV_SECRET, Job, SecretFile

FILE_BYTES_MAX = 1024 * 1024
_ASSIGNED = re.compile(r"^[ \t]*(?:export[ \t]+)?[\"']?(?P<name>[\w.-]+)[\"']?[ \t]*[=:](?P<value>.*)$", re.MULTILINE)
_PASSWORD = re.compile(r"\bpassword[ \t]+(\S+)")
_SECRET_NAME = re.compile(r"pass|pw|secret|token|key|auth|cred", re.IGNORECASE)
_SECRET_END = re.compile(
    r"(pass|passw(or)?d|passphrase|pwd?|secret|token|key|auth|cred(ential)?)s?[0-9]*\Z", re.IGNORECASE
)
"""The end of a word in the name of a variable that holds a secret: PGPASSWORD and HF_TOKEN, not TOKENIZER or AUTHOR."""
_ADDRESS = re.compile(r"https?://")
_ORDINARY = re.compile(r"[a-z_-]+\Z|[/~]|https?://")


def content_of(file: SecretFile, environ: Mapping[str, str] = os.environ) -> bytes:
    """The content of the file in the pod. Raises Refused `secret_missing`."""
    problem = problem_with(file, environ)
    if problem is not None:
        raise Refused(problem, reason=Fault.SECRET_MISSING, retryable=False)
    if file.file is not None:
        return _read(file.file)
    return "".join(f"export {name}={shlex.quote(environ[name])}\n" for name in file.env).encode(
        errors="surrogateescape"
    )


def problem_with(file: SecretFile, environ: Mapping[str, str] = os.environ) -> str | None:
    """Why a file of secrets is not available here, in one sentence. None if it is."""
    if file.file is not None:
        try:
            is_whole = len(_read(file.file)) <= FILE_BYTES_MAX
        except OSError as error:
            return f"secret {file.name}: {file.file} cannot be read: {error.strerror}"
        return None if is_whole else f"secret {file.name}: {file.file} has more than {FILE_BYTES_MAX // 1024} KiB"
    missing = [f"${name}" for name in file.env if not environ.get(name)]
    return f"secret {file.name}: {', '.join(missing)} is not set on this machine" if missing else None


def secret_problems(job: Job) -> Iterator[str]:
    """One sentence for each file of secrets that is not available on this machine."""
    return (problem for file in job.secrets if (problem := problem_with(file)) is not None)


def values_in(
    config: Mapping[str, Any], environ: Mapping[str, str] = os.environ, *, said: Any = None
) -> Iterator[Secret]:
    """Every secret value behind the `secrets` of a job in record 0, and those within a file of one of the usual kinds,
    because a shell or a tool would show them separately. Unreadable files are left out. `said`: plain data that the
    journal contains too, all of record 0."""
    return (secret for _origin, secret in _named_values(config, environ, said))


def disclosures(
    config: Mapping[str, Any], places: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """One sentence for each secret that a journal would have to hold: in a field of the job in record 0, or in one of
    the `places`, which are other parts of record 0 that the run needs unchanged. No value is repeated."""
    shown = {**config, **places}
    known = {f"${name}": [Secret(value)] for name, value in environment_secrets(environ).items()}
    for origin, secret in _named_values(config, environ, shown):
        known.setdefault(origin, []).append(secret)
    for origin, secrets in known.items():
        redactor = Redactor(*secrets)
        where = [name for name, value in shown.items() if redactor.mask_data(value) != value]
        if not where:
            continue
        text = _text_of([shown[name] for name in where])
        parts = (line.strip() for secret in secrets for line in secret.reveal().splitlines())
        if any(_occurs(part, text) for part in parts if len(part) >= SECRET_CHARACTERS_MIN):
            yield (
                f"the value of {origin} stands in {', '.join(where)}, and the journal must not keep it; "
                "give one of the two another value"
            )
        else:
            yield (
                f"{', '.join(where)}: holds {origin} in disguise (base64, hexadecimal, quoted), and the journal must "
                "not keep it; pass the secret itself as a variable, and encode it in the pod"
            )


def _named_values(config: Mapping[str, Any], environ: Mapping[str, str], said: Any) -> Iterator[tuple[str, Secret]]:
    """Each value with its name for messages."""
    text = _text_of([config, said])
    try:
        files = msgspec.convert(config.get("secrets", ()), tuple[SecretFile, ...])
    except msgspec.ValidationError:
        return
    for file in files:
        for name in file.env:
            value = environ.get(name, "")
            if file.name != ENV_SECRET or _is_secret_like(name):
                found: Iterable[str] = [value] if value else []
            else:  # `env` names everything that a job needs, and not all of that is secret
                parts = (part.strip() for part in value.splitlines())
                found = (part for part in parts if _is_worth_hiding(part, text) or _is_address(part, text))
            yield from ((f"${name}", Secret(each)) for each in found)
        if file.file is not None and problem_with(file, environ) is None:
            content = _read(file.file).decode(errors="surrogateescape")
            origin = f"secret {file.name}"
            yield origin, Secret(content)
            yield from ((origin, Secret(value)) for value in _within(content) if _is_worth_hiding(value, text))


def _text_of(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, default=str)


def _is_secret_like(name: str) -> bool:
    return is_secret_name(name) or any(_SECRET_END.search(word) for word in name.split("_"))


def _is_address(value: str, said: str) -> bool:
    """The rest of an address may be a secret, as that of a webhook is."""
    return _ADDRESS.match(value) is not None and not _occurs(value, said)


def _occurs(value: str, said: str) -> bool:
    """Whether a JSON text contains the value, unchanged or as JSON writes it."""
    return value in said or json.dumps(value, ensure_ascii=False)[1:-1] in said


def _within(content: str) -> Iterator[str]:
    """The values under a secret's name: in a JSON document, else as `NAME=value`, `name: value` or netrc's `password
    value`."""
    try:
        yield from _texts(json.loads(content), is_secret=False)
    except (ValueError, RecursionError):
        for match in _ASSIGNED.finditer(content):
            if _SECRET_NAME.search(match["name"]):
                yield from _readings(match["value"].strip())
        yield from _PASSWORD.findall(content)


def _texts(data: Any, *, is_secret: bool) -> Iterator[str]:
    if isinstance(data, str) and is_secret:
        yield data
    elif isinstance(data, dict):
        for name, item in data.items():
            yield from _texts(item, is_secret=is_secret or bool(_SECRET_NAME.search(name)))
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item, is_secret=is_secret)


def _readings(text: str) -> Iterator[str]:
    """The value as it is written, and as a shell reads it."""
    yield text
    words = shlex.shlex(text, posix=True)
    words.whitespace_split, words.commenters = True, ""
    try:
        yield words.get_token() or ""
    except ValueError:
        return


def _is_worth_hiding(value: str, config: str) -> bool:
    """Whether to hide a value. Hiding values that are no secrets would remove text from the journal, even its own
    words. So these stay: short values, words of small letters, paths, addresses, and values that the job file contains
    as well."""
    is_ordinary = _ORDINARY.match(value) is not None or _occurs(value, config)
    return len(value) >= SHORTEST_SECRET and not is_ordinary


def _read(path: str) -> bytes:
    return read_regular(Path(path), FILE_BYTES_MAX + 1)
