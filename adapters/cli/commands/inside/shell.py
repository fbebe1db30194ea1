"""`rpd shell`."""

from __future__ import annotations

from rpd.adapters.cli.arguments.options import RunOrPod


def shell(run: RunOrPod = None) -> int:
    """A shell in the pod of a run, on this terminal."""
    from rpd.adapters.cli.acting.inside import shell_into

    return shell_into(run)
