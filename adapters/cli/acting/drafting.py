"""`rpd init`, `rpd migrate` and `rpd schema`: job files before they run."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

from rpd.adapters.local.files import write_whole
from rpd.adapters.runs.job import not_ours
from rpd.adapters.spec.jobfile import load_text
from rpd.adapters.spec.migrate import migrated
from rpd.adapters.spec.schema import job_schema, journal_schema
from rpd.adapters.spec.starter import starter
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError

SCHEMA_NAME = "job.schema.json"


def init_file(file: Path) -> int:
    """Write a starter file and the schema beside it. Never overwrites a file."""
    if file.exists():
        raise UserError(f"{file} exists", hint="name another: rpd init FILE")
    name = "".join(letter if letter.isalnum() else "-" for letter in file.stem.lower()).strip("-") or "job"
    text = starter(name)
    load_text(text, file.absolute())
    _write(file, text)
    schema = file.with_name(SCHEMA_NAME)
    if not schema.exists():
        _write(schema, json.dumps(job_schema(), indent=1) + "\n")
    output.text([f"wrote {file}", f"next: rpd validate {file}", f"      rpd run {file} --sandbox"])
    return 0


def migrate_file(file: Path, *, write: bool) -> int:
    """Show what has to change, and change it with `write`. Exit code 0, also if nothing has to change."""
    try:
        old = file.read_bytes().decode()  # keeps the line ends of the file
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UserError(f"{file} cannot be read: {why}") from error
    if (foreign := not_ours(file, old)) is not None:
        raise foreign
    new, changes = migrated(old, str(file))
    if new == old:
        output.note([f"{file} is up to date"])
        return 0
    output.exact(
        line.rstrip("\n")
        for line in difflib.unified_diff(old.splitlines(), new.splitlines(), str(file), str(file), lineterm="")
    )
    output.note(changes)
    if write:
        load_text(new, file.absolute())
        _write(file, new)
        output.note([f"wrote {file}"])
    else:
        output.note([f"nothing was written; rpd migrate {file} --write"])
    return 0


def show_schema(what: str) -> int:
    """Print a JSON schema."""
    known = {"job": job_schema, "journal": journal_schema}
    if what not in known:
        raise UserError(f"there is no schema {what!r}", hint="rpd schema job   or rpd schema journal")
    output.answer(known[what]())
    return 0


def _write(file: Path, text: str) -> None:
    write_whole(file, text.encode(), mode=0o644)
