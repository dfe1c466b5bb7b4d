"""What a preference run logs of its pairs: accuracy and margin, on held-out pairs where there are any."""

from __future__ import annotations

import numpy as np

from doneness.core import Message, say
from doneness.diagnose.case import Case
from doneness.diagnose.climb import Scores
from doneness.diagnose.gain import LEAST, last_third
from doneness.diagnose.pair_loss import Floats, Ints, Rise, falls, margins, right
from doneness.runs import Series

_ACCURACIES = ("rewards/accuracies", "rewards/accuracy", "accuracy")
_MARGINS = ("rewards/margins", "rewards/margin", "margins", "margin")
_COVERED = 0.8  # of the evaluations: recorded pairs that cover fewer do not stand for the run


def accuracy(case: Case) -> tuple[Series, bool] | None:
    """Reward accuracies over steps, and whether on held-out pairs."""
    for split in ("eval", "train"):
        column = _first(case, split, _ACCURACIES)
        if column is not None:
            return column, split == "eval"
    return None


def scores_of(case: Case, column: Series, held_out: bool) -> Scores:
    """Accuracies with what is known of their pairs; the pairs' own outcomes where these are recorded."""
    keep = np.isfinite(column.value)
    step, value = column.step[keep], column.value[keep]
    table = case.pairs if held_out else None
    if table is not None and len(table.step) >= _COVERED * step.size:
        outcome = right(table)
        return Scores(table.step, outcome.mean(axis=1), float(table.tokens.size), False, outcome)
    return Scores(step, value, case.run.number("eval_rows") if held_out else None, not held_out)


def margin(case: Case, split: str) -> tuple[Ints, Floats] | None:
    """Mean margin over steps: chosen minus rejected, or as logged; None without."""
    if split == "eval" and case.pairs is not None:
        return case.pairs.step, margins(case.pairs).mean(axis=1)
    chosen, rejected = (_first(case, split, (f"rewards/{name}",)) for name in ("chosen", "rejected"))
    logged = _first(case, split, _MARGINS)
    if chosen is not None and rejected is not None and np.array_equal(chosen.step, rejected.step):
        step, value = chosen.step, chosen.value - rejected.value
    elif logged is not None:
        step, value = logged.step, logged.value
    else:
        return None
    keep = np.isfinite(value)
    return step[keep], value[keep]


def also(case: Case, rise: Rise | None, scores: Scores | None) -> Message | None:
    """What goes wrong beside a rise of the held-out loss; None where it may be over-confidence alone.

    The margin or the accuracy has turned downwards; or the loss has risen beyond where it began, and at two
    looks in a row neither of them surely rises any more.

    Args:
        case: the run.
        rise: of its held-out loss; without one nothing is asked.
        scores: its held-out accuracies; None where it logs none.
    """
    if rise is None:
        return None
    found, watched = margin(case, "eval"), case.params.watched
    if found is not None and falls(*found, watched):
        return say("diagnose.pf01.margin_falls", top=float(found[1].max()), last=float(found[1][-1]))
    if scores is not None and falls(scores.step, scores.value, watched):
        return say("diagnose.pf01.accuracy_falls", top=float(scores.value.max()), last=float(scores.value[-1]))
    beyond = float(np.median(case.loss[-LEAST:])) > float(case.loss[0]) + case.epsilon
    if found is None or not beyond:
        return None
    columns = [found] if scores is None else [found, (scores.step, scores.value)]
    if all(_stalled(step, value) and _stalled(step[:-1], value[:-1]) for step, value in columns):
        return say("diagnose.pf01.stalled")
    return None


def _stalled(step: Ints, value: Floats) -> bool:
    """Whether the last third is not surely better than the third before; too few rows tell nothing."""
    gain = last_third(Series.of(step, value), 1e-9)
    return gain is not None and gain.low <= 0.0


def _first(case: Case, split: str, names: tuple[str, ...]) -> Series | None:
    found = (case.run.series.get(f"{split}/{name}") for name in names)
    return next((column for column in found if column is not None and np.isfinite(column.value).any()), None)
