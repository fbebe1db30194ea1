"""A page of docs/recipes, played as a reader would: files are written where it names them, `sh` blocks are typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from rpd.adapters.sandbox import daemon
from tests.features import used
from tests.scenarios.harness import CommandLine
from tests.scenarios.live import RPD

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "recipes"
PAGES = sorted(path.name for path in FOLDER.glob("*.md"))
_HEADING = re.compile(r"##? (?P<title>.+)")
_FILE = re.compile(r"`(?P<name>[^`\s]+)`:")
_FENCE = re.compile(r"```(?P<language>\w*)")
_COMMAND = re.compile(r"\brpd ([a-z]+)")


class Block(NamedTuple):
    """One block of code. `name` is the file that it is, from a line such as "`train.yaml`:" right above it."""

    section: str
    language: str
    name: str | None
    text: str


def blocks(page: str) -> list[Block]:
    """All of a page, in order."""
    found, section, name = [], "", None
    lines = iter((FOLDER / page).read_text().splitlines())
    for line in lines:
        if heading := _HEADING.fullmatch(line):
            section, name = heading["title"], None
        elif fence := _FENCE.fullmatch(line):
            inside = []
            while (inner := next(lines)) != "```":
                inside.append(inner + "\n")
            found.append(Block(section, fence["language"], name, "".join(inside)))
            name = None
        elif line:
            file = _FILE.fullmatch(line)
            name = file["name"] if file else None
    return found


class Recipe:
    """A reader with the page, a project folder, `rpd` installed for this user, and the sandbox as the cloud."""

    def __init__(self, cli: CommandLine, page: str, *, cloud: bool = True, **variables: str) -> None:
        self.cli = cli
        self.blocks = blocks(page)
        self.out = ""
        self.said = ""
        programs = cli.user / ".local" / "bin"
        programs.mkdir(parents=True)
        rpd = programs / "rpd"
        rpd.write_text(f'#!/bin/sh\nexec {" ".join(RPD)} "$@"\n')
        rpd.chmod(0o755)
        self.environment = {**cli.environment, **(self._cloud() if cloud else {}), **variables}
        python = Path(sys.executable).parent
        self.environment["PATH"] = f"{programs}:{python}:{os.environ.get('PATH', os.defpath)}"

    def _cloud(self) -> dict[str, str]:
        """What makes `rpd` without `--sandbox` rent in the sandbox: a page says what one types to rent for real."""
        info = daemon.find(self.cli.sandbox_home)
        assert info is not None, "the sandbox is up"
        return {"RPD_API_URL": info.url, "RUNPOD_API_KEY": info.api_key}

    def play(self, *sections: str, seconds: float = 200.0) -> None:
        """Do what these sections say, all where none is named, in one shell that ends at the first failure."""
        steps = [block for block in self.blocks if not sections or block.section in sections]
        assert {block.section for block in steps} >= set(sections), f"a heading of {sections} is gone"
        script = "".join(self._step(number, block) for number, block in enumerate(steps))
        used.update(_COMMAND.findall(script))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.cli.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        self.out, self.said = done.stdout, done.stderr
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"

    def _step(self, number: int, block: Block) -> str:
        if block.name is not None:
            end = f"END-OF-BLOCK-{number}"
            path = f'"$HOME"/{block.name[2:]}' if block.name.startswith("~/") else block.name
            return f"mkdir -p \"$(dirname {path})\"\ncat > {path} <<'{end}'\n{block.text}{end}\n"
        return block.text if block.language == "sh" else ""

    def block(self, language: str) -> Block:
        """The one block of this language."""
        (found,) = [block for block in self.blocks if block.language == language]
        return found
