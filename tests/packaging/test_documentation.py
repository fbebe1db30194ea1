"""The generated parts of the documentation say what the source says."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest

from docs.regenerate import DOCS, PARTS, SCHEMA, renewed, schema
from rpd.adapters.spec.jobfile import load_job, load_text
from rpd.adapters.spec.schema import job_schema
from rpd.adapters.spec.yaml_source import read_yaml

EXAMPLES = sorted(SCHEMA.parent.rglob("*.yaml"))
MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)\n")
_SECRET = re.compile(r"--var ([A-Z_]+)(?![A-Z_=])")
_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`((?:engine|states|journal|adapters|tests)/[\w./*-]+)(?:: ([\w.]+))?`")
"""A file or folder of the source, and perhaps a name in it: `states/create.py: perform`."""
_PICTURE = re.compile(r'(?:src|srcset)="([^"]+)"')
_MACHINE = re.compile(r"/(?:root|work|Users)\b|/tmp/(?!ada/)|\bvm\b")
OF_THE_SOURCE = [
    DOCS / "architecture.md",
    DOCS / "glossary.md",
    DOCS / "reliability.md",
    DOCS.parent / "CONTRIBUTING.md",
]
PAGES = sorted({*DOCS.rglob("*.md"), DOCS.parent / "README.md"})


def _given(page: Path, text: str) -> dict[str, str]:
    """What the page has a reader pass from the environment."""
    return {name: "" for name in _SECRET.findall(page.read_text()) if f"{{{name}}}" in text}


WHOLE = [
    pytest.param(text, _given(page, text), id=f"{page.name}-{number}")
    for page in PAGES
    for number, text in enumerate(_BLOCK.findall(page.read_text()))
    if re.search(r"^name:", text, re.MULTILINE) and re.search(r"^run:", text, re.MULTILINE)
]


@pytest.mark.weak_point(33)
@pytest.mark.parametrize("page", PARTS)
def test_a_page_is_up_to_date(page: str) -> None:
    assert (DOCS / page).read_text() == renewed(page), "run: make docs"


def test_the_schema_of_the_examples_is_up_to_date() -> None:
    assert SCHEMA.read_text() == schema(), "run: make docs"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_valid_and_tells_editors_so(path: Path) -> None:
    found = MODELINE.match(path.read_text())
    assert found is not None and (path.parent / found[1]).samefile(SCHEMA)
    load_job(path, environ={}, home=Path("/home/nobody"))
    jsonschema.validate(read_yaml(path).data, job_schema())


@pytest.mark.weak_point(33)
@pytest.mark.parametrize(("text", "given"), WHOLE)
def test_a_whole_job_in_the_documentation_is_valid(text: str, given: dict[str, str], tmp_path: Path) -> None:
    job = load_text(text, tmp_path / "job.yaml", variables=given).job
    assert "{" not in job.name and (job.run.body or job.run.script_path)


def test_the_documentation_holds_whole_jobs() -> None:
    assert len(WHOLE) >= 2


@pytest.mark.parametrize("page", OF_THE_SOURCE, ids=lambda page: page.name)
def test_a_page_names_what_stands_in_the_source(page: Path) -> None:
    root = DOCS.parent
    for place, name in _NAMED.findall(page.read_text()):
        found = [*root.glob(place)]
        assert found, f"{page.name} names {place}, which is not there"
        for part in name.split(".") if name else ():
            assert re.search(rf"\b{part}\b", found[0].read_text()), f"{page.name} names {part} in {place}"


def test_every_field_is_described_for_people() -> None:
    """Each field of the schema stands in the table of docs/job-file.md."""
    page = (DOCS / "job-file.md").read_text()
    table = page[page.index("| field | default | meaning |") : page.index("## Recycle")]
    for struct in job_schema()["$defs"].values():
        for field in struct.get("properties", {}):
            assert f"`{field}`" in table or f"`.{field}`" in table or f"`{field}[]`" in table, field


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_pictures_of_a_page_exist(page: Path) -> None:
    names = [name for name in _PICTURE.findall(page.read_text()) if "://" not in name]
    assert [name for name in names if not (page.parent / name).is_file()] == []
    assert names or page != DOCS.parent / "README.md"


def test_a_picture_shows_nothing_of_the_machine_that_made_it() -> None:
    for each in (DOCS / "screens").iterdir():
        assert _MACHINE.search(each.read_text()) is None, each.name
