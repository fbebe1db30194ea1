"""Frequent problems in a pod that rpd can see in the job and its files. Warnings only."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rpd.adapters.checking.finding import Finding, warning
from rpd.adapters.local.git_listing import GitListing
from rpd.adapters.transfer.patterns import Patterns, patterns_of
from rpd.states.ports.job import Job
from rpd.states.ports.world import Tree
from rpd.states.stage import tree_of

LARGEST_TEXT = 1024 * 1024
MOST_PER_FILE = 3
MOST_FILES = 20_000
MOST_BYTES = 256 * 1024 * 1024
OWN_TOOLS = ("rpd-cli", "runpod-deploy")
"""Tools that belong on the machine that rents, not in the files that it sends."""

_HOME_PATH = re.compile(r"(?<![\w.~/-])(?:/home/[A-Za-z0-9._-]+|/Users/[A-Za-z0-9._-]+|[A-Z]:\\Users\\[^\\\s\"']+)")
_UV = re.compile(r"\buv\s+(?:[-\w=.]+\s+)*?(?:sync|pip|venv|run|add|tool)\b")
_LINK_MODE = re.compile(r"\bUV_LINK_MODE\b|--link-mode\b")
_TORCH_INSTALL = re.compile(
    r"\b(?:pip3?|uv)\s[^\n;|&]*?\b(?:install|add)\s[^\n;|&]*?(?<![\w-])torch(?:vision|audio)?(?![\w-])[^\n;|&]*"
)
_LEFT = re.compile(
    r"\b(?:nohup|setsid)\s[^\n]*?(?<![&>])&(?![&>\d])|\bsetsid\s+(?:-f|--fork)\b|\bdisown\b"
    r"|\btmux\s[^\n;|&]*?\bnew(?:-session)?\s[^\n;|&]*?(?<!\S)-\w*d"
    r"|\bscreen\s[^\n;|&]*?(?<!\S)-(?:dm|md|d\s+-m)"
)
_WAITS = re.compile(r"(?m)(?:^|[;&|])\s*wait\b|--pid\b|\btmux\s+wait")
_INDEX = re.compile(
    r"--(?:extra-)?index(?:-url)?\b|(?<!\S)-[fi]\b|--find-links\b|--torch-backend\b|download\.pytorch\.org|\+cu\d+|\.whl\b"
)
_INDEX_VARIABLE = re.compile(r"\b(?:PIP|UV)_(?:EXTRA_)?(?:DEFAULT_)?INDEX(?:_URL)?\b|\bUV_TORCH_BACKEND\b")
_EARLY_END = re.compile(r"\|\s*(?:head\b|grep\s+(?:-\w+\s+)*-\w*q)[^\n;|&]*|\byes\b[^\n;|&]*\|")
"""Pipes in which one program may stop reading before the other has written everything."""
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def scan(job: Job) -> Iterator[Finding]:
    """Scan every command, the job, and every tree that would be sent."""
    for name, text, variables in _texts(job):
        yield from _scan_text(job, name, text, variables)
    yield from _scan_left(job, "run.body", job.run.body)
    if job.run.shell is None:
        yield from _scan_pipes(job.run.body)
    for index in range(len(job.staging)):
        yield from _scan_tree(job, tree_of(job, index))


def _texts(job: Job) -> Iterator[tuple[str, str, dict[str, str]]]:
    """For each text: its place, the text, and the variables that hold there."""
    exports = job.remote_env.exports
    for phase, commands in (("setup", job.setup), ("preflight", job.preflight)):
        for index, command in enumerate(commands):
            yield f"{phase}[{index}]", command.command, {**job.pod.env, **(exports if command.with_env else {})}
    yield "run.body", job.run.body, {**job.pod.env, **exports}


def _scan_left(job: Job, name: str, text: str) -> Iterator[Finding]:
    """A background process of a script may outlive it. No warning if the script or the job file says what to do with
    it."""
    lines = (line for line in text.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#"))
    text = "\n".join(lines)
    found = _LEFT.search(text)
    if found is None or _WAITS.search(text) or job.run.wait_for_background != "auto":
        return
    yield warning(
        "background",
        f"{name} leaves something in the background ({' '.join(found[0].split())[:80]}): its exit code is lost, and "
        "rpd waits for it only when it looks like work. Run it in the foreground, end the script with `wait`, or say "
        "run.wait_for_background: always (never)",
    )


def _scan_text(job: Job, name: str, text: str, variables: dict[str, str]) -> Iterator[Finding]:
    text = text.replace("\\\n", " ")
    for found in dict.fromkeys(_HOME_PATH.findall(text)):
        yield warning("paths", f"{name} names {found}, which is a path of your machine and not of the pod")
    has_mode = "UV_LINK_MODE" in variables or _LINK_MODE.search(text)
    if job.storage.mode == "network_volume" and _UV.search(text) and not has_mode:
        advice = "set UV_LINK_MODE: copy, in remote_env.exports with with_env: true"
        yield warning("uv", f"{name} runs uv, whose hard links fail or hang on a network volume: {advice}")
    has_index = _INDEX_VARIABLE.search(text) or any(_INDEX_VARIABLE.search(each) for each in variables)
    for found in _TORCH_INSTALL.findall(text):
        if not has_index and not _INDEX.search(found):
            yield warning("torch", f"{name} installs torch from the default index: {_WHEEL_ADVICE}")


def _scan_pipes(body: str) -> Iterator[Finding]:
    """Scan a body that does not set pipefail itself."""
    found = _EARLY_END.search(body) if "pipefail" not in body else None
    if found is not None:
        advice = "write `set +o pipefail` before it, or name run.shell: bash"
        yield warning(
            "pipes",
            f"run.body has a pipe that may be read no further ({found[0].strip()}), and runs with pipefail: the pipe "
            f"then ends with 141; {advice}",
        )


_WHEEL_ADVICE = "its wheels may want a newer CUDA driver than the host has; name an index, such as --index-url \
https://download.pytorch.org/whl/cu124"


def _scan_tree(job: Job, tree: Tree) -> Iterator[Finding]:
    root = Path(tree.source)
    read = 0
    listing = GitListing(root) if tree.gitignore else None
    for count, (path, name) in enumerate(_files(root, patterns_of(tree), listing)):
        if count >= MOST_FILES or read > MOST_BYTES:
            yield warning("paths", f"{tree.label} is large: only its first {count} files were looked at")
            return
        text = _text_of(path)
        if text is None:
            continue
        read += len(text)
        yield from _scan_file(f"{tree.label}: {name}", text)
        if path.suffix == ".sh":
            yield from _scan_left(job, f"{tree.label}: {name}", text)
        if path.name == "pyproject.toml":
            yield from _scan_project(f"{tree.label}: {name}", text)
        elif path.name.startswith("requirements") and path.suffix == ".txt":
            yield from _scan_requirements(f"{tree.label}: {name}", text)


def _files(root: Path, patterns: Patterns, listing: GitListing | None) -> Iterator[tuple[Path, str]]:
    if root.is_file():
        yield root, root.name
        return

    def is_sent(name: str, is_folder: bool) -> bool:
        return not patterns.match(name, is_folder) and (listing is None or listing.holds(name, is_folder))

    for folder, folders, files in os.walk(root):
        below = Path(folder).relative_to(root)
        folders[:] = sorted(each for each in folders if is_sent((below / each).as_posix(), True))
        for each in sorted(files):
            name = (below / each).as_posix()
            if is_sent(name, False):
                yield Path(folder, each), name


def _text_of(path: Path) -> str | None:
    """The content of a small text file."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_TEXT:
            return None
        content = path.read_bytes()
        return None if b"\0" in content else content.decode()
    except (OSError, UnicodeDecodeError):
        return None


def _scan_file(name: str, text: str) -> Iterator[Finding]:
    told = 0
    for number, line in enumerate(text.splitlines(), 1):
        if told < MOST_PER_FILE and (found := _HOME_PATH.search(line)):
            told += 1
            yield warning("paths", f"{name}:{number} names {found[0]}, a path of your machine and not of the pod")


def _scan_project(name: str, text: str) -> Iterator[Finding]:
    try:
        project = tomllib.loads(text)
    except tomllib.TOMLDecodeError as trouble:
        yield warning("dependencies", f"{name} is no TOML: {trouble}")
        return
    wanted = _dependencies(project)
    uv = _table(_table(project, "tool"), "uv")
    if "torch" in wanted and "torch" not in _table(uv, "sources") and not uv.get("index") and not _is_pinned(wanted):
        yield warning("torch", f"{name} takes torch from the default index: {_WHEEL_ADVICE} in tool.uv.sources")
    for tool in OWN_TOOLS:
        if tool in wanted:
            yield warning("dependencies", f"{name} depends on {tool}, which belongs on the machine that rents")


def _dependencies(project: dict[str, Any]) -> dict[str, str]:
    """Name to requirement, of the project, its extras and its groups."""
    head = _table(project, "project")
    lists = [head.get("dependencies"), *_table(head, "optional-dependencies").values()]
    lists += _table(project, "dependency-groups").values()
    texts = [each for listed in lists if isinstance(listed, list) for each in listed if isinstance(each, str)]
    names = {match[1].lower().replace("_", "-"): each for each in texts if (match := _REQUIREMENT.match(each))}
    poetry = _table(_table(_table(project, "tool"), "poetry"), "dependencies")
    return {**{str(name).lower(): str(value) for name, value in poetry.items()}, **names}


def _is_pinned(wanted: dict[str, str]) -> bool:
    return bool(_INDEX.search(wanted["torch"]))


def _table(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _scan_requirements(name: str, text: str) -> Iterator[Finding]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    names = {match[1].lower() for line in lines if (match := _REQUIREMENT.match(line))}
    if "torch" in names and not any(_INDEX.search(line) for line in lines):
        yield warning("torch", f"{name} takes torch from the default index: {_WHEEL_ADVICE}")
    for tool in OWN_TOOLS:
        if tool in names:
            yield warning("dependencies", f"{name} depends on {tool}, which belongs on the machine that rents")
