"""Patterns in a remote path: what a shell would find, under names that cannot clash, and never a word of shell."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer.globs import as_word, problem_of
from rpd.states.ports.job import fixed_folder
from tests.adapters.ssh.ssh_server import Server
from tests.adapters.transfer.trees import ODD_NAMES, content, fetch, write

RUNS: dict[str, bytes | str] = {
    "run-1/model.bin": "1",
    "run-2/model.bin": "2",
    "run-10/model.bin": "10",
    "run-2/.hidden": "h",
    "run-x": "file",
    "other/model.bin": "o",
    ".run-3/f": "dot",
}


def found(connection: Connection, there: Path, pattern: str, here: Path, **options: object) -> list[str]:
    pulled = fetch(connection, f"{there}/{pattern}", here, is_pattern=True, **options)
    names = sorted(name for name, what in content(here).items() if what is not None) if here.exists() else []
    assert pulled.is_missing or pulled.files == len(names)
    return [] if pulled.is_missing else names


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("run-*", ["run-1/model.bin", "run-10/model.bin", "run-2/.hidden", "run-2/model.bin", "run-x"]),
        ("run-?", ["run-1/model.bin", "run-2/.hidden", "run-2/model.bin", "run-x"]),
        ("run-[0-9]/", ["run-1/model.bin", "run-2/.hidden", "run-2/model.bin"]),
        ("run-[!0-9]", ["run-x"]),
        ("run-[^0-9]", ["run-x"]),
        ("run-[[:digit:]]*/model.bin", ["run-1/model.bin", "run-10/model.bin", "run-2/model.bin"]),
        ("*/model.bin", ["other/model.bin", "run-1/model.bin", "run-10/model.bin", "run-2/model.bin"]),
        ("run-*/none", []),
        ("*.bin", []),
        ("none/*", []),
        ("run-x/*", []),
    ],
)
def test_what_matches_arrives_below_the_folder_before_the_pattern(
    connection: Connection, tmp_path: Path, pattern: str, names: list[str]
) -> None:
    there = write(tmp_path / "pod", RUNS)
    assert found(connection, there, pattern, tmp_path / "here") == names
    assert fixed_folder(f"{there}/{pattern}") == str(there) or pattern.startswith(("none", "run-x/"))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_pattern_finds_a_name_as_it_is(connection: Connection, tmp_path: Path, name: str) -> None:
    there = write(tmp_path / "po'd $(x)", {f"{name}/{name}": "1", name[:-1] + "other": "2"})
    literal = "".join(f"[{char}]" if char in "*?[" else char for char in name)
    assert found(connection, there, f"{literal}*", tmp_path / "here") == [f"{name}/{name}"]


def test_matches_of_several_folders_are_kept_apart(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"a/result.txt": "a", "b/result.txt": "b"})
    here = write(tmp_path / "here", {"c/result.txt": "mine"})
    assert fetch(connection, f"{there}/*/result.txt", here, is_pattern=True).files == 2
    assert {name: (here / name / "result.txt").read_text() for name in "abc"} == {"a": "a", "b": "b", "c": "mine"}


def test_a_link_to_what_does_not_match_is_a_file(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"run-1": "1", "best": "b", "run-last": "-> run-1", "run-best": "-> best"})
    assert found(connection, there, "run-*", tmp_path / "here") == ["run-1", "run-best", "run-last"]
    assert (tmp_path / "here/run-best").read_text() == "b" and not (tmp_path / "here/run-best").is_symlink()
    assert (tmp_path / "here/run-last").is_symlink()


def test_excludes_and_emptiness_hold_for_what_matches(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {"run-1/a": "1", "run-1/a.tmp": "t", "run-2/b.tmp": "t"})
    assert found(connection, there, "run-*", tmp_path / "here", excludes=("*.tmp",)) == ["run-1/a"]
    there = tmp_path / "hollow"
    (there / "run-1").mkdir(parents=True)
    pulled = fetch(connection, f"{there}/run-*", tmp_path / "none", is_pattern=True)
    assert (pulled.is_missing, pulled.is_empty) == (False, True)


@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")
def test_a_pod_with_nothing_but_busybox_knows_them_as_well(server: Server, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in "cat find mkdir mktemp printf readlink rm rmdir sh sha256sum stat tar xargs".split():  # noqa: SIM905
        (tools / name).symlink_to(shutil.which("busybox") or "")
    there = write(tmp_path / "pod", RUNS)
    connection = server.connect()
    with server.fault(path=str(tools)):
        assert found(connection, there, "run-[12]", tmp_path / "here") == [
            "run-1/model.bin",
            "run-2/.hidden",
            "run-2/model.bin",
        ]
    connection.close()


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("/out/**/x", "does not cross folders"),
        ("/out/[a", "without its ']'"),
        ("/out/[]", "without its ']'"),
        ("/[a/b]", "without"),
        (
            "/out/{a,b}",
            "'{a,b}' is taken literally, because no shell expands it: name an artifact for each, or write '[{]a,b}'",
        ),
        ("/out/*/x-{1..3}.bin", "'{1..3}' is taken literally"),
        ("/out/$RUN/*.bin", "'$RUN' is taken literally"),
        ("/out/${RUN}", "write the path out, or use one of variables, as in {name}, or write '[$]{RUN}'"),
    ],
)
def test_a_pattern_that_means_something_else_is_told(pattern: str, words: str) -> None:
    assert words in problem_of(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["/out/*", "/out/[]]", "/out/[[]1]", "/out/[!]a]?", "/out/[[:alpha:]]", "/out/[{]a,b}", "/out/[$]RUN", "/out/{a}$"],
)
def test_a_pattern_that_is_one_is_taken(pattern: str) -> None:
    assert not problem_of(pattern)


@settings(max_examples=150, deadline=None)
@given(st.text("ab[]!^-*?$`'\"\\ ;&|<>(){}~#\n", min_size=1, max_size=8), st.text("ab[]!-$ '", min_size=1, max_size=4))
def test_no_pattern_is_more_than_a_word(pattern: str, name: str) -> None:
    """A shell takes it for one word whatever is in it, and runs nothing."""
    if problem_of(pattern) or "/" in pattern:
        return
    script = f"case $1 in {as_word(pattern)}) echo yes ;; *) echo no ;; esac; echo $#"
    said = subprocess.run(["sh", "-c", script, "sh", name], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr, said.stdout.split()[1:]) == (0, "", ["1"])
    if not set("[]!^\\") & set(pattern):
        assert said.stdout.startswith("yes" if fnmatch.fnmatchcase(name, pattern) else "no")


def test_bytes_that_are_no_text_are_found(connection: Connection, tmp_path: Path) -> None:
    there = write(tmp_path / "pod", {os.fsdecode(b"run-\xe9"): "1"})
    assert found(connection, there, "run-*", tmp_path / "here") == [os.fsdecode(b"run-\xe9")]
