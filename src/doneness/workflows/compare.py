"""Compare runs: read, judge, and put them on one axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from doneness.core import DonenessError, language, tr
from doneness.diagnose import Params
from doneness.report.compare_html import render_comparison
from doneness.report.compare_table import summary
from doneness.report.comparison import Compared, Comparison, Standing, compare
from doneness.report.curve import curve
from doneness.report.many import labels
from doneness.runs.atomic import write_text
from doneness.workflows.check import check_all
from doneness.workflows.gather import Unreadable

SCHEMA = "doneness.compare/1"


@dataclass(frozen=True)
class ComparedAll:
    """The comparison, and the paths that gave no run."""

    comparison: Comparison
    unreadable: list[Unreadable]


def compare_runs(
    paths: Iterable[str | Path],
    axis: str | None = None,
    params: Params | None = None,
    mapping: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ComparedAll:
    """Judge every run at `paths` and compare them, the first being the one that others are held against.

    Args:
        paths: files, folders, patterns that no shell expanded, or addresses such as hf://owner/name.
        axis: "step", "tokens", "epoch", "targets" or "time"; by default what all have, tokens before steps.
        params: thresholds of the verdicts.
        mapping: column → series name, for tables whose columns are named unusually.
        progress: told how many runs are judged, and how many there are.

    Raises:
        DonenessError: fewer than two runs, or one of them lacks the axis.
    """
    found = check_all(paths, params, None, mapping, progress)
    if len(found.judged) < 2:
        reason = found.unreadable[0].error if found.unreadable else ""
        raise DonenessError(" ".join((tr("workflows.compare.few", n=len(found.judged)), reason)).strip())
    names = labels([each.run for each in found.judged])
    # Runs are compared by all target tokens: what one of them calls a label another may not.
    runs = [
        Compared(name, j.run, j.diagnosis, curve(j.run, replace(j.diagnosis, span=""), j.kept))
        for name, j in zip(names, found.judged, strict=True)
    ]
    try:
        return ComparedAll(compare(runs, axis), found.unreadable)
    except ValueError as error:
        raise DonenessError(str(error)) from error


def write_comparison(found: Comparison, out: str | Path) -> Path:
    """Write the comparison as one HTML file.

    Raises:
        StorageError: `out` cannot be written.
    """
    target = Path(out)
    write_text(target, render_comparison(found, language()))
    return target


def as_data(found: ComparedAll, version: str) -> dict[str, Any]:
    """The comparison as plain data; NaN is null."""
    it = found.comparison
    runs = [
        {
            "run": each.label,
            "path": str(each.run.path) if each.run.path else None,
            "verdict": each.diagnosis.verdict.value,
            "recommended_step": each.curve.chosen,
            "sweet_spot": list(each.curve.sweet) if each.curve.sweet else None,
            **_standing(row),
        }
        for each, row in zip(it.runs, it.standings, strict=True)
    ]
    return {
        "schema": SCHEMA,
        "doneness": version,
        "axis": it.axis,
        "axes": list(it.axes),
        "place": it.place,
        "comparable": not it.warnings,
        "warnings": list(it.warnings),
        "summary": summary(it),
        "runs": runs,
        "differing": {name: list(values) for name, values in it.differing},
        "unreadable": [{"path": lost.path, "error": lost.error} for lost in found.unreadable],
    }


def _standing(row: Standing) -> dict[str, Any]:
    best = {"loss": row.best.loss, "step": row.best.step, "at": row.best_at} if row.best else None
    paired = None
    if row.diff is not None and row.low is not None and row.high is not None:
        bounds = [v if math.isfinite(v) else None for v in (row.low, row.high)]
        paired = {"value": row.diff, "interval": bounds, "examples": row.n}
    there = row.loss if math.isfinite(row.loss) else None
    return {"best": best, "loss": there, "interpolated": row.interpolated, "difference": paired}
