"""`rpd import`: turn a file of another tool into job files."""

from __future__ import annotations

from pathlib import Path

from rpd.adapters.importing.imported import Imported, imported
from rpd.adapters.local.files import read_regular, write_whole
from rpd.adapters.spec.error import SpecError
from rpd.adapters.spec.jobfile import load_text
from rpd.adapters.spec.yaml_source import MAX_BYTES
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError

TO_STDOUT = Path("-")


def import_file(source: str, out: Path | None, *, force: bool, as_json: bool) -> int:
    """Write one job file for each job, and report what of the source has no counterpart. Never overwrites a file
    without `force`. Exit code 0, also if something has no counterpart."""
    path = Path(source)
    is_line = source.lstrip().startswith(("runpodctl ", "runpod ", "rp ")) and not path.exists()
    text = source if is_line else _read(path)
    base = Path.cwd() if is_line else path.resolve().parent
    one = out if out is not None and out != TO_STDOUT and out.suffix in (".yaml", ".yml") else None
    folder = (one.parent if one is not None else out if out is not None and out != TO_STDOUT else Path()).resolve()
    made = imported(text, "runpodctl.sh" if is_line else source, base=base, out=folder)
    if one is not None and len(made) > 1:
        raise UserError(f"{source} holds {len(made)} jobs; name a folder", hint=f"rpd import {source} --out FOLDER")
    places = [one or (folder / each.name if out is not None else Path(each.name)) for each in made]
    open_ends = [_open_ends(each, place) for each, place in zip(made, places, strict=True)]
    if out == TO_STDOUT:
        output.exact("---\n".join(each.text for each in made).splitlines())
    else:
        _write(made, places, force=force)
    if as_json:
        output.answer(_document(made, places, open_ends))
        return 0
    for each, place, ends in zip(made, places, open_ends, strict=True):
        if out != TO_STDOUT:
            output.text([f"wrote {place}"])
        output.note([f"no counterpart: {note}" for note in each.notes])
        output.note([f"to be done: {end}" for end in ends])
    if out != TO_STDOUT:
        output.note([f"next: rpd validate {places[0]}", f"      rpd run {places[0]} --sandbox"])
    return 0


def _read(path: Path) -> str:
    try:
        return read_regular(path, MAX_BYTES + 1)[:MAX_BYTES].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UserError(f"{path} cannot be read: {why}") from error


def _write(made: list[Imported], places: list[Path], *, force: bool) -> None:
    taken = [place for place in places if place.exists()]
    if taken and not force:
        raise UserError(f"{taken[0]} exists", hint="rpd import FILE --out OTHER   or --force to write over it")
    for each, place in zip(made, places, strict=True):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{place.parent} cannot be made: {error.strerror}") from error
        write_whole(place, each.text.encode(), mode=0o644)


def _open_ends(made: Imported, place: Path) -> list[str]:
    """What the file needs before it can run: values, or an edit by a person."""
    try:
        load_text(made.text, place.absolute())
    except SpecError as wrong:
        return [f"{each.path}: {each.message}" for each in wrong.problems]
    return []


def _document(made: list[Imported], places: list[Path], open_ends: list[list[str]]) -> dict[str, object]:
    files = [
        {"file": str(place), "from": each.kind, "no_counterpart": list(each.notes), "to_be_done": ends}
        for each, place, ends in zip(made, places, open_ends, strict=True)
    ]
    return {"schema": "rpd.import/1", "files": files}
