"""Records as sentences: for a running run, and for `inspect` afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec

from rpd.adapters.report.background import left_words, waiting_words
from rpd.adapters.report.session import told_of_session
from rpd.adapters.report.words import clock, duration, money, one_line, plural, rate, size
from rpd.journal.errors import NONSENSE, JournalStrange
from rpd.journal.reader import Reading
from rpd.journal.records import (
    Closed,
    HandedOver,
    Intent,
    Left,
    Observation,
    Opened,
    Outcome,
    Record,
    Repaired,
    Requested,
    Resumed,
    Transition,
)
from rpd.states.facts import Facts, new_facts
from rpd.states.fold import apply
from rpd.states.operations import EFFECTS, READINGS
from rpd.states.operations.results import PullArtifact
from rpd.states.policy.doubts import doubt
from rpd.states.policy.naming import described
from rpd.states.policy.python_pin import PYTHON_KEY
from rpd.states.policy.rules import cost_cap, released_by, seen_locked, usd_per_hour
from rpd.states.policy.verdict import is_cut_off, job_ending
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import Op, Trigger
from rpd.states.ports.world import Pushed, not_sent

AGAIN_EVERY = 10
"""A refusal that repeats with every try is reported at the first try, and then once in this many tries."""
STALLS_TOLD = 3
"""After this many tries without progress, and again after as many more, rpd names the ways out."""


def tell(record: Record, facts: Facts) -> str | None:
    """One sentence about a record, or None if it needs none. `facts` are those after the record."""
    try:
        text = _text(record, facts)
    except NONSENSE:
        text = f"{record.event}: a record that makes no sense"
    return one_line(text) if text else None


def sentences_of(reading: Reading) -> dict[str, str]:
    """Checksum of a record -> the sentence about it, for records that have one. For a journal that makes no sense, only
    the part before."""
    described: dict[str, str] = {}
    if reading.opened is None:
        return described
    with contextlib.suppress(JournalStrange):
        facts = new_facts(reading.opened, reading.records[0].run)
        for record in reading.records:
            apply(facts, record)
            text = tell(record, facts)
            if text:
                described[record.z] = text
    return described


def _text(record: Record, facts: Facts) -> str | None:
    if facts.is_session and (said := told_of_session(record.body, facts, record.at)) is not None:
        return said
    match record.body:
        case Opened() as opened:
            return f"run {record.run} on {opened.cloud.get('name', '?')}"
        case Resumed() as resumed:
            return f"resumed by {resumed.command} (owner {record.epoch}) in state {facts.state}"
        case Intent() as intent:
            telling = _INTENTS.get(intent.op)
            return telling(intent, facts, record) if telling else None
        case Outcome() as outcome:
            return _outcome(outcome, facts, record)
        case Observation() as seen:
            return _seen(seen, facts)
        case Transition() as move:
            telling_move = _MOVES.get(move.trigger)
            return telling_move(move, facts, record) if telling_move else None
        case Requested() as request:
            what = _REQUESTS.get(request.what, request.what)
            return what if request.by.startswith("SIG") else f"{what}: asked by {request.by}"
        case Left() as left:
            return left.why
        case Repaired() as repaired:
            kept = f", kept as {repaired.kept_as}" if repaired.kept_as else ""
            return f"the journal was repaired: {repaired.cause} ({repaired.bytes} bytes{kept})"
        case HandedOver() as handed:
            return f"pod {handed.key} is run {handed.to_run}'s from here on"
        case Closed() as closed:
            is_enough = closed.outcome == "succeeded" or not closed.reason
            return closed.outcome if is_enough else f"{closed.outcome}: {closed.reason}"
        case _:
            return None


def _outcome(outcome: Outcome, facts: Facts, record: Record) -> str | None:
    if outcome.status == "ok":
        telling = _DONE.get(outcome.op)
        return telling(outcome, facts, record) if telling else None
    if outcome.reason == "repeatable":
        return None
    what = _noun(outcome.op)
    if outcome.reason == Fault.LOCKED and facts.tried(outcome.op).failures % AGAIN_EVERY != 1:
        return None  # reported before, and again later
    if outcome.op == Op.PULL_ARTIFACT and outcome.reason in (Fault.LINK_LOST, Fault.TIMEOUT):
        return _broken_off(outcome, facts, record)
    if outcome.status == "unknown":
        error_text = f" ({outcome.error})" if outcome.error else ""
        return f"{what}: no reliable answer{error_text}; finding out"
    return f"{what}: {outcome.error or outcome.reason}"


def _noun(op: str) -> str:
    """The noun for an operation, for people."""
    kind = EFFECTS.get(op) or READINGS.get(op)
    return kind.noun if kind is not None else op


def _seen(seen: Observation, facts: Facts) -> str | None:
    if seen.op == Op.READ_LOG:
        return f"beware: {error_text}" if (error_text := doubt(facts)) is not None else None
    if seen.error is not None and seen.op not in (Op.GREET, Op.READ_POD):
        return f"{_noun(seen.op)}: {seen.error}"
    if silent := seen.data.get("no_sshd"):
        return str(silent)
    if seen.data.get("is_newly_locked") and facts.pod is not None:
        return f"beware: {seen_locked(facts.pod.id)}"
    if meant := seen.data.get("meant"):
        return described(meant)
    if seen.op == Op.WATCH_JOB and (waits := waiting_words(seen.data)) is not None:
        return waits
    opened = (facts.pods.get(change.key) for change in seen.debts if change.change == "open")
    twins = [str(pod.id) for pod in opened if pod is not None and pod.origin.twin_of is not None]
    return f"the cloud made a second pod for one create, which is given back: {', '.join(twins)}" if twins else None


def _renting(intent: Intent, facts: Facts, record: Record) -> str:
    candidate = intent.args["candidate"]
    spec = facts.job.pod
    many = f"{spec.units} vCPUs of" if spec.cpu_order else f"{spec.gpu_count} x"
    gpu = candidate["gpu_id"] if spec.units == 1 else f"{many} {candidate['gpu_id']}"
    others = len(candidate.get("others", ()))
    anywhere = f"another data center ({others} have stock)" if others else "any data center"
    place = candidate["datacenter_id"] or anywhere
    lasts = max(0.0, float(intent.args["order"]["env"]["RPD_LIMIT_AT"]) - 600.0 - record.at.wall)
    return (
        f"renting {gpu} in {place} at about {rate(float(intent.args['usd_per_hour']))}; "
        f"budget {money(cost_cap(facts))} or {duration(lasts)}, whichever is first"
    )


def _sending(intent: Intent, facts: Facts, record: Record) -> str | None:
    """How large the tree was when the run began. None if the journal does not know the size."""
    tree = intent.args["tree"]
    for known in facts.options.staging:
        if (known.label, known.destination) == (tree["label"], tree["destination"]):
            many = f"{plural(known.files, 'file')}, {size(known.bytes)}"
            return f"sending {tree['label']} to {tree['destination']}: {many}"
    return None


def _taking(intent: Intent, facts: Facts, record: Record) -> str:
    paused, drift = intent.args["paused"], intent.args.get("drift", ())
    what = "replacing" if intent.args["is_unwanted"] else "taking up"
    described = f"; it drifted: {'; '.join(drift)}" if drift else ""
    return f"{what} paused pod {paused['pod_id']} ({paused['gpu_id']}) of run {paused['run_id']}{described}"


def _created(outcome: Outcome, facts: Facts, record: Record) -> str:
    pod = outcome.data["pod"]
    how = "found, adopted" if outcome.data.get("adopted") else "created"
    return f"pod {pod['id']} {how}: {rate(usd_per_hour(facts))} with disks"


def _armed(outcome: Outcome, facts: Facts, record: Record) -> str:
    who = released_by(facts, record.at)
    if who is None or who.at is None:
        probe = outcome.data["armed"]["probe"]
        return f"NOT PROTECTED ({probe}): while no rpd runs, nothing releases the pod"
    worst = money(who.worst_case_usd or 0.0)
    if facts.pod is not None and facts.pod.kept_until is not None:
        return f"kept up: the switch in the pod has orders to stop it at {clock(who.at)}, at most {worst}"
    return f"protected: if this machine never returns, the pod stops itself at {clock(who.at)}, at most {worst}"


_WITHOUT = {
    "chmod": "modes: what is sent there keeps those that the volume gives it",
    "rename": "moves over a file: the switch has its orders in memory, which ends with the container",
    "flock": "locks: they lie in memory where there is some",
}


def _connected(move: Transition, facts: Facts, record: Record) -> str:
    greeting = facts.pod.container.greeting if facts.pod is not None else None
    lacks = [_WITHOUT[word] for word in greeting.lacks if word in _WITHOUT] if greeting is not None else []
    return "connected" + (f"; the volume refuses {'; and '.join(lacks)}" if lacks else "")


def _unarmed(move: Transition, facts: Facts, record: Record) -> str | None:
    """A sentence only if the pod has not reported it itself."""
    pod = facts.pod
    if pod is not None and facts.container.armed_start == pod.starts:
        return None
    again = "; its orders are sent again while the run goes on" if facts.container.may_arm_again else ""
    why = (move.why or "").removeprefix("not protected: ")
    return f"NOT PROTECTED ({why}): while no rpd runs, nothing releases the pod{again}"


def _stepped(outcome: Outcome, facts: Facts, record: Record) -> str:
    seconds = float(outcome.data.get("seconds", 0.0))
    if outcome.data["key"].startswith(PYTHON_KEY) and outcome.data["exit_code"] == 0:
        return f"Python {facts.last_container.python} is in the pod after {duration(seconds)}"
    step = (
        outcome.data["key"].rsplit("-", 1)[0].replace("-", " command ").replace("command python", "pod.python_version")
    )
    step = step.replace("setup command health", "provision.health")
    return f"{step}: exit code {outcome.data['exit_code']} after {duration(seconds)}"


def _pushed(outcome: Outcome, facts: Facts, record: Record) -> str:
    pushed = outcome.data["pushed"]
    text = f"sent {plural(pushed['sent_files'], 'file')} ({size(pushed['sent_bytes'])}) of {pushed['files']}"
    return f"{text}; {not_sent(msgspec.convert(pushed, Pushed))}" if pushed.get("skipped") else text


def _leased(outcome: Outcome, facts: Facts, record: Record) -> str | None:
    holders = outcome.data["holders"]
    if not holders:
        return None
    held = ", ".join(f"{each['place'] or '/'} by run {each['run_id']}" for each in holders)
    return f"destinations on the network volume are held: {held}; is it alive?"


def _noticed(outcome: Outcome, facts: Facts, record: Record) -> str | None:
    return f"told of its {outcome.data['what']}" if outcome.data["sent"] else None


def _warning(intent: Intent, facts: Facts, record: Record) -> str | None:
    notice = intent.args["notice"]
    return str(notice["text"]) if notice["what"] == "budget" else None


def _pulled(outcome: Outcome, facts: Facts, record: Record) -> str:
    pulled = outcome.data["pulled"]
    if pulled["is_missing"]:
        return f"{pulled['label']}: nothing at its remote path"
    if pulled.get("is_empty"):
        return f"{pulled['label']}: no file in the folder at its remote path"
    text = f"collected {pulled['label']}: {plural(pulled['files'], 'file')}, {size(pulled['bytes'])}, verified"
    refused = pulled.get("refused", 0)
    text += f"; {plural(refused, 'path')} may not be created at the destination" if refused else ""
    lost = pulled.get("left_out", 0)
    return f"{text}; {plural(lost, 'link')} left out: {'; '.join(pulled['left_out_links'][:2])}" if lost else text


def _broken_off(outcome: Outcome, facts: Facts, record: Record) -> str:
    """How far it came, and, after some tries without progress, what else can be done."""
    begun = facts.progress.begun.get(outcome.opid)
    pulling = begun.effect if begun is not None else None
    what = pulling.pull.label if isinstance(pulling, PullArtifact) else "artifact"
    text = f"{what}: {outcome.error or outcome.reason}"
    here, total = outcome.data.get("here_bytes"), outcome.data.get("total_bytes")
    if isinstance(here, int) and isinstance(total, int) and total:
        text += f"; {size(here)} of {size(total)} are here, and it goes on from there"
    if not facts.results.fetching.stalls or facts.results.fetching.stalls % STALLS_TOLD:
        return text
    stalls = facts.results.fetching.stalls
    return (
        f"{text}. {stalls} tries in a row brought nothing more. Ctrl-C stops the pod with the rest in it, "
        f"and rpd resume {record.run} goes on from there over a better link; another run leaves large files out "
        "(artifacts[].excludes), or has the pod push them to a bucket (artifacts[].local_path: s3://...)"
    )


def _given_back(outcome: Outcome, facts: Facts, record: Record) -> str:
    verb = "stop" if outcome.op == Op.STOP_POD else "delete"
    return f"{verb} of pod {outcome.data['pod_id']} accepted; proving it"


def _job_stopped(outcome: Outcome, facts: Facts, record: Record) -> str | None:
    claim = outcome.data["claim"]
    code = claim.get("exit_code")
    if is_cut_off(facts):
        return f"what the script left in the background is stopped (its own exit code {claim.get('body_code')})"
    return None if claim["phase"] == "none" else "job stopped" + (f" (exit code {code})" if code is not None else "")


def _job_ended(move: Transition, facts: Facts, record: Record) -> str:
    text = f"job {job_ending(facts)}" if facts.launch.claim is not None else "job ended"
    text += ", but the success marker is not in its log" if move.reason == "marker_missing" else ""
    return "; ".join([text, *left_words(facts)])


def _why(move: Transition, facts: Facts, record: Record) -> str:
    return move.why or str(move.trigger)


def _nothing_paused(move: Transition, facts: Facts, record: Record) -> str | None:
    """A sentence only if there was a paused pod, and it stays where it is."""
    left = [each for each in facts.lineage.paused or () if each.pod_name not in facts.pods]
    return move.why if left else None


def _released(move: Transition, facts: Facts, record: Record) -> str | None:
    proof = next((change.proof for change in move.debts if change.kind == "compute" and change.proof), None)
    return f"released: {proof}" if proof else None


_INTENTS: dict[str, Callable[[Intent, Facts, Record], str | None]] = {
    Op.CREATE_POD: _renting,
    Op.HAND_OVER: _taking,
    Op.PUSH_TREE: _sending,
    Op.NOTIFY: _warning,
}
_DONE: dict[str, Callable[[Outcome, Facts, Record], str | None]] = {
    Op.CREATE_POD: _created,
    Op.ARM_SWITCH: _armed,
    Op.RUN_STEP: _stepped,
    Op.TAKE_LEASE: _leased,
    Op.PUSH_TREE: _pushed,
    Op.NOTIFY: _noticed,
    Op.PULL_ARTIFACT: _pulled,
    Op.STOP_JOB: _job_stopped,
    Op.STOP_POD: _given_back,
    Op.DELETE_POD: _given_back,
    Op.START_POD: lambda outcome, facts, record: "pod started",
}
_MOVES: dict[str, Callable[[Transition, Facts, Record], str | None]] = {
    Trigger.SPEC_REFUSED: _why,
    Trigger.NOTHING_PAUSED: _nothing_paused,
    Trigger.NO_CANDIDATE: _why,
    Trigger.CREATE_FAILED: _why,
    Trigger.ADDRESS_KNOWN: lambda move, facts, record: "container runs; waiting for sshd",
    Trigger.HOST_FAILED: _why,
    Trigger.SSH_ANSWERED: _connected,
    Trigger.SWITCH_REFUSED: _unarmed,
    Trigger.STEP_FAILED: _why,
    Trigger.JOB_STARTED: lambda move, facts, record: "job started",
    Trigger.LAUNCH_FAILED: _why,
    Trigger.JOB_ENDED: _job_ended,
    Trigger.JOB_LOST: _why,
    Trigger.POD_STOPPED: _why,
    Trigger.COLLECT_FAILED: _why,
    Trigger.RELEASED: _released,
    Trigger.TRY_NEXT: _released,
    Trigger.RELAUNCH: _why,
    Trigger.PARKED: _why,
    Trigger.OUT_OF_TIME: _why,
    Trigger.OUT_OF_MONEY: _why,
    Trigger.POD_GONE: _why,
    Trigger.OUT_OF_REACH: _why,
    Trigger.SERVICE_FAILED: _why,
    Trigger.RETURNED: _why,
}
_REQUESTS: dict[str, str] = {
    "interrupt": "Ctrl-C",
    "terminate": "told to end (TERM)",
    "cancel": "cancel",
    "release": "release the pod",
    "gc": "clean up",
    "detach": "detach",
    "leave": "leave",
}
