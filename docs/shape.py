"""Measure the shape of the product, and hold it: `python -m docs.shape`.

A number over its limit is an exception, which stands in docs/shape.toml with its number of today. A new exception
fails, and so does one that has grown; one that has shrunk fails until the table says so. The table only gets shorter.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ROOMS = ("journal", "engine", "states", "adapters")
TYPED = ("engine", "states")
"""Where a dict of anything may stand at the border to the journal alone."""
JOB_FILE = "states/ports/job.py"
"""Its structs have as many fields as the job file has."""
STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)
LOOSE = ("dict[str, Any]", "Mapping[str, Any]", "MutableMapping[str, Any]")


class Rule(NamedTuple):
    """What is counted, and the most that needs no exception."""

    most: int
    text: str


RULES = {
    "fields": Rule(20, "fields in one class"),
    "loose": Rule(0, "uses of dict[str, Any] in one file of states/ or engine/"),
    "circles": Rule(1, "modules, or folders, that import each other"),
    "modules": Rule(22, "modules in one folder"),
    "lines": Rule(50, "lines in one function"),
}

Counts = dict[str, dict[str, int]]
"""By rule: what goes over its limit, with its number."""


def measured(root: Path = ROOT) -> Counts:
    """What goes over a limit in the rooms below `root`."""
    trees = {path.relative_to(root).as_posix(): ast.parse(path.read_bytes()) for path in _modules(root)}
    counts: Counts = {rule: {} for rule in RULES}
    names = {_name(file): file for file in trees}
    imports: dict[str, set[str]] = {}
    for file, tree in trees.items():
        folder = file.rpartition("/")[0]
        counts["modules"][folder] = counts["modules"].get(folder, 0) + 1
        imports[file] = set()
        loose = 0
        for name, node in _named(tree, deep=file.startswith(TYPED)):
            if isinstance(node, ast.ClassDef) and file != JOB_FILE:
                counts["fields"][f"{file}:{name}"] = sum(isinstance(each, ast.AnnAssign) for each in node.body)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                counts["lines"][f"{file}:{name}"] = (node.end_lineno or node.lineno) - node.lineno + 1
            elif isinstance(node, ast.Import | ast.ImportFrom):
                imports[file].update(names[each] for each in _imported(node, names))
            elif isinstance(node, ast.Subscript):  # only where the walk is deep
                loose += ast.unparse(node) in LOOSE
        counts["loose"][file] = loose
    for circle in (*_circles(imports), *_circles(_of_folders(imports))):
        counts["circles"][" ".join(sorted(circle))] = len(circle)
    return {
        rule: {name: count for name, count in sorted(found.items()) if count > RULES[rule].most}
        for rule, found in counts.items()
    }


def problems(counts: Counts, excepted: Counts) -> list[str]:
    """Where the exceptions are not exactly what was measured, each with what to do about it."""
    found = [f"docs/shape.toml: there is no rule {rule!r}; remove [{rule}]" for rule in excepted if rule not in RULES]
    for rule, (most, text) in RULES.items():
        now, then = counts[rule], excepted.get(rule, {})
        for name in sorted({*now, *then}):
            if name not in then:
                found.append(f"{name}: {now[name]} {text}; at most {most}")
            elif name not in now:
                found.append(f"{name}: needs no exception any more; remove its line from [{rule}] in docs/shape.toml")
            elif now[name] > then[name]:
                found.append(f"{name}: {now[name]} {text}, where it had {then[name]}; at most {most}")
            elif now[name] < then[name]:
                found.append(f"{name}: {now[name]} {text} by now; lower {then[name]} in [{rule}] in docs/shape.toml")
    return found


def main() -> int:
    """Print the numbers, and what is wrong with them. Exit code 1 when something is."""
    counts = measured()
    for rule, (most, text) in RULES.items():
        left = f"; {len(counts[rule])} excepted, the largest has {max(counts[rule].values())}" if counts[rule] else ""
        print(f"at most {most:>2} {text}{left}")
    wrong = problems(counts, tomllib.loads((ROOT / "docs" / "shape.toml").read_text()))
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _modules(root: Path) -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((root / room).rglob("*.py"))


def _name(file: str) -> str:
    """`adapters/cli/app.py` as it is imported."""
    return f"rpd.{file.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"


def _named(tree: ast.Module, *, deep: bool) -> Iterator[tuple[str, ast.AST]]:
    """Every statement, or `deep` every node, with the name of the class or function that it is, or stands in."""
    ahead: list[tuple[str, ast.AST]] = [("", tree)]
    while ahead:
        name, node = ahead.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{name}.{node.name}".lstrip(".")
        yield name, node
        ahead += [(name, each) for each in ast.iter_child_nodes(node) if deep or isinstance(each, STATEMENTS)]


def _imported(node: ast.Import | ast.ImportFrom, names: dict[str, str]) -> Iterator[str]:
    """The modules of ours that this names, wherever it stands: an import for types alone counts as well."""
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names if each.name in names)
        return
    for each in node.names:
        inner = f"{node.module}.{each.name}"
        if inner in names or node.module in names:
            yield inner if inner in names else str(node.module)


def _of_folders(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Folders, by what modules import. `adapters/` itself holds no room but single modules, each of which is one."""
    found: dict[str, set[str]] = {}
    for file, others in imports.items():
        found.setdefault(_room(file), set()).update(_room(other) for other in others)
    return {room: others - {room} for room, others in found.items()}


def _room(file: str) -> str:
    folder = file.rpartition("/")[0]
    return f"{folder}/" if folder != "adapters" else file


def _circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """Every greatest set of those that reach each other: Tarjan's, without recursion."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []
    for start, first in imports.items():
        ahead = [(start, iter(sorted(first)))] if start not in order else []
        while ahead:
            name, others = ahead[-1]
            if name not in order:
                order[name] = low[name] = len(order)
                stack.append(name)
            for other in others:
                if other not in order:
                    ahead.append((other, iter(sorted(imports[other]))))
                    break
                if other in stack:
                    low[name] = min(low[name], order[other])
            else:
                ahead.pop()
                if ahead:
                    low[ahead[-1][0]] = min(low[ahead[-1][0]], low[name])
                if low[name] == order[name]:
                    at = stack.index(name)
                    found.append(set(stack[at:]))
                    del stack[at:]
    return [each for each in found if len(each) > 1]


if __name__ == "__main__":
    sys.exit(main())
