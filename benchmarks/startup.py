"""How long a command takes to start, as a multiple of a bare interpreter's start.

    python benchmarks/startup.py [--times 11]

Medians of interleaved starts, bytecode warm. The journal inspected is one of 40 records.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATIO_MAX = 10.0
RPD = [sys.executable, "-m", "rpd.adapters.cli"]
JOB = "name: j\npod: {image: x, gpu_order: [NVIDIA L4]}\nstorage: {volume_gb: 10}\nrun: {body: 'true'}\n"


def main() -> int:
    """Print the ratios; exit code 1 when one is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=11)
    times = parser.parse_args().times
    folder = Path(tempfile.mkdtemp(prefix="rpd-startup-"))
    try:
        return measure(folder, times)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, times: int) -> int:
    """Start each command `times` times in turn."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"RPD_HOME": str(folder / "home"), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    commands = {
        "bare interpreter": [sys.executable, "-c", "pass"],
        "rpd --version": [*RPD, "--version"],
        "rpd --help": [*RPD, "--help"],
        "rpd inspect": [*RPD, "inspect", make_journal(folder / "home")],
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(times + 1):
        for name, command in commands.items():
            begun = time.perf_counter()
            subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first turn warms the bytecode
                took[name].append(time.perf_counter() - begun)
    bare = statistics.median(took.pop("bare interpreter"))
    print(f"bare interpreter  {bare * 1000:6.1f} ms")
    ratios = {name: statistics.median(seconds) / bare for name, seconds in took.items()}
    for name, ratio in ratios.items():
        print(f"{name:<16}  {ratio * bare * 1000:6.1f} ms  {ratio:4.1f} x (at most {RATIO_MAX:.0f} x)")
    return 0 if max(ratios.values()) <= RATIO_MAX else 1


def make_journal(home: Path) -> str:
    """A run that was asked to go on again and again."""
    import msgspec

    from rpd.adapters.spec.jobfile import load_text
    from rpd.journal.paths import journal_path
    from rpd.journal.records import Note, Opened, Stamp
    from rpd.journal.store import Journal

    job = load_text(JOB, home.parent / "j.yaml")
    path = journal_path(home, "j", job.run_id)
    fields = {"tool_version": "0.1.0", "min_reader": 1, "lifecycle": "job", "user": "me", "host": "here"}
    where = {"journal_path": str(path), "run_dir": job.run_dir, "cloud": {"name": "x", "url": "https://example.com"}}
    what = {"workflow": "j", "lineage": job.lineage, "config_path": job.config_path, "token": "0" * 26}
    config = {"config": msgspec.to_builtins(job.config), "config_sha256": job.config_sha256}
    home.mkdir(mode=0o700)
    opened = msgspec.convert({**fields, **where, **what, **config, "kind": "opened"}, Opened)
    with Journal.create(path, opened, run_id=job.run_id, now=lambda: Stamp(1.8e9, 1.0, "boot")) as journal:
        for number in range(39):
            journal.append(Note("turn", str(number)))
    return str(path)


if __name__ == "__main__":
    sys.exit(main())
