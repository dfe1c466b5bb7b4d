"""What script draws of a run beside its logged points, in steps: trend, evaluations, fan, sweet spot, flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from doneness.core import tr
from doneness.report.curve import AXES, Curve, EvalPoint, Line
from doneness.report.numbers import ABSENT, between, compact, count, plain
from doneness.report.thin import thin
from doneness.report.view import ReportView

Floats = npt.NDArray[np.float64]
_PLACES = 500  # points of an axis; between them it is a straight line
_MARKS, _STILL = 300, 160  # evaluations in the figure; in its still drawing. Those between are asked for
_ROWS = 40  # of the table that says the figure in numbers


def figure_data(view: ReportView) -> dict[str, Any]:
    """Everything script draws of a run's own page apart from logged points."""
    flags = [
        [s.first, tr("report.figure.flag", action=s.action, step=count(s.first), verdict=s.verdict), s.action_key]
        for s in view.timeline
        if s.action_key != "continue"
    ]
    return {**curve_data(view.curve), "flags": flags}


def curve_data(c: Curve) -> dict[str, Any]:
    """One curve: steps are whole, losses as logged, NaN nowhere."""
    return {
        "axes": {name: _thinned(*c.axes[name]) for name in AXES if name in c.axes},
        "trend": _trend(c),
        "evals": [evaluation(e) for e in _some(c, _MARKS)],
        "evals_all": len(c.evals),
        "fan": _line(c.forecast) if c.forecast is not None and c.forecast.low is not None else None,
        "sweet": list(c.sweet) if c.sweet else None,
        "chosen": c.chosen,
        "checkpoints": [[step, exists] for step, exists in c.checkpoints.items()],
        "epochs": [[k, round(step, 3)] for k, step in c.epochs],
        "broken": list(c.broken[:500]),
        "last": c.last,
        "planned": c.planned,
        "points": int(c.raw.step.size),
        "unit": tr("report.figure.y_title" if c.per_token else "report.figure.y_logged"),
    }


def still(c: Curve) -> Curve:
    """The curve as the page's first drawing shows it: no more evaluations than its width can tell apart."""
    return replace(c, evals=_some(c, _STILL))


def evaluation(e: EvalPoint) -> list[Any]:
    """[step, loss, lower, upper] of an evaluation."""
    return [e.step, _short(e.loss), _short(e.low), _short(e.high)]


def evaluations(c: Curve, first: float | None, last: float | None) -> list[list[Any]]:
    """The evaluations of a stretch of steps, either end open where it is None."""
    low, high = (-np.inf if first is None else first), (np.inf if last is None else last)
    within = tuple(e for e in c.evals if low <= e.step <= high)
    return [evaluation(e) for e in _some(replace(c, evals=within), _MARKS)]


def _some(c: Curve, most: int) -> tuple[EvalPoint, ...]:
    """At most about so many evaluations: the extremes, others evenly between, and the one of the step to keep."""
    steps = np.array([e.step for e in c.evals], dtype=np.float64)
    kept = set(thin(steps, np.array([e.loss for e in c.evals], dtype=np.float64), most)[0].tolist())
    return tuple(e for e in c.evals if e.step in kept or e.step == c.chosen)


def decision_data(view: ReportView) -> list[list[Any]]:
    """Every decision as [step, action, verdict, reason], in order of step: what "why not at N" is answered from."""
    found: list[list[Any]] = []
    for s in view.timeline:
        found += [[step, s.action, s.verdict, reason] for step, reason in s.earlier]
        found.append([s.last, s.action, s.verdict, s.reason])
    return found


def as_table(view: ReportView) -> str:
    """The figure in numbers, folded: evaluations with intervals, and the trend where it was evaluated."""
    c = view.curve
    steps = [e.step for e in c.evals]
    if not steps and c.trend is not None:
        steps = [int(s) for s in c.trend.step[:: max(c.trend.step.size // _ROWS, 1)]]
    if not steps:
        return ""
    every = -(-len(steps) // _ROWS)
    shown = [s for i, s in enumerate(steps) if i % every == 0 or i == len(steps) - 1]
    by_step = {e.step: e for e in c.evals}
    body = ""
    for step in shown:
        e = by_step.get(step)
        interval = between(plain(e.low), plain(e.high)) if e and e.low is not None and e.high is not None else ABSENT
        cells = (_at(c.trend, step), plain(e.loss) if e else ABSENT, interval)
        body += f'<tr><th scope="row" class="n">{count(step)}</th>' + "".join(
            f'<td class="n">{escape(x)}</td>' for x in cells
        )
        body += "</tr>"
    heads = (tr("report.table.step"), tr("pages.figure.trend"), tr("pages.figure.eval"), tr("report.table.interval"))
    head = "".join(f'<th scope="col" class="n">{escape(h)}</th>' for h in heads)
    note = (
        f'<p class="note">{escape(tr("pages.figure.every", n=len(shown), all=compact(len(steps))))}</p>'
        if every > 1
        else ""
    )
    title = escape(tr("pages.figure.table"))
    return (
        f'<details id="numbers"><summary>{title}</summary>{note}<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{title}"><table class="figures"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div></details>"
    )


def _trend(c: Curve) -> dict[str, Any] | None:
    if c.trend is None:
        return None
    return {**_line(c.trend), "pieces": [[p.start, p.stop] for p in c.pieces]}


def _line(line: Line) -> dict[str, Any]:
    columns = {"x": line.step, "y": line.value, "low": line.low, "high": line.high}
    return {name: [_short(v) for v in column.tolist()] for name, column in columns.items() if column is not None}


def _thinned(steps: Floats, values: Floats) -> list[list[float | None]]:
    keep = np.unique(np.linspace(0, steps.size - 1, min(steps.size, _PLACES)).astype(np.int64))
    return [[_short(v) for v in column[keep].tolist()] for column in (steps, values)]


def _at(line: Line | None, step: float) -> str:
    if line is None or not line.step[0] <= step <= line.step[-1]:
        return ABSENT
    return plain(float(np.interp(step, line.step, line.value)))


def _short(value: float | None) -> float | None:
    """Seven digits are more than a screen has pixels."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.7g}")


def words() -> Mapping[str, str]:
    """What is written into the figure."""
    named = ("train", "eval", "forecast", "rate", "checkpoints", "linear", "log", "epoch", "keep", "gone")
    found = {name: tr(f"report.figure.{name}", n="{n}", step="{step}") for name in named}
    found |= {name: tr(f"report.figure.{name}", first="{first}", last="{last}") for name in ("sweet", "sweet_one")}
    found["grad"] = tr("report.health.grad_head")
    found |= {f"axis.{axis}": tr(f"report.axis.{axis}") for axis in AXES}
    found |= {f"unit.{unit}": tr(f"report.axis.{unit}") for unit in ("hours", "minutes", "seconds")}
    found |= {f"zero.{k}": tr(f"report.figure.{k}", scale="{scale}", low="{low}", high="{high}") for k in
              ("from_zero", "through_zero", "not_from_zero")}  # fmt: skip
    return found
