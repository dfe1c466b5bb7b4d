"""Whether two logs of one folder tell the same training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doneness.runs.run import EVAL_LOSS, GRAD_NORM, TRAIN_LOSS, Floats, Run, Series

_AGREE = 0.9  # share of the values at steps that both hold, of which this many must be equal
_SHARED = 0.5  # of the shorter log's values, this share must stand at steps that the longer one holds too
_LEAST = 5  # values that are compared in the order written, where a console log had no steps
# Relative and absolute: losses are logged with four decimals, or with four digits; the others more roughly.
_LOSS, _ROUGH = (1e-3, 2e-4), (1e-2, 6e-3)
# A loss of reinforcement is often zero throughout; then the others tell runs apart.
_COMPARED = ((TRAIN_LOSS, _LOSS), (EVAL_LOSS, _LOSS), (GRAD_NORM, _ROUGH), ("train/reward", _ROUGH))
_FLAT = 10 * _LOSS[1]
# What a trainer leaves in a folder of its own is a run, also where it was branched off from another one.
_WHOLE = ("journal", "hf_trainer", "llamafactory")


def is_same(run: Run, other: Run) -> bool:
    """Whether `other`, found in the folder of `run` or beneath it, is a further log of that training."""
    whole = other.kind in _WHOLE
    if whole and other.last_step > run.last_step:
        return False
    return _at_steps(run, other) or (not whole and _in_order(run.train, other.train))


def _at_steps(run: Run, other: Run) -> bool:
    told = False
    for name, within in _COMPARED:
        a, b = run.series.get(name), other.series.get(name)
        if a is None or b is None:
            continue
        _, first, second = np.intersect1d(a.step, b.step, return_indices=True)
        if first.size == 0 or first.size < _SHARED * min(len(a), len(b)):
            if name in (TRAIN_LOSS, EVAL_LOSS):
                return False
            continue
        if np.mean(_close(a.value[first], b.value[second], within)) < _AGREE:
            return False
        told = True
    return told


def _in_order(a: Series | None, b: Series | None) -> bool:
    """Whether train losses follow each other alike, whatever steps they were put at."""
    if a is None or b is None:
        return False
    n = min(len(a), len(b))
    known = a.value[:n][np.isfinite(a.value[:n])]
    if min(n, known.size) < _LEAST or n < _SHARED * max(len(a), len(b)) or np.ptp(known) < _FLAT:
        return False
    return bool(np.mean(_close(a.value[:n], b.value[:n], _LOSS)) >= _AGREE)


def _close(a: Floats, b: Floats, within: tuple[float, float]) -> NDArray[np.bool_]:
    return np.isclose(a, b, rtol=within[0], atol=within[1], equal_nan=True)
