"""`pod.python_version`: the first step of preflight brings the interpreter with uv, and uv where it is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rpd.adapters.run_folder.workspace import MANIFEST_NAME
from tests.scenarios.harness import CommandLine, artifact, config

UV = r"""#!/bin/sh
# What `uv` does, as far as it is asked: interpreters are kept in a folder, and only some versions are to be had.
echo "uv $*" >> /workspace/asked
case $1:$2 in
    --version:) echo uv 0.5.0 ;;
    python:install)
        case $3 in
            3.12 | 3.12.4) ;;
            *) echo "error: No download found for request: cpython-$3" >&2; exit 2 ;;
        esac
        mkdir -p /workspace/pythons/$3
        printf '#!/bin/sh\necho Python 3.12.4\n' > /workspace/pythons/$3/python
        chmod 755 /workspace/pythons/$3/python ;;
    python:pin) echo "$3" > .python-version ;;
    python:find) [ -x /workspace/pythons/$3/python ] && echo /workspace/pythons/$3/python ;;
    run:python) exec /workspace/pythons/$UV_PYTHON/python ;;
    *) exit 64 ;;
esac
"""
PATH = "/workspace/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FAILING = '#!/bin/sh\necho "$0: no route to host" >&2\nexit 6\n'
BODY = """
mkdir -p /workspace/out
uv run python > /workspace/out/job
cp /workspace/asked /workspace/src/.python-version /workspace/preflight /workspace/out
"""


def tools(**files: str) -> list[dict[str, Any]]:
    """A setup command that puts tools in front of those of the image."""
    lines = ["mkdir -p /workspace/bin", "cd /workspace/bin"]
    for name, text in files.items():
        lines += [f"cat > {name} <<'END_OF_TOOL'", text.rstrip("\n"), "END_OF_TOOL", f"chmod 755 {name}"]
    return [{"command": "\n".join(lines)}]


def pinned(version: str = "3.12", **sections: Any) -> dict[str, Any]:
    """A job with a staged project and a pin."""
    usual: dict[str, Any] = {
        "pod": {"python_version": version},
        "remote_env": {"exports": {"PATH": PATH}},
        "staging": [{"source": "src", "destination": "/workspace/src"}],
        "preflight": [{"command": "uv run python > /workspace/preflight", "with_env": True}],
        "artifacts": artifact(),
        "lifecycle": {"on_failure": "delete"},
    }
    return config(BODY, **{**usual, **sections})


@pytest.fixture(autouse=True)
def project(cli: CommandLine) -> None:
    (cli.folder / "src").mkdir()
    (cli.folder / "src" / "train.py").write_text("print(1)\n")


def manifest(cli: CommandLine) -> dict[str, Any]:
    """The newest run's."""
    return dict(json.loads((cli.run_folder() / MANIFEST_NAME).read_text()))


@pytest.mark.row(70)
@pytest.mark.slow
def test_the_pinned_python_is_there_before_preflight_and_for_the_job(cli: CommandLine) -> None:
    done = cli.run(pinned(setup=tools(uv=UV)))
    assert done.returncode == 0, done.stderr
    assert "Python 3.12.4 is in the pod after" in done.stderr
    asked = cli.result("out/asked").splitlines()
    assert asked == [
        "uv --version",
        "uv python install 3.12",
        "uv python pin 3.12",
        "uv python find 3.12",
        "uv run python",  # preflight
        "uv run python",  # the job
    ]
    assert cli.result("out/.python-version") == "3.12\n", "pinned in the staged project"
    assert cli.result("out/preflight") == cli.result("out/job") == "Python 3.12.4\n"
    assert (manifest(cli)["python_version"], manifest(cli)["python_version_in_pod"]) == ("3.12", "3.12.4")


@pytest.mark.slow
@pytest.mark.row(71)
def test_uv_is_brought_where_it_is_missing(cli: CommandLine) -> None:
    installer = f"cat > $UV_INSTALL_DIR/uv <<'END_OF_UV'\n{UV}END_OF_UV\nchmod 755 $UV_INSTALL_DIR/uv\n"
    wget = f"""#!/bin/sh
while [ "$1" != -O ]; do shift; done
cat > "$2" <<'END_OF_INSTALLER'
{installer}END_OF_INSTALLER
"""
    done = cli.run(pinned(setup=tools(curl=FAILING, wget=wget)))
    assert done.returncode == 0, done.stderr
    assert cli.result("out/job") == "Python 3.12.4\n", "and the job finds it on its PATH"


@pytest.mark.slow
@pytest.mark.row(70, 71)
def test_a_pod_that_cannot_get_uv_says_so_and_is_given_back(cli: CommandLine) -> None:
    missing = tools(curl=FAILING, wget=FAILING, python3=FAILING, python=FAILING)
    done = cli.run(pinned(setup=missing))
    assert done.returncode == 5, done.stderr
    why = "uv is missing in the pod and could not be installed: curl failed, wget failed, python3 -m pip failed"
    assert "pod.python_version 3.12 exited with 1" in done.stderr and why in done.stderr
    cli.judge("TERMINATED", starts=0)
    told = manifest(cli)
    assert (told["reason"], told["python_version"], told["python_version_in_pod"]) == ("preflight", "3.12", None)


@pytest.mark.slow
@pytest.mark.row(70)
def test_a_version_that_uv_does_not_have_ends_the_run_before_the_job(cli: CommandLine) -> None:
    done = cli.run(pinned("3.99", setup=tools(uv=UV), lifecycle={"on_failure": "stop"}))
    assert done.returncode == 5, done.stderr
    assert "No download found for request: cpython-3.99 / uv could not install Python 3.99" in done.stderr
    cli.judge("EXITED", starts=0)


@pytest.mark.slow
@pytest.mark.row(70)
def test_the_version_is_checked_before_anything_is_rented(cli: CommandLine) -> None:
    for version in (3.12, "3", "3.12.x", "2.7"):
        cli.job(pinned(version))  # type: ignore[arg-type]
        done = cli.rpd("validate", "job.yaml")
        assert done.returncode == 2 and "pod.python_version" in done.stderr, done.stderr
    cli.job(pinned(remote_env={"exports": {"UV_PYTHON": "3.11"}}))
    done = cli.rpd("validate", "job.yaml")
    assert "remote_env.exports.UV_PYTHON: and pod.python_version exclude each other" in done.stderr
    cli.job(pinned())
    assert "install Python 3.12 with uv" in cli.rpd("run", "job.yaml", "--plan", "--offline").stdout
