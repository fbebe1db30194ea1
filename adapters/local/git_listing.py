"""The files of a folder according to git: its tracked files, and the untracked files that git does not ignore. rpd
never reads ignore rules itself, but asks git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from rpd.adapters.local.children import plain_environment
from rpd.engine.errors import Refused
from rpd.states.ports.faults import Fault

GIT_SECONDS = 120.0
"""Time for one answer."""
_OF_ANOTHER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_LITERAL_PATHSPECS")
"""Variables of a git that called us, for example from a hook: they would name another repository."""


class GitListing:
    """The files that git lists below a folder of a work tree, as paths relative to it. A tracked file belongs to it
    even if a rule ignores it. `nested` are repositories in it, submodules too: git lists each as one path, and nothing
    inside.

    Raises Refused (`path_refused`) if the folder is in no work tree, or if git is missing or gives no answer.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise _refused(f"{folder} is not a folder: git lists folders")
        self._folder = folder
        listed = _git(folder, "ls-files", "-co", "--exclude-standard", "-z", oks=(0,))
        names = {os.fsdecode(name) for name in listed.split(b"\0") if name}
        self._files = frozenset(name.rstrip("/") for name in names)
        self._folders = frozenset(name[:at] for name in self._files for at in range(len(name)) if name[at] == "/")
        self.nested = tuple(sorted(name for name in self._files if _is_folder(folder / name)))

    def holds(self, path: str, is_folder: bool) -> bool:
        """Whether this file belongs to it, or this folder holds such a file or is a separate repository."""
        return path in self._files or (is_folder and path in self._folders)

    def ignored(self, paths: Iterable[str]) -> frozenset[str]:
        """Those of some paths that git would ignore if they were here. The path of a folder ends with a slash, and is
        returned without it."""
        closed = self._files - set(self.nested)  # git knows no path below a file, and none in another repository
        asked = [path for path in paths if not _is_below(path, closed) and not _is_below(path, self.nested)]
        if not asked:
            return frozenset()
        text = b"".join(b"./" + os.fsencode(path) + b"\0" for path in asked)  # a leading colon means something to git
        output = _git(self._folder, "check-ignore", "--stdin", "-z", oks=(0, 1), text=text)
        return frozenset(os.fsdecode(name).removeprefix("./").rstrip("/") for name in output.split(b"\0") if name)


def git_refusal(folder: Path) -> str | None:
    """Why git cannot list a folder, or None."""
    try:
        GitListing(folder)
    except Refused as refused:
        return refused.message
    return None


def _is_below(path: str, names: Iterable[str]) -> bool:
    known = names if isinstance(names, frozenset) else frozenset(names)
    return any(path[:at] in known for at in range(len(path)) if path[at] == "/")


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _git(folder: Path, *arguments: str, oks: tuple[int, ...], text: bytes = b"") -> bytes:
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments]
    environment = {name: value for name, value in plain_environment("GIT_").items() if name not in _OF_ANOTHER}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**environment, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            input=text,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise _refused("git is not on this machine, and nothing else knows what it ignores") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise _refused(f"git gave no answer about {folder}: {error}") from error
    if done.returncode not in oks:
        output = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        if "not a git repository" in output:
            raise _refused(f"{folder} is in no git work tree")
        raise _refused(f"git cannot list {folder}: {output or f'exit code {done.returncode}'}")
    return done.stdout


def _refused(message: str) -> Refused:
    return Refused(message, reason=Fault.PATH_REFUSED, hint="leave gitignore out, and name what stays here in excludes")
