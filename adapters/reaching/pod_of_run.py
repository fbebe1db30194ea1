"""Which pod is meant, and whether it can be reached: every reason against it has words and a next step."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NoReturn

import msgspec

from rpd.adapters.access.clouds import Access, default_access
from rpd.adapters.access.gate import recorded_access
from rpd.adapters.access.keys import SshKey, ssh_key
from rpd.adapters.forensics.inspection import facts_of
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import Patience
from rpd.adapters.report.words import clock, one_line, rate
from rpd.adapters.wiring import cloud_for
from rpd.engine.errors import RpdError, UserError
from rpd.journal.reader import read
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.facts.pod import PodFacts
from rpd.states.policy.rules import released_by
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import KEY_FAULTS, Fault
from rpd.states.ports.world import SshAddress, Target

CLOUD_SECONDS = 20.0
"""How long the cloud may be silent before the last known address is tried."""
STRANGER_SECONDS = 5.0
_POD_ID = re.compile(r"(?=[a-z]*[0-9])[a-z0-9]{10,32}")
_AT_REST = ("EXITED", "TERMINATED")


class Reached(msgspec.Struct, frozen=True):
    """A pod that can be reached now: where it is, which host key it must show, and the key that opens it."""

    journal: Path
    facts: Facts
    access: Access
    key: SshKey
    address: SshAddress
    target: Target

    @property
    def pin(self) -> str:
        """The fingerprint that the greeting of the run has recorded."""
        assert self.target.host_key is not None, "a pod is reached only with a pinned key"
        return self.target.host_key

    @property
    def alias(self) -> str:
        """The pod's name in SSH's files and messages."""
        return f"rpd-pod-{self.target.pod_id}"

    @property
    def key_path(self) -> Path | None:
        """The file of the key, or None if only the agent can use it."""
        return None if self.key.is_in_agent else Path(self.key.private_path)

    @property
    def standing(self) -> str:
        """What the pod costs, and who releases it, in one line."""
        pod = self.facts.pod
        bills = f", {rate(pod.usd_per_hour)}" if pod is not None else ""
        who = released_by(self.facts, SystemClock().now())
        until = f" at {clock(who.at)}" if who is not None and who.at is not None else ""
        released = f"; released by {who.who}{until}" if who is not None else ""
        return f"pod {self.target.pod_id} of run {self.facts.run_id}{bills}{released}"


def reach(journal: Path) -> Reached:
    """The pod of this run, where the cloud says that it is now. If the cloud does not answer, where the journal last
    saw it: the pinned key proves that it is the same pod. Raises UserError, JournalError."""
    facts = facts_of(read(journal))
    pod = _pod_in_hand(facts)
    access = recorded_access(journal)
    address = _address(facts, pod, access)
    return Reached(
        journal=journal,
        facts=facts,
        access=access,
        key=ssh_key(facts.opened.config.get("ssh", {}).get("key_path"), state_home()),
        address=address,
        target=target(facts),
    )


def stranger(word: str) -> str | None:
    """What the account of the environment says of a pod with this id that no journal here knows. None if the word is no
    id, if the account has no such pod, or if it cannot be asked."""
    if not _POD_ID.fullmatch(word):
        return None
    try:
        access = default_access(state_home())
        pod = cloud_for(access, ProcessControl(patience=Patience(STRANGER_SECONDS))).get(word)
    except RpdError:
        return None
    return f"{one_line(pod.name)}, {pod.status}" if pod is not None else None


def _pod_in_hand(facts: Facts) -> PodFacts:
    """The pod that the journal says is there, greeted under a host key. Raises UserError."""
    run, pod = facts.run_id, facts.pod
    if pod is None or pod.id is None:
        if facts.report.outcome is not None or facts.last_pod is not None:
            raise UserError(f"run {run} has no pod any more", reason="no_pod", hint=f"rpd inspect {run}")
        raise UserError(
            f"run {run} has no pod yet; it is in state {facts.state}",
            reason="no_pod_yet",
            hint=f"wait for its state `arm`:   rpd inspect {run}",
        )
    if pod.is_gone or pod.released_as == "delete":
        raise UserError(f"pod {pod.id} of run {run} was deleted", reason="no_pod", hint=f"rpd inspect {run}")
    if pod.container.greeting is None and pod.released_as is None:
        raise UserError(
            f"pod {pod.id} of run {run} has not been greeted yet, so its host key is not known; the run is in state "
            f"{facts.state}",
            reason="no_greeting",
            hint=f"wait for its state `arm`:   rpd inspect {run}"
            if facts.report.outcome is None
            else f"rpd resume {run}   greets it",
        )
    if facts.is_session and not pod.holds and pod.released_as is None:
        raise UserError(
            f"session {run} is not connected yet; until then its pod is deleted if its services do not come up",
            reason="not_connected",
            hint=f"wait for its state `attend`:   rpd inspect {run}",
        )
    return pod


def _address(facts: Facts, pod: PodFacts, access: Access) -> SshAddress:
    assert pod.id is not None, "the pod in hand has an id"
    control = ProcessControl(patience=Patience(CLOUD_SECONDS))
    try:
        seen = cloud_for(access, control).get(pod.id)
    except RpdError as error:
        last = pod.seen.ssh if pod.seen is not None else None
        if error.reason in KEY_FAULTS or last is None or pod.released_as is not None:
            raise UserError(
                f"{access.profile.name} does not say where pod {pod.id} is: {error.message}",
                reason=error.reason,
                exit_code=Exit.KEY if error.reason in KEY_FAULTS else Exit.INTERNAL,
                hint=error.hint,
            ) from error
        return last
    status = seen.status if seen is not None else "TERMINATED"
    if status in _AT_REST:
        _refuse_at_rest(facts, pod.id, status)
    if pod.container.greeting is None:
        raise UserError(
            f"pod {pod.id} runs again, and its new host key is not known", reason="no_greeting", hint=_start(facts)
        )
    if seen is None or seen.ssh is None:
        raise UserError(
            f"pod {pod.id} is {status.lower()} and has no SSH address yet", reason="no_address", hint="try again soon"
        )
    return seen.ssh


def _refuse_at_rest(facts: Facts, pod_id: str, status: str) -> NoReturn:
    if status == "EXITED":
        raise UserError(
            f"pod {pod_id} of run {facts.run_id} is stopped", reason="pod_stopped", hint=f"{_start(facts)}   starts it"
        )
    raise UserError(
        f"pod {pod_id} of run {facts.run_id} is not in the account any more",
        reason="no_pod",
        hint=f"rpd inspect {facts.run_id}",
    )


def _start(facts: Facts) -> str:
    """The command that starts the pod and greets it. A finished run does not come back; a new run takes its pod up."""
    if facts.report.outcome is None:
        return f"rpd resume {facts.run_id}"
    return f"rpd run {shlex.quote(facts.opened.config_path or 'FILE')}"


def explained(error: RpdError, reached: Reached) -> UserError:
    """An SSH failure as an error of the person's world: what it means, and what to type next."""
    run = reached.facts.run_id
    hints = {
        Fault.HOST_KEY_CHANGED: f"if its container was restarted, `rpd resume {run}` greets it under the new key; "
        "otherwise somebody else answers at its address, and rpd sends nothing there",
        Fault.SSH_UNREACHABLE: f"rpd inspect {run}   says how the pod is",
        Fault.LINK_LOST: "the same command again connects anew",
        Fault.AUTH_REFUSED: f"the pod's authorized_keys must hold the public half of {reached.key.private_path}",
        Fault.NO_SESSION: "close another session to this pod, or wait for one to end",
    }
    return UserError(
        error.message,
        reason=error.reason,
        exit_code=Exit.INTERNAL,
        hint=hints.get(error.reason, error.hint),  # type: ignore[call-overload]
    )
