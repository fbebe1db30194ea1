"""Exclude patterns mean what they mean to rsync."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpd.adapters.transfer.patterns import Patterns, patterns_of
from rpd.states.ports.world import Tree


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


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("/artifacts/runpod/run-1/out", True),
        ("artifacts/runpod/run-1/", True),
        ("/artifacts/runpod/", True),
        ("/artifacts/runpod/run-*/out/***", True),
        ("**/runpod/run-1/out/*.bin", True),
        ("runpod/run-1", True),
        ("/artifacts/", False),
        ("/artifacts/*", False),
        ("/artifacts/**", False),
        ("/artifacts/runpod-old/run-1", False),
        ("*.bin", False),
        ("out/", False),
        ("**", False),
    ],
)
def test_what_the_includes_name_in_the_folders_of_earlier_runs_is_sent(
    tmp_path: Path, include: str, expected: bool
) -> None:
    (tmp_path / "artifacts/runpod/run-1/out").mkdir(parents=True)
    tree = Tree("t", str(tmp_path), "/w", runs=f"{tmp_path}/artifacts/runpod", includes=("/src/", include))
    patterns = patterns_of(tree)
    assert patterns.cover("artifacts/runpod/run-1/out/model.bin", False) is not expected
    assert patterns.match("artifacts/runpod", True) is not expected
    assert patterns.cover("artifacts/runpod/run-2/log.txt", False) or "run-1" not in include


@pytest.mark.parametrize("name", ["runs", "odd [1]*?"])
def test_a_folder_of_runs_at_the_top_is_named_as_well(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    escaped = name.replace("[", "\\[").replace("*", "\\*").replace("?", "\\?")
    for include, expected in ((f"/{escaped}/run-1", True), ("/*", False)):
        patterns = patterns_of(Tree("t", str(tmp_path), "/w", runs=f"{tmp_path}/{name}", includes=(include,)))
        assert patterns.cover(f"{name}/run-1/a", False) is not expected
