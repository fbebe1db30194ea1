"""`rpd validate`: parse, render and check. By default it opens no socket, and starts no process but git where a tree
asks for it. `--online` asks the provider and the image's registry, `--scan` reads what would be sent."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rpd.adapters.checking.job import Checks, checked, errors_in
from rpd.adapters.report.words import one_line
from rpd.adapters.runs.job import Overrides, shown_name
from rpd.adapters.spec.yaml_source import YamlSource
from rpd.adapters.terminal import output
from rpd.states.ports.exits import Exit


def validate_file(job: Path | YamlSource, overrides: Overrides, wanted: Checks, *, as_json: bool) -> int:
    """Exit code 0 when the file can run; warnings do not change it. 2, 4 or 6 for a proved error."""
    loaded = overrides.load(job)
    found, sent = checked(loaded, wanted)
    errors = errors_in(found)
    name = shown_name(job)
    if as_json:
        findings = [msgspec.to_builtins(each) for each in found]
        config = msgspec.to_builtins(loaded.config)
        output.answer(
            {
                "schema": "rpd.validate/1",
                "ok": not errors,
                "findings": findings,
                "staging": msgspec.to_builtins(sent),
                "job": config,
            }
        )
    else:
        output.note(one_line(each.line) for each in found)
        output.note(
            one_line(f"sends {each.source} to {each.destination}: {each.size}") for each in sent if not each.refusal
        )
        if not errors:
            output.text([f"ok: {name} (schema {loaded.job.schema_version}, job {loaded.job.name})"])
        else:
            output.note([f"{name} cannot run here as it is"])
    return min((each.exit_code for each in errors), default=Exit.DONE)
