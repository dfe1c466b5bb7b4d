"""What the losses and metrics read as for the task: context for people, never part of a verdict."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from doneness.core import Message, say
from doneness.curves import critical_turn, turning
from doneness.curves.shares import wilson
from doneness.curves.turning import MIN_POINTS
from doneness.diagnose.case import Case
from doneness.runs import Series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST = 8
_OVERFLOW = 50.0  # exp beyond is no perplexity anybody reads
_LANGUAGE = {"causal-lm", "seq2seq", "masked-lm"}
_TEXT_METHODS = {"sft", "pretrain"}
_QUIET = re.compile(r"^span/|loss|runtime|per_second|num_tokens|^epoch$|^step$|entropy|^logits|^logps|^rewards")
# The last part of a metric's name says which way is better; others are shown without a judgement.
_HIGHER = re.compile(
    r"acc|accuracy|mean_token_accuracy|f1|f1_\w+|\w+_f1|precision|recall|rouge\w*|bleu\w*|meteor|chrf|exact_match|exact|em|"
    r"auc|roc_auc|mcc|matthews_correlation|pearson|pearsonr|spearman|spearmanr|r2|r2_score|r_squared|reward"
)
_LOWER = re.compile(
    r"wer|cer|ter|mse|mae|rmse|mean_squared_error|mean_absolute_error|perplexity|ppl|bpb|bpc|teacher_kl"
)
_PROPORTIONS = re.compile(r"acc|accuracy|exact_match|exact|em")
_RISE = 0.01  # of the lowest loss; less is not worth a line
_SET = re.compile(r"eval:.+/loss")
_MSE = re.compile(r"mse|mean_squared_error")
_RMSE = re.compile(r"rmse")


def readings(case: Case) -> tuple[Message, ...]:
    """Perplexity, guessing level, metrics with their directions, and where loss and metric disagree.

    Of preference and reinforcement learning, whose losses measure nothing of the kind, only that the
    evaluation loss turned upwards.
    """
    return tuple(islice(_of_preference(case) if case.preference else _all(case), _MOST))


def _of_preference(case: Case) -> Iterator[Message]:
    turned = _turned(case, case.step, case.loss)
    if turned is not None:
        yield say("diagnose.reading.preference_turned", step=turned[0], share=turned[1])


def _other_sets(case: Case) -> Iterator[Message]:
    """Evaluation sets beside the main one whose loss turned upwards: the verdict does not look at them."""
    sets = {name[len("eval:") : -len("/loss")]: s for name, s in case.run.series.items() if _SET.fullmatch(name)}
    main = next((name for name, column in sets.items() if _same(column, case.run.evals)), None)
    for name, column in sets.items():
        keep = np.isfinite(column.value)
        turned = None if name == main else _turned(case, column.step[keep], column.value[keep])
        if turned is not None:
            decides = say("diagnose.reading.main_set") if main is None else main
            yield say("diagnose.reading.set_turned", name=name, step=turned[0], share=turned[1], main=decides)


def _same(column: Series, other: Series | None) -> bool:
    """Whether a set's losses are those that stand for the run."""
    if other is None or not np.array_equal(column.step, other.step):
        return False
    return bool(np.array_equal(column.value, other.value, equal_nan=True))


def _turned(case: Case, step: Ints, loss: Floats) -> tuple[int, float] | None:
    """Step of the lowest loss, and the rise since as a share of it, where two looks in a row show a turn upwards."""
    n = int(loss.size)
    if n <= MIN_POINTS:
        return None
    low = int(np.argmin(loss))
    share = float(loss[-1] - loss[low]) / (abs(float(loss[low])) or 1.0)
    if share <= _RISE:
        return None
    looks = (turning(step[:count], loss[:count]) for count in (n - 1, n))
    critical = (critical_turn(n, case.params.watched, earlier) for earlier in (True, False))
    certain = all(turn is not None and turn.strength > least for turn, least in zip(looks, critical, strict=True))
    return (int(step[low]), share) if certain else None


def _all(case: Case) -> Iterator[Message]:
    yield from _other_sets(case)
    yield from _perplexity(case)
    yield from _guessing(case)
    yield from _variance(case)
    for name, column in case.run.series.items():
        key = _metric(name)
        if key is not None:
            yield from _of_metric(case, key, column)


def _perplexity(case: Case) -> Iterator[Message]:
    if not _is_text(case) or not case.loss.size:
        return
    best = int(np.argmin(case.loss))
    low, last = float(case.loss[best]), float(case.loss[-1])
    if low >= 0.0 and last < _OVERFLOW:
        numbers = {"best": math.exp(low), "step": int(case.step[best]), "last": math.exp(last)}
        yield say("diagnose.reading.perplexity", **numbers)


def _is_text(case: Case) -> bool:
    """Whether the loss is one of tokens: the log or the files beside it say so."""
    meta = case.run.meta
    told = meta.get("task")
    if told is not None:
        return told in _LANGUAGE
    method = str(meta.get("method", "")).lower()
    tokens = any(name.endswith("mean_token_accuracy") for name in case.run.series)
    return method in _TEXT_METHODS or tokens or case.run.number("vocab_size") is not None


def _guessing(case: Case) -> Iterator[Message]:
    classes = case.run.number("classes")
    if classes is None or classes < 2 or not case.loss.size:
        return
    level, guess = float(case.loss.min()), math.log(classes)
    yield say("diagnose.reading.guessing", loss=level, guess=guess, classes=int(classes))


def _variance(case: Case) -> Iterator[Message]:
    """The mean squared error against that of always answering the mean."""
    variance = case.run.number("target_variance")
    if variance is None or variance <= 0:
        return
    named = {key: s for name, s in case.run.series.items() if (key := _metric(name)) is not None}
    squared = next((s.value for key, s in named.items() if _MSE.fullmatch(key)), None)
    roots = next((s.value for key, s in named.items() if _RMSE.fullmatch(key)), None)
    error = squared if squared is not None else None if roots is None else roots**2
    if error is None or not np.isfinite(error).any():
        return
    least = float(np.nanmin(error[np.isfinite(error)]))
    numbers = {"mse": least, "rmse": math.sqrt(max(least, 0.0)), "variance": variance, "r2": 1.0 - least / variance}
    yield say("diagnose.reading.variance", **numbers)


def _metric(name: str) -> str | None:
    """The plain name of a metric of the main evaluation; None for what is none."""
    if not name.startswith("eval/"):
        return None
    key = name.removeprefix("eval/").lower()
    return None if _QUIET.search(key) else key


def _direction(key: str) -> int:
    """1 where higher is better, −1 where lower is, 0 where nothing here knows."""
    last = re.split(r"[/:]", key)[-1]
    return 1 if _HIGHER.fullmatch(last) else -1 if _LOWER.fullmatch(last) else 0


def _of_metric(case: Case, key: str, column: Series) -> Iterator[Message]:
    keep = np.isfinite(column.value)
    step, value = column.step[keep], column.value[keep]
    if not value.size:
        return
    way = _direction(key)
    if way == 0:
        yield say("diagnose.reading.unknown", name=key, first=float(value[0]), last=float(value[-1]))
        return
    best = int(np.argmax(way * value))
    numbers = {"name": key, "best": float(value[best]), "step": int(step[best]), "last": float(value[-1])}
    yield say(f"diagnose.reading.{'higher' if way > 0 else 'lower'}", **numbers)
    at = np.flatnonzero(step == case.step[int(np.argmin(case.loss))]) if case.loss.size else np.zeros(0, dtype=int)
    if not at.size or value[at[0]] == value[best]:
        return
    told = {"name": key, "step": int(step[at[0]]), "best": int(step[best])}
    told |= {"gap": abs(float(value[best] - value[at[0]]))}
    yield say("diagnose.reading.disagree", worth=_worth(case, key, float(value[best])), **told)


def _worth(case: Case, key: str, best: float) -> Message:
    """How little one difference between two evaluations means."""
    rows = case.run.number("eval_rows")
    share = best / 100.0 if best > 1.0 else best
    if rows is None or rows < 1 or not _PROPORTIONS.fullmatch(re.split(r"[/:]", key)[-1]) or not 0.0 <= share <= 1.0:
        return say("diagnose.reading.rows_unknown")
    scale = 100.0 if best > 1.0 else 1.0
    low, high = wilson(share * rows, int(rows))
    return say("diagnose.reading.rows_known", n=int(rows), half=scale * (high - low) / 2.0)
