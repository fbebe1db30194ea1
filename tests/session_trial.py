"""Connect again and again while something goes wrong, and print how often it succeeds beside what was asked of it.

    python -m tests.session_trial --trials 100 --seed 1

Each trial has a state home and a sandbox of its own, and runs the real command under one drawn fault of the boot, the
address, SSH, the API or the service, or under none. A fault has an end, or lasts for ever. The figures:

first try   Of the trials whose fault has an end, or that have none: how many are connected with no failed look through
            the link. The journal tells: between the last arming of the switch and `connected`, no look at the services
            remained without an answer of the pod. A service that still starts is an answer.
absorbed    Of the trials whose fault has an end, or hinders nobody: how many are connected, with a service that answers
            over HTTP at the address which the person was told.
released    Of the trials whose fault lasts for ever: how many end by themselves, with an exit code other than 0 and
            words that say what happened, while no pod computes any more.
shell       The longest time that `rpd exec RUN -- true` took right after connecting, in seconds.
own time    The median over the trials without a fault: from the command to the answer at the verified address, less the
            boot in the sandbox's ledger, less the time that the service itself takes to load, in seconds.

Beside these, no pod may compute at the end of any trial.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import random
import re
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from rpd.adapters.sandbox.machine.image_web import START_SECONDS
from rpd.journal.records import Observation, Transition
from rpd.states.ports.names import Op, State, Trigger
from tests.chaos import COMPUTING
from tests.scenarios.harness import CommandLine, Live, eventually, staged
from tests.scenarios.sandbox_launcher import close, launcher

BOOT_SECONDS = 0.8
READY_MINUTES = 0.15
CONNECT = ("connect", "--gpu", "NVIDIA L4", "--preset", "comfyui", "--hours", "1", "--yes", "--sandbox")
WORDS = ("--ready-minutes", str(READY_MINUTES))
CONNECTED = re.compile(r"Connected: (http://127\.0\.0\.1:\d+)")
CONNECTED_SECONDS, ENDED_SECONDS = 60.0, 150.0
PATH = "/system_stats"


@dataclass(frozen=True)
class Fault:
    """One fault of the sandbox. `says` is what a person must read if it lasts for ever; None: it has an end. With
    `at_resume`, it strikes when a stopped session is started again.
    """

    kind: str
    id: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    times: int = 1
    after: int = 0
    says: str | None = None
    at_resume: bool = False

    def __str__(self) -> str:
        options = " ".join(f"{name}={value}" for name, value in self.options.items())
        length = "for ever" if self.says else f"times {self.times} after {self.after}"
        return f"{self.kind} {self.id} {options} {length}" if self.id else self.kind


@dataclass
class Trial:
    """What one trial has shown. `broken` names the promises that did not hold. Times in seconds."""

    number: int
    fault: Fault
    url: str | None = None
    is_served: bool = False
    is_first_try: bool = False
    is_released: bool = False
    shell: float | None = None
    own_time: float | None = None
    broken: list[str] = field(default_factory=list)
    text: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure beside its target. `value` is None if no trial tells."""

    name: str
    value: float | None
    is_met: bool
    line: str


def main() -> int:
    """Run all trials; exit code 1 when a figure misses its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=3)
    arguments = parser.parse_args()
    trials = run_trials(arguments.trials, arguments.seed, arguments.parallel)
    for trial in trials:
        if shown := shortfalls(trial):
            print(f"trial {trial.number} ({trial.fault}): {'; '.join(shown)}")
            print("\n".join(f"    {line}" for line in trial.text.splitlines()))
    found = figures(trials)
    print("\n".join(figure.line for figure in found))
    broken = sum(bool(trial.broken) for trial in trials)
    load = f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}"
    print(f"{len(trials)} trials, {broken} with a broken promise (seed {arguments.seed}; {load})")
    return 0 if not broken and all(figure.is_met for figure in found) else 1


def run_trials(count: int, seed: int, parallel: int) -> list[Trial]:
    """Every trial with a fault of its own, drawn from the seed."""
    dice = random.Random(seed)
    kinds = [list(KINDS)[n % len(KINDS)] for n in range(count)]
    dice.shuffle(kinds)
    faults = [KINDS[kind](dice) for kind in kinds]
    base = Path(tempfile.mkdtemp(prefix="rpd-trial-"))
    launcher()  # once, before several ask for it
    try:
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            return list(pool.map(lambda plan: tried(base / f"trial-{plan[0]}", Trial(*plan)), enumerate(faults)))
    finally:
        close()
        shutil.rmtree(base, ignore_errors=True)


# The faults.


def _boot(dice: random.Random) -> Fault:
    if dice.random() < 0.5:  # hinders nobody who has the address, however long it lasts
        return Fault("boot", "F17", {"how": dice.choice(["null", "empty", "zero"])}, times=0)
    return _lasting(dice, Fault("boot", "F16", {"at": dice.choice(["PROVISIONING", "STARTING"])}), "no host came up")


def _address(dice: random.Random) -> Fault:
    if dice.random() < 0.5:
        return Fault("address", "F20", {"seconds": dice.randint(1, 3)}, at_resume=True)
    return _lasting(dice, Fault("address", "F18"), "no host came up")


def _ssh(dice: random.Random) -> Fault:
    if dice.random() < 0.4:
        options = {"seconds": dice.randint(1, 4), "at": dice.choice(["running", "ssh"])}
        return Fault("ssh", "F40", options)
    return _lasting(
        dice, Fault("ssh", "F19", {"how": dice.choice(["refuse", "nobanner", "close"])}), "no sshd has answered"
    )


def _api(dice: random.Random) -> Fault:
    fault = dice.choice(["F11", "F12", "F33", "F35"])
    if fault == "F12":  # it counts creates, and a second create would be a broken promise
        return Fault("api", fault, {"how": dice.choice(["500", "502", "drop", "truncated"])})
    # A 400 before anything is rented ends the command, because it may be about what was asked for.
    options = {"on": "get"} if fault == "F35" else {}
    return Fault("api", fault, options, times=dice.randint(1, 3), after=dice.randint(0, 9 if fault != "F35" else 2))


def _service(dice: random.Random) -> Fault:
    fault = Fault("service", "F44", {"how": dice.choice(["never", "error", "silent"])})
    return _lasting(dice, fault, "a service of the session did not answer")


def _lasting(dice: random.Random, fault: Fault, says: str) -> Fault:
    """The same fault for some seconds, which is more often, or for ever and in every pod."""
    if dice.random() < 0.4:
        return Fault(fault.kind, fault.id, fault.options, times=0, says=says)
    return Fault(fault.kind, fault.id, {**fault.options, "seconds": dice.randint(1, 4)})


KINDS: dict[str, Callable[[random.Random], Fault]] = {
    "none": lambda dice: Fault("none"),
    "boot": _boot,
    "address": _address,
    "ssh": _ssh,
    "api": _api,
    "service": _service,
}

# One trial.

_starting = threading.Lock()


def tried(folder: Path, trial: Trial) -> Trial:
    """Connect, look, and end it. An error of the trial itself is a broken promise, too: nobody knows what happened."""
    folder.mkdir()
    try:
        with _starting:  # one launcher starts the sandboxes of all
            made = staged(folder, boot_seconds=BOOT_SECONDS)
            stage = made.__enter__()
        try:
            _live(stage, trial)
        finally:
            made.__exit__(None, None, None)
    except Exception as error:
        trial.broken.append(f"{type(error).__name__}: {error}")
    return trial


def _live(stage: CommandLine, trial: Trial) -> None:
    fault = trial.fault
    if not fault.at_resume:
        _arm(stage, fault)
    began = time.monotonic()
    live = stage.start(*CONNECT, *WORDS)
    if fault.at_resume:
        eventually(lambda: CONNECTED.search(live.text), CONNECTED_SECONDS, lambda: live.text)
        assert stage.rpd("release", stage.run_id, "--stop", "--yes").returncode == 0
        live.end()
        _arm(stage, fault)
        live = stage.start("resume")
    try:
        (_see_release if fault.says else _see_connection)(stage, trial, live, began)
    finally:
        trial.text = live.text
    if computing := [pod["id"] for pod in stage.truth()["pods"] if pod["status"] in COMPUTING]:
        trial.broken.append(f"pods compute at the end: {', '.join(computing)}")


def _arm(stage: CommandLine, fault: Fault) -> None:
    if fault.id:
        stage.fault(fault.id, times=fault.times, after=fault.after, **fault.options)


def _see_connection(stage: CommandLine, trial: Trial, live: Live, began: float) -> None:
    """Wait for `Connected`, use what it leads to, and end the session."""
    eventually(lambda: CONNECTED.search(live.text) or live.process.poll() is not None, CONNECTED_SECONDS, str)
    found = CONNECTED.search(live.text)
    if found is not None:
        trial.url = found[1]
        trial.is_served = requests.get(f"{trial.url}{PATH}", timeout=10).status_code == requests.codes.ok
        total = time.monotonic() - began
        if trial.fault.kind == "none":
            trial.own_time = total - sum(pod["boot_seconds"] for pod in stage.truth()["pods"]) - START_SECONDS
        trial.is_first_try = is_first_try(stage)
        asked = time.monotonic()
        shell = stage.rpd("exec", stage.run_id, "--", "true")
        trial.shell = time.monotonic() - asked if shell.returncode == 0 else None
        if shell.returncode != 0:
            trial.broken.append(f"no shell: exit {shell.returncode}: {shell.stderr}")
        live.signal(signal.SIGTERM)
    live.end()


def _see_release(stage: CommandLine, trial: Trial, live: Live, began: float) -> None:
    """Wait until the command has given up by itself."""
    assert trial.fault.says is not None
    code = live.end(ENDED_SECONDS)
    computing = [pod for pod in stage.truth()["pods"] if pod["status"] in COMPUTING]
    trial.is_released = code != 0 and not computing and trial.fault.says in live.text


def is_first_try(stage: CommandLine) -> bool:
    """Whether every look at the services between the last arming and the last `connected` got an answer of the pod."""
    is_counted = is_whole = False
    for record in stage.records():
        match record.body:
            case Transition(dest=State.TUNNEL):
                is_counted = is_whole = True
            case Transition(trigger=Trigger.CONNECTED):
                is_counted = False
            case Observation(op=Op.ATTEND) as look if is_counted and look.error is not None:
                is_whole = False
    return is_whole and not is_counted


# The figures.


def figures(trials: list[Trial]) -> list[Figure]:
    """All of them; one that no trial tells about is met."""
    ending = [trial for trial in trials if trial.fault.says is None]
    lasting = [trial for trial in trials if trial.fault.says is not None]
    struck = [trial for trial in ending if trial.fault.id]
    own = [trial.own_time for trial in trials if trial.own_time is not None]
    shells = [trial.shell for trial in trials if trial.shell is not None]
    worst = f"; worst {max(own):.1f} s" if own else ""
    typical = f"; median {statistics.median(shells):.1f} s" if shells else ""
    return [
        _share("tunnel at the first try", [trial.is_first_try for trial in ending], 0.90),
        _share("transient faults absorbed", [trial.is_served for trial in struck], 0.95),
        _share("pods released on repeated failure", [trial.is_released for trial in lasting], 1.00),
        _seconds("shell after connecting", max(shells, default=None), 10.0, typical),
        _seconds("own time to the verified URL", statistics.median(own) if own else None, 2.0, worst),
    ]


def shortfalls(trial: Trial) -> list[str]:
    """In what the trial falls short of the best."""
    is_lasting = trial.fault.says is not None
    found = {
        "not released": is_lasting and not trial.is_released,
        "not connected": not is_lasting and not trial.is_served,
        "not at the first try": not is_lasting and trial.is_served and not trial.is_first_try,
    }
    return [*(name for name, is_so in found.items() if is_so), *trial.broken]


def _share(name: str, each: list[bool], target: float) -> Figure:
    if not each:
        return Figure(name, None, True, f"{name:<34} none tried")
    value = sum(each) / len(each)
    line = f"{name:<34} {value:7.1%}   target {target:.0%}   ({sum(each)} of {len(each)})"
    return Figure(name, value, value >= target, line)


def _seconds(name: str, value: float | None, target: float, more: str) -> Figure:
    if value is None:
        return Figure(name, None, True, f"{name:<34} none tried")
    return Figure(name, value, value < target, f"{name:<34} {value:5.1f} s   target under {target:g} s{more}")


if __name__ == "__main__":
    sys.exit(main())
