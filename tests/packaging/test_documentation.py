"""The generated parts of the documentation say what the source says."""

from __future__ import annotations

import pytest

from docs.regenerate import DOCS, PARTS, SCHEMA, renewed, schema


@pytest.mark.parametrize("page", PARTS)
def test_a_page_is_up_to_date(page: str) -> None:
    assert (DOCS / page).read_text() == renewed(page), "run: make docs"


def test_the_schema_of_the_examples_is_up_to_date() -> None:
    assert SCHEMA.read_text() == schema(), "run: make docs"
