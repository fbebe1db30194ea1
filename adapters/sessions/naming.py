"""Names of sessions: `YYYY-MM-DD-NNN`, counted for each day (UTC) and state home. Two that begin at once get two."""

from __future__ import annotations

import time
from pathlib import Path

from rpd.adapters.local.dirs import label_of, private_folder
from rpd.engine.errors import UserError
from rpd.states.ports.faults import Fault

PER_DAY_MAX = 999


def claim_name(home: Path, wanted: str | None, wall: float) -> str:
    """Effect: the name of a new session. A counted one is claimed by its folder of journals, which exactly one process
    can make. Raises UserError.
    """
    folder = private_folder(home) / "journals"
    if wanted is not None:
        if not (label := label_of(wanted)):
            raise UserError(f"--name {wanted}: a name needs letters or digits")
        return label
    day = time.strftime("%Y-%m-%d", time.gmtime(wall))
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        known = [int(each.name[-3:]) for each in folder.glob(f"{day}-[0-9][0-9][0-9]")]
        for number in range(max(known, default=0) + 1, PER_DAY_MAX + 1):
            try:
                (folder / f"{day}-{number:03}").mkdir(mode=0o700)
            except FileExistsError:
                continue
            return f"{day}-{number:03}"
    except OSError as error:
        raise UserError(f"cannot make a folder in {folder}: {error.strerror}", reason=Fault.LOCAL_DISK) from error
    raise UserError(f"{PER_DAY_MAX} sessions of one day have names", hint="name this one: --name NAME")


def give_up_name(home: Path, name: str) -> None:
    """Effect: free the name of a session that did not begin."""
    try:
        (home / "journals" / name).rmdir()
    except OSError:
        return  # it has a journal
