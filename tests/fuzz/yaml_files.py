"""Job files that nobody would write: every one is loaded, or refused with the place of every problem."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.spec.error import SpecError
from rpd.adapters.spec.jobfile import load_job, restore_job
from rpd.adapters.spec.migrate import migrated
from rpd.adapters.spec.yaml_source import MAX_BYTES, parse_yaml
from rpd.engine.errors import UserError

ROOT = Path(__file__).parents[2]
SECRET = "wandb-5ecr3t-of-thIs-machine"
ENVIRON = {"WANDB_API_KEY": SECRET, "HOME": "/home/x"}
MESSAGE_CHARACTERS_MAX = 100_000
SMALL = """\
schema_version: 2
name: small
variables: {epochs: "3", out: "/workspace/{epochs}", deep: "{out}/{epochs}"}
pod:
  image: runpod/pytorch:2
  gpu_order: [NVIDIA L4, "NVIDIA A40"]
  env: {A: b, TOKEN: "{{ RUNPOD_SECRET_x }}"}
storage: {volume_gb: 10}
setup: [{command: "pip install -r x", timeout_sec: 60}]
staging: [{source: src, destination: /workspace/src, excludes: ["*.pyc"]}]
secrets: [{name: t, destination: /workspace/.t, env: [WANDB_API_KEY]}]
remote_env: {exports: {WANDB_API_KEY: "{WANDB_API_KEY}"}}
run:
  body: |
    python train.py --epochs {epochs} --out {deep} ${HOME} {1..5} {{literal}}
  success_marker: DONE
  done_on: marker
artifacts: [{label: a, remote_path: "{out}", local_path: "{run_dir}/a"}]
checkpoints: {paths: [/workspace/ckpt]}
budget: {cost_cap_usd: 5, max_runtime_minutes: 60}
lifecycle: {on_success: delete, on_failure: stop}
notify: {command: "cat", webhook: "https://example.org/x"}
"""
OLD = "schema_version: 1\nname: old\npod: {image: i, gpu_order: [L4], datacenter_id: EU-RO-1, spot: false}\n"
OLD += "stop: [on_success]\nrun: {body: x}\n"
BASES = [
    SMALL.encode(),
    OLD.encode(),
    *(file.read_bytes() for file in sorted((ROOT / "examples").glob("*/*.yaml"))),
    *(file.read_bytes() for file in sorted((ROOT / "tests/data/peer_examples").glob("*.yaml"))),
]
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
GROWING = "variables:\n  v0: xxxxxxxxxx\n" + "".join(f"  v{n + 1}: '{{v{n}}}{{v{n}}}{{v{n}}}'\n" for n in range(30))
PIECES = [
    BOMB,
    GROWING,
    "x: " + "[" * 3000,
    "x: " + "{a: " * 200,
    "[" * 40 + "]" * 40,
    "? [a, b]\n: c\n",
    "? |\n  a\n: c\n",
    "<<: *a\n",
    "<<: {image: x}\n",
    "&anchor name: x\n",
    "name: !!python/object/apply:os.system [id]\n",
    "name: !!binary aGk=\n",
    "name: !<tag:yaml.org,2002:str> x\n",
    "!local\n",
    "%YAML 1.1\n---\n",
    "%TAG ! tag:x,2000:\n---\n",
    "---\n",
    "...\n",
    "\t",
    "\n\tname: x\n",
    "\ufeff",
    "\u2028",
    "\u202e",
    "\x85",
    "\x00",
    "\x07",
    "\U0001f600",
    "é" * 50,
    "1" * 5000,
    "-1" + "0" * 300,
    "1e999",
    ".inf",
    ".nan",
    "-.inf",
    "0x1F",
    "0o17",
    "1_000",
    "22:22:22",
    "2026-11-30",
    "yes",
    "~",
    "null",
    "''",
    '"\\x00"',
    '"\\ud800"',
    '"\\U00110000"',
    "{WANDB_API_KEY}",
    "{run_dir}",
    "{name}",
    "{no_such}",
    "{{x}}",
    "{a}{b}{c}",
    "${HOME}",
    "../../..",
    "/",
    "~/x",
    "s3://b/k",
    "a\\\nb",
    "'",
    '"',
    "|",
    ">-\n",
    "#",
    ": ",
    ", ",
    "- ",
    "- - - - x\n",
    "name: a\nname: b\n",
    "pod: null\n",
    "pod: []\n",
    "pod: {image: {}}\n",
    "run: {body: " + "x" * 300_000 + "}\n",
    "variables: {name: x, run_dir: y, 1: z, 'a b': c, '': d, true: e}\n",
    "variables: {a: '{b}', b: '{a}'}\n",
    "staging: " + "[{source: a, destination: /b}]" + "\n",
    "artifacts: [" + "{label: a, remote_path: /b, local_path: c}," * 300 + "]\n",
    "pod: {env: {" + ",".join(f"A{n}: x" for n in range(300)) + "}}\n",
]


def play(seed: int) -> None:
    """Load one file, and migrate it."""
    luck = random.Random(seed)
    content = _mutated(luck)
    variables = {"WANDB_API_KEY": SECRET} if luck.random() < 0.7 else {}
    if luck.random() < 0.2:
        name = luck.choice(["epochs", "x", "", "a b", "run_dir", "é", "name"])
        variables[name] = luck.choice(["", "1", "{x}", "\x00", "y" * 9999])
    try:
        loaded = load_job(parse_yaml(content, "job.yaml"), variables=variables, environ=ENVIRON, home=Path("/home/x"))
    except SpecError as error:
        _is_told_well(error, content)
    except UserError as error:
        assert error.exit_code == 2
        _holds_no_secret(error.message)
    else:
        _holds_no_secret(json.dumps(msgspec.to_builtins(loaded.config)), json.dumps(loaded.variables))
        assert restore_job(msgspec.json.decode(msgspec.json.encode(loaded.config)), ENVIRON) == loaded.job
    _migrates(content)


def _is_told_well(error: SpecError, content: bytes) -> None:
    assert error.exit_code == 2 and error.problems
    lines = content.count(b"\n") + content.count(b"\r") + content.count("\x85".encode()) + 1
    lines += content.count("\u2028".encode()) + content.count("\u2029".encode())
    for problem in error.problems:
        assert 1 <= problem.line <= lines + 1 and problem.column >= 1, problem
        assert problem.path and problem.message, problem
    assert error.message.startswith("job.yaml:") and len(error.message) < MESSAGE_CHARACTERS_MAX, len(error.message)
    for word in ("Traceback", " object at 0x", "msgspec"):
        assert word not in error.message
    _holds_no_secret(error.message)


def _holds_no_secret(*texts: str) -> None:
    forms = (SECRET[:10], SECRET[-10:], base64.b64encode(SECRET.encode()).decode()[:12])
    for text in texts:
        assert not any(form in text for form in forms), "a secret of this machine is shown"


def _migrates(content: bytes) -> None:
    """What comes out is a file that can be migrated no further; all else is refused in words."""
    try:
        text = content.decode()
        new, _ = migrated(text, "job.yaml")
        again, told = migrated(new, "job.yaml")
    except UnicodeDecodeError:
        return
    except UserError as error:
        assert error.exit_code == 2 and len(error.message) < MESSAGE_CHARACTERS_MAX
        return
    assert again == new and told == []


def _mutated(luck: random.Random) -> bytes:
    content = bytearray(luck.choice(BASES))
    for _ in range(luck.choice((0, 1, 1, 1, 2, 3, 6))):
        luck.choice(MUTATIONS)(luck, content)
    return bytes(content[: 2 * MAX_BYTES])


def _insert(luck: random.Random, content: bytearray) -> None:
    at = luck.randrange(len(content) + 1)
    content[at:at] = luck.choice(PIECES).encode("utf-8", "surrogatepass")


def _add_lines(luck: random.Random, content: bytearray) -> None:
    """Whole lines at the beginning, the end, or between two lines."""
    ends = [0, *(at + 1 for at, byte in enumerate(content) if byte == 10), len(content)]
    at = luck.choice(ends)
    piece = luck.choice(PIECES)
    content[at:at] = f"{'  ' * luck.randrange(3)}{piece}\n".encode("utf-8", "surrogatepass")


def _value(luck: random.Random, content: bytearray) -> None:
    """Another value behind a colon."""
    colons = [at for at, byte in enumerate(content) if byte == 58]
    if colons:
        at = luck.choice(colons) + 1
        ends = [found for mark in (b"\n", b",", b"}") if (found := content.find(mark, at)) >= 0]
        end = min(ends, default=len(content))
        piece = luck.choice(PIECES) if luck.random() < 0.85 else "x {WANDB_API_KEY}"
        content[at:end] = b" " + piece.encode("utf-8", "surrogatepass")


def _lines(luck: random.Random, content: bytearray) -> None:
    """A line gone, doubled, moved, or indented otherwise."""
    lines = bytes(content).split(b"\n")
    one, other = luck.randrange(len(lines)), luck.randrange(len(lines))
    what = luck.randrange(4)
    if what == 0:
        del lines[one]
    elif what == 1:
        lines.insert(other, lines[one])
    elif what == 2:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines[one] = b" " * luck.randrange(6) + lines[one].strip()
    content[:] = b"\n".join(lines)


_ODD_BYTES = (0, 9, 10, 13, 39, 34, 58, 0x7F, 0x80, 0xC3, 0xED, 0xFF)


def _bytes(luck: random.Random, content: bytearray) -> None:
    for _ in range(luck.randrange(1, 9)):
        if content:
            content[luck.randrange(len(content))] = luck.choice(_ODD_BYTES)


def _cut(luck: random.Random, content: bytearray) -> None:
    del content[luck.randrange(len(content) + 1) :]


def _more(luck: random.Random, content: bytearray) -> None:
    content += luck.choice(BASES)


def _many(luck: random.Random, content: bytearray) -> None:
    line = luck.choice(bytes(content).split(b"\n"))[:200]
    content += (line + b"\n") * luck.choice((100, 3000))


_OFTEN = (_insert, _add_lines, _value)
MUTATIONS: list[Any] = [*_OFTEN, *_OFTEN, _value, _lines, _bytes, _cut, _more, _many]
