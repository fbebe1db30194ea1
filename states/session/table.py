"""The life of a session from top to bottom. The way to the pod is the one of a job."""

from __future__ import annotations

from rpd.engine.rule import Group, Rule, Table
from rpd.states.policy.guards import (
    nothing_owed,
    person_may_return,
    pod_is_stopped,
    release_is_proved,
)
from rpd.states.ports.names import BEFORE_ATTENDING, State, Trigger
from rpd.states.table import TO_THE_POD, TRY_NEXT, interrupts_of

S, T = State, Trigger

LIFE: tuple[Rule, ...] = (
    *TO_THE_POD,
    Rule(T.SWITCH_ARMED, S.ARM, S.TUNNEL, "the pod can release itself"),
    Rule(T.SWITCH_REFUSED, S.ARM, S.TUNNEL, "the pod cannot release itself; every status line says so"),
    Rule(T.POD_STOPPED, S.ARM, S.BOOT, "the pod was stopped, or its container is a new one; begin again"),
    Rule(T.CONNECTED, S.TUNNEL, S.ATTEND, "every service answered over its local port"),
    Rule(T.SERVICE_FAILED, S.TUNNEL, S.RELEASE, "a service did not answer in its time"),
    Rule(T.POD_STOPPED, S.TUNNEL, S.BOOT, "the pod was stopped, or its container is a new one; begin again"),
    Rule(
        T.POD_STOPPED,
        S.ATTEND,
        S.RELEASE,
        "stopped from outside; nobody has agreed to the cost of another start",
        when=(pod_is_stopped,),
    ),
    Rule(T.POD_STOPPED, S.ATTEND, S.BOOT, "its container is a new one; connect again"),
    Rule(T.RETURNED, S.ATTEND, S.BOOT, "a person comes back; start the stopped pod"),
    TRY_NEXT,
    Rule(T.RETURNED, S.RELEASE, S.CONNECT, "a person comes back to the pod that was kept up", unless=(nothing_owed,)),
    Rule(
        T.PARKED,
        S.RELEASE,
        S.ATTEND,
        "stopped, and a person has worked in it; resume starts it again",
        when=(person_may_return, release_is_proved),
    ),
    Rule(
        T.RELEASED,
        S.RELEASE,
        S.DONE,
        "proved: nothing computes any more",
        when=(release_is_proved,),
    ),
)

HOLDS_POD = Group("any state that may hold a pod", (*BEFORE_ATTENDING, S.ATTEND))
NOBODY_ATTENDED = Group("any state before a person attends", BEFORE_ATTENDING)

SESSION = Table(
    "session",
    State,
    Trigger,
    State.SELECT,
    frozenset({State.DONE}),
    LIFE,
    interrupts_of(HOLDS_POD, NOBODY_ATTENDED),
)
