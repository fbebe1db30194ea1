"""Which tool a file is of, and the job files that it becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from rpd.adapters.importing.common import Sources
from rpd.adapters.importing.document import Document, documents
from rpd.adapters.importing.draft import Draft
from rpd.adapters.importing.dstack import from_dstack, is_dstack
from rpd.adapters.importing.runpodctl import document_of, from_runpodctl, lines_in
from rpd.adapters.importing.skypilot import from_skypilot, is_head, is_skypilot
from rpd.adapters.local.dirs import label_of
from rpd.engine.errors import UserError

_YAML = re.compile(r"(?:[ \t\r]*(?:#[^\n]*|---[^\n]*)?\n)*+[\w.-]+[ \t]*:(?=\s|\Z)")
"""What begins with a key is meant as YAML, also where it cannot be read as such."""
_ENDINGS = re.compile(r"(\.dstack)?\.(ya?ml|sh|txt)\Z|(?<=.)\.(sky|dstack)\Z")


class Imported(msgspec.Struct, frozen=True):
    """One job file. `name` is its file's; `kind` the tool it comes from; `notes` what has no counterpart."""

    name: str
    kind: str
    text: str
    notes: tuple[str, ...]


def kind_of(text: str, file: str) -> str | None:
    """The tool whose file this is: `SkyPilot`, `dstack` or `runpodctl`; None for a job file, or for none of them."""
    if _calls(text, file):
        return "runpodctl"
    try:
        found = documents(text, file)
    except UserError:
        return None
    kinds = (_kind(each) for each in found)
    return next((kind for kind in kinds if kind is not None), None)


def imported(text: str, file: str, *, base: Path, out: Path) -> list[Imported]:
    """All jobs of a file, to be written into `out`; `base` is the folder of the file. The paths of a SkyPilot task
    count from the current folder, as they do there. Raises UserError."""
    stem = _stem(Path(file).name)
    drafts: list[tuple[str, Draft]] = []
    heads: list[str] = []
    for kind, document in _documents(text, file):
        if kind == "SkyPilot" and is_head(document.data):
            heads += [document.shown(place) for place in document.left()]
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
        raise UserError(f"{file} holds no job")
    several = len(drafts) > 1
    return [
        _finished(kind, draft, file, stem, number if several else None, heads)
        for number, (kind, draft) in enumerate(drafts, 1)
    ]


def _finished(kind: str, draft: Draft, file: str, stem: str, number: int | None, heads: list[str]) -> Imported:
    head = [f"Made of {Path(file).name} ({kind}) by rpd import. Try it without an account: rpd run FILE --sandbox"]
    notes = list(draft.notes)
    if number is not None:
        head.append(
            f"Job {number} of that file: each job is a file of its own, and nothing starts one after the other."
        )
        notes += [f"{each}: each job is a file of its own; rpd run them one after the other" for each in heads]
        head += [f"no counterpart: {each}" for each in heads]
    label = f".{number}-{label_of(str(draft.get('name')))}" if number is not None else ""
    return Imported(f"{stem}{label}.rpd.yaml", kind, draft.text(head), tuple(notes))


def _documents(text: str, file: str) -> Iterator[tuple[str, Document]]:
    if calls := _calls(text, file):
        yield from (("runpodctl", document_of(line, number, file)) for number, line in calls)
        return
    found = [(_kind(document), document) for document in documents(text, file)]
    for number, (kind, document) in enumerate(found):
        if kind is not None:
            yield kind, document
        elif number == 0 and any(each == "SkyPilot" for each, _ in found) and is_head(document.data):
            yield "SkyPilot", document  # a name for all tasks after it
        elif "pod" in document.data and "run" in document.data:
            raise UserError(f"{file} is a job file already", hint=f"rpd validate {file}")
        else:
            what = "neither a SkyPilot task, a dstack configuration nor a `runpodctl create pod` line"
            raise UserError(f"{file} is {what}")


def _calls(text: str, file: str) -> list[tuple[int, str]]:
    """The calls of a shell text, with their lines; none where the text is YAML, whatever its commands call."""
    calls = list(lines_in(text))
    if not calls or _YAML.match(text):
        return []
    try:
        found = documents(text, file)
    except UserError:
        return calls
    is_yaml = any(" " not in key for each in found for key in each.data)  # a call with --args 'a: b' can be read, too
    return [] if is_yaml else calls


def _kind(document: Document) -> str | None:
    checks: tuple[tuple[str, Callable[[dict[str, object]], bool]], ...] = (
        ("dstack", is_dstack),
        ("SkyPilot", is_skypilot),
    )
    if isinstance(document.data.get("pod"), dict):
        return None
    return next((kind for kind, check in checks if check(document.data)), None)


def _stem(name: str) -> str:
    """What new files are named after."""
    while (shorter := _ENDINGS.sub("", name)) != name:
        name = shorter
    return label_of(name) or "job"
