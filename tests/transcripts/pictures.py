"""Pictures of a terminal, for a light and a dark page. rich draws them; they need nothing else."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from tests.support.documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_COLUMNS: Final = 80
_Colour = tuple[int, int, int]

# Background, text, and the colours of ECMA-48 §8.3.117 from 30 on: black, red, green, yellow, blue,
# magenta, cyan, white. Each has a contrast to its background of 4.5 or more (WCAG 2.2, 1.4.3).
_LIGHT: Final[tuple[_Colour, _Colour, list[_Colour]]] = (
    (0xF6, 0xF8, 0xFA),
    (0x1F, 0x23, 0x28),
    [
        (0x1F, 0x23, 0x28),
        (0xC2, 0x1A, 0x23),
        (0x11, 0x63, 0x29),
        (0x84, 0x4D, 0x00),
        (0x09, 0x58, 0xB8),
        (0x6E, 0x3A, 0xB8),
        (0x0F, 0x5F, 0x6B),
        (0x59, 0x63, 0x6E),
    ],
)
_DARK: Final[tuple[_Colour, _Colour, list[_Colour]]] = (
    (0x16, 0x1B, 0x22),
    (0xE6, 0xED, 0xF3),
    [
        (0x8B, 0x94, 0x9E),
        (0xFF, 0x7B, 0x72),
        (0x56, 0xD3, 0x64),
        (0xE3, 0xB3, 0x41),
        (0x79, 0xC0, 0xFF),
        (0xD2, 0xA8, 0xFF),
        (0x76, 0xE3, 0xEA),
        (0xE6, 0xED, 0xF3),
    ],
)
PICTURES: Final = {
    "demo-light.svg": _LIGHT,
    "demo-dark.svg": _DARK,
}
FOLDER: Final = ROOT / ".github"

# rich's own would load a font from the network, and has a window's title and buttons, for which it
# leaves room at the top.
_TEMPLATE: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 22 {width} {height}" role="img" \
aria-labelledby="{unique_id}-title">
<title id="{unique_id}-title">requests-jwt demo, in a terminal</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", \
"Liberation Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
FRAME
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
_FRAME: Final = (
    '<rect y="22" width="{{width}}" height="{{height}}" rx="8" fill="{background}" '
    'stroke="{text}" stroke-opacity="0.3" stroke-width="2"/>'
)


def draw_all(shown: str) -> dict[Path, str]:
    """Return the pictures of what a terminal shows, in colour, by their files."""
    return {FOLDER / name: draw(shown, *colours) for name, colours in PICTURES.items()}


def draw(shown: str, background: _Colour, text: _Colour, colours: list[_Colour]) -> str:
    """Return an SVG of what a terminal shows."""
    from rich.console import Console
    from rich.terminal_theme import TerminalTheme
    from rich.text import Text

    console = Console(
        record=True,
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        width=_COLUMNS,
    )
    console.print(Text.from_ansi(shown), soft_wrap=True)
    frame = _FRAME.format(background=_to_hex(background), text=_to_hex(text))
    return console.export_svg(
        theme=TerminalTheme(background, text, colours),
        code_format=_TEMPLATE.replace("FRAME", frame),
        unique_id="demo",
    )


def _to_hex(colour: _Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
