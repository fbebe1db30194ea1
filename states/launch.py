"""launch: start the job exactly once. If something is unclear, rpd reads the claim folder and never guesses."""

from __future__ import annotations

import re

from rpd.engine.deadline import elapsed, remaining
from rpd.engine.decision import Decision, Do, Fire, Look, Wait
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import job_ref, target
from rpd.states.operations.job import LaunchJob, ReadClaim
from rpd.states.policy.python_pin import exports
from rpd.states.policy.verdict import decide_lost, job_reason
from rpd.states.ports.job import Telemetry
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.ports.world import LaunchOrder
from rpd.states.shared.link import decide_link, only_ask

_WILDCARD = re.compile(r"[*?\[]")
CLAIM_RETRY_SECONDS = 10.0
CLAIMED_SECONDS = 180.0
"""How long a claimed launch may stay without a started script before the run gives up."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """Read the claim if a launch was ever intended; launch if there is none; follow what it says."""
    if facts.request == "gc":
        return only_ask(facts, now)
    if facts.launch.intended and not facts.launch.claim_is_fresh:
        return decide_link(facts, now, Look(ReadClaim(target(facts), job_ref(facts))))
    claim = facts.launch.claim
    phase = claim.phase if claim is not None else "none"
    if phase in ("none", "claimed") and facts.launch.refused is None and not facts.is_prepared:
        return Fire(Trigger.UNPREPARED)
    match phase:
        case "none" if facts.launch.refused is not None:
            return Fire(Trigger.LAUNCH_FAILED, Reason.LAUNCH_FAILED, facts.tried(Op.LAUNCH_JOB).error)
        case "none":
            return decide_link(facts, now, _launch(facts))
        case "claimed":
            return _claimed(facts, now)
        case "running":
            return Fire(Trigger.JOB_STARTED)
        case "ended":
            return Fire(Trigger.JOB_ENDED, job_reason(facts))
        case _:
            return decide_lost(facts)


def _claimed(facts: Facts, now: Stamp) -> Decision:
    """The folder is claimed, but nothing runs: the process that claimed it was cut off. Launch again: this starts the
    job, or the launch is lost.
    """
    since = facts.launch.claimed_since or now
    if elapsed(since, now) > CLAIMED_SECONDS:
        return Fire(Trigger.LAUNCH_FAILED, Reason.LAUNCH_FAILED, "the launch was claimed, but the script never started")
    left = remaining(facts.tried(Op.LAUNCH_JOB).at or since, CLAIM_RETRY_SECONDS, now)
    if left:
        return Wait(left, "the claimed launch to start", since.wall + CLAIMED_SECONDS)
    return decide_link(facts, now, _launch(facts))


def _launch(facts: Facts) -> Do:
    run, env = facts.job.run, facts.job.remote_env
    sourced = "".join(f". {path}\n" for path in env.source_files)
    order = LaunchOrder(
        launch=facts.launch.number,
        script=sourced + run.body,
        script_path=facts.script_path,
        log_path=facts.log_path,
        shell=run.shell or "",
        env=exports(facts.job),
        anchor_seq=facts.progress.seq,
        anchor_z=facts.progress.head,
        success_marker=run.success_marker,
        failure_markers=run.failure_markers or (),
        sample_seconds=facts.job.telemetry.sample_interval_sec if facts.job.telemetry.enabled else 0,
        captures=_captures(facts.job.telemetry),
        background=run.wait_for_background,
        keeps_left=facts.job.lifecycle.kept_hours > 0.0,
        results=_results(facts),
    )
    return Do(LaunchJob(target(facts), order), facts.launch.number)


def _results(facts: Facts) -> tuple[str, ...]:
    """Where a left-behind process writes wanted results. For a pattern: the folder before its first wildcard."""
    paths = (*(each.remote_path for each in facts.job.artifacts), *facts.job.checkpoints.paths)
    found = ((path, _WILDCARD.search(path)) for path in paths)
    fixed = (path if at is None else path[: at.start()].rpartition("/")[0] for path, at in found)
    return tuple(dict.fromkeys(path for path in fixed if path))


def _captures(telemetry: Telemetry) -> tuple[str, ...]:
    names = ("nvidia_smi", "dmesg", "remote_env")
    return tuple(name for name in names if getattr(telemetry, f"capture_{name}"))
