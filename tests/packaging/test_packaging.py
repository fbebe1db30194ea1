"""The wheel and the editable install hold the same packages, and nothing lands top-level in site-packages."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.packaging.wheel import built_wheel

ROOT = Path(__file__).parents[2]
ONE_WHEEL = pytest.mark.xdist_group("wheel")
"""What looks at the wheel runs in one process, so that it is built once."""
ROOMS = ("journal", "engine", "states", "adapters")
FACE = ROOT / "adapters" / "face"
"""Where the package `rpd` itself is."""


def _listed() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return set(project["tool"]["setuptools"]["packages"])


def test_every_folder_with_code_is_a_listed_package() -> None:
    folders = {
        "rpd." + str(init.parent.relative_to(ROOT)).replace("/", ".")
        for room in ROOMS
        for init in (ROOT / room).rglob("__init__.py")
        if init.parent != FACE
    }
    assert {"rpd", *folders} == _listed()


def test_the_face_is_one_module() -> None:
    """What else stood beside it would be a module of `rpd`."""
    assert {path.name for path in FACE.iterdir()} - {"__pycache__"} == {"__init__.py", "py.typed"}


def test_no_folder_holds_code_without_being_a_package() -> None:
    bare = {
        str(path.parent.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    }
    assert bare == set()


def test_the_editable_install_finds_the_sources() -> None:
    script = "import rpd.journal, rpd.engine, rpd.states, rpd.adapters; print(rpd.engine.__file__, rpd.__file__)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="/")
    assert [Path(each) for each in found.stdout.split()] == [ROOT / "engine" / "__init__.py", FACE / "__init__.py"]


def test_bare_room_names_are_not_importable() -> None:
    for room in ROOMS:
        command = [sys.executable, "-c", f"import {room}"]
        found = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        assert found.returncode != 0, f"{room} is importable as a top-level module"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel built from a copy of the tracked sources."""
    return zipfile.ZipFile(built_wheel(tmp_path_factory.mktemp("wheel")))


@ONE_WHEEL
def test_the_wheel_holds_every_module_and_data_file(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if name.startswith("rpd/")}
    wanted = {
        f"rpd/{path.relative_to(FACE if path.parent == FACE else ROOT)}"
        for room in ROOMS
        for pattern in ("*.py", "*.sh", "*.json", "py.typed")
        for path in (ROOT / room).rglob(pattern)
        if "__pycache__" not in path.parts
    }
    assert wanted - inside == set()


@ONE_WHEEL
def test_the_wheel_puts_nothing_top_level_but_rpd(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rpd"}
    assert not [name for name in wheel.namelist() if name.startswith("rpd/adapters/face")], "there is one face"


@ONE_WHEEL
def test_the_wheel_has_the_python_face(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    script = (
        "import rpd; assert set(dir(rpd)) == {name for name in dir(rpd) if hasattr(rpd, name)}; print(rpd.__file__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", env=environment)
    assert Path(found.stdout.strip()) == tmp_path / "rpd" / "__init__.py"
    assert (tmp_path / "rpd" / "py.typed").exists()
