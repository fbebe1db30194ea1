"""The report of features, for maintainers: `python -m tests.features_page RESULTS` writes tests/features.md from the
results of the marked tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "features.md"

FEATURES: dict[int, str] = {
    1: "Interactive first-run setup",
    2: "Credential store, mode 600",
    3: "Validate API key before saving",
    4: "config show/set with redaction",
    5: "SSH key discovery/generation/permission check",
    6: "Check key is registered with the provider",
    7: "Doctor command (tools, versions, key, balance)",
    8: "Declarative job file, strict keys/types",
    9: "Schema version + migration path",
    10: "Variables: YAML, `--var`, `--vars-file`",
    11: "Built-in variables (run id/dir, project root…)",
    12: "Escape for literal braces",
    13: "Template errors found before paying",
    14: "Templated state path",
    15: "$HOME staging guard",
    16: "Required local paths",
    17: "Shell completion",
    18: "`--version`, clean errors, documented exit codes",
    19: "Machine-readable output everywhere",
    20: "Python versions",
    21: "Schema validate command",
    22: "Live stock check + did-you-mean",
    23: "Image tag exists (Docker Hub)",
    24: "Consumer dependency scan",
    25: "Torch/CUDA wheel check",
    26: "FUSE/uv link-mode check",
    27: "Absolute-path scan of payload",
    28: "Secrets/env/key present before create",
    29: "Network-volume × DC sanity warning",
    30: "Dry run with live reads",
    31: "Fully offline dry run",
    32: "Cost forecast before run",
    33: "Ordered GPU list",
    34: "Ordered datacenter list",
    35: "Failover on stock snapshot",
    36: "Failover when create fails",
    37: "Cloud-type fallback",
    38: "Wait-for-stock mode",
    39: "Per-hour price cap",
    40: "Spot/interruptible",
    41: "Min vCPU/RAM",
    42: "CUDA / network-speed / region filters",
    43: "Interactive GPU picker",
    44: "GPU count",
    45: "Container + volume disk size",
    46: "Network volume by name",
    47: "Network volume create/list/delete",
    48: "Port exposure, several ports",
    49: "HTTP proxy URLs + health",
    50: "Pod env vars, docker args, template id, registry auth",
    51: "CPU pods",
    52: "One-off GPU/DC override",
    53: "Unique readable pod names",
    54: "Record intent before create, id right after",
    55: "Find pod by name after lost create response",
    56: "SSH-ready wait, configurable, heartbeat",
    57: "Tolerate API blips while waiting",
    58: "Delete pod that never becomes ready",
    59: "Progress stages display",
    60: "Retries with backoff on API calls",
    61: "Resume paused pod (recycle)",
    62: "Drift detection",
    63: "Force fresh",
    64: "rsync push, several trees",
    65: "Exclude presets and extras",
    66: "Transfer timeouts/retry/partial resume",
    67: "Setup and preflight command lists",
    68: "Remote env for commands",
    69: "Secrets to files, mode, not logged",
    70: "Python interpreter pin",
    71: "Tools bootstrap (rsync/uv missing)",
    72: "Full command text hidden from logs/ps",
    73: "Isolated known_hosts per pod",
    74: "Detached job",
    75: "Exit-code capture",
    76: "Success/failure markers",
    77: "Process liveness check",
    78: "Survive network loss during run",
    79: "Detect pod death/preemption promptly",
    80: "Step markers",
    81: "Live logs",
    82: "Interactive shell / exec into pod",
    83: "SSH tunnel management",
    84: "Cancel a run cleanly",
    85: "Detach and come back",
    86: "Resume interrupted run from any phase",
    87: "Watchdog in pod / reaper if controller dies",
    88: "Mid-run checkpoints pulled",
    89: "Auto-retry on preemption",
    90: "Declared pulls, required/optional, excludes",
    91: "Pull log on failure",
    92: "Safe default for local deletes",
    93: "File targets",
    94: "Verify size/checksum, record bytes",
    95: "Never delete pod before required pulls succeed",
    96: "Outcome policy preserve/stop/delete/recycle",
    97: "Interrupted treated as its own outcome",
    98: "Retry and verify stop/delete",
    99: "Release one pod",
    100: "Bulk release",
    101: "List stopped pods + cost",
    102: "List running orphans",
    103: "Stop/start/kill/info by id, auto-select",
    104: "Cost hint after preserved failure",
    105: "Confirmation with cost/runtime",
    106: "Per-run state",
    107: "Locking",
    108: "Atomic, fsynced writes",
    109: "Collision-free run dirs",
    110: "Sync state with provider",
    111: "SIGINT/SIGTERM/SIGHUP handling",
    112: "Max runtime",
    113: "Dollar cap from real rate",
    114: "Warning before cap, stop at cap",
    115: "Account/sweep/day budget",
    116: "Price table, per-DC stock table",
    117: "Actual price captured",
    118: "Reconcile with provider billing",
    119: "GPU/CPU/mem/disk samples",
    120: "Env snapshots (smi, pip, uname, dmesg, pod json)",
    121: "Event log",
    122: "Manifest per run",
    123: "Record of failed provisioning",
    124: "ls-runs, summary, totals",
    125: "Compare runs",
    126: "Timeline, event query",
    127: "Killed-pod finder",
    128: "Git + lockfile provenance",
    129: "why-failed classifier, metrics view",
    130: "Rotating redacted program log + `logs`",
    131: "Sweep runner with concurrency and retry",
    132: "Machine-readable run-dir handle",
    133: "Typed Python API",
    134: "Provider abstraction",
    135: "Direct API client (no runpodctl)",
    136: "Recipes/gotchas/troubleshooting docs",
    137: "Tests of real processes, signals, kill -9, races",
}
"""Row to what is asked for."""

REQUIREMENTS: dict[int, str] = {
    201: "FR1.1: the API key is kept in a settings file",
    202: "FR1.2: that file is for its owner alone (0600)",
    203: "FR1.3: a wizard on first use: key, SSH key, region, cloud",
    204: "FR1.4: the API key is tried with a real call before it is saved",
    205: "FR1.5: `config init`, `show` (redacted), `set`",
    206: "FR1.6: SSH key from the agent, from files, or a new pair, checked",
    207: "FR2.1: GPUs filtered by cloud, region, network and CUDA, a few of them",
    208: "FR2.2: a list with memory, price, stock, CUDA",
    209: "FR2.3: choice of GPU, count, image, network volume, region",
    210: "FR2.4: the price per hour before anything is rented",
    211: "FR2.5: names by date and counter",
    212: "FR2.6: the pod is made from the chosen image or template",
    213: "FR2.7: progress in five stages",
    214: "FR2.8: retries after 2, 4, 8, 16, 32 s; then stopped, or deleted if nothing is lost",
    215: "FR2.9: an end after 10 minutes that it is not ready",
    216: "FR2.10: pod, connection, status and cost are kept on disk",
    217: "FR3.1: a local port leads to the service in the pod",
    218: "FR3.2: with the configured SSH key",
    219: "FR3.3: the tunnel is verified over HTTP",
    220: "FR3.4: the tunnel lives on in the background",
    221: "FR3.5: a shell in the pod",
    222: "FR3.6: the host key is handled",
    223: "FR3.7: the tunnel ends with its pod",
    224: "FR3.8: the SSH address is shown",
    225: "FR4.1: a list of all pods: name, id, status, GPU, runtime, cost",
    226: "FR4.2: stop a pod, with what that saves",
    227: "FR4.3: delete a pod after a question with cost and runtime",
    228: "FR4.4: details of one pod",
    229: "FR4.5: runtime and cost are right",
    230: "FR4.6: the status comes from the account",
    231: "FR5.1: a log of the program",
    232: "FR5.2: calls, answers, SSH attempts, events, tracebacks, times, costs stand in it",
    233: "FR5.3: no credential stands in it",
    234: "FR5.4: `logs`, and `logs` in full",
    235: "FR5.5: clear messages for common failures",
    236: "FR5.6: nothing half made is left after a failure",
    237: "FR5.7: the log rotates: 10 MB, 5 files",
}
"""The requirements of the interactive side: 200 and the number of the requirement, in the order of its document."""

REFUSED: dict[int, str] = {
    40: "no: the API has no bids any more; the field is refused with the reason",
    134: "no: one provider, behind one port (states/ports/world.py)",
}
"""Rows that are answered no, and why."""


def page(shown: dict[str, list[dict[str, Any]]]) -> str:
    """The whole page."""
    lines = [
        "# Features",
        "",
        "A report for maintainers: each row is a feature that an earlier tool had or that was asked for. Tests marked",
        "with the number of a row (`@pytest.mark.row`) answer it. They drive the `rpd` command in the sandbox, or the",
        "Python API. `make features` runs them and writes this page from their results. A row is weak if its tests",
        "use no command that works on a run, a pod or the settings.",
        "",
        "| | feature | answer | shown by |",
        "|---|---|---|---|",
    ]
    counts = {"yes": 0, "weak": 0, "no": 0, "not yet": 0, "failed": 0}
    for number, name in (FEATURES | REQUIREMENTS).items():
        answer, by = _answer(number, shown.get(str(number), []))
        counts[answer.partition(":")[0]] += 1
        lines.append(f"| {number} | {name} | {answer} | {by} |")
    total = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return "\n".join([*lines, "", f"{total}.", ""])


def _answer(number: int, tests: list[dict[str, Any]]) -> tuple[str, str]:
    if not tests:
        return (REFUSED[number], "") if number in REFUSED else ("not yet", "")
    names = {each["test"].removeprefix("tests/").partition("[")[0] for each in tests}
    by = "<br>".join(f"`{name}`" for name in sorted(names))
    if any(each["outcome"] != "passed" for each in tests):
        return "failed", by
    return ("weak" if all(each["weak"] for each in tests) else "yes"), by


def main() -> None:
    """Write the page anew."""
    shown = json.loads(Path(sys.argv[1]).read_text())
    PAGE.write_text(page(shown))


if __name__ == "__main__":
    main()
