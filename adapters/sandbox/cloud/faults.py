"""The faults the sandbox can be asked for: what each is called, when it strikes, and which options bend it.

A fault is armed with a count. Each time its occasion comes round it first skips `after` of them, then strikes `times`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from rpd.adapters.sandbox.cloud.model import ArmedFault, Pod, State
from rpd.adapters.sandbox.cloud.problems import Problem, unprocessable


class SandboxFault(msgspec.Struct, frozen=True):
    """One kind of fault. `occasion` names what it counts; `options` maps each option to its values and default."""

    id: str
    occasion: str
    description: str
    options: dict[str, str] = {}


_ON = {
    "on": "operation it strikes: any (default), create, get, list, delete, start, stop, restart, patch, catalog, ..."
}
_STAGE = {"at": "running (default) | provisioning | starting | ssh", "delay": "seconds after (0)"}
_SECONDS = {"seconds": "how long it lasts; for ever if left out"}

STUCK_LINES = {
    "pull": "error pulling image: toomanyrequests: You have reached your unauthenticated pull rate limit",
    "denied": "error pulling image: pull access denied for team/app, repository does not exist or may need a login",
    "manifest": "error pulling image: manifest for team/app:v9 not found: manifest unknown: manifest unknown",
    "arch": "error pulling image: no matching manifest for linux/amd64 in the manifest list entries",
    "space": "error pulling image: failed to register layer: write /usr/lib/libtorch.so: no space left on device",
    "cuda": "error starting container: failed to create task for container: nvidia-container-cli: requirement error: "
    "unsatisfied condition: cuda>=12.8, please update your driver to a newer version",
    "command": "error starting container: failed to create task for container: OCI runtime create failed: "
    'exec: "/start.sh": stat /start.sh: no such file or directory',
    "layer": "error pulling image: failed to extract: layer does not exist",
    "task": "error starting container: failed to create task for container: failed to create shim task",
}
"""What the provider's log says of a boot that is stuck, as seen on RunPod; the last two are of the host."""

KNOWN: tuple[SandboxFault, ...] = (
    SandboxFault(
        "F1", "create", "create refused: no stock, although the catalog shows some", {"gpu": "only this GPU id"}
    ),
    SandboxFault(
        "F2",
        "create",
        "the same refusal, only for requests with this constraint",
        {"because": "datacenter (default) | disk | cuda"},
    ),
    SandboxFault("F3", "create", "the refusal of a request without gpu.count (always on for such requests)"),
    SandboxFault("F4", "create", "the refusal of a request without disk (always on for such requests)"),
    SandboxFault("F5", "create", "unknown image: 422 with plain text (always on for images that begin with missing/)"),
    SandboxFault(
        "F6",
        "create",
        "body refused: 422 with a list of errors (always on for bodies that do not match the schema)",
        {"line": "its line"},
    ),
    SandboxFault("F7", "catalog", "catalog read refused: 400, as for include without product"),
    SandboxFault(
        "F8",
        "create",
        "no credit (402), or the GPU pool is not for this account (403)",
        {"how": "credit (default) | pool"},
    ),
    SandboxFault("F9", "request", "key refused: 401, or out of scope: 403", {"how": "key (default) | scope", **_ON}),
    SandboxFault("F10", "request", "edge block: 403 HTML, error 1010 (always on for the User-Agent of urllib)", _ON),
    SandboxFault(
        "F11",
        "request",
        "rate limit: 429 with Retry-After and r=0; with seconds, every request gets it for that long",
        {
            "seconds": "for how long every request gets it",
            "window": "minute (default) | hour | day",
            "retry_after": "seconds (1)",
            **_ON,
        },
    ),
    SandboxFault(
        "F12",
        "create",
        "ambiguous create: the pod is created, but the answer cannot be trusted",
        {
            "how": "500 (default) | 502 | drop | timeout | truncated",
            "delay": "seconds until the pod is created (0)",
            "seconds": "how long timeout keeps the connection open (60)",
        },
    ),
    SandboxFault(
        "F13",
        "create",
        "failed create: the same answers without a pod; with delay, a pod appears later",
        {
            "how": "500 (default) | 502 | drop | timeout",
            "delay": "seconds until a pod appears; never if left out",
            "seconds": "how long timeout keeps the connection open (60)",
        },
    ),
    SandboxFault(
        "F14",
        "create",
        "a new pod is not found for a while",
        {"lag": "seconds (2)", "what": "both (default) | get | list"},
    ),
    SandboxFault(
        "F15", "create", "a second pod with the same name and env appears", {"delay": "seconds until it does (0)"}
    ),
    SandboxFault(
        "F16",
        "boot",
        "the boot is stuck",
        {"at": "PROVISIONING (default) | STARTING", "log": f"silent (default) | {' | '.join(STUCK_LINES)}", **_SECONDS},
    ),
    SandboxFault(
        "F17", "boot", "RUNNING, but the runtime stays empty", {"how": "null (default) | empty | zero", **_SECONDS}
    ),
    SandboxFault("F18", "boot", "RUNNING, but no SSH address", _SECONDS),
    SandboxFault(
        "F19",
        "boot",
        "sshd misbehaves, or its configuration refuses every login",
        {
            "how": "refuse (default) | nobanner | close | auth: no key is accepted | root: root must not log in"
            " | password: only passwords | algorithms: only outdated ones | command: /bin/false replaces every command",
            **_SECONDS,
        },
    ),
    SandboxFault("F20", "start", "after a start the old address is shown for a while", {"seconds": "how long (2)"}),
    SandboxFault("F21", "start", "start refused: the host has no free GPU"),
    SandboxFault(
        "F22",
        "start",
        "the pod starts without GPUs",
        {"how": "count (default): the API says 0 too | smi: only the pod does"},
    ),
    SandboxFault("F23", "action", "action refused: 409 (always on where it does not fit the status)"),
    SandboxFault("F24", "action", "action refused: 422 (always on for unknown actions)"),
    SandboxFault(
        "F25",
        "boot",
        "the container crashes while the pod is RUNNING, repeatedly or once",
        {"how": "loop (default) | once: only the running one", "every": "seconds between crashes (1)", **_SECONDS},
    ),
    SandboxFault("F26", "live", "somebody else stops or deletes the pod", {"how": "stop (default) | delete", **_STAGE}),
    SandboxFault("F27", "live", "the balance is used up: pods with a network volume stop, others are deleted", _STAGE),
    SandboxFault(
        "F28",
        "live",
        "the host goes down: RUNNING, ssh dead, the container's disk lost",
        {"then": "back (default) | exited | nothing", "seconds": "until then (5)", **_STAGE},
    ),
    SandboxFault(
        "F29",
        "delete",
        "the answer to a delete, stop or start is wrong",
        {
            "how": "5xx (default): done, 500 | linger: done, still shown | late404: not done | ignored: not done",
            "seconds": "how long it lingers (2)",
            "on": "delete (default) | stop (5xx and ignored only) | start (the same)",
        },
    ),
    SandboxFault(
        "F31",
        "logs",
        "the log stream sends no headers, or is cut in the middle of an event",
        {"how": "withheld (default) | cut"},
    ),
    SandboxFault(
        "F32",
        "list",
        "paging: pages of one pod, or an old server without pagination",
        {"how": "short (default) | absent"},
    ),
    SandboxFault("F33", "request", "HTML error from the edge", {"how": "502 (default) | 503", **_ON}),
    SandboxFault("F34", "view", "the pods shown do not match the schema", {"how": "extra (default) | status | null"}),
    SandboxFault("F35", "request", '400 with {"error": ...} instead of a problem document', _ON),
    SandboxFault("F36", "boot", "the network volume hangs at attach: RUNNING, uptime 0, no address", _SECONDS),
    SandboxFault("F37", "billing", "the newest costs are not in the bill yet", {"lag": "seconds (3600)"}),
    SandboxFault(
        "F38",
        "graphql",
        "the balance cannot be read: GraphQL answers with errors, or not at all",
        {
            "how": "errors (default): with status 200 | 429 | gone: 404 | drop | timeout",
            "seconds": "how long timeout keeps the connection open (60)",
        },
    ),
    SandboxFault(
        "F40",
        "live",
        "the SSH connection breaks: open connections end, new ones are refused; the pod does not notice",
        {**_SECONDS, **_STAGE},
    ),
    SandboxFault(
        "F41",
        "volume",
        "the answer to a change of a network volume is wrong",
        {
            "on": "create (default) | grow | delete",
            "how": "500 (default) | 502 | drop | timeout | truncated | ignored: reported as done, but not done",
            "done": "yes (default) | no",
            "delay": "seconds until a new volume is shown (0)",
            "seconds": "how long timeout keeps the connection open (60)",
        },
    ),
    SandboxFault("F42", "boot", "sshd allows few sessions on one connection", {"sessions": "MaxSessions (1)"}),
    SandboxFault("F43", "boot", "the volume is mounted read-only (where pods have a namespace)"),
    SandboxFault(
        "F44",
        "boot",
        "the web service of the image fails: it never comes up, or it dies if it is up",
        {
            "how": "never (default): nothing listens | error: status 500 | silent: no answer",
            "delay": "seconds until it fails (0)",
            **_SECONDS,
        },
    ),
)

BY_ID = {fault.id: fault for fault in KNOWN}
CLINGING = frozenset({"F16", "F17", "F18", "F19", "F25", "F36", "F42", "F43", "F44"})
EXTERNAL = frozenset({"F26", "F27", "F28", "F40"})


def arm(state: State, fault: ArmedFault) -> None:
    """Put a fault in wait. Raises Problem: unknown id, option, or a count below zero."""
    known = BY_ID.get(fault.id)
    if known is None:
        raise Problem(404, f"no fault {fault.id}; known: {', '.join(BY_ID)}")
    unknown = [name for name in fault.options if name not in known.options]
    if unknown:
        offered = ", ".join(known.options) or "none"
        raise unprocessable(f"{fault.id} has no option {', '.join(unknown)}; it has: {offered}")
    if fault.times < 0 or fault.after < 0:
        raise unprocessable("times and after must not be negative")
    for name, value in fault.options.items():
        if name in ("seconds", "delay", "lag", "every", "retry_after", "sessions"):
            number(fault.options, name, 0.0)
        elif value.lower() not in _choices(known.options[name]):
            raise unprocessable(f"{fault.id} {name}={value}: want {known.options[name]}")
    state.faults.append(fault)


def strike(
    state: State,
    fault_id: str,
    pod: Pod | None = None,
    fits: Callable[[dict[str, str]], bool] | None = None,
) -> dict[str, str] | None:
    """An occasion for this fault: its options when it strikes now, else None. Counts the occasion."""
    for fault in state.faults:
        if fault.id != fault_id or not _concerns(fault, pod) or (fits is not None and not fits(fault.options)):
            continue
        fault.seen += 1
        if fault.seen <= fault.after:
            continue
        fault.struck += 1
        state.struck[fault_id] = state.struck.get(fault_id, 0) + 1
        if fault.times and fault.struck >= fault.times:
            state.faults.remove(fault)
        return dict(fault.options)
    return None


def number(options: dict[str, str], name: str, default: float) -> float:
    """An option as a number. Raises Problem when it is none."""
    text = options.get(name)
    if text is None:
        return default
    try:
        return float(text)
    except ValueError as error:
        raise unprocessable(f"{name}={text} is not a number") from error


class _Anything(frozenset[str]):
    """Holds every word."""

    def __contains__(self, item: object) -> bool:
        return True


def _choices(text: str) -> frozenset[str]:
    """The words an option's text offers, "one (default) | two: what it means"; any word where it offers no choice."""
    if " | " not in text:
        return _Anything()
    return frozenset(part.split()[0].rstrip(":").lower() for part in text.split(" | "))


def _concerns(fault: ArmedFault, pod: Pod | None) -> bool:
    return fault.pod is None or (pod is not None and fault.pod in (pod.id, pod.name))


def parse(document: dict[str, Any]) -> ArmedFault:
    """A fault as ordered over the control channel or in a scenario. Raises Problem."""
    try:
        return ArmedFault(
            id=str(document["id"]).upper(),
            times=int(document.get("times", 1)),
            after=int(document.get("after", 0)),
            pod=document.get("pod"),
            options={str(name): str(value) for name, value in document.get("set", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unprocessable(f"not a fault: {error!r}") from error
