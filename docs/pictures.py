"""Pictures of terminals for the documentation: the screen of a real terminal becomes an SVG that needs nothing else."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import NIGHT_OWLISH, SVG_EXPORT_THEME, TerminalTheme
from rich.text import Text

THEMES: dict[str, TerminalTheme] = {"dark": SVG_EXPORT_THEME, "light": NIGHT_OWLISH}
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""rich loads a font from elsewhere. A picture without it uses the reader's own."""


def svg(ansi: str, *, columns: int, title: str, theme: str) -> str:
    """One screen, as tmux gives it with colours, as the text of an SVG file. `theme` is a key of `THEMES`."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi(ansi.rstrip("\n"), no_wrap=True), soft_wrap=True)
    return _FONTS.sub("", console.export_svg(title=title, theme=THEMES[theme], unique_id=f"rpd-{theme}"))


def write(folder: Path, name: str, ansi: str, *, columns: int, title: str) -> list[Path]:
    """The screen in both themes, as `<name>-dark.svg` and `<name>-light.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for theme in THEMES:
        path = folder / f"{name}-{theme}.svg"
        path.write_text(svg(ansi, columns=columns, title=title, theme=theme), encoding="utf-8")
        written.append(path)
    return written
