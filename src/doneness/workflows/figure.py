"""The report's figure of a run as a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from doneness.core import Diagnosis, DonenessError, tr
from doneness.report.curve import Curve, curve
from doneness.report.decisions import said
from doneness.report.figure import draw
from doneness.report.flat import flat, png
from doneness.report.frame import WIDE
from doneness.report.sheet import Panel, panel_width, sheet
from doneness.report.three_ways import three_ways
from doneness.runs.atomic import write_bytes
from doneness.workflows.check import judge
from doneness.workflows.gather import gather
from doneness.workflows.outputs import refuse_inputs
from doneness.workflows.textbook import textbook

_PAIR = 1240


@dataclass(frozen=True)
class Look:
    """How a figure is drawn.

    Attributes:
        x: "step", "epoch", "tokens", "targets" or "time".
        log: logarithmic loss axis.
        width: in pixels; by default 960 (1,240 for two or three panels).
        dark: dark colours; otherwise an SVG follows the reader's system and a PNG is light.
        title: above the figure.
        three_ways: smoothed from zero, zoomed in, and logarithmic, instead of the report's figure.
    """

    x: str = "step"
    log: bool = False
    width: int | None = None
    dark: bool = False
    title: str = ""
    three_ways: bool = False


def write_figure(
    path: str | Path, out: str | Path, look: Look | None = None, mapping: Mapping[str, str] | None = None
) -> Path:
    """Judge the run at `path` and draw it.

    Args:
        path: a run folder, an output or checkpoint folder, or a log file.
        out: the file to write, .svg or .png.
        look: how to draw it.
        mapping: column → series name, for tables whose columns are named unusually.

    Raises:
        DonenessError: the path holds several runs, lacks what the figure needs, or `out` is neither kind of file.
        MissingExtraError: a PNG without the extra `figure`.
    """
    look = look or Look()
    _kind(out)
    refuse_inputs(out, [path])
    found = gather([path], mapping)
    if found.unreadable:
        raise DonenessError(found.unreadable[0].error)
    if len(found.runs) > 1:
        raise DonenessError(tr("workflows.many_runs", path=str(path), count=len(found.runs)))
    judged = judge(found.runs[0])
    data = curve(judged.run, judged.diagnosis, judged.kept)
    if look.x not in data.axes:
        known = tr("report.list_comma").join(tr(f"report.axis_short.{axis}") for axis in data.axes)
        wanted = tr(f"report.axis_short.{look.x}")
        raise DonenessError(tr("workflows.figure.axis", path=str(path), axis=wanted, known=known))
    if look.three_ways:
        if not data.raw.step.size or len(data.evals) < 2:
            raise DonenessError(tr("workflows.figure.no_ways", path=str(path)))
        return save(three_ways(data, look.x, look.width or _PAIR, look.title), out, look.dark)
    return save(_single(data, look), out, look.dark)


def write_textbook(out: str | Path, look: Look | None = None, seed: int = 7) -> Path:
    """Train the textbook pair, judge both runs, and draw them side by side with their verdicts."""
    look = look or Look(x="epoch")
    _kind(out)
    width = look.width or _PAIR
    each = panel_width(width, 2, 480)
    panels = []
    for run in textbook(seed):
        diagnosis = judge(run).diagnosis
        drawn = draw(curve(run, diagnosis, diagnosis.recommended_step), look.x, log=look.log, width=int(each),
                     standalone=False)  # fmt: skip
        title = tr(
            "workflows.figure.lesson",
            epochs=int(run.meta["planned_steps"] / run.meta["steps_per_epoch"]),
            weights=run.meta["weights"],
            rows=run.meta["train_rows"],
        )
        panels.append(Panel(drawn, title, _verdict(diagnosis)))
    return save(sheet(panels, width, look.title), out, look.dark)


def save(svg: str, out: str | Path, dark: bool = False) -> Path:
    """Write a stand-alone figure as the kind of file that its name says.

    Raises:
        StorageError: the place refuses.
    """
    target = Path(out)
    if _kind(out) == ".png":
        write_bytes(target, png(svg, dark))
    else:
        write_bytes(target, (flat(svg, dark) if dark else svg).encode())
    return target


def _kind(out: str | Path) -> str:
    kind = Path(out).suffix.lower()
    if kind not in (".svg", ".png"):
        raise DonenessError(tr("workflows.figure.kind", path=str(out)))
    return kind


def _single(data: Curve, look: Look) -> str:
    width = look.width or WIDE
    if not look.title:
        return draw(data, look.x, log=look.log, width=width)
    inner = draw(data, look.x, log=look.log, width=width, standalone=False)
    return sheet([Panel(inner)], width, look.title)


def _verdict(diagnosis: Diagnosis) -> tuple[str, ...]:
    return tr(f"report.verdict.{diagnosis.verdict.value}"), said(diagnosis.headline)
