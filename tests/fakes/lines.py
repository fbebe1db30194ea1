"""Journals as plain data, to be changed and made whole again: what an adversary can do, and another version does."""

from __future__ import annotations

import functools
import json
from hashlib import sha256
from typing import Any

Rows = list[dict[str, Any]]


@functools.cache
def _life(name: str) -> tuple[str, ...]:
    from tests.simulation.lives import LIVES
    from tests.simulation.run import Simulation

    simulation = Simulation(LIVES[name].schedule())
    simulation.run()
    inode = simulation.laptop.disk.find(simulation.laptop.path)
    assert inode is not None
    return tuple(bytes(inode.data).decode().splitlines())


def life(name: str) -> Rows:
    """The records of a simulated life, as plain data of the caller's own."""
    return [json.loads(line) for line in _life(name)]


def until(rows: Rows, event: str) -> Rows:
    """Up to the first record of this name."""
    return rows[: next(at for at, row in enumerate(rows) if row["event"] == event) + 1]


def sealed(rows: Rows) -> bytes:
    """Rows as lines whose chain is whole again. A text that begins with `RAW:` stands there without its quotes."""
    prev, lines = "0" * 32, []
    for row in rows:
        plain = {name: value for name, value in row.items() if name != "z"} | {"prev": prev}
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
        while '"RAW:' in text:
            before, _, rest = text.partition('"RAW:')
            raw, _, after = rest.partition('"')
            text = f"{before}{raw}{after}"
        line = text[:-1].encode()
        prev = sha256(line).hexdigest()[:32]
        lines.append(line + f',"z":"{prev}"}}\n'.encode())
    return b"".join(lines)
