"""The JSON schema of the job file, for editors. It comes from the same structs that check the file, with their
descriptions."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.journal.records import Body
from rpd.states.ports.job import Job


def job_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of a job file. A placeholder may stand for any text."""
    schema = msgspec.json.schema(Job)
    schema["$defs"]["PodSpec"]["allOf"] = [
        {"anyOf": [{"required": ["image"]}, {"required": ["template_id"]}]},
        {"oneOf": [{"required": ["gpu_order"]}, {"required": ["cpu_order"]}]},
    ]
    variables = schema["$defs"]["Job"]["properties"]["variables"]
    variables["additionalProperties"] = {"type": ["string", "null"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rpd job file",
        **schema,
    }


def journal_schema() -> dict[str, Any]:
    """JSON schema of the `data` of a journal's records, by `kind` (docs/journal.md)."""
    schema = msgspec.json.schema(Body)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "rpd journal record", **schema}
