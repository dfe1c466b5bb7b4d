"""A figure as a file: with colours of its own, and as pixels."""

from __future__ import annotations

import re

from doneness.core.extras import optional
from doneness.report.palette import COLOURS

PIXELS = 2  # drawn for each pixel of the figure's width, so that small type stays sharp
_FONTS = (
    "'Noto Sans CJK SC','Noto Sans SC','Source Han Sans SC','PingFang SC','Microsoft YaHei','Segoe UI',"
    "'Helvetica Neue',Arial,'DejaVu Sans',sans-serif"
)


def flat(svg: str, dark: bool = False) -> str:
    """The drawing with literal colours and its own ground, for viewers without style sheets.

    Args:
        svg: a stand-alone figure as `draw` or `sheet` makes it.
        dark: the dark colours, whatever the system prefers.
    """
    side = int(dark)
    svg = re.sub(r"<style>.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'class="[sf]-([\w-]+)" (stroke|fill)="#[0-9a-f]{6}"',
        lambda found: f'{found[2]}="{COLOURS[found[1]][side]}"',
        svg,
    )
    svg = re.sub(r'font-family="[^"]*"', f'font-family="{_FONTS}"', svg)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    end = svg.index(">") + 1
    if box is None:
        raise ValueError("a figure has a viewBox")
    ground = f'<rect width="{box[1]}" height="{box[2]}" fill="{COLOURS["paper"][side]}"/>'
    return svg[:end] + ground + svg[end:]


def png(svg: str, dark: bool = False) -> bytes:
    """The drawing as a PNG, two pixels to each of its own.

    Raises:
        MissingExtraError: the extra `figure` is not installed.
    """
    draw = optional("resvg_py", "figure").svg_to_bytes
    return bytes(draw(svg_string=flat(svg, dark), zoom=PIXELS, sans_serif_family="Noto Sans CJK SC"))
