"""`python -m tests.plants.spawn fresh|loaded|watch ...`: run quick tests on mutants, again and again, in forks of one
process. A fresh one has imported nothing that is under test, and its forks read the changed file. A loaded one has
imported and collected all; its forks get the changed function put in, and begin at once. Orders come on standard input,
one per line; the answers, on the descriptor that is named, are exit codes, -1 when the time was over."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import IO

import coverage
import msgspec
import pytest

HEAVY = """_pytest.assertion.rewrite asyncssh hypothesis jsonschema paramiko platformdirs pytest_timeout
requests rich.console rich.live rich.table starlette.applications transitions typer uvicorn xdist.plugin yaml"""
OPTIONS = ["-q", "-m", "not slow", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", "0", "--basetemp=build/tests"]


class Order(msgspec.Struct):
    """Run these tests up to the first that fails, for so long at most; `file` is the one that was changed."""

    tests: list[str]
    seconds: float
    file: str


class Ran(msgspec.Struct):
    """Which tests run a line of a file, and how long each takes."""

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]


def serve(orders: IO[str], answers: int, run: Callable[[Order], int]) -> None:
    """Fork for each order."""
    for line in orders:
        order = msgspec.json.decode(line, type=Order)
        child = os.fork()
        if child == 0:
            os.setsid()
            for descriptor in (0, 1, 2):
                os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            sys.dont_write_bytecode = True  # of what is changed now
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            code = 1
            with contextlib.suppress(BaseException):
                code = run(order)
            os._exit(code)
        os.write(answers, f"{_awaited(child, order.seconds)}\n".encode())


def _awaited(child: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done or time.monotonic() > end:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            if not done:
                os.waitpid(child, 0)
            return os.waitstatus_to_exitcode(status) if done else -1
        time.sleep(0.002)


def fresh(order: Order) -> int:
    """All is imported by pytest itself."""
    return int(pytest.main([*OPTIONS, "-x", *order.tests]))


class Loaded:
    """The plugin in place of pytest's loop over the tests."""

    def __init__(self, orders: IO[str], answers: int) -> None:
        self.orders, self.answers = orders, answers
        self.failed = False
        self.items: dict[str, pytest.Item] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        serve(self.orders, self.answers, self._run)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    def _run(self, order: Order) -> int:
        put_in(Path(order.file))
        chosen = [self.items[test] for test in order.tests]
        for item, following in zip(chosen, [*chosen[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return 1
        return 0


def put_in(file: Path) -> None:
    """Every function of the file gets the code that it has there now."""
    codes = {(code.co_qualname, code.co_firstlineno): code for code in _codes(_compiled(file))}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and Path(each.__code__.co_filename).resolve() == file.resolve():
            new = codes.get((each.__code__.co_qualname, each.__code__.co_firstlineno))
            if new is not None and len(new.co_freevars) == len(each.__code__.co_freevars):
                each.__code__ = new


def _compiled(file: Path) -> CodeType:
    return compile(file.read_text(), str(file), "exec", dont_inherit=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


class Watched:
    """The plugin that says which test it is that runs."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None]:
        self.measured.switch_context(item.nodeid)
        began = time.perf_counter()
        yield
        self.seconds[item.nodeid] = time.perf_counter() - began
        self.measured.switch_context("")


def watch(into: Path, words: list[str]) -> int:
    """Run the tests, and write down what each of them runs."""
    here = Path.cwd()
    measured = coverage.Coverage(data_file=None, branch=False, source=["engine", "states", "journal", "adapters"])
    measured.start()
    watched = Watched(measured)
    code = int(pytest.main([*OPTIONS, *words], plugins=[watched]))
    measured.stop()
    data = measured.get_data()
    lines: dict[str, dict[int, list[str]]] = {}
    for file in data.measured_files():
        real = Path(file).resolve()
        if real.is_relative_to(here):
            found = {line: [test for test in tests if test] for line, tests in data.contexts_by_lineno(file).items()}
            lines[str(real.relative_to(here))] = {line: tests for line, tests in found.items() if tests}
    into.write_bytes(msgspec.json.encode(Ran(lines, watched.seconds)))
    return code


if __name__ == "__main__":
    how, where, *tests = sys.argv[1:]
    given = os.fdopen(os.dup(0))  # pytest takes the descriptor itself away
    if how == "watch":
        sys.exit(watch(Path(where), tests))
    if how == "loaded":
        sys.exit(pytest.main([*OPTIONS, *tests], plugins=[Loaded(given, int(where))]))
    for name in HEAVY.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    serve(given, int(where), fresh)
