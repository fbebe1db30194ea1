"""The dead-man's switch in a pod's start command, so that it runs from the first second and after every restart."""

from __future__ import annotations

import functools
import shlex

from rpd.adapters.pod.scripts import switch_text
from rpd.states.ports.job import is_with_start_sh


def original_command(image: str, args: str | None) -> str | None:
    """What the container would run by itself: `args` if the order has some, `/start.sh` for images known to start with
    it. None if it is not known (the start command then cannot contain the switch)."""
    if args is not None and args.strip():
        return args
    return "/start.sh" if is_with_start_sh(image) else None


@functools.cache
def switch_start_command(original: str, *, volume: str = "/workspace") -> str:
    """Text for a pod's `args`: starts the switch beside `original` and then becomes `original`.

    `original` is split into words as the provider would do, and is not interpreted further. `volume` is where the pod's
    volume is mounted; orders on it outlive a restart. Holds no secret. Raises ValueError if a quote is not closed.
    """
    command = shlex.join(shlex.split(original))
    start = f"rpd_switch {shlex.quote(volume)} start </dev/null >/dev/null 2>&1 &"
    return "sh -c " + shlex.quote(f"{switch_text()}{start}\nexec {command}")
