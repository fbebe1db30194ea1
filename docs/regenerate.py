"""Write the generated parts of the documentation anew: `python docs/regenerate.py`."""

from __future__ import annotations

from pathlib import Path

from rpd.engine.diagram import markdown, mermaid
from rpd.states.table import JOB

PAGE = Path(__file__).parent / "architecture.md"


def main() -> None:
    """Replace what stands between the markers of docs/architecture.md."""
    text = PAGE.read_text()
    for name, content in (("diagram", f"```mermaid\n{mermaid(JOB)}```"), ("rules", markdown(JOB).rstrip())):
        begin, end = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = before + begin + content + end + after
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
