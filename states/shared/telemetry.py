"""The records of the sampler in the pod. rpd fetches them after the job. While the job runs, rpd asks them whether the
pod does anything.
"""

from __future__ import annotations

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Fire, Look
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.operations.job import ReadSamples
from rpd.states.ports.job import Artifact
from rpd.states.ports.names import Op, Reason, Trigger

LABEL = "rpd telemetry"
"""rpd fetches the records under this label. No artifact may have it."""
LOOK_SECONDS_MIN = 30.0
WHAT = "GPUs, processor, disk, network and log were idle"


def as_artifacts(facts: Facts) -> tuple[Artifact, ...]:
    """The samples and snapshots as they are fetched after the job, even if the job crashed at once."""
    if not facts.job.telemetry.enabled:
        return ()
    return (Artifact(LABEL, f"{facts.folder}/telemetry", f"{facts.opened.run_dir}/telemetry", required=False),)


def decide_idle(facts: Facts, now: Stamp) -> Decision | None:
    """End a job that was idle for as long as the config allows. Ask for the samples when they are due."""
    minutes, telemetry = facts.job.budget.idle_minutes, facts.job.telemetry
    # After an outage the job may have ended long ago; then its pod is idle for a good reason.
    if minutes is None or not telemetry.enabled or not facts.tried(Op.WATCH_JOB).is_answered:
        return None
    samples = facts.tried(Op.READ_SAMPLES)
    looked, idle = samples.at, facts.launch.idle_seconds if samples.is_answered else None
    if idle is not None and idle >= minutes * 60.0:
        return Fire(Trigger.OUT_OF_TIME, Reason.IDLE, f"{WHAT} for {idle / 60.0:.1f} min")
    if elapsed(looked or facts.progress.entered or now, now) < max(LOOK_SECONDS_MIN, telemetry.sample_interval_sec):
        return None
    look = ReadSamples(
        target(facts),
        launch=facts.launch.number,
        interval=telemetry.sample_interval_sec,
        threshold_pct=facts.job.budget.idle_threshold_pct,
        grace_seconds=facts.job.budget.idle_grace_minutes * 60.0,
    )
    return Look(look)
