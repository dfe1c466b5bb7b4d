"""SA04: a learning rate too low to get anywhere."""

from __future__ import annotations

import math

from doneness.core import Check, Finding, Status
from doneness.sanity.findings import finding, learnt, needs_run, told
from doneness.sanity.measured import Measured
from doneness.sanity.outcome import outcome_of, straightness
from doneness.sanity.rates import better, own

_STRAIGHT = 0.4  # of a plateau it is near 0, of a straight line 1
_STILL = 0.02  # of the way: the loss has not moved


def rate_low(measured: Measured) -> Finding:
    """Find a learning rate at which the loss hardly falls although it would fall faster at a higher one.

    *What it finds*: a loss that has not moved, or that still falls in a straight line at the end, and a higher rate
    that does better from the same start.

    *How*: the fall of the second half of the run against that of the first (one of a straight line, zero of a plateau;
    0.4 counts), and ten steps or so at the recipe's rate, at ten times it and so on, until one does twice as well and
    comes a tenth of the way. The update-to-weight ratio is told along; 10⁻⁴ to 10⁻³ a step is usual.

    *Source*: the learning-rate range test, L. Smith, "Cyclical learning rates", WACV 2017 (arXiv 1506.01186), in its
    coarsest form.
    """
    found, trace = outcome_of(measured), measured.trace
    assert found is not None and trace is not None
    straight, trial = straightness(trace), better(measured, higher=True)
    slow = found.gone < _STILL or straight > _STRAIGHT
    bad = not learnt(measured) and found.word != "diverged" and slow and trial is not None
    here = own(measured)
    numbers = {
        "rate": measured.setting.rate,
        "gone": found.gone,
        "fall": here.fall if here else 0.0,
        "steps": here.steps if here else 0,
        "better": measured.setting.rate * (trial.size if trial else 1.0),
        "update": trace.update if math.isfinite(trace.update) else 0.0,
    }
    status = Status.FAIL if bad else Status.PASS
    return finding(
        "SA04", status, numbers, value=found.gone, n=int(trace.step.size), tried=told(trial) if bad else None,
        straightness=straight if math.isfinite(straight) else None,
    )  # fmt: skip


CHECK = Check("SA04", rate_low, needs_run)
