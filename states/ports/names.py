"""The words of the lifecycle. The values stand in journals: values may be added, but never renamed."""

from __future__ import annotations

from enum import StrEnum

from rpd.states.ports.exits import Exit


class State(StrEnum):
    """Where a run is, in the order of its life."""

    VALIDATE = "validate"  # the job is checked once more on this machine
    RECLAIM = "reclaim"  # take up a paused pod of this lineage, if one fits
    SELECT = "select"  # choose the next GPU type and data center
    CREATE = "create"  # rent a pod
    BOOT = "boot"  # the pod exists; its container is coming up
    CONNECT = "connect"  # the address is known; wait for sshd, and greet the pod
    ARM = "arm"  # give the dead-man's switch its orders
    SETUP = "setup"  # commands before the files
    STAGE = "stage"  # files go to the pod
    PREFLIGHT = "preflight"  # commands after the files
    TUNNEL = "tunnel"  # local ports lead into the pod; its services must answer
    ATTEND = "attend"  # a person works in the pod
    LAUNCH = "launch"  # the job is started exactly once
    MONITOR = "monitor"  # the job runs
    COLLECT = "collect"  # fetch and verify the log and the artifacts
    RELEASE = "release"  # give the pod back, and prove it
    REPORT = "report"  # the manifest is written
    DONE = "done"  # the end


class Trigger(StrEnum):
    """What asks for a move."""

    SPEC_ACCEPTED = "spec_accepted"
    SPEC_REFUSED = "spec_refused"
    NOTHING_PAUSED = "nothing_paused"
    POD_TAKEN = "pod_taken"
    CANDIDATE_CHOSEN = "candidate_chosen"
    NO_CANDIDATE = "no_candidate"
    POD_CREATED = "pod_created"
    CREATE_REFUSED = "create_refused"
    CREATE_FAILED = "create_failed"
    ADDRESS_KNOWN = "address_known"
    HOST_FAILED = "host_failed"
    SSH_ANSWERED = "ssh_answered"
    SWITCH_ARMED = "switch_armed"
    SWITCH_REFUSED = "switch_refused"
    CONNECTED = "connected"
    SERVICE_FAILED = "service_failed"
    RETURNED = "returned"
    STEPS_DONE = "steps_done"
    UNPREPARED = "unprepared"
    STEP_FAILED = "step_failed"
    JOB_STARTED = "job_started"
    LAUNCH_FAILED = "launch_failed"
    JOB_ENDED = "job_ended"
    JOB_LOST = "job_lost"
    RELAUNCH = "relaunch"
    POD_STOPPED = "pod_stopped"
    COLLECTED = "collected"
    COLLECT_FAILED = "collect_failed"
    RELEASED = "released"
    TRY_NEXT = "try_next"
    PARKED = "parked"
    REPORTED = "reported"
    CANCEL = "cancel"
    OUT_OF_TIME = "out_of_time"
    OUT_OF_MONEY = "out_of_money"
    POD_GONE = "pod_gone"
    OUT_OF_REACH = "out_of_reach"


class Op(StrEnum):
    """Operations on the world. Operations in `EFFECTS` change it; the others only read."""

    CHECK_INPUTS = "check_inputs"
    FIND_PAUSED = "find_paused"
    HAND_OVER = "take_over"
    READ_OFFERS = "read_offers"
    READ_DATACENTERS = "read_places"
    FIND_VOLUME = "find_volume"
    CREATE_POD = "create_pod"
    READ_POD = "read_pod"
    READ_SYSTEM_LOG = "read_system_log"
    START_POD = "start_pod"
    GREET = "greet"
    ARM_SWITCH = "arm_switch"
    ATTEND = "attend"
    RUN_STEP = "run_step"
    PLACE_SECRETS = "place_secrets"
    REMOVE_SECRETS = "remove_secrets"
    TAKE_LEASE = "take_lease"
    READ_HOLDERS = "read_holders"
    DROP_LEASE = "drop_lease"
    PUSH_TREE = "push_tree"
    LAUNCH_JOB = "launch_job"
    READ_CLAIM = "read_claim"
    WATCH_JOB = "watch_job"
    READ_SAMPLES = "read_samples"
    STOP_JOB = "stop_job"
    FETCH_LOG = "fetch_log"
    READ_LOG = "read_log"
    PULL_CHECKPOINT = "pull_checkpoint"
    PULL_ARTIFACT = "pull_artifact"
    STOP_POD = "stop_pod"
    DELETE_POD = "delete_pod"
    SURVEY = "survey"
    WRITE_MANIFEST = "write_manifest"
    NOTIFY = "notify"


class RunOutcome(StrEnum):
    """How a run ends."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    REFUSED = "refused"


class Reason(StrEnum):
    """Why a run branched or ended."""

    JOB_SUCCEEDED = "job_succeeded"  # exit code 0, and every marker was found
    JOB_FAILED = "job_failed"  # the job's exit code was not 0
    MARKER_MISSING = "marker_missing"  # exit code 0, but the success marker is not in the log
    FAILURE_MARKER = "failure_marker"  # the log has a failure marker that the config names
    ARTIFACT_MISSING = "artifact_missing"  # nothing at the path of a required artifact
    RESULTS_UNVERIFIED = "results_unverified"  # a required artifact could not be fetched intact
    DESTINATION_IN_USE = "destination_in_use"  # another run holds the same destination on the network volume
    SETUP_FAILED = "setup"
    STAGE_FAILED = "stage"
    PREFLIGHT_FAILED = "preflight"
    LAUNCH_FAILED = "launch"
    SPEC_INVALID = "spec_invalid"
    NO_CAPACITY = "no_capacity"  # every candidate was refused
    PRICE_OVER_CAP = "price_over_cap"
    HOSTS_NEVER_BOOTED = "hosts_never_booted"  # every attempt ended at the boot deadline
    SSH_REFUSED = "ssh_refused"  # the image's sshd answers and refuses us, as it would on any host
    VOLUME_REFUSED = "volume_refused"  # the pod is there, but its volume accepts no file of ours
    NAME_UNKNOWN = "name_unknown"  # a GPU type, data center or volume does not exist, or several fit the name
    IMAGE_FAILED = "image_failed"  # the container cannot start on any host, by the provider's log, or has no sshd
    NO_CREDIT = "no_credit"
    KEY_REFUSED = "key_refused"
    CLOUD_UNREACHABLE = "cloud_unreachable"
    POD_UNREACHABLE = "pod_unreachable"  # the cloud answers, but no call reached the pod before the launch
    CREATE_REJECTED = "create_rejected"  # the cloud rejects the request itself as wrong
    HOST_NEVER_BOOTED = "host_never_booted"  # only this attempt failed; the next candidate is tried
    WRONG_HARDWARE = "wrong_hardware"  # fewer GPUs than ordered
    PAUSED_POD_GONE = "paused_pod_gone"  # the pod that was taken up is gone; a fresh one is rented
    HOST_UNFIT = "host_unfit"  # only this attempt: a command that judges the host has failed there
    SSHD_MISSING = "sshd_missing"  # only this attempt: the container came up, and nothing answers on port 22
    HOST_TOO_DEAR = "host_too_dear"  # the cloud bills this pod above the cap, whatever its list says
    LEFT = "left"  # the person left the session
    STOPPED_OUTSIDE = "stopped_outside"  # its switch, its host or a person stopped the pod of a session
    SERVICE_NOT_READY = "service_not_ready"  # a service of the session did not answer in its time
    IDLE = "idle"  # the job was idle for longer than the config allows
    BUDGET = "budget"  # the time or money of the config is used up
    POD_VANISHED = "pod_vanished"
    POD_STOPPED = "pod_stopped"  # its host has no free GPU; the results wait in the stopped pod
    HOST_KEY_CHANGED = "host_key_changed"  # another host key, and no start of the pod explains it
    JOB_LOST = "job_lost"  # started, no process left, no exit code
    CANCELLED = "cancelled"  # a person asked for it
    INTERRUPTED = "interrupted"  # SIGINT
    TERMINATED = "terminated"  # SIGTERM
    COLLECTED_BY_GC = "collected_by_gc"  # the engine was dead, and `rpd gc` cleaned up
    STORAGE_ERROR = "storage_error"  # the journal could not be kept
    INTERNAL_ERROR = "internal_error"  # a fault of this program
    JOURNAL_DAMAGED = "journal_damaged"  # the journal is damaged, and a person ended the run: rpd salvage
    TAKEN_OVER = "taken_over"  # another owner, with a copy of this journal, acts on the run


ENDINGS: dict[Reason, tuple[RunOutcome, Exit]] = {
    Reason.JOB_SUCCEEDED: (RunOutcome.SUCCEEDED, Exit.DONE),
    Reason.JOB_FAILED: (RunOutcome.FAILED, Exit.JOB_FAILED),
    Reason.MARKER_MISSING: (RunOutcome.FAILED, Exit.JOB_FAILED),
    Reason.FAILURE_MARKER: (RunOutcome.FAILED, Exit.JOB_FAILED),
    Reason.ARTIFACT_MISSING: (RunOutcome.FAILED, Exit.JOB_FAILED),
    Reason.RESULTS_UNVERIFIED: (RunOutcome.FAILED, Exit.JOB_FAILED),
    Reason.SETUP_FAILED: (RunOutcome.FAILED, Exit.JOB_FAILED),
    Reason.STAGE_FAILED: (RunOutcome.FAILED, Exit.JOB_FAILED),
    Reason.PREFLIGHT_FAILED: (RunOutcome.FAILED, Exit.JOB_FAILED),
    Reason.LAUNCH_FAILED: (RunOutcome.FAILED, Exit.JOB_FAILED),
    Reason.SPEC_INVALID: (RunOutcome.REFUSED, Exit.USAGE),
    Reason.NO_CAPACITY: (RunOutcome.REFUSED, Exit.NO_CAPACITY),
    Reason.PRICE_OVER_CAP: (RunOutcome.REFUSED, Exit.NO_CAPACITY),
    Reason.HOSTS_NEVER_BOOTED: (RunOutcome.REFUSED, Exit.NO_CAPACITY),
    Reason.SSH_REFUSED: (RunOutcome.REFUSED, Exit.NO_CAPACITY),
    Reason.VOLUME_REFUSED: (RunOutcome.REFUSED, Exit.NO_CAPACITY),
    Reason.IMAGE_FAILED: (RunOutcome.REFUSED, Exit.NO_CAPACITY),
    Reason.CLOUD_UNREACHABLE: (RunOutcome.REFUSED, Exit.NO_CAPACITY),
    Reason.POD_UNREACHABLE: (RunOutcome.REFUSED, Exit.NO_CAPACITY),
    Reason.DESTINATION_IN_USE: (RunOutcome.REFUSED, Exit.NO_CAPACITY),
    Reason.NO_CREDIT: (RunOutcome.REFUSED, Exit.KEY),
    Reason.KEY_REFUSED: (RunOutcome.REFUSED, Exit.KEY),
    Reason.CREATE_REJECTED: (RunOutcome.REFUSED, Exit.USAGE),
    Reason.NAME_UNKNOWN: (RunOutcome.REFUSED, Exit.USAGE),
    Reason.LEFT: (RunOutcome.SUCCEEDED, Exit.DONE),
    Reason.STOPPED_OUTSIDE: (RunOutcome.CANCELLED, Exit.RESUMABLE),
    Reason.SERVICE_NOT_READY: (RunOutcome.FAILED, Exit.JOB_FAILED),
    Reason.IDLE: (RunOutcome.FAILED, Exit.BUDGET),
    Reason.BUDGET: (RunOutcome.FAILED, Exit.BUDGET),
    Reason.POD_VANISHED: (RunOutcome.LOST, Exit.LOST),
    Reason.JOB_LOST: (RunOutcome.LOST, Exit.LOST),
    Reason.CANCELLED: (RunOutcome.CANCELLED, Exit.INTERRUPTED),
    Reason.INTERRUPTED: (RunOutcome.CANCELLED, Exit.INTERRUPTED),
    Reason.TERMINATED: (RunOutcome.CANCELLED, Exit.TERMINATED),
    Reason.COLLECTED_BY_GC: (RunOutcome.CANCELLED, Exit.INTERRUPTED),
    Reason.STORAGE_ERROR: (RunOutcome.FAILED, Exit.JOURNAL),
    Reason.INTERNAL_ERROR: (RunOutcome.FAILED, Exit.INTERNAL),
    Reason.JOURNAL_DAMAGED: (RunOutcome.LOST, Exit.JOURNAL),
    Reason.TAKEN_OVER: (RunOutcome.CANCELLED, Exit.JOURNAL),
}
"""For each ending reason: the run's outcome, and the exit code of the command that drove the run there. Reasons that
are not here only explain a branch.
"""

OF_RESULTS = (Reason.RESULTS_UNVERIFIED, Reason.ARTIFACT_MISSING)
"""Reasons that replace a success if its results do not arrive. The results may arrive later."""

BEFORE_LAUNCH: tuple[State, ...] = (
    State.VALIDATE,
    State.RECLAIM,
    State.SELECT,
    State.CREATE,
    State.BOOT,
    State.CONNECT,
    State.ARM,
    State.SETUP,
    State.STAGE,
    State.PREFLIGHT,
)
"""The pod holds nothing of value: giving up gives it back at once."""

BEFORE_ATTENDING: tuple[State, ...] = (
    State.SELECT,
    State.CREATE,
    State.BOOT,
    State.CONNECT,
    State.ARM,
    State.TUNNEL,
)
"""The same in a session, unless a person has worked in the pod before."""

WITH_JOB: tuple[State, ...] = (State.LAUNCH, State.MONITOR)
"""The job may run: giving up first stops it and collects. A state in neither tuple has no interrupts."""
STAYS_LONG: tuple[State, ...] = (State.SETUP, State.STAGE, State.PREFLIGHT, State.MONITOR, State.ATTEND)
"""States in which a run can stay for long. There rpd sends warnings and tries again to arm a switch that it did not
reach.
"""
