"""A job without a file: a command from the command line, run in a copy of the current folder."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.local.dirs import label_of
from rpd.adapters.spec.yaml_source import YamlSource

NO_FILE = "(command line)"
"""The text in place of the job file's name, in messages and, below the folder, in the journal."""

_SCRIPT = re.compile(r"[^-].*\.\w+\Z")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def inline_job(command: Sequence[str], folder: Path, *, sends_files: bool) -> YamlSource:
    """The job that a job file would describe. rpd sends the folder to `src` on the volume, runs the command there, and
    brings back what the command leaves in `out` beside it. Pod and budget come from the options."""
    sent = {
        "label": "files",
        "source": ".",
        "destination": "{volume_mount}/src",
        "excludes_default": True,
        "excludes": [".git", "node_modules/"],
    }
    data: dict[str, Any] = {
        "name": _name(command, folder),
        "pod": {},
        "staging": [sent] if sends_files else [],
        "run": {"body": _body(command)},
        "artifacts": [
            {"label": "out", "remote_path": "{volume_mount}/out", "local_path": "{run_dir}/out", "required": False}
        ],
    }
    return YamlSource(NO_FILE, data, {}, {}, hashlib.sha256(msgspec.json.encode(data)).hexdigest())


def _body(command: Sequence[str]) -> str:
    """The words unchanged: braces in them are no placeholders."""
    words = _PLACEHOLDER.sub(r"{{\1}}", shlex.join(command))
    return f"set -e\nmkdir -p {{volume_mount}}/src {{volume_mount}}/out\ncd {{volume_mount}}/src\nexec {words}\n"


def _name(command: Sequence[str], folder: Path) -> str:
    """A name from the script, else the program, else the folder. Runs of one script in one folder belong together."""
    script = next((word for word in command if _SCRIPT.fullmatch(word)), command[0])
    stem = Path(script).name.partition(".")[0]
    return next((name for name in (stem, folder.name) if label_of(name)), "job")
