"""SA05: a learning rate that throws the weights about."""

from __future__ import annotations

import math

import numpy as np

from doneness.core import Check, Finding, Status
from doneness.sanity.findings import finding, needs_run, told
from doneness.sanity.measured import Measured
from doneness.sanity.outcome import outcome_of
from doneness.sanity.rates import better

_LITTLE = 0.5  # of the way down, that a rate which is no fault would have got past
_SPIKE = 10.0


def rate_high(measured: Measured) -> Finding:
    """Find a learning rate at which the loss rises or stays up although it falls at a lower one.

    *What it finds*: a loss that is no number any more, that lies above its beginning, or that stays high while
    the weights move, where a lower rate does better from the same start.

    *How*: as for SA04, with a tenth of the rate and so on. The largest gradient norm against its median is told along.

    *Source*: as for SA04.
    """
    found, trace = outcome_of(measured), measured.trace
    assert found is not None and trace is not None
    trial = better(measured, higher=False)
    up = found.word == "diverged" or (found.word == "failed" and found.gone < _LITTLE)
    # Without a lower rate that does better, a loss that is no number is another's fault: of the rows, of the dtype.
    bad = up and trial is not None
    grad = trace.grad[np.isfinite(trace.grad)]
    spike = float(grad.max() / max(np.median(grad), 1e-30)) if grad.size else math.nan
    level = float(trace.level[-1])
    numbers = {
        "rate": measured.setting.rate,
        "base": measured.levels.base,
        "loss": level,
        "better": measured.setting.rate * (trial.size if trial else 1.0),
        "spike": spike if math.isfinite(spike) else 0.0,
    }
    key = "pass" if not bad else "found" if math.isfinite(level) else "nan"
    return finding(
        "SA05", Status.FAIL if bad else Status.PASS, numbers, value=found.gone, key=key, n=int(trace.step.size),
        tried=told(trial) if bad else None, grad_spike=spike if spike > _SPIKE else None,
    )  # fmt: skip


CHECK = Check("SA05", rate_high, needs_run)
