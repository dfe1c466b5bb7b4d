"""What one line says of a run among many: a name that tells it apart, the gain left, a short note."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rich.cells import cell_len

from doneness.core import Diagnosis, tr
from doneness.core.text import printable
from doneness.report.decisions import said
from doneness.report.keynumbers import rising
from doneness.report.numbers import ABSENT, between, count, plain
from doneness.runs import Run


def labels(runs: Sequence[Run]) -> list[str]:
    """A name for each run; those of one name get as many folders before it as tell them apart."""
    names = [run.name for run in runs]
    for depth in range(1, 12):
        twins = {name for name, times in Counter(names).items() if times > 1}
        if not twins:
            break
        names = [_deeper(run, depth) if name in twins else name for run, name in zip(runs, names, strict=True)]
    return [printable(name) for name in names]


def _deeper(run: Run, depth: int) -> str:
    if run.path is None:
        return run.name
    folder = run.path.parent if run.path.suffix else run.path
    above = [part for part in folder.parts if part != folder.anchor]
    if above and above[-1] == run.name:
        above.pop()
    return "/".join([*above[-depth:], run.name])


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` terminal cells: its beginning and its end, with … between."""
    if cell_len(text) <= width:
        return text
    if width < 3:
        return "…"[:width]
    head, tail = "", ""
    # The end of a name tells runs apart more often than its beginning, so it gets the odd cell.
    while True:
        end = cell_len(tail) <= cell_len(head)
        inner = text[len(head) : len(text) - len(tail)]
        more = inner[-1:] if end else inner[:1]
        if cell_len(head + more + tail) > width - 1:
            return f"{head}…{tail}"
        head, tail = (head, more + tail) if end else (head + more, tail)


def gain_left(diagnosis: Diagnosis) -> str:
    """What going on would lower the loss by, as an interval in percent of it; a possible rise shows as a minus.

    Where the low end is nothing (and no rise), the upper end alone says it all. No run can lose more than 100 %.
    """
    cast = diagnosis.forecast
    if cast is None or not cast.level or not all(map(math.isfinite, cast.interval)) or rising(diagnosis):
        return ABSENT
    low, high = sorted(100 * v / cast.level for v in cast.interval)
    low, high = (min(low, 100.0), min(high, 100.0)) if cast.level > 0 else (low, high)
    if low > -0.05 and high < 0.05:
        return tr("report.unit.percent", value="< 0.1")
    if low <= -0.05:
        digits = 0 if max(-low, high) >= 10 else 1
        text = between(*(plain(v if round(v, digits) else 0.0, digits) for v in (low, high)))
    else:
        text = between(plain(low, 1), plain(high, 1)) if low >= 0.05 else f"≤ {plain(high, 1)}"
    return tr("report.unit.percent", value=text)


def looked_at(run: Run) -> str:
    """Steps and evaluations, "1,200/24"."""
    return f"{count(run.last_step)}/{len(run.evals or ())}"


def note(run: Run, diagnosis: Diagnosis) -> str:
    """What to know before believing the line: a best checkpoint that is gone, no evaluations, repairs."""
    parts = [tr("report.many.explore")] if run.exploratory else []
    if not len(run.evals or ()):
        parts.append(tr("report.many.no_evals"))
    spot = diagnosis.sweet_spot
    kept = {c.step for c in run.checkpoints if c.exists}
    if spot is not None and run.checkpoints and spot.best > 0 and not kept & set(spot.steps):
        parts.append(tr("report.many.gone"))
    told = len(run.notes) + len(run.faults)
    if told:
        parts.append(tr("report.many.notes", n=told))
    return " · ".join(parts)


def line(run: Run, diagnosis: Diagnosis) -> str:
    """The note, or where there is nothing to note the headline."""
    return note(run, diagnosis) or said(diagnosis.headline)
