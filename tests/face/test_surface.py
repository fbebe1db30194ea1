"""What `import rpd` gives: these names, with these signatures, and nothing else; and it takes no time."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rpd
from tests.conftest import MEASURED

ROOT = Path(__file__).resolve().parents[2]
FACE = ROOT / "adapters" / "face" / "__init__.py"
LISTENER = "listener: 'Listener | None' = None"

CALLS = {
    "load": "(file: 'str | Path', *, variables: 'Mapping[str, str] | None' = None) -> 'Job'",
    "validate": "(file: 'str | Path', *, variables: 'Mapping[str, str] | None' = None, online: 'bool' = False,"
    " scan: 'bool' = False, sandbox: 'bool' = False) -> 'list[Problem]'",
    "runs": "(root: 'str | Path | None' = None) -> 'Iterator[Run]'",
    "Run": "(run: 'str | Path') -> 'None'",
    "start": "(job: 'Job | str | Path', *, variables: 'Mapping[str, str] | None' = None, sandbox: 'bool' = False,"
    " detach: 'bool' = False, new: 'bool' = False, fresh: 'bool' = False,"
    " wait_for_stock_seconds: 'float | None' = None, max_usd_per_day: 'float | None' = None,"
    f" {LISTENER}, signals: 'bool' = False) -> 'Ending'",
    "resume": f"(run: 'Run | str | Path', *, {LISTENER}, signals: 'bool' = False) -> 'Ending'",
    "cancel": "(run: 'Run | str | Path', *, delete: 'bool' = False, yes: 'bool' = False,"
    f" {LISTENER}, signals: 'bool' = False) -> 'Ending'",
}

FIELDS = {
    "Artifact": "bytes error files label path status",
    "Debt": "kind pod since usd_per_hour",
    "Ending": "exit_code journal listener_error run run_id said",
    "Job": "config folder max_usd name path run_id variables",
    "Problem": "check column field level line message",
    "Recorded": "at cost_usd data name run_id seq state text",
    "Run": "artifacts cost_usd debts events exit_code folder id is_released journal metrics outcome problem reason row "
    "seconds started state why workflow",
    "Said": "run_id text",
    "Waiting": "run_id text until",
}

ERRORS = {
    "JournalDamaged": "JournalError",
    "JournalError": "Exception",
    "JournalLocked": "JournalError",
    "JournalMissing": "JournalError",
    "JournalNotOurs": "JournalError",
    "JournalTooNew": "JournalError",
    "JournalUnwritable": "JournalError",
    "RpdError": "Exception",
    "SpecError": "UserError",
    "UserError": "RpdError",
}

SCRIPT = """
import sys
import rpd
bare = sorted(name for name in vars(rpd) if not name.startswith("_"))
star = {}
exec("from rpd import *", star)
print(bare, sorted(set(star) - {"__builtins__"}) == dir(rpd) == sorted(rpd.__all__), sep="\\n")
print(sorted(name for name in vars(rpd) if not name.startswith("_") and name not in (*rpd.__all__, *ROOMS)))
"""


def python(script: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="/")
    return done.stdout


def test_the_names_are_these() -> None:
    assert set(rpd.__all__) == {*CALLS, *FIELDS, *ERRORS, "Event", "Exit", "__version__"}
    assert dir(rpd) == sorted(rpd.__all__)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_takes_what_it_took(name: str) -> None:
    found = inspect.signature(getattr(rpd, name).__init__ if name == "Run" else getattr(rpd, name))
    assert str(found).replace("(self, ", "(") == CALLS[name]


@pytest.mark.parametrize("name", FIELDS)
def test_an_object_has_what_it_had(name: str) -> None:
    assert {each for each in dir(getattr(rpd, name)) if not each.startswith("_")} == set(FIELDS[name].split())


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_caught_where_it_was(name: str) -> None:
    assert getattr(rpd, name).__base__.__name__ == ERRORS[name]


def test_everything_is_documented() -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    for name in rpd.__all__:
        assert f"`{name}" in page or f"rpd.{name}" in page, f"docs/python.md does not tell of {name}"
        found = getattr(rpd, name)
        if name not in ("Event", "__version__"):
            assert inspect.getdoc(found), name
        members = inspect.getmembers(found) if name in FIELDS else ()
        for member, value in members:
            if isinstance(value, property) or inspect.isfunction(value):
                assert member.startswith("_") or value.__doc__, f"{name}.{member}"


def test_nothing_else_can_be_imported_by_accident() -> None:
    bare, is_all, left = python(SCRIPT.replace("ROOMS", "('adapters', 'engine', 'journal', 'states')")).splitlines()
    assert bare == "[]", "the module holds something before it is used"
    assert is_all == "True"
    assert left == "[]"
    for wrong in ("rpd.nonsense", "rpd.LoadedJob", "rpd.TYPE_CHECKING"):
        with pytest.raises(AttributeError, match="has no attribute"):
            eval(wrong)


def test_a_checker_of_types_is_told_the_names_of_the_module() -> None:
    """What it reads under TYPE_CHECKING is what `__getattr__` finds."""
    (block,) = (
        node
        for node in ast.parse(FACE.read_text()).body
        if isinstance(node, ast.If) and not node.orelse and isinstance(node.test, ast.Name)
    )
    told = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert {*told, "__version__"} == set(rpd.__all__)
    assert told == {name: place for place, names in rpd._PLACES.items() for name in names}  # type: ignore[attr-defined]


def test_importing_loads_nothing_of_what_it_needs_later() -> None:
    loaded = python("import sys; before = set(sys.modules); import rpd; print(*set(sys.modules) - before)").split()
    assert loaded == ["rpd"]


def cpu_seconds(*words: str) -> float:
    """The processor's time for it: others that use this machine do not count."""
    pid = os.posix_spawn(sys.executable, [sys.executable, *words], os.environ)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def test_importing_takes_no_longer_than_the_version(record_property: pytest.RecordProperty) -> None:
    words = {
        "nothing": ("-c", "pass"),
        "import rpd": ("-c", "import rpd"),
        "rpd --version": (
            "-c",
            "import sys; sys.argv[1:] = ['--version']; from rpd.adapters.cli.app import main; main()",
        ),
    }
    tries = [{name: cpu_seconds(*said) for name, said in words.items()} for _ in range(5)]
    least = {name: min(each[name] for each in tries) for name in words}
    ratios = {name: seconds / least["nothing"] for name, seconds in least.items()}
    record_property(
        MEASURED,
        f"import rpd takes {ratios['import rpd']:.2f} times an empty interpreter, rpd --version "
        f"{ratios['rpd --version']:.2f} times",
    )
    assert ratios["import rpd"] < 1.5
    assert ratios["import rpd"] <= ratios["rpd --version"] * 1.1


@pytest.mark.slow
def test_somebody_elses_code_is_checked_against_its_types() -> None:
    """As `make types` does."""
    subprocess.run(["make", "-s", "build/links/rpd/__init__.py"], cwd=ROOT, check=True)
    command = [sys.executable, "-m", "mypy", "examples/python", "tests/face/typed.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
