"""RN01: the run is broken.

What it finds: NaN or infinite losses (also those a trainer logs as 0.0), a loss worse than
guessing before training, evaluation without target tokens, a loss near zero at once (the answer
leaks into the prompt, or labels are masked), nothing but losses of exactly 0.0, gradients or a learning
rate that are exactly zero, a loss that is the same number in every row.

How: plain comparisons, no statistics. A fault that has passed (a single overflow, or the first rows
of a short log) is a warning.

Source: chance level ln V; `logging_nan_inf_filter` of transformers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.curves import theil_sen
from doneness.diagnose.case import Case
from doneness.runs import GRAD_NORM, LEARNING_RATE, TRAIN_LOSS, Series

CODE = "RN01"
Floats = NDArray[np.float64]
_LEAK, _LEAK_STEPS, _FAR = 0.01, 20, 10.0
_ZERO_GRADS = 5
_RECOVERED = 5  # finite rows after the last fault
_RARE = 0.05
_SINCE = 2  # finite rows after faults of the first rows of a short log
_FELL = 0.9
_STUCK, _DIGITS = 10, 3  # rows that cannot all be alike by chance; significant digits that would show a change


def _missing(case: Case) -> Message | None:
    return None if case.run.train is not None or case.run.evals is not None else say("diagnose.missing.loss")


def _judge(case: Case) -> Finding:
    tests: tuple[Callable[[Case], Finding | None], ...] = (
        _not_finite,
        _hidden,
        _no_targets,
        _chance,
        _zeros,
        _leak,
        _no_gradient,
        _no_rate,
        _constant,
    )
    found = [finding for test in tests if (finding := test(case)) is not None]
    worst = next((f for f in found if f.status is Status.FAIL), found[0] if found else None)
    if worst is not None:
        return worst
    rows = sum(len(s) for s in (case.run.train, case.run.evals) if s is not None)
    return Finding(CODE, Status.PASS, say("diagnose.rn01.fine", rows=rows), n=rows)


def _not_finite(case: Case) -> Finding | None:
    found = list(_of_columns(case))
    return next((f for f in found if f.status is Status.FAIL), found[0] if found else None)


def _of_columns(case: Case) -> Iterator[Finding]:
    for name in ("train", "eval"):
        column = case.run.train if name == "train" else case.run.evals
        if column is None or not len(column):
            continue
        bad = ~np.isfinite(column.value)
        if bad.any():
            step = int(column.step[bad][0])
            label = say(f"diagnose.rn01.of_{name}")
            message = say("diagnose.rn01.nan", step=step, count=int(bad.sum()), rows=len(column), which=label)
            status = _severity(bad) if name == "train" else _of_evaluations(case, bad)
            passed = name == "train" and status is Status.WARN and bool(bad[0])
            advice = "diagnose.rn01.nan_passed_advice" if passed else _nan_advice(case, name, bool(bad[0]))
            yield _fault(message, step, status, int(bad.sum()), advice)


def _nan_advice(case: Case, name: str, from_start: bool) -> str:
    """What to do about NaN; no checkpoint before the first row is good."""
    if not from_start:
        return "diagnose.rn01.nan_advice"
    sound = name == "eval" and case.train[1].size > 0
    return "diagnose.rn01.nan_eval_advice" if sound else "diagnose.rn01.nan_first_advice"


def _hidden(case: Case) -> Finding | None:
    steps = [e.step for e in case.run.events if e.kind == "hidden_nan"]
    train = case.run.train
    if not steps or train is None:
        return None
    bad = np.isin(train.step, steps)
    message = say("diagnose.rn01.hidden_nan", step=steps[0], count=len(steps), rows=len(train))
    return _fault(message, steps[0], _severity(bad), len(steps), "diagnose.rn01.nan_advice")


def _no_targets(case: Case) -> Finding | None:
    for losses in case.run.examples[-1:]:
        if losses.tokens.size and int(losses.tokens.sum()) == 0:
            message = say("diagnose.rn01.no_targets", step=losses.step, rows=int(losses.tokens.size))
            return _fault(message, losses.step, Status.FAIL, int(losses.tokens.size), "diagnose.rn01.no_targets_advice")
    train = case.run.train
    if train is not None and len(train) and np.isfinite(train.targets[-1]) and train.targets[-1] == 0:
        message = say("diagnose.rn01.no_train_targets", step=int(train.step[-1]))
        return _fault(message, int(train.step[-1]), Status.FAIL, len(train), "diagnose.rn01.no_targets_advice")
    return None


def _chance(case: Case) -> Finding | None:
    vocab = case.run.number("vocab_size")
    if vocab is None or vocab < 2 or case.preference:
        return None
    first = [(int(s), float(v)) for s, v in zip(case.step[:1], case.loss[:1], strict=True) if s == 0]
    first += [(int(s), float(v)) for s, v in zip(case.train[0][:1], case.train[1][:1], strict=True) if s <= 1]
    limit = math.log(vocab) + 1.0
    for step, value in first:
        if value > limit:
            message = say("diagnose.rn01.chance", step=step, loss=value, chance=math.log(vocab), vocab=int(vocab))
            return _fault(message, step, Status.FAIL, 1, "diagnose.rn01.chance_advice", value, limit)
    return None


def _zeros(case: Case) -> Finding | None:
    """Not one loss other than 0.0: what is logged may be no loss at all."""
    step, value = case.train
    n = int(value.size + case.loss.size)
    if case.preference or not n or value.any() or case.loss.any():
        return None
    at = int((step if value.size else case.step)[0])
    return _fault(say("diagnose.rn01.zeros", rows=n), at, Status.FAIL, n, "diagnose.rn01.zeros_advice", 0.0)


def _leak(case: Case) -> Finding | None:
    step, value = case.train
    early = value[step <= _LEAK_STEPS]
    # An evaluation far from zero says that the train rows are known by heart, not that answers leak.
    by_heart = case.loss.size > 0 and float(np.median(case.loss)) >= _FAR * _LEAK
    if (
        case.preference
        or by_heart
        or not early.size
        or np.median(early) >= _LEAK
        or any(e.kind == "hidden_nan" for e in case.run.events)
    ):
        return None
    at = int(step[step <= _LEAK_STEPS][-1])
    message = say("diagnose.rn01.leak", step=at, loss=float(np.median(early)))
    return _fault(
        message, at, Status.FAIL, int(early.size), "diagnose.rn01.leak_advice", float(np.median(early)), _LEAK
    )


def _no_gradient(case: Case) -> Finding | None:
    column: Series | None = case.run.series.get(GRAD_NORM)
    if column is None or len(column) < _ZERO_GRADS or case.preference or TRAIN_LOSS not in case.run.series:
        return None
    moved = np.flatnonzero(column.value != 0.0)
    since = int(moved[-1]) + 1 if moved.size else 0
    if len(column) - since < _ZERO_GRADS or _moves(case, int(column.step[since])):
        return None
    message = say("diagnose.rn01.no_gradient", step=int(column.step[-1]), rows=_ZERO_GRADS)
    return _fault(message, int(column.step[-1]), Status.FAIL, _ZERO_GRADS, "diagnose.rn01.no_gradient_advice")


def _moves(case: Case, since: int) -> bool:
    """Whether the train loss falls for certain from a step on: gradients printed with few digits show as 0."""
    step, value = case.train
    slope = theil_sen(step[step >= since], value[step >= since], level=0.9)
    return slope is not None and slope.high < 0.0


def _no_rate(case: Case) -> Finding | None:
    """A learning rate of zero in every row: nothing is trained, whatever the losses do."""
    column = case.run.series.get(LEARNING_RATE)
    if column is None or len(column) < _STUCK or column.value.any() or _falls(case.train[1]):
        return None
    message = say("diagnose.rn01.no_rate", rows=len(column))
    return _fault(message, int(column.step[0]), Status.FAIL, len(column), "diagnose.rn01.no_rate_advice", 0.0)


def _falls(value: Floats) -> bool:
    """Whether a loss fell so far that something was trained: a rate printed with few digits shows as 0."""
    return value.size >= _STUCK and float(np.median(value[-_STUCK:])) < _FELL * float(np.median(value[:3]))


def _constant(case: Case) -> Finding | None:
    """The same loss in every row: batches differ, so a model that computes it does not see them."""
    step, value = case.train
    if case.preference or value.size < _STUCK or bool((value != value[0]).any()):
        return None
    # A log that keeps two digits hides what moves in the third.
    if len(f"{float(value[0]):g}".replace(".", "").strip("-0")) < _DIGITS:
        return None
    if case.loss.size and bool((case.loss != case.loss[0]).any()):
        return None
    message = say("diagnose.rn01.constant", rows=int(value.size), loss=float(value[0]))
    return _fault(message, int(step[0]), Status.FAIL, int(value.size), "diagnose.rn01.constant_advice")


def _of_evaluations(case: Case, bad: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Status:
    """One evaluation that overflowed says little while the train losses are sound; two in a row do."""
    sound = case.run.train is not None and bool(np.isfinite(case.run.train.value).all())
    return Status.WARN if sound and not bad.all() and not bad[-2:].all() else Status.FAIL


def _severity(bad: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Status:
    """A rare fault that has passed is a warning; the last rows decide.

    Of few rows one is never rare: there a fault of the first ones alone has passed with two finite rows.
    """
    passed = not bad[-_RECOVERED:].any() and bad.size > _RECOVERED and bad.mean() <= _RARE
    if bad.size * _RARE <= 1.0:
        begun = int(np.argmin(bad))
        passed = passed or (not bad[begun:].any() and bad.size - begun >= _SINCE)
    return Status.WARN if passed else Status.FAIL


def _fault(
    message: Message,
    step: int,
    status: Status,
    n: int,
    advice: str,
    value: float | None = None,
    threshold: float | None = None,
) -> Finding:
    return Finding(CODE, status, message, value, None, threshold, n, Where(step=step), say(advice))


CHECK: Check[Case] = Check(CODE, _judge, _missing, required=True)
