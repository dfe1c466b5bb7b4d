"""CV06: the evaluation set is too small for the question.

What it finds: whether the examples can show the smallest gain that matters, and how many would.

How: the minimum detectable effect (80 % power, 5 %) of the paired comparison of the last evaluation
with the best other one, and with the one before; of those not plainly different, the larger counts.
The effect decides, not a fixed number of rows: n · (MDE / wanted)² are needed.

Source: power of a paired comparison, arXiv 2411.00640 §5.
"""

from __future__ import annotations

import math

import numpy as np

from doneness.core import Check, Finding, Message, Status, say
from doneness.curves import minimum_detectable, rows_needed
from doneness.diagnose.case import Case

CODE = "CV06"


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    return None if case.tabled else say("diagnose.missing.examples")


def _judge(case: Case) -> Finding:
    table, params = case.table, case.params
    assert table is not None
    means = table.mean
    last = len(means) - 1
    effects = [table.effect(last, ref) for ref in sorted({int(np.argmin(means[:last])), last - 1})]
    # Checkpoints differ from example to example the more, the farther apart they are; what counts
    # here is how small a change between like ones could be seen.
    alike = [e for e in effects if abs(e.diff) <= 3.0 * e.se]
    effect = max(alike, key=lambda e: e.se) if alike else min(effects, key=lambda e: abs(e.diff))
    # The level and the gain of the other checks, so that one screen has one measure.
    level, eps = abs(case.level), case.epsilon
    smallest = minimum_detectable(effect, params.power, 0.05)
    needed = rows_needed(effect, eps, params.power, 0.05)
    evidence = {"rows_needed": needed, "se": effect.se if math.isfinite(effect.se) else None}
    numbers = {
        "n": effect.n,
        # Identical losses detect anything; a share below what is shown would read as nothing at all.
        "smallest": max(smallest / level, 1e-4),
        "wanted": params.asked(case.level),
        "needed": _round(needed),
    }
    if smallest > eps:
        advice = say("diagnose.cv06.advice", needed=_round(needed))
        message = say("diagnose.cv06.small", **numbers)
        return Finding(CODE, Status.UNSURE, message, smallest, None, eps, effect.n, None, advice, evidence)
    message = say("diagnose.cv06.fine", **numbers)
    return Finding(CODE, Status.PASS, message, smallest, None, eps, effect.n, None, None, evidence)


def _round(needed: int | None) -> int:
    """Two digits are all that such an estimate is worth; never rounded down."""
    if needed is None:
        return 0
    unit: int = 10 ** max(0, len(str(needed)) - 2)
    return -(-needed // unit) * unit


CHECK: Check[Case] = Check(CODE, _judge, _missing)
