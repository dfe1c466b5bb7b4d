"""The place of a figure: the report's own drawing to begin with, its switches, and what script puts over it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from doneness.core import tr
from doneness.report import html_top
from doneness.web.pages_figure import words
from doneness.web.pages_shell import data_block, t

_ZOOM = (("in", "+"), ("out", "−"), ("left", "←"), ("right", "→"))


def plot(stills: Sequence[str], axes: Sequence[str], alternative: str, caption: str) -> str:
    """A figure.

    Args:
        stills: drawings for a wide and for a narrow screen; seen until script has drawn, and for good without it.
        axes: the x-axes offered, the first one shown.
        alternative: the figure in words.
        caption: what its marks mean.
    """
    bars = html_top.radios("x", "report.head.switch_x", [(a, tr(f"report.axis_short.{a}")) for a in axes])
    bars += html_top.radios("y", "report.head.switch_y", [(s, tr(f"report.head.{s}")) for s in ("linear", "log")])
    zoom = "".join(
        f'<button type="button" data-zoom="{name}" title="{said}" aria-label="{said}">{sign}</button>'
        for name, sign in _ZOOM
        if (said := t(f"zoom.{name}"))
    )
    zoom += f'<button type="button" data-zoom="reset">{t("zoom.all")}</button>'
    wide, narrow = stills
    return (
        f'<div class="switches script">{bars}'
        f'<div class="zoom" role="group" aria-label="{t("zoom.label")}">{zoom}</div></div>'
        f'<figure class="curve"><p id="range" class="note script"></p>'
        f'<div id="plot" tabindex="0" role="group" aria-label="{escape(alternative)}" aria-describedby="plot-keys">'
        f'<div class="still"><div class="wide">{wide}</div><div class="narrow">{narrow}</div></div></div>'
        f'<p id="detail" class="note script" aria-live="polite"></p><figcaption><p id="caption">{escape(caption)}</p>'
        f'<p id="plot-keys" class="script">{t("zoom.keys")}</p></figcaption></figure>'
        + data_block("figure-words", dict(words()))
    )
