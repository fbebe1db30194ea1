"""The output of the scripts, read into the structs of the port. Text from a pod is untrusted, so it is stripped and
bounded."""

from __future__ import annotations

import re

from rpd.states.ports.world import Armed, Claim, Greeting, Holder, StepResult, SwitchOrder, name_mark

_PHASES = frozenset({"none", "claimed", "running", "ended", "lost"})
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_WHOLE = re.compile(r"[0-9]{1,15}\Z")
_LARGEST = 1e12
"""A larger number is neither a time nor a size, and might not fit into a journal."""
ANSWER_CHARACTERS_MAX = 256 * 1024
LINES_MAX = 2000
"""The fields that the scripts print need a hundredth of both limits."""
_TOOLS_MAX = 32
HOLDERS_MAX = 20
LACKS = ("chmod", "rename", "flock")
_EXIT_CODES = range(256)
_TAIL_LINES = 40
_LINE_CHARACTERS = 2000

Fields = dict[str, str]
"""`key=value` lines as a script prints them."""


def fields_of(text: str) -> Fields:
    """The lines with a `=`. The last line of a name counts. Raises ValueError for more lines than any script prints."""
    if len(text) > ANSWER_CHARACTERS_MAX or text.count("\n") > LINES_MAX:
        raise ValueError("it is far too long")
    return {key: clean(value) for key, found, value in (line.partition("=") for line in text.split("\n")) if found}


def clean(text: str) -> str:
    """The text without escape sequences and control characters, with a limited length."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))[:_LINE_CHARACTERS]


def claim_of(fields: Fields) -> Claim:
    """Raises ValueError if it is not a claim."""
    phase = fields.get("phase", "")
    if phase not in _PHASES:
        raise ValueError(f"no claim has the phase {phase[:40]!r}")
    marker = fields.get("has_marker", "")
    exit_code = fields.get("exit_code", "")
    return Claim(
        phase=phase,
        launch=count(fields["launch"]),
        exit_code=_exit_code(exit_code) if exit_code else None,
        started_at=_number(fields.get("started_at", "")),
        ended_at=_number(fields.get("ended_at", "")),
        log_bytes=count(fields.get("log_bytes") or "0"),
        has_marker=marker == "1" if marker else None,
        note=fields.get("note", ""),
        failure_marker=fields.get("failure_marker") or None,
        body_code=_exit_code(fields["body"]) if fields.get("body") else None,
        waits_for=fields.get("waits", ""),
        is_vain=fields.get("works") == "0",
        left=fields.get("left", ""),
        unknown=fields.get("unknown", ""),
        disk_was_full=fields.get("disk_full") == "1",
    )


def greeting_of(text: str, host_key: str) -> Greeting:
    """Raises ValueError if it is not a greeting."""
    fields = fields_of(text)
    tools = [clean(line.partition("=")[2])[:64] for line in text.split("\n") if line.startswith("tool=")]
    lacks = tuple(word for word in LACKS if f"\nlacks={word}\n" in text)
    seq, _, z = fields.get("anchor", "").partition(" ")
    gpus = fields.get("gpus", "")
    return Greeting(
        host_key=host_key,
        pod_id=fields["pod_id"],
        container=fields["container"],
        clock=_number(fields["clock"]) or moment(fields["clock_s"]),
        gpus=count(gpus) if gpus else None,
        tools=tuple(tools[:_TOOLS_MAX]),
        epoch=count(fields["epoch"]),
        anchor_seq=count(seq) if seq else None,
        anchor_z=z or None,
        lacks=lacks,
    )


def holders_of(text: str) -> tuple[Holder, ...]:
    """The holders of the requested destinations, each once. Raises ValueError if it is not such an answer."""
    if "leases" not in fields_of(text):
        raise ValueError("it does not come to its end")
    lines = (line.partition("=")[2] for line in text.split("\n") if line.startswith("holder="))
    words = [clean(line).split(" ", 4) for line in lines]
    if any(len(each) != 5 for each in words):
        raise ValueError("a holder without its five words")
    holders = (Holder(each[0][:80], each[1][:160], each[2][:80], name_mark(each[3]), each[4][:400]) for each in words)
    return tuple(dict.fromkeys(holders))[:HOLDERS_MAX]


def armed_of(fields: Fields, order: SwitchOrder) -> Armed:
    """Raises ValueError if it is not such an answer, or is not about these orders."""
    generation = count(fields["generation"])
    if generation != order.generation:
        raise ValueError(f"the pod holds orders of generation {generation}, not {order.generation}")
    return Armed(
        generation=generation,
        limit_at=moment(fields["limit_at"]),
        probe=fields["probe"],
        is_restart_proof=fields.get("kind") == "start",
        pid=count(fields["pid"]) if fields.get("pid") else None,
    )


def step_result_of(fields: Fields, output: str) -> StepResult:
    """The last lines of `output` as a terminal would leave them. Raises ValueError if there is no result."""
    tail: list[str] = []
    for line in reversed(output.split("\n")):
        shown = clean(line.rstrip("\r").rpartition("\r")[2]) if line else ""
        if tail or shown.strip():
            tail.append(shown)
        if len(tail) == _TAIL_LINES:
            break
    return StepResult(_exit_code(fields["exit_code"]), tuple(reversed(tail)), _number(fields.get("seconds", "")) or 0.0)


def count(text: str) -> int:
    """A whole number of at most 15 digits, not below 0. Raises ValueError."""
    if not _WHOLE.match(text):
        raise ValueError(f"{text[:40]!r} is not a valid number")
    return int(text)


def _exit_code(text: str) -> int:
    code = count(text)
    if code not in _EXIT_CODES:
        raise ValueError(f"{code} is no exit code")
    return code


def moment(text: str) -> float:
    """Seconds since 1970, or of a count from 0. Raises ValueError."""
    number = _number(text)
    if number is None:
        raise ValueError(f"{text[:40]!r} is not a valid time")
    return number


def _number(text: str) -> float | None:
    """None for text that is neither a time nor a duration: where `date +%N` is not known, it prints itself."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0.0 <= number <= _LARGEST else None
