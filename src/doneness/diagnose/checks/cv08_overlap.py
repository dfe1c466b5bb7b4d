"""CV08: training and evaluation overlap.

What it finds: an evaluation set that is, or may well be, part of the training data. Such an
evaluation measures memory; whatever is read off it is void.

How: (a) the recipe or the arguments beside the log name one file or data set for both: the whole
evaluation set is a certain overlap (FAIL), a part of it a warning; a share split off the training data
(val_size) is none. (b) The evaluation loss falls at epoch edges as the train loss does: both
staircases are certain, and the evaluation's is at least half of the train's. Held-out rows have no reason to
get easier there. (c) The evaluation loss lies below the median train loss around it every time, past
the first epoch too, by two standard errors, and by 5 % of the loss on the whole (and twice the
evaluation's own sampling error where the log has per-example losses). That has innocent causes as
well, so a level only ever warns. A train loss that is all along the same multiple of the evaluation's, twice
it or more, is no overlap but a sum over accumulated batches, and called so.

Source: (a) needs none; (b) follows from CV07; (c) margins are ours, heuristic.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.core import Check, Finding, Message, Status, say
from doneness.diagnose import epochs
from doneness.diagnose.case import Case

CODE = "CV08"
_LEAST_EVALS, _LEAST_LATER, _LEAST_TRAIN = 3, 2, 3
_MOST_EVALS = 200  # more say nothing more
_SHARE, _ERRORS = 0.05, 2.0
_LEAST_EDGE = 4  # evaluations on either side of an edge
_LIKE_TRAIN = 0.5
_SUMMED, _STEADY = 1.8, 0.1  # times; spread of the log ratio: a sum over batches is a fixed multiple, a leak grows


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    return None if case.loss.size or _named(case)[1] else say("diagnose.missing.evals")


def _judge(case: Case) -> Finding:
    named = _same_names(case) or _follows(case)
    if named is not None:
        return named
    held = _held(case)
    if held is None:
        few = say("diagnose.cv08.few", evals=int(case.loss.size), needed=_LEAST_EVALS)
        return Finding(CODE, Status.UNSURE, few, n=int(case.loss.size))
    numbers = {"share": held.share, "change": -held.share, "evals": held.evals}
    scale, limit = held.share * held.level, max(_SHARE * held.level, _ERRORS * _sampling(case))
    if held.below and scale > limit and held.later >= _LEAST_LATER:
        key, told = "below", say("diagnose.cv08.advice")
        if held.times >= _SUMMED:
            key, numbers["times"] = "summed", held.times
            told = say("diagnose.cv08.summed_advice")
        return Finding(
            CODE, Status.WARN, say(f"diagnose.cv08.{key}", **numbers), scale, None, limit, held.evals, advice=told
        )
    return Finding(CODE, Status.PASS, say("diagnose.cv08.fine", **numbers), scale, None, limit, held.evals)


def _sampling(case: Case) -> float:
    """Standard error of the evaluation's level, by its examples: a small set may be an easy one. 0 if unknown."""
    table = case.table
    if table is None:
        return 0.0
    # The set's mean is a ratio of sums, as in the paired tests.
    away = table.nll[-1] - table.mean[-1] * table.tokens
    return float(np.sqrt((away**2).sum()) / table.tokens.sum())


def _named(case: Case) -> tuple[set[str], set[str]]:
    """Files or data sets that the run names for training and for evaluation."""
    recipe = case.run.meta.get("recipe")
    data: Any = recipe.get("data") if isinstance(recipe, Mapping) else None
    told = data if isinstance(data, Mapping) else {}
    train = _names((told.get("train"), case.run.meta.get("train_data")))
    return train, _names((told.get("eval"), case.run.meta.get("eval_data")))


def _names(values: Iterable[Any]) -> set[str]:
    parts = [part.strip() for value in values if isinstance(value, str) for part in value.split(",")]
    return {os.path.normpath(part) for part in parts if part}


def _same_names(case: Case) -> Finding | None:
    train, evaluation = _named(case)
    shared = sorted(train & evaluation)
    if not shared:
        return None
    whole = evaluation <= train
    status, key = (Status.FAIL, "named") if whole else (Status.WARN, "named_part")
    message = say(f"diagnose.cv08.{key}", name=shared[0], count=len(shared), sets=len(evaluation))
    advice = say("diagnose.cv08.advice")
    return Finding(CODE, status, message, float(len(shared)), None, 0.0, len(evaluation), advice=advice)


def _follows(case: Case) -> Finding | None:
    """The evaluation's own staircase, where there is one like that of the train loss."""
    train, evaluation = case.run.train, case.run.evals
    if train is None or evaluation is None or not case.loss.size:
        return None
    other = epochs.drops(case, evaluation, _LEAST_EDGE)
    if other is None or not epochs.certain(other):
        return None
    climbed = epochs.drops(case, train, 10)
    if climbed is None or not epochs.certain(climbed):
        return None
    edges = {d.edge for d in other.drops}
    like = sum(d.size for d in climbed.drops if d.edge in edges)
    if other.total < _LIKE_TRAIN * like:
        return None
    numbers = {"fall": other.total / other.level, "train": like / climbed.level, "edges": len(edges)}
    return Finding(
        CODE,
        Status.WARN,
        say("diagnose.cv08.follows", **numbers),
        other.total,
        other.interval(),
        _LIKE_TRAIN * like,
        other.rows,
        advice=say("diagnose.cv08.advice"),
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """Evaluation losses held against the train losses around them; `later` counts those past the first epoch.

    `times` is how many times the evaluation's the train loss is, where that is the same all along; else 0.
    """

    share: float
    below: bool
    evals: int
    later: int
    level: float
    times: float


def _held(case: Case) -> _Held | None:
    step, value = case.train
    trained = case.step > 0
    at, loss = case.step[trained], case.loss[trained]
    if at.size < _LEAST_EVALS:
        return None
    reach = float(np.median(np.diff(at, prepend=0))) / 2.0
    if at.size > _MOST_EVALS:
        some = np.unique(np.linspace(0, at.size - 1, _MOST_EVALS).round().astype(np.int64))
        at, loss = at[some], loss[some]
    gaps, sure, kept, levels, ratios = [], [], [], [], []
    begins, ends = np.searchsorted(step, at - reach), np.searchsorted(step, at + reach, side="right")
    for here, evaluated, begin, end in zip(at, loss, begins, ends, strict=True):
        near = value[begin:end]
        if near.size < _LEAST_TRAIN:
            continue
        middle = float(np.median(near))
        # 1.2533 is what a median's error is to a mean's.
        error = 1.2533 * 1.4826 * float(np.median(np.abs(near - middle))) / np.sqrt(near.size)
        gaps.append((middle - evaluated) / (abs(middle) or 1.0))
        sure.append(middle - evaluated > _ERRORS * np.hypot(error, case.noise))
        kept.append(here)
        levels.append(abs(middle))
        ratios.append(np.log(middle / evaluated) if middle > 0 and evaluated > 0 else np.nan)
    if len(gaps) < _LEAST_EVALS:
        return None
    first = epochs.edge_step(case, 1) if epochs.done(case) is not None else None
    later = sum(first is not None and here > first for here in kept)
    level = float(np.median(levels)) or 1.0
    return _Held(float(np.median(gaps)), all(sure), len(gaps), later, level, _multiple(np.array(ratios)))


def _multiple(ratios: NDArray[np.float64]) -> float:
    """The steady multiple behind log ratios; 0 where they wander, or drift from the first third to the last."""
    middle, third = float(np.median(ratios)), max(1, ratios.size // 3)
    drift = abs(float(np.median(ratios[-third:]) - np.median(ratios[:third])))
    spread = float(np.median(np.abs(ratios - middle)))
    return float(np.exp(middle)) if spread < _STEADY and drift < 2.0 * _STEADY else 0.0


CHECK: Check[Case] = Check(CODE, _judge, _missing)
