"""Whatever is wrong with what was typed or written is said before anything is rented, and leaves nothing behind."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.adapters.cli.conftest import Typist

POD = 'pod: {image: "x/y:1", gpu_order: [NVIDIA L4]}\n'

BROKEN = {
    "broken": ("name: x\n  bad: [1\n", "broken.yaml:2"),
    "twice": (f"name: x\nname: y\n{POD}run: {{body: x}}\n", "twice.yaml:2: name: is written twice; first on line 1"),
    "bomb": ("a: &a [1, 1]\nb: &b [*a, *a]\nname: *b\n", "the anchor &a is refused"),
    "empty": ("", "the file is empty"),
    "deep": ("[" * 5000, "deep.yaml"),
    "binary": (bytes(range(128, 256)), "not UTF-8"),
    "list": ("- 1\n", "list.yaml:1"),
    "name": (f"name: x\n{POD}storage: {{volume_gb: 10}}\nrun: {{body: 'echo {{nope}}'}}\n", "unknown name {nope}"),
}


def test_files_that_are_no_job(rpd: Typist) -> None:
    for name, (content, words) in BROKEN.items():
        said = rpd.refused("run", rpd.write(f"{name}.yaml", content))
        assert words in said, said
    (rpd.folder / "folder.yaml").mkdir()
    assert "it is a folder" in rpd.refused("run", "folder.yaml")
    assert "there is no job file nofile.yaml" in rpd.refused("run", "nofile.yaml")
    assert rpd.is_untouched()


def test_all_mistakes_are_told_at_once_each_with_its_line(rpd: Typist) -> None:
    rpd.write(
        "types.yaml",
        "name: 3\npod:\n  image: x\n  gpu_orde: [NVIDIA L4]\n  gpu_count: -1\n"
        "run:\n  body: 5\nbudget:\n  cost_cap_usd: lots\n",
    )
    said = rpd.refused("run", "types.yaml")
    for line, words in {
        1: "name: expected text, found 3",
        2: "pod.gpu_order: is missing",
        4: "unknown field (did you mean 'gpu_order'?)",
        5: "pod.gpu_count: -1 is too small",
        7: "run.body: expected text",
        9: "budget.cost_cap_usd: expected a number, found 'lots'",
    }.items():
        assert any(f"types.yaml:{line}: " in row and words in row for row in said.splitlines()), (line, said)
    assert rpd.told_in_json("validate", "types.yaml")["reason"] == "invalid_spec"
    assert rpd.is_untouched()


def test_what_is_not_on_this_machine(rpd: Typist) -> None:
    job = rpd.folder / rpd.write("job.yaml")
    rpd.write("paths.yaml", job.read_text() + "local: {required_paths: [missing]}\n")
    assert "missing does not exist" in rpd.refused("run", "paths.yaml")
    rpd.write("key.yaml", job.read_text() + "ssh: {key_path: nokey}\n")
    assert "nokey" in rpd.refused("run", "key.yaml")
    if os.geteuid() != 0:
        (rpd.folder / "nokey").write_text("secret")
        (rpd.folder / "nokey").chmod(0)
        assert "nokey" in rpd.refused("run", "key.yaml")
    assert rpd.is_untouched()


def test_the_key_and_the_address(rpd: Typist) -> None:
    rpd.write("job.yaml")
    said = rpd.refused("run", "job.yaml", code=4, RUNPOD_API_KEY=None, RPD_API_URL=None)
    assert "RUNPOD_API_KEY is not set" in said
    assert f"{rpd.user}/.config/rpd/config.toml" in said
    assert "unencrypted" in rpd.refused("run", "job.yaml", RPD_API_URL="http://example.com/v2")
    assert rpd.is_untouched()


def test_variables(rpd: Typist) -> None:
    rpd.write("job.yaml")
    for pair in ("word", "=x", "1a=x"):
        assert "is not KEY=VALUE" in rpd.refused("run", "job.yaml", "--var", pair)
    said = rpd.refused("run", "job.yaml", "--var", "wandb-api-key=s3cr3t-4f9a1c77d2")
    assert "'wandb-api-key=...' is not KEY=VALUE" in said
    assert "nothing in the file uses this variable" in rpd.refused("run", "job.yaml", "--var", "nope=1")
    assert rpd("validate", "job.yaml", "--var", "word=a=b").returncode == 0
    assert rpd.is_untouched()


@pytest.mark.skipif(sys.platform == "darwin", reason="no file has such a name there")
def test_names_that_are_no_utf8(rpd: Typist) -> None:
    folder = rpd.folder / "bad\udcff"
    folder.mkdir()
    (folder / "job.yaml").write_bytes((rpd.folder / rpd.write("job.yaml")).read_bytes())
    for words in (("validate", "bad\udcff/job.yaml"), ("run", "bad\udcff/job.yaml")):
        assert "bad\\udcff/job.yaml is no UTF-8 text" in rpd.refused(*words)
    assert "is no UTF-8 text" in rpd.refused("validate", "job.yaml", "--var", "word=\udcff")
    assert "is no UTF-8 text" in rpd.refused("inspect", RPD_HOME=str(folder))
    assert rpd.is_untouched()


@pytest.mark.slow
def test_words_that_are_no_command(rpd: Typist) -> None:
    assert "hint:  rpd run\n" in rpd.refused("rnu")
    assert "no such option" in rpd.refused("inspect", "--jsn")
    assert "extra argument" in rpd.refused("inspect", "a", "b")
    assert "name one job file" in rpd.refused("run")
    assert "contradict" in rpd.refused("release", "--stop", "--delete")
    assert "F999" in rpd.refused("sandbox", "fault", "f999").upper()
    assert rpd.told_in_json("rnu")["reason"] == "usage"
    bare = rpd()
    assert bare.returncode == 2
    assert "Usage: rpd" in bare.stderr
    assert rpd.is_untouched()


@pytest.mark.slow
@pytest.mark.weak_point(7)
def test_a_dead_run_of_the_same_job_is_resumed_not_doubled(rpd: Typist) -> None:
    rpd.write("job.yaml")
    with rpd.journal() as journal:
        run_id = journal.run_id
    said = rpd.refused("run", "job.yaml")
    assert f"rpd resume {run_id}" in said
    assert "rpd run --new" in said
    problem = rpd.told_in_json("run", "job.yaml")
    assert problem["reason"] == "unfinished_run"


@pytest.mark.parametrize("words", [("--var", "word=other"), ("--new",), ()], ids=["other-variables", "new", "live"])
def test_what_is_no_obstacle(rpd: Typist, words: tuple[str, ...]) -> None:
    """Each gets as far as the key, which it lacks."""
    rpd.write("job.yaml")
    journal = rpd.journal()
    if words:
        journal.close()
    said = rpd.refused("run", "job.yaml", *words, code=4, RUNPOD_API_KEY=None)
    assert "API key" in said
    journal.close()
