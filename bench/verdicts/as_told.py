"""The figures in the collection's own README, and the runs that it counted: they check this code.

It counts 79 runs where 77 are distinct: a table of 96 runs, one a row, was taken for one curve, and a console
log that shows 25 of the 50 evaluations of another file was counted beside it.
"""

from __future__ import annotations

import csv

from bench.verdicts.collection import HOME, Log, distinct, everything
from doneness.runs import EVAL_LOSS, Run, Series

# Mean regret, share of the gain lost, steps run, runs losing more than 1 %.
README: dict[str, tuple[float | None, float | None, float, int | None]] = {
    "patience 1": (0.155, 0.219, 0.53, 23),
    "patience 2": (0.079, 0.088, 0.72, 15),
    "patience 3": (0.076, 0.083, 0.79, 10),
    "patience 5": (0.072, 0.077, 0.85, 8),
    "patience 3, threshold 0.001": (0.078, 0.097, 0.75, 15),
    "patience 3, threshold 0.01": (0.147, 0.136, 0.61, 22),
    "UP2": (0.075, 0.084, 0.76, 10),
    "UP3": (0.007, 0.028, 0.86, 8),
    "oracle": (0.0, 0.0, 0.75, 0),
    "oracle within 0.5 %": (None, None, 0.55, 0),
    "oracle within 1.0 %": (None, None, 0.50, 0),
    "oracle within 2.0 %": (None, None, 0.43, None),
}
TOLERANCES = {"oracle": 0.0, "oracle within 0.5 %": 0.005, "oracle within 1.0 %": 0.01, "oracle within 2.0 %": 0.02}

_TABLE = "runs/odd/Lucas-longxutang__Comp3242_Group_Project_nanoGPT__wandb_summary.csv.csv"
_CONSOLE = "wandb-run-20240901_180330-l11dwn0a.log"
_LEAST = 5


def logs() -> list[Log]:
    """The 79."""
    console = [log for log in everything() if log.file.endswith(_CONSOLE) and log.loss.size >= _LEAST]
    return [*distinct(_LEAST), *console, _table()]


def _table() -> Log:
    """The final losses of 96 runs, in the order of their rows, as if they were one curve."""
    with (HOME / _TABLE).open(encoding="utf-8") as handle:
        losses = [float(row["val/loss"]) for row in csv.DictReader(handle) if row["val/loss"]]
    series = Series.of(range(1, len(losses) + 1), losses)
    return Log(
        "Lucas-longxutang/Comp3242_Group_Project_nanoGPT", _TABLE, "csv", Run("table", series={EVAL_LOSS: series})
    )
