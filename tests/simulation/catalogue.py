"""Every fault the simulation knows: the moments it can strike at, and what it does there.

A fault of a call answers with a word that the simulated port understands, or raises what the port may raise; a fault of
the world changes it; a fault of the laptop may end the process. Names are stable: schedules on file use them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from rpd.engine.errors import NotSent, Refused, RpdError, Unavailable
from tests.fakes.fuse import Crash
from tests.simulation.cloud import CANARY
from tests.simulation.laptop import Leave
from tests.simulation.schedule import Strike
from tests.simulation.verbose import at_length

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

Act = Callable[["Simulation", Strike], str | None]

AMOUNTS: dict[str, tuple[float, ...]] = {
    "": (0.0,),
    "lateness": (1.0, 20.0, 90.0, 150.0),  # a create takes effect within the quiet window; see docs/reliability.md
    "slowness": (1.0, 10.0, 25.0),
    "outage": (5.0, 45.0, 240.0, 900.0),
    "minutes": (20.0, 120.0, 480.0, 900.0),
    "sleep": (60.0, 3600.0, 28800.0),
    "clock": (-3600.0, 120.0, 31e6),
    "bytes": (1.0, 30.0, 200.0),
    "share": (0.0, 0.3, 0.9, 1.0),
    "turns": (1.0, 5.0, 20.0, 80.0, 1000.0),
    "length": (3000.0, 40_000.0, 90_000.0, 300_000.0),  # a record holds 64 KiB
}


class SimulatedFault(msgspec.Struct, frozen=True):
    """`moment` is what it waits for, `amounts` names the row of AMOUNTS it draws from."""

    name: str
    moment: str
    act: Act
    amounts: str = ""


def _word(word: str) -> Act:
    return lambda sim, strike: word


def _late(word: str) -> Act:
    return lambda sim, strike: f"{word}:{strike.amount}"


def _error(kind: type[RpdError], reason: str, *, retryable: bool = True) -> Act:
    def act(sim: Simulation, strike: Strike) -> str | None:
        raise kind(f"{reason} (key {CANARY})", reason=reason, retryable=retryable)

    return act


def _closed(sim: Simulation, strike: Strike) -> str | None:
    """The host answers for its container that nobody listens there."""
    raise Unavailable("Connection refused", reason="ssh_unreachable", detail={"closed": True})


def _verbose(kind: type[RpdError], reason: str) -> Act:
    """The other side has much to say."""

    def act(sim: Simulation, strike: Strike) -> str | None:
        raise kind(f"{reason}: " + at_length(strike.amount), reason=reason, retryable=True)

    return act


def _long(word: str) -> Act:
    return lambda sim, strike: f"{word}:{strike.amount}"


def _reads() -> list[SimulatedFault]:
    faults = []
    for call in ("get", "list", "offers"):
        faults += [
            SimulatedFault(f"{call} is answered 503", f"call:{call}", _error(Unavailable, "server_error")),
            SimulatedFault(f"{call} is limited in rate", f"call:{call}", _error(Unavailable, "rate_limited")),
            SimulatedFault(
                f"{call} finds the key refused", f"call:{call}", _error(Refused, "key_refused", retryable=False)
            ),
            SimulatedFault(
                f"{call} is answered 503 at length", f"call:{call}", _verbose(Unavailable, "server_error"), "length"
            ),
        ]
    return [
        *faults,
        SimulatedFault("get describes the pod at length", "call:get", _long("long"), "length"),
        SimulatedFault("list shows a great many pods of others", "call:list", _long("many"), "length"),
        SimulatedFault("offers names everything many times", "call:offers", _long("many"), "length"),
        SimulatedFault("the provider's log has long lines", "call:pod_log", _long("long"), "length"),
        SimulatedFault("get answers 404", "call:get", _word("missing")),
        SimulatedFault("list lags behind", "call:list", lambda sim, strike: sim.lag(strike.amount), "outage"),
        SimulatedFault("list leaves env out", "call:list", _word("no_env")),
    ]


def _effects() -> list[SimulatedFault]:
    faults = []
    for call in ("create", "start", "stop", "delete"):
        faults += [
            SimulatedFault(f"{call} works, its answer is lost", f"call:{call}", _word("done")),
            SimulatedFault(f"{call} does nothing, its answer is lost", f"call:{call}", _word("undone")),
            SimulatedFault(f"{call} does not leave this machine", f"call:{call}", _error(NotSent, "not_sent")),
            SimulatedFault(f"{call} is limited in rate", f"call:{call}", _error(Refused, "rate_limited")),
            SimulatedFault(
                f"{call} finds the key refused", f"call:{call}", _error(Refused, "key_refused", retryable=False)
            ),
        ]
    for call, reason in (
        ("create", "no_capacity"),
        ("start", "start_refused"),
        ("stop", "conflict"),
        ("delete", "conflict"),
    ):
        faults.append(
            SimulatedFault(f"{call} is refused at length", f"call:{call}", _verbose(Refused, reason), "length")
        )
    for call in ("start", "stop", "delete"):
        faults.append(SimulatedFault(f"{call} answers 404 for a pod that lives", f"call:{call}", _word("unseen")))
    return [
        *faults,
        SimulatedFault("another run takes the paused pod", "call:take_over", _word("raced")),
        SimulatedFault("the hand-over may be kept, and is", "call:take_over", _word("done")),
        SimulatedFault("the hand-over may be kept, and is not", "call:take_over", _word("undone")),
        SimulatedFault("the old journal is in use", "call:take_over", _error(Refused, "in_use", retryable=False)),
        SimulatedFault("create works late, its answer is lost", "call:create", _late("late"), "lateness"),
        SimulatedFault("create makes two pods", "call:create", _late("twin"), "lateness"),
        SimulatedFault("create finds no capacity", "call:create", _error(Refused, "no_capacity")),
        SimulatedFault(
            "create is forbidden in this pool", "call:create", _error(Refused, "pool_forbidden", retryable=False)
        ),
        SimulatedFault("create finds no credit", "call:create", _error(Refused, "no_credit", retryable=False)),
        SimulatedFault("create is called invalid", "call:create", _error(Refused, "invalid", retryable=False)),
        SimulatedFault("start is refused by a full host", "call:start", _error(Refused, "start_refused")),
        SimulatedFault("start gives no GPUs", "call:start", _word("no_gpus")),
        SimulatedFault("stop is accepted and not done", "call:stop", _word("lie")),
        SimulatedFault("stop is done later", "call:stop", _late("slow"), "slowness"),
        SimulatedFault("delete is accepted and not done", "call:delete", _word("lie")),
        SimulatedFault("delete is done later", "call:delete", _late("slow"), "slowness"),
    ]


READS_OVER_SSH = ("greet", "attend", "claim", "watch", "samples", "log", "pull")
EFFECTS_OVER_SSH = ("arm", "step", "place", "unplace", "lease", "unlease", "push", "launch", "stop_job")


def _over_ssh() -> list[SimulatedFault]:
    faults = []
    for call in READS_OVER_SSH:
        faults.append(
            SimulatedFault(f"the link breaks before {call}", f"ssh:{call}", _error(Unavailable, "ssh_unreachable"))
        )
    for call in EFFECTS_OVER_SSH:
        faults += [
            SimulatedFault(f"the link breaks before {call}", f"ssh:{call}", _error(NotSent, "ssh_unreachable")),
            SimulatedFault(f"the link breaks after {call}", f"ssh:{call}", _word("cut")),
        ]
    for call in ("step", "push", "launch"):
        faults.append(SimulatedFault(f"the pod's disk is full at {call}", f"ssh:{call}", _error(Refused, "disk_full")))
    for call in READS_OVER_SSH:
        faults.append(
            SimulatedFault(f"{call} fails at length", f"ssh:{call}", _verbose(Unavailable, "unreadable"), "length")
        )
    return [
        *faults,
        SimulatedFault("the commands print long lines", "ssh:step", _long("long"), "length"),
        SimulatedFault("the services say much", "ssh:attend", _long("long"), "length"),
        SimulatedFault("the claim says much", "ssh:claim", _long("long"), "length"),
        SimulatedFault("the watched job says much", "ssh:watch", _long("long"), "length"),
        SimulatedFault("many paths may not be created here", "ssh:pull", _long("long"), "length"),
        SimulatedFault("another pod answers", "ssh:greet", _error(Refused, "wrong_pod", retryable=False)),
        SimulatedFault("nobody listens in the pod", "ssh:greet", _closed),
        SimulatedFault("sshd keeps us out", "ssh:greet", _error(Refused, "barred", retryable=False)),
        SimulatedFault("the key is not written yet", "ssh:greet", _error(Refused, "auth_refused", retryable=False)),
        SimulatedFault("the pod has too few GPUs", "ssh:greet", _word("few_gpus")),
        SimulatedFault("the switch cannot prove itself", "ssh:arm", _word("no_probe")),
        SimulatedFault("the switch lacks a tool", "ssh:arm", _error(Refused, "no_tool", retryable=False)),
        SimulatedFault("a secret is not set here", "ssh:place", _error(Refused, "secret_missing", retryable=False)),
        SimulatedFault("the launch is claimed only", "ssh:launch", _word("claimed")),
        SimulatedFault("the launch lacks a tool", "ssh:launch", _error(Refused, "no_tool", retryable=False)),
        SimulatedFault("the local disk has no room for the log", "ssh:watch", _error(Unavailable, "local_disk")),
        SimulatedFault("what was pulled does not verify", "ssh:pull", _word("corrupt")),
    ]


def _world() -> list[SimulatedFault]:
    def fault(
        name: str, act: Callable[[Simulation, Strike], object], amounts: str = "", *, at: str = "turn"
    ) -> SimulatedFault:
        return SimulatedFault(name, at, lambda sim, strike: _only(act(sim, strike)), amounts)

    return [
        fault("the pod is stopped by others", lambda sim, strike: sim.stop_by_others(), at="turn:live"),
        fault("the pod is deleted by others", lambda sim, strike: sim.delete_by_others(), at="turn:live"),
        fault("the container restarts", lambda sim, strike: sim.restart_container(), at="turn:live"),
        fault("a stopped pod is started by others", lambda sim, strike: sim.start_by_others(), at="turn:stopped"),
        fault("the container is made anew by others", lambda sim, strike: sim.renew_container(), at="turn:live"),
        fault("the host key changes", lambda sim, strike: sim.change_host_key(), at="turn:live"),
        fault("the pod is repriced", lambda sim, strike: sim.reprice(), at="turn:live"),
        fault("the host has no free GPU", lambda sim, strike: sim.fill_hosts(strike.amount), "outage", at="turn:live"),
        fault("the services die", lambda sim, strike: sim.break_services(strike.amount), "outage", at="turn:live"),
        fault("the link is down", lambda sim, strike: sim.cut_link(strike.amount), "outage"),
        fault("the API is down", lambda sim, strike: sim.cut_api(strike.amount), "outage"),
        fault("this machine is offline", lambda sim, strike: sim.go_offline(strike.amount), "minutes"),
        fault("every packet is dropped", lambda sim, strike: sim.go_offline(strike.amount, drops=True), "minutes"),
        fault("the key is refused", lambda sim, strike: sim.refuse_key(strike.amount), "outage"),
        fault("the cloud lets go of no pod", lambda sim, strike: sim.hold_pods(strike.amount), "outage"),
        fault("all stock is sold", lambda sim, strike: sim.sell_out(strike.amount), "outage"),
    ]


def _laptop() -> list[SimulatedFault]:
    faults = [
        SimulatedFault("the laptop sleeps", "turn", lambda sim, strike: sim.sleep(strike.amount), "sleep"),
        SimulatedFault("the wall clock is set", "turn", lambda sim, strike: sim.set_clock(strike.amount), "clock"),
        SimulatedFault("the disk is full", "record:write", lambda sim, strike: sim.fill_disk(strike.amount), "outage"),
        SimulatedFault("a write is short", "record:write", lambda sim, strike: sim.tear(strike.amount), "bytes"),
        SimulatedFault("a sync fails", "record:sync", lambda sim, strike: sim.fail_sync(errno.EIO)),
        SimulatedFault("the journal is moved away", "turn", lambda sim, strike: sim.lose_journal()),
    ]
    for point in ("record:write", "record:sync", "record:done", "effect:done", "turn"):
        faults.append(SimulatedFault(f"kill at {point}", point, lambda sim, strike: _die(sim, strike, power=False)))
        faults.append(
            SimulatedFault(f"power cut at {point}", point, lambda sim, strike: _die(sim, strike, power=True), "share")
        )
    return faults


def _person() -> list[SimulatedFault]:
    def ask(what: str, **detail: object) -> Act:
        return lambda sim, strike: sim.ask(what, **detail)

    return [
        SimulatedFault("Ctrl-C on a terminal", "turn", ask("interrupt", terminal=True)),
        SimulatedFault("Ctrl-C off a terminal", "turn", ask("interrupt", terminal=False)),
        SimulatedFault("TERM", "turn", ask("terminate")),
        SimulatedFault("rpd cancel", "turn", ask("cancel")),
        SimulatedFault("rpd release", "turn", ask("release")),
        SimulatedFault("rpd release --keep-until", "turn", lambda sim, strike: sim.ask_to_keep(1200.0)),
        SimulatedFault("rpd run --detach", "turn", ask("detach")),
        SimulatedFault("a second Ctrl-C", "turn", _leave),
        SimulatedFault("another rpd on this journal", "turn", lambda sim, strike: sim.intrude()),
        SimulatedFault(
            "a copied journal elsewhere",
            "turn:known",
            lambda sim, strike: sim.copy_elsewhere(int(strike.amount)),
            "turns",
        ),
    ]


def _only(result: object) -> None:
    """A fault of the world changes no call by itself."""


def _die(sim: Simulation, strike: Strike, *, power: bool) -> str | None:
    sim.laptop.last_breath = strike.amount if power else None
    raise Crash(strike.fault)


def _leave(sim: Simulation, strike: Strike) -> str | None:
    raise Leave("asked twice to leave")


FAULTS: dict[str, SimulatedFault] = {
    fault.name: fault for fault in (*_reads(), *_effects(), *_over_ssh(), *_world(), *_laptop(), *_person())
}
"""By name."""
MOMENTS: dict[str, str] = {fault.name: fault.moment for fault in FAULTS.values()}
