"""The tool to which a file belongs, and the job files that it becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from rpd.adapters.importing.common import Sources
from rpd.adapters.importing.document import Document, documents
from rpd.adapters.importing.draft import Draft
from rpd.adapters.importing.dstack import OTHERS, from_dstack, is_dstack
from rpd.adapters.importing.others import Other, other_data, other_text
from rpd.adapters.importing.runpodctl import document_of, from_runpodctl, lines_in
from rpd.adapters.importing.skypilot import from_skypilot, is_head, is_skypilot
from rpd.adapters.local.dirs import label_of
from rpd.engine.errors import UserError

_YAML = re.compile(r"(?:[ \t\r]*(?:#[^\n]*|---[^\n]*)?\n)*+[\w.-]+[ \t]*:(?=\s|\Z)")
"""A text that begins with a key is meant as YAML, even if it cannot be read as YAML."""
_READS = "rpd import reads SkyPilot tasks, dstack configurations and `runpodctl create pod` lines"
_ENDINGS = re.compile(r"(\.dstack)?\.(ya?ml|sh|txt)\Z|(?<=.)\.(sky|dstack)\Z")


class Imported(msgspec.Struct, frozen=True):
    """One job file. `name` is that of its file. `kind` is the tool it comes from. `notes` are the parts without a
    counterpart."""

    name: str
    kind: str
    text: str
    notes: tuple[str, ...]


def kind_of(text: str, file: str) -> str | None:
    """The tool to which this file belongs: `SkyPilot`, `dstack` or `runpodctl`. None for a job file, or for any other
    file."""
    if _calls(text, file):
        return "runpodctl"
    try:
        found = documents(text, file)
    except UserError:
        return None
    kinds = (_kind(each) for each in found)
    return next((kind for kind in kinds if kind is not None), None)


def other_of(text: str, file: str) -> Other | None:
    """The kind of a file that rpd neither runs nor translates. None if it may be meant for rpd, or is of an unknown
    kind."""
    try:
        found = documents(text, file)
    except UserError:
        found = []
    known = (other_data(each.data) for each in found)
    one = next((each for each in known if each is not None), None)
    return one if one is not None or found or _YAML.match(text) else other_text(text, file)


def imported(text: str, file: str, *, base: Path, out: Path) -> list[Imported]:
    """All jobs of a file, to be written into `out`. `base` is the folder of the file. The paths of a SkyPilot task
    count from the current folder, as they do in SkyPilot. Raises UserError."""
    stem = _stem(Path(file).name)
    drafts: list[tuple[str, Draft]] = []
    heads: list[str] = []
    for kind, document in _documents(text, file):
        if kind == "SkyPilot" and is_head(document.data):
            heads += [f"{document.shown(place)}: each job is started by itself" for place in document.left()]
            continue
        if kind == "dstack" and (what := OTHERS.get(str(document.data["type"]))):
            heads.append(f"type: {document.data['type']}: it holds no job; {what}")
            continue
        draft = Draft(document, file)
        if kind == "SkyPilot":
            from_skypilot(draft, Sources(Path.cwd(), out), stem)
        elif kind == "dstack":
            from_dstack(draft, Sources(base, out), stem)
        else:
            from_runpodctl(draft, stem)
        drafts.append((kind, draft))
    if not drafts:
        raise UserError("\n".join([f"{file} holds no job", *heads]))
    several = len(drafts) > 1
    return [
        _finished(kind, draft, file, stem, number if several else None, heads)
        for number, (kind, draft) in enumerate(drafts, 1)
    ]


def _finished(kind: str, draft: Draft, file: str, stem: str, number: int | None, heads: list[str]) -> Imported:
    head = [f"Made of {Path(file).name} ({kind}) by rpd import. Try it without an account: rpd run FILE --sandbox"]
    notes = [*draft.notes, *heads]
    if number is not None:
        head.append(
            f"Job {number} of that file: each job is a file of its own, and nothing starts one after the other."
        )
    head += [f"no counterpart: {each}" for each in heads]
    label = f".{number}-{label_of(str(draft.get('name')))}" if number is not None else ""
    return Imported(f"{stem}{label}.rpd.yaml", kind, draft.text(head), tuple(notes))


def _documents(text: str, file: str) -> Iterator[tuple[str, Document]]:
    if calls := _calls(text, file):
        yield from (("runpodctl", document_of(line, number, file)) for number, line in calls)
        return
    if (other := other_of(text, file)) is not None:
        raise UserError(f"{file} is {other.what}; {_READS}", reason="foreign_spec", hint=other.hint)
    found = [(_kind(document), document) for document in documents(text, file)]
    for number, (kind, document) in enumerate(found):
        if kind is not None:
            yield kind, document
        elif number == 0 and any(each == "SkyPilot" for each, _ in found) and is_head(document.data):
            yield "SkyPilot", document  # a name for all tasks after it
        elif "pod" in document.data or "schema_version" in document.data:
            is_old = document.data.get("schema_version", 2) != 2
            raise UserError(f"{file} is a job file already", hint=f"rpd {'migrate' if is_old else 'validate'} {file}")
        else:
            what = "neither a SkyPilot task, a dstack configuration nor a `runpodctl create pod` line"
            raise UserError(f"{file} is {what}", hint="rpd init   makes a job file to fill in")


def _calls(text: str, file: str) -> list[tuple[int, str]]:
    """The calls of a shell text, with their lines. Empty if the text is YAML, whatever its commands call."""
    calls = list(lines_in(text))
    if not calls or _YAML.match(text):
        return []
    try:
        found = documents(text, file)
    except UserError:
        return calls
    is_yaml = any(" " not in key for each in found for key in each.data)  # --args 'a: b' can be read as YAML, too
    return [] if is_yaml else calls


def _kind(document: Document) -> str | None:
    checks: tuple[tuple[str, Callable[[dict[str, object]], bool]], ...] = (
        ("dstack", is_dstack),
        ("SkyPilot", is_skypilot),
    )
    if isinstance(document.data.get("pod"), dict) or other_data(document.data) is not None:
        return None
    return next((kind for kind, check in checks if check(document.data)), None)


def _stem(name: str) -> str:
    """The base of the names of new files."""
    while (shorter := _ENDINGS.sub("", name)) != name:
        name = shorter
    return label_of(name) or "job"
