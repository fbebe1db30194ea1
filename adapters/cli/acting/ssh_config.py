"""`rpd ssh-config`: pods by name, for ssh and all that uses it."""

from __future__ import annotations

import shlex

from rpd.adapters.local.dirs import state_home
from rpd.adapters.reaching.include_line import exclude, include, include_line, is_included, own_config
from rpd.adapters.reaching.pod_of_run import explained, reach
from rpd.adapters.reaching.ssh_entry import entries, entry_file, remove_entry, write_entry
from rpd.adapters.runs.finding import find_run_with_pod
from rpd.adapters.terminal import output
from rpd.adapters.terminal.asking import answer, can_ask
from rpd.engine.errors import RpdError, UserError


def show_entry(run: str | None, *, only_print: bool, yes: bool) -> int:
    """Write the entry of this run's pod, and offer the line that includes it."""
    reached, home = reach(find_run_with_pod(run)), state_home()
    try:
        entry = write_entry(home, reached)
    except UserError:
        raise
    except RpdError as error:
        raise explained(error, reached) from error
    file = entry_file(home, entry.pod_id)
    if only_print:
        output.exact(file.read_text().splitlines()[1:])
        return 0
    if not is_included(home) and (yes or _is_wanted(include_line(home))):
        include(home)
        output.note([f"{own_config()} includes the pods of rpd now"])
    if is_included(home):
        output.text([f"ssh {entry.name}"])
    else:
        output.note([f"put this line at the top of {own_config()}:", f"    {include_line(home)}"])
        output.note(["(rpd ssh-config --yes does it)"])
        output.text([f"ssh -F {shlex.quote(str(file))} {entry.name}"])
    return 0


def _is_wanted(line: str) -> bool:
    if not can_ask():
        return False
    question = f"Put this line at the top of {own_config()}?\n    {line}\n[y/N] "
    return answer(question, undone="nothing of yours was changed").lower() in ("y", "yes")


def remove_entries(run: str | None) -> int:
    """Remove the entry of one run. Without a run, all entries and the line."""
    home = state_home()
    if run is not None:
        journal = str(find_run_with_pod(run))
        gone = [file for file, entry in entries(home).items() if entry is not None and entry.journal == journal]
    else:
        gone = list(entries(home))
    for file in gone:
        remove_entry(file)
    was_included = run is None and exclude(home)
    what = "1 entry" if len(gone) == 1 else f"{len(gone)} entries"
    output.note([f"removed {what} for ssh" + (f", and the line in {own_config()}" if was_included else "")])
    return 0
