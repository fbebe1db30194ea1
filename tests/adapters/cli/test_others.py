"""Job files that mention another tool are job files, and what is said of them is about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.typed import Done, type_in

COMMENT = "# was: runpodctl create pod --imageName a\n"
POD = "name: mine\npod: {image: a, gpu_order: [NVIDIA L4]}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def typed(folder: Path, *words: str) -> Done:
    return type_in(folder, list(words), {"RPD_HOME": f"{folder}-state", "HOME": f"{folder}-user"})


def test_a_typo_is_told_beside_a_comment_of_another_tool(project: Path) -> None:
    (project / "job.yaml").write_text(f"{COMMENT}{POD}run: {{bdy: ls}}\n")
    done = typed(project, "validate", "job.yaml")
    assert done.code == 2 and "run.bdy" in done.stderr and "rpd import" not in done.stderr, done
    (project / "job.yaml").write_text(f"{COMMENT}{POD}run: {{body: [ls}}\n")
    done = typed(project, "validate", "job.yaml")
    assert done.code == 2 and "job.yaml:4" in done.stderr and "rpd import" not in done.stderr, done


def test_an_older_file_with_such_a_comment_is_migrated(project: Path) -> None:
    old = f"{COMMENT}schema_version: 1\n{POD}storage: {{volume_gb: 10}}\nrun: {{body: ls}}\n"
    (project / "job.yaml").write_text(old)
    done = typed(project, "migrate", "job.yaml", "--write")
    assert done.code == 0, done
    new = (project / "job.yaml").read_text()
    assert new == old.replace("schema_version: 1", "schema_version: 2"), new


def test_a_script_is_still_told_from_a_job_file(project: Path) -> None:
    (project / "go.sh").write_text("#!/bin/sh\nrunpodctl create pod --imageName a\n")
    for command in ("validate", "migrate"):
        done = typed(project, command, "go.sh")
        assert done.code == 2 and "rpd import go.sh" in done.stderr, done


def test_what_is_imported_into_a_new_folder_sends_the_folder_of_the_call(project: Path) -> None:
    for each in ("t", "code"):
        (project / each).mkdir()
    (project / "t" / "task.yaml").write_text("workdir: .\nfile_mounts: {/code: ./code}\nrun: ls\n")
    done = typed(project, "import", "t/task.yaml", "--out", "jobs")
    assert done.code == 0 and "no counterpart" not in done.stderr, done
    text = (project / "jobs" / "task.rpd.yaml").read_text()
    assert "source: ..\n" in text and "source: ../code" in text, text
    done = typed(project, "validate", "jobs/task.rpd.yaml")
    assert done.code == 0, done
