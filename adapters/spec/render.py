"""The names that a job file may use, and the file with all of them put in.

Built-in names come from the file itself (`job_name` from `name`, `run_id` from `run_id_prefix`, ...). They are computed
on first use, so a variable may use `{run_id}` and the name may use a variable. Variables of the command line are final
values: they win, and they are never rendered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any

import msgspec

from rpd.adapters.local.dirs import label_of, run_folder
from rpd.adapters.local.person import expanded
from rpd.adapters.spec.error import MOST_COLLECTED, Path, Problem, name_list, suggestion
from rpd.adapters.spec.template import Scope, TemplateError
from rpd.adapters.spec.yaml_source import YamlSource

BUILT_IN = ("config_dir", "project_root", "run_dir", "run_id", "job_name", "volume_mount")

MakeRunId = Callable[[str], str]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECRET_REFERENCE = re.compile(r"\{\{\s*(RUNPOD_SECRET_\w+)\s*\}\}")
_TEXT_MAPS = (("variables",), ("pod", "env"), ("remote_env", "exports"))


class Rendered(msgspec.Struct, frozen=True):
    """Plain data without placeholders. `unclear` holds the places that could not be rendered, which are reported
    already."""

    data: dict[str, Any]
    problems: list[Problem]
    unclear: set[Path]
    names: dict[str, str]


class _Rendering:
    """One file during its rendering."""

    def __init__(self, source: YamlSource, given: Mapping[str, str], config_path: FilePath, run_id: MakeRunId) -> None:
        self.source = source
        self.given = given
        self.scope = Scope()
        self.problems: list[Problem] = []
        self.unclear: set[Path] = set()
        declared = source.data.get("variables")
        self.declared: dict[str, Any] = declared if isinstance(declared, dict) else {}
        self.order = {name: index for index, name in enumerate(self.declared)}
        self._define(config_path, run_id)

    def _define(self, config_path: FilePath, run_id: MakeRunId) -> None:
        scope, text = self.scope, self._text
        scope.define("config_dir", lambda: str(config_path.parent))
        scope.define("job_name", lambda: scope.render(text("name")))
        scope.define("project_root", lambda: self._project_root(config_path.parent))
        scope.define("run_id", lambda: run_id(scope.render(text("run_id_prefix", default=text("name")))))
        scope.define("run_dir", lambda: str(run_folder(FilePath(scope.value("project_root")), scope.value("run_id"))))
        scope.define("volume_mount", lambda: scope.render(text("storage", "volume_mount", default="/workspace")))
        for name in self.declared:
            if name not in BUILT_IN:
                scope.define(name, lambda name=name: self._variable(name))  # type: ignore[misc]
        for name, value in self.given.items():
            if name not in BUILT_IN:
                scope.define(name, lambda value=value: value)  # type: ignore[misc]

    def _project_root(self, config_folder: FilePath) -> str:
        named = self.scope.render(self._text("local", "project_root", default="."))
        return os.path.realpath(config_folder / expanded(named))

    def _text(self, *path: str, default: str | None = None) -> str:
        """The text at a path. An echo if it is missing or of another type, which the type check reports."""
        value: Any = self.source.data
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise TemplateError(f"{'.'.join(path)} is not usable", is_echo=True)
        return value

    def _variable(self, name: str) -> str:
        text = self.leaf_text(("variables", name), self.declared[name])
        if not isinstance(text, str):
            raise TemplateError("it has no usable value", is_echo=True)

        def is_further_down(other: str) -> bool:
            is_own = other not in self.given and other not in BUILT_IN
            return is_own and self.order.get(other, 0) > self.order[name]

        return self.scope.render(text, is_hidden=is_further_down)

    def leaf_text(self, path: Path, value: Any) -> Any:
        """Numbers and booleans in maps of text count as the text that was written."""
        if path[:-1] in _TEXT_MAPS and isinstance(value, int | float):
            return self.source.raw.get(path, value)
        return value

    def render(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {key: self.render(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.render(item, (*path, index)) for index, item in enumerate(value)]
        value = self.leaf_text(path, value)
        if not isinstance(value, str):
            return value
        if len(self.problems) >= MOST_COLLECTED:
            self.unclear.add(path)
            return value
        try:
            return self._leaf(value, path)
        except TemplateError as error:
            self.unclear.add(path)
            if not error.is_echo:
                self.problems.append(self.source.problem(path, error.message))
            return value

    def _leaf(self, text: str, path: Path) -> str:
        if path[:-1] == ("pod", "env"):
            text = _SECRET_REFERENCE.sub(r"{{ \1 }}", text)  # with spaces it is no placeholder
        if path[:-1] == ("variables",) and isinstance(name := path[-1], str) and name not in BUILT_IN:
            return self.given[name] if name in self.given else self._variable(name)
        return self.scope.render(text)


def render_spec(source: YamlSource, given: Mapping[str, str], config_path: FilePath, run_id: MakeRunId) -> Rendered:
    """Put all names in. `given` are the variables of the command line. `run_id` makes the run id from the rendered
    prefix."""
    rendering = _Rendering(source, given, config_path, run_id)
    data = rendering.render(source.data, ())
    if given:
        declared = data.get("variables")
        data["variables"] = {**(declared if isinstance(declared, dict) else {}), **given}
    problems = [*rendering.problems, *_bad_names(rendering), *_without_value(rendering)]
    names: dict[str, str] = {}
    for name in BUILT_IN:
        try:
            names[name] = rendering.scope.value(name)
        except TemplateError:
            continue
    return Rendered(data, problems, rendering.unclear, names)


def _bad_names(rendering: _Rendering) -> list[Problem]:
    source = rendering.source
    problems = []
    for name in {**rendering.declared, **rendering.given}:
        path: Path = ("variables", name)
        if name in BUILT_IN:
            problems.append(source.problem(path, f"is a built-in name; choose another than {', '.join(BUILT_IN)}"))
        elif not _IDENTIFIER.match(name):
            problems.append(source.problem(path, "is not a name: letters, digits and _, not beginning with a digit"))
        elif name not in rendering.declared and name not in rendering.scope.used:
            known = sorted(rendering.declared)
            allowed = name_list(known) or "none"
            message = f"nothing in the file uses this variable{suggestion(name, known)}; variables here: {allowed}"
            problems.append(source.problem(path, message))
    return problems


def _without_value(rendering: _Rendering) -> list[Problem]:
    """Variables whose value the file leaves to the command line, and which the command line does not give."""
    missing = [name for name, value in rendering.declared.items() if value is None and name not in rendering.given]
    paths: list[Path] = [("variables", name) for name in missing if name not in BUILT_IN]
    rendering.unclear.update(paths)
    return [rendering.source.problem(path, f"has no value here: give it one, --var {path[-1]}=VALUE") for path in paths]


def prefix_label(prefix: str) -> str:
    """The label from which a run id is made. It must not be empty."""
    return label_of(prefix) or "run"
