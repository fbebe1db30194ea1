"""Why a run ended as it did, and what to do about it, in plain words."""

from __future__ import annotations

from rpd.adapters.report.session_causes import WHY as OF_SESSION
from rpd.adapters.report.session_causes import in_flags
from rpd.adapters.report.words import one_line
from rpd.states.boot import CANNOT_START
from rpd.states.facts import Facts
from rpd.states.policy.doubts import FULL_DISK, OF_LOG, doubt, doubts, had_no_room
from rpd.states.policy.places import AVOIDED
from rpd.states.ports.boot_signs import Sign, cuda_wanted
from rpd.states.ports.job import is_on_volume
from rpd.states.ports.log_reading import read_text
from rpd.states.ports.names import Reason
from rpd.states.ports.signs import SIGPIPE_CODE, advice_on, meaning_of
from rpd.states.ports.world import left_out

WHY: dict[Reason, tuple[str, str]] = {
    Reason.JOB_SUCCEEDED: ("the job's exit code was 0", ""),
    Reason.JOB_FAILED: ("the job's exit code was not 0", "read the end of its log"),
    Reason.MARKER_MISSING: (
        "the job's exit code was 0, but its log does not hold run.success_marker",
        "see whether the script prints the marker on its last line",
    ),
    Reason.FAILURE_MARKER: ("the log holds one of run.failure_markers", "read the log around it"),
    Reason.ARTIFACT_MISSING: (
        "there was nothing at the remote path of a required artifact",
        "compare artifacts[].remote_path with where the job writes",
    ),
    Reason.RESULTS_UNVERIFIED: (
        "a required artifact could not be fetched intact",
        "what arrived is at the local paths of artifacts[]",
    ),
    Reason.SETUP_FAILED: ("a setup command failed", "the job was never started"),
    Reason.STAGE_FAILED: (
        "files or secrets could not be placed in the pod",
        "check disk sizes and destinations, and what this machine lacks",
    ),
    Reason.PREFLIGHT_FAILED: ("a preflight command failed", "the job was never started"),
    Reason.LAUNCH_FAILED: ("the pod could not start the script", "the image may lack a shell or a tool"),
    Reason.SPEC_INVALID: ("something the file names is not there on this machine", "fix it and run again"),
    Reason.NO_CAPACITY: (
        "no GPU type of pod.gpu_order was available in any data center of pod.datacenters",
        "add GPU types or data centers, or wait: rpd run --wait-for-stock 30m",
    ),
    Reason.PRICE_OVER_CAP: ("every candidate costs more than budget.max_gpu_price_usd", "raise it, or add GPU types"),
    Reason.HOSTS_NEVER_BOOTED: (
        "no host came up within budget.ssh_ready_timeout_sec",
        "see whether the image exists and starts sshd; large images need a longer time",
    ),
    Reason.SSH_REFUSED: (
        "the pod's sshd answers but refuses rpd's login, as it would on any other host",
        "take an image, or pod.args, whose sshd lets root log in with a key",
    ),
    Reason.VOLUME_REFUSED: (
        "the pod's volume takes no files of rpd's, on whatever host",
        "check storage, and whether the volume is full or read-only",
    ),
    Reason.IMAGE_FAILED: (
        "the container can start on no host, or has no sshd",
        "see pod.image",
    ),
    Reason.NAME_UNKNOWN: (
        "a name in pod.gpu_order, cpu_order, datacenters or storage matches nothing, or several things",
        "rpd events tells which; rpd gpus and rpd stock list what there is",
    ),
    Reason.NO_CREDIT: ("the account has no credit", "add some, then run again"),
    Reason.KEY_REFUSED: (
        "the API key was refused",
        "rpd config set api-key, or export RUNPOD_API_KEY=..., with a key that may rent",
    ),
    Reason.CLOUD_UNREACHABLE: ("the cloud did not answer, or gave no reliable answer", "try again later"),
    Reason.POD_UNREACHABLE: (
        "the cloud answers, and nothing got through to the pod for 10 minutes; the job was never started",
        "run again: another host may do",
    ),
    Reason.DESTINATION_IN_USE: (
        "another run holds the same destination on the network volume; the job was never started",
        "rpd runs tells whether that run is over",
    ),
    Reason.CREATE_REJECTED: (
        "the cloud calls the order itself wrong",
        "rpd validate --online checks the file against it",
    ),
    Reason.LEFT: ("you left the session", ""),
    Reason.STOPPED_OUTSIDE: (
        "its switch, its host or a person stopped the pod",
        "rpd resume starts it again",
    ),
    Reason.SERVICE_NOT_READY: (
        "a service of the session did not answer in its time",
        "see --port and --preset, and rpd logs for what its container said",
    ),
    Reason.IDLE: (
        "nothing was done for longer than budget.idle_minutes: GPUs, processor, disk, network and log were idle",
        "see rpd metrics; what was collected is in the run folder",
    ),
    Reason.BUDGET: ("the time or money of the budget was used up", "raise budget, or shorten the job"),
    Reason.POD_VANISHED: (
        "the pod is not there any more, and nobody asked for that here",
        "somebody deleted it, or the account ran out of credit; what was not collected is lost",
    ),
    Reason.POD_STOPPED: ("the pod was stopped, and its host has no free GPU", "rpd resume tries to start it again"),
    Reason.HOST_KEY_CHANGED: ("another machine answers at the pod's address", "rpd resume starts the pod anew"),
    Reason.JOB_LOST: (
        "the job's processes are gone and left no exit code",
        "the container was restarted (out of memory is the usual cause), or somebody killed it",
    ),
    Reason.CANCELLED: ("somebody asked for the end", ""),
    Reason.INTERRUPTED: ("Ctrl-C", ""),
    Reason.TERMINATED: ("the process was told to end", ""),
    Reason.COLLECTED_BY_GC: ("nobody drove the run any more, and rpd gc cleaned up", ""),
    Reason.STORAGE_ERROR: ("the journal could not be kept on this disk", "make room; then rpd resume"),
    Reason.INTERNAL_ERROR: ("a fault of rpd itself", "the trace is in the journal: rpd events; please report it"),
    Reason.JOURNAL_DAMAGED: (
        "its journal was damaged, and rpd salvage ended it",
        "the damaged file is kept beside the journal; what the run did after its good part is not known",
    ),
    Reason.TAKEN_OVER: ("another owner, with a copy of this journal, acts on the run", "use the other machine"),
    Reason.HOST_NEVER_BOOTED: ("this host did not come up in time", ""),
    Reason.HOST_UNFIT: ("a command that judges the host failed there", ""),
    Reason.SSHD_MISSING: ("the container came up, and no sshd answered in it", ""),
    Reason.WRONG_HARDWARE: ("the pod had other hardware than was ordered", ""),
    Reason.HOST_TOO_DEAR: ("the cloud billed the pod above the price cap", "raise budget.max_gpu_price_usd"),
    Reason.PAUSED_POD_GONE: ("the paused pod was not there any more", ""),
}
"""The meaning of each reason, and what a person can do."""


def why(facts: Facts) -> str:
    """One line: what happened, what the log says of it, what to do."""
    if facts.report.reason == Reason.JOURNAL_DAMAGED:
        return words_of(facts.report.reason) or ""
    what, advice = cause_of(facts)
    return one_line(f"{what}; {advice}" if advice else what)


def cause_of(facts: Facts) -> tuple[str, str]:
    """What happened, with what the log says of it, and what to do."""
    if facts.ending.reason is None:
        return "the journal does not say", ""
    what, advice = _cause_of(facts, facts.ending.reason)
    return what, in_flags(advice) if facts.is_session else advice


def _cause_of(facts: Facts, reason: Reason) -> tuple[str, str]:
    what, advice = WHY[reason]
    if facts.is_session:
        what, advice = OF_SESSION.get(reason, (what, advice))
    if reason is Reason.JOB_FAILED and facts.launch.claim is not None and facts.launch.claim.exit_code is not None:
        what, advice = _of_code(facts.launch.claim.exit_code, what, advice, is_ours=facts.job.run.shell is None)
    if reason in OF_LOG and facts.results.reading is not None and facts.results.reading.cause is not None:
        seen = facts.results.reading.cause
        what, advice = f"{what}; its log says: {seen.line}", advice_on(seen.sign) or advice
    elif reason in OF_LOG and had_no_room(facts):
        what, advice = f"{what}; {FULL_DISK.line}, so its last words may be missing", advice_on(FULL_DISK.sign)
    if reason in OF_STEPS:
        what, advice = facts.ending.text or what, _of_step(facts) or advice
    if reason in SAID and facts.ending.text:
        what = facts.ending.text
    if reason is Reason.CREATE_REJECTED and facts.ending.text:
        what = f"{what}: {facts.ending.text}"
    if reason is Reason.NAME_UNKNOWN and facts.names.volume_was_looked_up and facts.names.volume_id is None:
        what = facts.ending.text or what
        advice = "rpd volumes lists those of the account; rpd volumes create makes one"
    if reason is Reason.NO_CAPACITY and (narrow := _narrow(facts)):
        advice = f"{advice}; {narrow} leaves fewer hosts"
    if reason is Reason.IMAGE_FAILED:
        what, advice = facts.ending.text or what, _of_image(facts) or advice
    if reason is Reason.HOSTS_NEVER_BOOTED:
        what, advice = _why_no_host(facts, what, advice)
    if reason is Reason.ARTIFACT_MISSING:
        what, advice = _why_missing(facts, what, advice)
    if reason is Reason.RESULTS_UNVERIFIED:
        what, advice = _why_unverified(facts, what, advice)
    return what, advice


SAID = frozenset(
    {Reason.SSH_REFUSED, Reason.VOLUME_REFUSED, Reason.DESTINATION_IN_USE, Reason.STAGE_FAILED, Reason.SPEC_INVALID}
)
"""Endings whose cause is in the words of the move that brought them."""
OF_STEPS = (Reason.SETUP_FAILED, Reason.PREFLIGHT_FAILED)
"""Endings that the last lines of a command may explain."""


def _of_step(facts: Facts) -> str:
    cause = read_text("\n".join(facts.last_container.step_tail)).cause
    return advice_on(cause.sign) if cause is not None else ""


def _narrow(facts: Facts) -> str:
    """Fields of the job that leave few hosts. A cloud that has nothing left reports none of them."""
    fields = ("min_memory_gb", "min_vcpu_count", "min_cuda_version", "allowed_cuda_versions")
    return " with ".join(f"pod.{field}" for field in fields if getattr(facts.job.pod, field))


BRING_SSHD = "start it in the image's start command (pod.args), or use an image that does, as RunPod's do"


def _of_image(facts: Facts) -> str | None:
    """The remedy for the image's fault: for the fault in the logs, else for a missing sshd."""
    sign, pod = facts.container.boot_sign, facts.job.pod
    if sign is None:
        return BRING_SSHD
    needed = cuda_wanted(sign)
    floor = f'pod.min_cuda_version: "{needed}"' if needed else "name what it needs in pod.min_cuda_version"
    credentials = "with other credentials than those" if pod.registry_id else "by credentials for the registry"
    words: dict[str, str] = {
        Sign.PULL_LIMIT: f"the registry limits such pulls: mend that {credentials} in pod.registry_id, or name a copy "
        "of the image elsewhere",
        Sign.PULL_DENIED: f"the image is private, or not there: mend that {credentials} in pod.registry_id",
        Sign.NO_IMAGE: "there is no such image or tag: see pod.image; rpd validate --online looks it up",
        Sign.WRONG_PROCESSOR: "the image is built for another processor: build it for linux/amd64",
        Sign.OLD_DRIVER: f"the host's driver is older than the image needs: {floor}",
        Sign.DISK_FULL: f"the image does not fit: raise pod.container_disk_gb above {pod.container_disk_gb}",
        Sign.NO_COMMAND: "the start command is not in the image: see pod.args and pod.image",
    }
    return words.get(sign.sign)


def _why_no_host(facts: Facts, what: str, advice: str) -> tuple[str, str]:
    """The explanation by the failure of the last host."""
    last = next((each for each in reversed(facts.search.refusals.values()) if each.reason in AVOIDED), None)
    if last is None:
        return what, advice
    if last.reason == Reason.SSHD_MISSING:
        return last.text, BRING_SSHD
    if last.reason == Reason.HOST_UNFIT:
        return f"no host passed; on the last one {last.text}", "run again, or see whether the command judges the host"
    if last.text.startswith(CANNOT_START):
        return f"no host came up; on the last one {last.text}", "run again: another host may do"
    return what, advice


def _why_missing(facts: Facts, what: str, advice: str) -> tuple[str, str]:
    """The explanation by what exists in place of the results, and by what was ended before it could write them."""
    missing = [facts.results.pulled[label] for label in facts.missing]
    away = [a for a in facts.job.artifacts if facts.is_none(a) and not is_on_volume(facts.job.storage, a.remote_path)]
    if (
        away
        and facts.pod is not None
        and facts.launch.prepared not in (None, (facts.pod.name, facts.pod.container_name))
    ):
        mount = facts.job.storage.volume_mount
        what = f"{facts.what_is_missing}; the pod has had a new container since, without what was not on the volume"
        return what, f"let the job write below {mount}"
    if lost := [left_out(pulled) for pulled in missing if pulled.left_out]:
        what = f"{facts.what_is_missing}; {'; '.join(lost)}"
        advice = "name what the links lead to as artifacts of their own"
    elif any(not pulled.is_missing for pulled in missing):
        what, advice = facts.what_is_missing, f"{advice}; where that is right, the artifact has allow_empty: true"
    if facts.launch.claim is not None and facts.launch.claim.left and not facts.job.lifecycle.kept_hours:
        advice = (
            "the script left something in the background, which was ended: where that was the work, end run.body with "
            f"`wait`, or set run.wait_for_background: always; else {advice}"
        )
    return what, advice


def _why_unverified(facts: Facts, what: str, advice: str) -> tuple[str, str]:
    if facts.is_worth_fetching and facts.report.outcome is None:
        return what, "the pod is kept: rpd resume tries again, rpd release ends it"
    if not any(pulled.refused for pulled in facts.results.pulled.values()):
        return what, advice
    return "a required artifact holds paths that may not be created at the destination", "the rest of it arrived"


def _of_code(exit_code: int, what: str, advice: str, *, is_ours: bool) -> tuple[str, str]:
    """The meaning of an exit code of the job. `is_ours`: rpd chose the shell, and so pipefail."""
    meaning, help_with_it = meaning_of(exit_code)
    if exit_code == SIGPIPE_CODE and not is_ours:
        help_with_it = ""
    what = f"the job's exit code was {exit_code}{f' ({meaning})' if meaning else ''}"
    return what, help_with_it or advice


def doubt_and_advice(facts: Facts) -> list[str]:
    """What speaks against a success, and what to do about it. Empty if nothing does."""
    doubt_text = doubt(facts)
    if doubt_text is None:
        return []
    advice = advice_on(doubts(facts)[0].sign)
    return [doubt_text, *([advice] if advice else []), "look before you rely on the results"]


def words_of(reason: str | None) -> str | None:
    """The same words for a reason in a manifest, without what the journal knows beside it. None for an unknown
    reason."""
    try:
        what, advice = WHY[Reason(reason or "")]
    except ValueError:
        return None
    return f"{what}; {advice}" if advice else what
