"""What a few steps at other learning rates tell."""

from __future__ import annotations

import math

from doneness.sanity.measured import Measured, Trial

BETTER, WORTH = 2.0, 0.1  # times the fall at the recipe's own rate; share of the way down


def own(measured: Measured) -> Trial | None:
    """The trial at the recipe's own rate."""
    return next((trial for trial in measured.tried("rate") if trial.size == 1.0), None)


def better(measured: Measured, higher: bool) -> Trial | None:
    """The trial nearest to the recipe's rate that does clearly better than it; None where none does.

    Clearly: twice the fall, and a tenth of the way from the base loss to the floor.
    """
    here, way = own(measured), measured.levels.base - measured.levels.floor.loss
    if here is None or not math.isfinite(way):
        return None
    side = [trial for trial in measured.tried("rate") if (trial.size > 1.0) is higher and trial.size != 1.0]
    side.sort(key=lambda trial: abs(math.log(trial.size)))
    least = max(BETTER * max(here.fall, 0.0), WORTH * way)
    return next((trial for trial in side if trial.fall >= least), None)
