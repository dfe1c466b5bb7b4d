"""CV02: overfitting, seen in per-example evaluation losses.

What it finds: an evaluation loss that is higher than at the best checkpoint so far, for certain.

How: the best is chosen on one half of the examples and compared on the other, and the other way
round; trajectory noise, pooled with the usual 0.3 % of the loss, is added to the variance. The k-th look that
could fail is tested at α·6/(π²k²), so that all looks together err with probability α at most; two looks in a row
must agree, by more than half of the smallest gain that matters, and the second may not show that the rise is
over. Before five evaluations tell the noise, the rise must be 5 %, and come after the first epoch where that is known.

Source: cross-fitting against the winner's curse, alpha spending by Basel weights; the rule was
calibrated on synthetic runs.
"""

from __future__ import annotations

import math

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.curves import CrossFit, Noise, pooled_noise
from doneness.curves.noise import MIN_POINTS
from doneness.diagnose.case import Case, LossTable

CODE = "CV02"
_PLAIN = 0.05
# Of the loss. 66 public logs of ten evaluations and more: median 0.37 %, quartiles 0.18 and 0.79 %.
_USUAL = 0.003
_FIRST = 2  # row of the first look: two evaluations come before it


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    return None if case.tabled else say("diagnose.missing.examples")


def _judge(case: Case) -> Finding:
    table = case.table
    assert table is not None
    rows = len(table.step)
    if rows <= _FIRST:
        return Finding(CODE, Status.UNSURE, say("diagnose.cv02.few", evals=rows, needed=_FIRST + 1), n=rows)
    looks = [(row, _look(case, table, row)) for row in range(max(_FIRST, rows - 2), rows)]
    worse = [_fails(case, look, row) for row, look in looks]
    look = looks[-1][1]
    best = int(table.step[max(look.best)])
    level = case.params.epsilon(float(table.mean[-1]))
    # As a share of the best loss, as everywhere else that a loss is held against the best.
    base = float(table.mean[max(look.best)]) or 1.0
    numbers = {"share": look.diff / base, "half": _half(look) / base}
    shared = {"step": best, "n": look.n, **numbers}
    noise = _noise(case, table, rows - 1)
    evidence = {"p": look.p, "alpha": _alpha(case, rows - 1), "looks": rows - _FIRST, "noise": noise.sigma}
    status, key = Status.PASS, "diagnose.cv02.fine"
    if look.best == (rows - 1, rows - 1):
        # Nothing is held against itself, and no interval of zero width is claimed.
        lowest = say("diagnose.cv02.lowest", step=best, n=look.n)
        return Finding(CODE, Status.PASS, lowest, threshold=level / 2, n=look.n, where=Where(step=best))
    if worse[-1] and _receding(case, table):
        status, key = Status.WARN, "diagnose.cv02.receding"
    elif len(worse) == 2 and all(worse):
        status, key = Status.FAIL, "diagnose.cv02.overfitting"
    elif worse[-1]:
        status, key = Status.WARN, "diagnose.cv02.once"
    elif _half(look) > 2.0 * level and look.diff + _half(look) > level:
        status, key = Status.UNSURE, "diagnose.cv02.wide"
    interval = look.interval(0.95) if math.isfinite(look.se) and look.n >= 4 else None
    advice = say("diagnose.cv02.advice") if status is Status.FAIL else None
    where = Where(step=best)
    return Finding(CODE, status, say(key, **shared), look.diff, interval, level / 2, look.n, where, advice, evidence)


def _look(case: Case, table: LossTable, row: int) -> CrossFit:
    return table.look(row, _noise(case, table, row))


def _noise(case: Case, table: LossTable, row: int) -> Noise:
    # Noise as it could be known at that look: only evaluations up to it.
    count = int((case.step <= table.step[row]).sum())
    return pooled_noise(case.step[:count], case.loss[:count], _USUAL * abs(case.level))


def _fails(case: Case, look: CrossFit, row: int) -> bool:
    # Until five evaluations tell the trajectory noise, only a rise far above any usual noise counts, and none in the
    # first pass over the data: rows that were never seen before cannot be learnt by heart.
    known = row + 1 >= MIN_POINTS
    least = case.epsilon / 2.0 if known else _PLAIN * abs(case.level)
    return look.diff > least and look.p < _alpha(case, row) and (known or not _fresh(case, row))


def _fresh(case: Case, row: int) -> bool:
    assert case.table is not None
    return case.steps_per_epoch is not None and int(case.table.step[row]) < case.steps_per_epoch


def _alpha(case: Case, row: int) -> float:
    """What may be spent at this look: α · 6/(π²k²) at the k-th look that could have failed."""
    assert case.table is not None
    means = case.table.mean
    # A loss that is the lowest so far cannot fail, so that the fall of the first epochs spends nothing.
    spent = sum(bool(means[r] > means[:r].min()) for r in range(_FIRST, row + 1))
    return case.params.alpha * 6.0 / (math.pi**2 * max(1, spent) ** 2)


def _receding(case: Case, table: LossTable) -> bool:
    """Whether the loss is already on its way down again: lower than at the look before, for certain."""
    return table.effect(-1, -2).p_better(case.epsilon / 4.0, case.noise) < 0.05


def _half(look: CrossFit) -> float:
    low, high = look.interval(0.95)
    return (high - low) / 2.0


CHECK: Check[Case] = Check(CODE, _judge, _missing)
