"""Write the generated parts of the documentation anew: `python -m docs.regenerate`."""

from __future__ import annotations

import json
from pathlib import Path

from rpd.adapters.spec.schema import job_schema
from rpd.engine.diagram import markdown, mermaid
from rpd.states.session.table import SESSION
from rpd.states.table import JOB
from tests.simulation.regressions import REGRESSIONS

DOCS = Path(__file__).parent


def bugs() -> str:
    """The table of docs/reliability.md."""
    lines = ["| | what happened | since then | schedule |", "|---|---|---|---|"]
    lines += [f"| {each.name} | {each.symptom} | {each.fix} | `{each.schedule}` |" for each in REGRESSIONS]
    return "\n".join(lines)


SCHEMA = DOCS.parent / "examples" / "job.schema.json"


def schema() -> str:
    """The file that the examples name for editors."""
    return json.dumps(job_schema(), indent=2) + "\n"


PARTS = {
    "architecture.md": {
        "diagram": f"```mermaid\n{mermaid(JOB)}```",
        "rules": markdown(JOB).rstrip(),
        "session": f"```mermaid\n{mermaid(SESSION)}```",
    },
    "reliability.md": {"bugs": bugs()},
}


def renewed(page: str) -> str:
    """A page with its generated parts as they should be."""
    text = (DOCS / page).read_text()
    for name, content in PARTS[page].items():
        begin, end = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
        before, _, rest = text.partition(begin)
        _, _, after = ("\n" + rest).partition(end)
        text = before + begin + content + end + after
    return text


def main() -> None:
    """Replace what stands between the markers."""
    for page in PARTS:
        (DOCS / page).write_text(renewed(page))
    SCHEMA.write_text(schema())


if __name__ == "__main__":
    main()
