"""Exclude patterns mean what they mean to rsync."""

from __future__ import annotations

import pytest

from rpd.adapters.transfer.patterns import Patterns


@pytest.mark.parametrize(
    ("pattern", "path", "is_folder", "expected"),
    [
        (".git/", ".git", True, True),
        (".git/", ".git", False, False),
        (".git/", "sub/.git", True, True),
        (".git/", ".github", True, False),
        ("*.pyc", "a/b.pyc", False, True),
        ("*.pyc", "b.pyc.txt", False, False),
        ("**/*.pyc", "b.pyc", False, True),
        ("**/__pycache__/", "a/b/__pycache__", True, True),
        ("/data", "data", True, True),
        ("/data", "a/data", True, False),
        ("a/data", "x/a/data", True, True),
        ("a/data", "xa/data", True, False),
        ("a*/data", "ab/c/data", True, False),
        ("a**/data", "ab/c/data", True, True),
        ("?.txt", "a.txt", False, True),
        ("?.txt", "ab.txt", False, False),
        ("[a-c].txt", "b.txt", False, True),
        ("[!a-c].txt", "b.txt", False, False),
        ("\\*", "*", False, True),
        ("\\*", "x", False, False),
        ("out/***", "out", True, True),
        ("out/***", "out/deep/x", False, True),
        ("a.b", "axb", False, False),
        ("/", "a", True, False),
        ("new\nline", "new\nline", False, True),
    ],
)
def test_a_pattern(pattern: str, path: str, is_folder: bool, expected: bool) -> None:
    assert Patterns([pattern]).match(path, is_folder) is expected


def test_what_lies_in_an_excluded_folder_is_covered() -> None:
    patterns = Patterns([".venv/"])
    assert patterns.cover("a/.venv/bin/python", False) and not patterns.cover("a/bin", False)


def test_no_patterns_exclude_nothing() -> None:
    assert not Patterns([]).cover("a/b", False)


@pytest.mark.parametrize(
    ("path", "is_folder", "expected"),
    [
        ("src", True, False),
        ("src/a.py", False, False),
        ("src/deep/b.txt", False, False),
        ("src/x.tmp", False, True),
        ("train.py", False, False),
        ("lib/train.py", False, False),
        ("data", True, False),
        ("data/big.bin", False, True),
        ("srcx/a", False, True),
    ],
)
def test_only_what_the_includes_match_less_the_excludes(path: str, is_folder: bool, expected: bool) -> None:
    patterns = Patterns(["*.tmp"], ["/src/", "*.py"])
    assert patterns.match(path, is_folder) is expected


def test_what_is_not_included_is_protected_where_it_is() -> None:
    patterns = Patterns([], ["/src/"])
    assert patterns.cover("results/a", False) and patterns.cover("results", True)
    assert not patterns.cover("src/old", False)
