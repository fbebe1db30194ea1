"""The scripted lives of sessions: every way one can end today."""

from __future__ import annotations

from typing import Any

from tests.simulation.life import Life
from tests.simulation.schedule import Strike

_HALF_AN_HOUR = {"cost_cap_usd": 10.0, "max_runtime_minutes": 30, "ssh_ready_timeout_sec": 60}
_NO_JOB: dict[str, Any] = {
    **{key: [] for key in ("setup", "staging", "preflight", "artifacts")},
    "budget": _HALF_AN_HOUR,
}
_TEN_MINUTES = {"budget": {**_HALF_AN_HOUR, "max_runtime_minutes": 10}}
_FIVE_CENTS = {"budget": {**_HALF_AN_HOUR, "cost_cap_usd": 0.05}}
_SERVICES = {"session": {"services": [{"port": 8188, "path": "/system_stats"}]}}


def _session(
    name: str,
    outcome: str = "succeeded",
    reason: str = "left",
    exit_code: int = 0,
    strikes: tuple[Strike, ...] = (),
    acts: tuple[str, ...] = (),
    *,
    config: dict[str, Any] | None = None,
    world: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    **person: Any,
) -> Life:
    return Life(
        f"session: {name}",
        outcome,
        reason,
        exit_code,
        strikes,
        acts,
        config={**_NO_JOB, **(config or {})},
        world={**(world or {}), "person": person},
        options=_SERVICES if options is None else options,
        lifecycle="session",
    )


SESSIONS = (
    _session("left, deleted"),
    _session("left, stopped, and come back to", acts=("away", "resume"), leaves=("stop", "delete")),
    _session("left without an answer", acts=("resume",), leaves=("", "delete")),
    _session("left, kept, and come back to", acts=("resume",), leaves=("keep", "delete")),
    _session("left, kept, and forgotten", acts=("away", "gc", "resume"), leaves=("keep", "delete")),
    _session("stopped, then renounced", "cancelled", "cancelled", 130, acts=("cancel",), leaves=("stop",)),
    _session("stopped, then released", acts=("release",), leaves=("stop",)),
    _session("stopped, and cleaned up around", acts=("gc", "resume"), leaves=("stop", "delete")),
    _session("out of time", acts=("resume",), config=_TEN_MINUTES, stays=4000.0),
    _session("out of money", acts=("resume",), config=_FIVE_CENTS, stays=4000.0),
    _session("interrupted", strikes=(Strike("Ctrl-C off a terminal", "attend", 3),), acts=("resume",)),
    _session("terminated", strikes=(Strike("TERM", "attend", 3),), acts=("resume",)),
    _session(
        "interrupted before anybody was there",
        "cancelled",
        "interrupted",
        130,
        (Strike("Ctrl-C on a terminal", "boot"),),
    ),
    _session("cancelled while attended", "cancelled", "cancelled", 130, (Strike("rpd cancel", "attend", 3),)),
    _session("released while attended", strikes=(Strike("rpd release", "attend", 3),), acts=("resume",)),
    _session("the service is slow", world={"service_seconds": 200.0}),
    _session("the service never answers", "failed", "service_not_ready", 5, world={"service_seconds": 1e9}),
    _session("the service dies and comes back", strikes=(Strike("the services die", "attend", 2, 45.0),), stays=300.0),
    _session(
        "the service does not come back after a restart",
        "succeeded",
        "left",
        0,
        (Strike("the services die", "boot", 14, 900.0),),
        ("resume", "resume"),
        leaves=("stop", "delete"),
    ),
    _session("the pod is stopped", strikes=(Strike("the pod is stopped by others", "attend", 3),), acts=("resume",)),
    _session("the pod is gone", "lost", "pod_vanished", 10, (Strike("the pod is deleted by others", "attend", 3),)),
    _session("the container is made anew", strikes=(Strike("the container is made anew by others", "attend", 3),)),
    _session("the container restarts", strikes=(Strike("the container restarts", "attend", 3),)),
    _session("the host key changes", strikes=(Strike("the host key changes", "attend", 3),), acts=("resume",)),
    _session("offline for minutes", strikes=(Strike("this machine is offline", "attend", 3, 480.0),), stays=900.0),
    _session("away for long", strikes=(Strike("the laptop sleeps", "attend", 3, 3600.0),), acts=("resume",)),
    _session(
        "the host is full when one comes back",
        "succeeded",
        "left",
        0,
        (Strike("the host has no free GPU", "attend", 1, 2400.0),),
        ("resume", "resume"),
        leaves=("stop", "delete"),
    ),
    _session("a host never boots", world={"boot_seconds": [1e6, 20.0]}),
    _session("hosts never boot", "refused", "hosts_never_booted", 6, world={"boot_seconds": [1e6]}),
    _session("unprotected", strikes=(Strike("the switch cannot prove itself", "arm"),)),
    _session("without services", options={"session": {"services": []}}),
)
