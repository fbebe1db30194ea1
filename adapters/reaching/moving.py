"""Files to and from a pod, by the verified transfer of the job."""

from __future__ import annotations

import contextlib
import posixpath
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from rpd.adapters.access.opening import open_journal
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.signals import signal_requests
from rpd.adapters.reaching.inside import connected
from rpd.adapters.reaching.pod_of_run import Reached
from rpd.adapters.report.pace import Pace
from rpd.adapters.transfer.pull import pull as pull_tree
from rpd.adapters.transfer.push import push as push_tree
from rpd.engine.errors import Interrupted, RpdError, UserError
from rpd.engine.operation import Result
from rpd.engine.protocol import intent_of, outcome_of
from rpd.journal.errors import JournalLocked
from rpd.journal.index import Index
from rpd.journal.lock import Owner, holder
from rpd.journal.store import Journal
from rpd.states.operations.container import PushTree, TreePushed
from rpd.states.policy.secrets import private_places
from rpd.states.ports.exits import Exit
from rpd.states.ports.world import Pull, Pulled, Pushed, Tree

_PATTERN = "*?["

Tell = Callable[[str], object]


def pull(reached: Reached, remote: str, local: str | None, tell: Tell) -> tuple[Pulled, str]:
    """Fetch a path of the pod. Returns what arrived, and where. `local` None: below the current folder, under the name
    that it has in the pod. It only reads the pod, so it needs no lock and leaves no record. Raises UserError."""
    is_pattern = any(sign in remote for sign in _PATTERN)
    name = posixpath.basename(remote.rstrip("/"))
    if local is None and not is_pattern and name in ("", ".", ".."):
        raise UserError(
            f"{remote!r} has no name for a place here", hint=f"rpd pull {reached.facts.run_id} {remote} LOCAL"
        )
    place = local if local is not None else ("." if is_pattern else name)
    order = Pull(
        label=remote,
        remote_path=remote,
        local_path=str(Path(place).expanduser().absolute()) + ("/" if place.endswith("/") else ""),
        required=True,
        private=private_places(reached.facts.job),
        is_pattern=is_pattern,
    )
    with _interruptible() as control, connected(reached) as connection:
        pulled = pull_tree(connection, order, progress=Pace(f"fetching {remote}", tell), interrupted=control.pending)
    if pulled.is_missing:
        raise UserError(
            f"nothing is at {remote} in the pod",
            reason="missing_there",
            hint=f"rpd exec {reached.facts.run_id} -- ls -la",
        )
    return pulled, place


def push(
    reached: Reached, local: str, remote: str | None, excludes: tuple[str, ...], tell: Tell
) -> tuple[Pushed, str, Owner | None]:
    """Send a file or a folder. Returns what was sent, where it went, and who drives the run meanwhile.

    This is an effect on the pod. Where no process drives the run, the journal gets an intent before it and its outcome
    after it, under the lock. Where one does, only that process writes the journal: the push goes on beside it, without
    a record. Raises UserError, JournalError.
    """
    source = Path(local).expanduser().absolute()
    if not source.exists():
        raise UserError(f"{local} does not exist")
    mount = reached.facts.job.storage.volume_mount.rstrip("/")
    place = remote if remote is not None else f"{mount}/{source.name}"
    tree = Tree(label=local, source=str(source), destination=place, excludes=excludes)

    def send() -> Pushed:
        with _interruptible() as control, connected(reached) as connection:
            return push_tree(connection, tree, progress=Pace(f"sending {local}", tell), interrupted=control.pending)

    try:
        if (owner := holder(reached.journal)) is None:
            return _recorded(reached, tree, send), place, None
    except JournalLocked:
        owner = holder(reached.journal) or Owner("rpd", 0, "", "")
    return send(), place, owner


def _recorded(reached: Reached, tree: Tree, send: Callable[[], Pushed]) -> Pushed:
    """Intent, push, outcome. A push can be repeated, so nothing is lost whatever its outcome is."""
    with _opened(reached) as journal:
        token = secrets.token_hex(4)
        effect = PushTree(reached.target, tree, f"by hand {token}")
        intent = intent_of(effect, f"hand-{token}-{effect.name}", str(reached.facts.state))
        journal.append(intent)
        try:
            pushed = send()
        except RpdError as error:
            failed = Result("failed", reason=error.reason, error=error.message, retryable=True)
            journal.append(outcome_of(intent, failed))
            raise
        journal.append(outcome_of(intent, Result(answer=TreePushed(effect.key, pushed))))
        return pushed


@contextlib.contextmanager
def _opened(reached: Reached) -> Iterator[Journal]:
    journal = open_journal(reached.journal, reached.access, "push")
    try:
        with journal:
            yield journal
    finally:
        Index(state_home()).refresh(reached.journal)


@contextlib.contextmanager
def _interruptible() -> Iterator[ProcessControl]:
    """Ctrl-C ends the transfer at once; what has arrived stays, and the same command goes on from there."""
    control = ProcessControl()
    try:
        with signal_requests(control.ask):
            yield control
    except Interrupted as error:
        raise UserError(
            "interrupted; the same command goes on where this one ended",
            exit_code=Exit.INTERRUPTED,
            reason="interrupted",
        ) from error
