"""The installed version of this program."""

from __future__ import annotations

from importlib import metadata

DISTRIBUTION = "rpd-cli"


def version() -> str:
    """The version of the installed distribution, or `unknown` if it is not installed."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"
