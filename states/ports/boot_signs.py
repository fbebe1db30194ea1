"""What the provider's log about a pod and the container's own log say about a container that will never start. Pure.

A sign concerns the image if every host would show it. It concerns the host if another host may work.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

import msgspec


class Sign(StrEnum):
    """Why a container will never start. The values stand in journals."""

    PULL_LIMIT = "pull_limit"
    PULL_DENIED = "pull_denied"
    NO_IMAGE = "no_image"
    WRONG_PROCESSOR = "wrong_processor"
    OLD_DRIVER = "old_driver"
    DISK_FULL = "disk_full"
    NO_COMMAND = "no_command"
    HOST = "host"


class BootSign(msgspec.Struct, frozen=True):
    """A sign and the line that shows it."""

    sign: str
    line: str


_NOT_THERE = r"exec /[^ ]+(?: failed)?: (?:no such file or directory|permission denied)"
_REFUSED = r"(?<!permission )\bdenied: |unauthorized|\b401 auth|\b403 forbidden"
_SIGNS: tuple[tuple[Sign, re.Pattern[str]], ...] = tuple(
    (sign, re.compile("|".join(fragments), re.IGNORECASE))
    for sign, fragments in (
        (Sign.PULL_LIMIT, ("toomanyrequests", "pull rate limit")),
        (
            Sign.NO_IMAGE,
            (
                "manifest unknown",
                "manifest for .+ not found",
                "name unknown",
                "repository .+ not found",
                "invalid reference format",
                r"failed to resolve reference [^ ]+ .+: not found",
            ),
        ),
        (
            Sign.PULL_DENIED,
            (
                "pull access denied",
                "requested access to the resource is denied",
                "authentication required",
                "no basic auth credentials",
                "incorrect username or password",
                rf"(?:pull|registry|daemon|resolve reference).*(?:{_REFUSED})",
            ),
        ),
        (Sign.WRONG_PROCESSOR, ("exec format error", "no matching manifest for", "image platform .+ does not match")),
        (Sign.OLD_DRIVER, ("unsatisfied condition: *cuda", "please update your driver")),
        (Sign.DISK_FULL, ("no space left on device", "disk quota exceeded")),
        (
            Sign.NO_COMMAND,
            (
                r"executable file not found in \$PATH",
                r'exec: "[^"]*": (?:stat [^:]*: )?no such file or directory',
                r'exec: "[^"]*": permission denied',
                _NOT_THERE,
            ),
        ),
        (
            Sign.HOST,
            (
                "layer does not exist",
                "failed to register layer",
                "failed to create task for container",
                "failed to create shim task",
                "oci runtime create failed",
                "error creating container",
                "nvidia-container-cli:",
                "failed to pull image",
            ),
        ),
    )
)
"""The order counts: a line about a fault of the image may begin with words about the host."""

OF_CONTAINER = frozenset({Sign.WRONG_PROCESSOR, Sign.OLD_DRIVER})
"""Signs that the container's own log may show. Other lines of that log come from its programs and are no signs."""
_ALONE = re.compile(rf"(?:\[FATAL tini \([0-9]+\)\] )?{_NOT_THERE}\Z", re.IGNORECASE)
"""What the log shows instead of a program's output if the start command, or the program in its first line, does not
exist.
"""
CONTAINER_TIMES_MIN = 2
"""A container that cannot start is started again and shows the same line."""
_STARTED = re.compile(r"start(?:ing|ed)? container\b", re.IGNORECASE)
_CUDA = re.compile(r"cuda *>= *([0-9]+\.[0-9]+)", re.IGNORECASE)


def find(system: Sequence[str], container: Sequence[str]) -> BootSign | None:
    """The last sign in these lines (oldest first); None if there is none. Lines of the provider's log before the last
    start of the container do not count: a failed pull was tried again.
    """
    begun = max((index for index, line in enumerate(system) if _is_begun(line)), default=-1)
    for line in reversed(system[begun + 1 :]):
        sign = _sign(line)
        if sign is not None:
            return BootSign(sign, line)
    seen = [
        BootSign(sign, line)
        for line in container
        if (sign := _sign(line)) is not None and (sign in OF_CONTAINER or _ALONE.match(line.strip()))
    ]
    is_repeated = bool(seen) and sum(each.sign == seen[-1].sign for each in seen) >= CONTAINER_TIMES_MIN
    return seen[-1] if is_repeated else None


def is_of_image(seen: BootSign, min_cuda_version: str | None) -> bool:
    """Whether every host would show this sign. A host whose driver is older than the job asks for has given wrong
    information.
    """
    if seen.sign != Sign.OLD_DRIVER:
        return seen.sign != Sign.HOST
    needed = cuda_wanted(seen)
    return min_cuda_version is None or (needed is not None and _version(needed) > _version(min_cuda_version))


def cuda_wanted(seen: BootSign) -> str | None:
    """The CUDA version that the image needs, according to the line."""
    found = _CUDA.search(seen.line)
    return found[1] if found else None


def _is_begun(line: str) -> bool:
    return _STARTED.search(line) is not None and _sign(line) is None and "error" not in line.lower()


def _sign(line: str) -> Sign | None:
    return next((sign for sign, pattern in _SIGNS if pattern.search(line)), None)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
