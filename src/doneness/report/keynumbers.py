"""The three numbers behind the verdict: the loss kept, what came after it, and what going on would buy."""

from __future__ import annotations

import math
from dataclasses import replace

from doneness.core import Diagnosis, Status, Verdict, tr
from doneness.report import checkpoints
from doneness.report.curve import Curve, EvalPoint, judged_run
from doneness.report.numbers import ABSENT, between, compact, count, duration, percent, plain, signed
from doneness.report.span_rows import span_title
from doneness.report.view import KeyNumber
from doneness.runs import Run

_RISING = (Verdict.OVERFITTING, Verdict.DIVERGED)
_BY_REWARD = ("PF01", "RL01")
_NOTHING = 1e-9  # nats; a change has no share of a loss this small


def key_numbers(run: Run, diagnosis: Diagnosis, curve: Curve) -> tuple[KeyNumber, ...]:
    """Always three; a number that cannot be known is a dash with the reason."""
    run = judged_run(run, diagnosis)
    step = curve.chosen if curve.chosen is not None else checkpoints.best_step(diagnosis, curve.evals)
    point = next((e for e in curve.evals if e.step == step), None)
    level, change = _level(curve, point), _change(run, curve, point)
    if curve.span:
        of = span_title(curve.span)
        level, change = (
            replace(each, label=tr("report.key.of_span", label=each.label, span=of)) for each in (level, change)
        )
    return level, change, _gain(run, diagnosis)


def rising(diagnosis: Diagnosis) -> bool:
    """Whether the verdict says that the loss rises, so that there is nothing to forecast; rewards say nothing of it."""
    by_reward = any(f.code in _BY_REWARD and f.status is not Status.SKIPPED for f in diagnosis.findings)
    return diagnosis.verdict in _RISING and not by_reward


def _level(curve: Curve, point: EvalPoint | None) -> KeyNumber:
    if point is not None:
        label = tr("report.key.loss", step=count(point.step))
        if point.low is None or point.high is None:
            return KeyNumber(label, plain(point.loss), tr("report.key.no_interval"))
        detail = tr("report.key.interval", interval=between(plain(point.low), plain(point.high)), n=count(point.n))
        return KeyNumber(label, plain(point.loss), detail)
    if curve.trend is not None:
        label = tr("report.key.train_loss", step=count(curve.trend.step[-1]))
        return KeyNumber(label, plain(float(curve.trend.value[-1])), tr("report.key.train_only"))
    if curve.raw.step.size:
        label = tr("report.key.train_loss", step=count(curve.raw.step[-1]))
        return KeyNumber(label, plain(float(curve.raw.value[-1])), tr("report.key.train_few"))
    return KeyNumber(tr("report.key.no_loss"), ABSENT, tr("report.key.nothing_logged"))


def _change(run: Run, curve: Curve, point: EvalPoint | None) -> KeyNumber:
    if point is None or len(curve.evals) < 2:
        return KeyNumber(tr("report.key.change"), ABSENT, tr("report.key.one_eval"))
    last = curve.evals[-1]
    # Where the kept step is the last one, the way that led to it is what there is to say.
    now, then = (last, point) if last.step != point.step else (point, curve.evals[0])
    label = tr("report.key.change_between", first=count(then.step), last=count(now.step))
    effect = checkpoints.effect(run, now.step, then.step)
    if effect is None or effect.n < 2 or not math.isfinite(effect.se):
        return KeyNumber(label, _share(now.loss - then.loss, then.loss), tr("report.key.unpaired"))
    low, high = (_share(v, then.loss) for v in effect.interval(0.95))
    value = _share(effect.diff, then.loss)
    return KeyNumber(label, value, tr("report.key.paired", interval=between(low, high), n=count(effect.n)))


def _share(change: float, level: float) -> str:
    """`change` as a share of `level`; in nats where the level is nothing."""
    if abs(level) < _NOTHING:
        return tr("report.unit.nats", value=signed(change))
    return percent(change / level, sign=True)


def _gain(run: Run, diagnosis: Diagnosis) -> KeyNumber:
    cast = diagnosis.forecast
    if cast is None or abs(cast.level) < _NOTHING or not math.isfinite(cast.gain):
        why = "rising" if rising(diagnosis) else "no_forecast"
        return KeyNumber(tr("report.key.gain"), ABSENT, tr(f"report.key.{why}"))
    # A gain is a fall of the loss; it is shown as the change of the loss, like the number beside it.
    low, high = sorted((-cast.interval[0] / cast.level, -cast.interval[1] / cast.level))
    # No forecast can promise more than all of the loss.
    low, most = (max(low, -1.0), -1.0) if cast.level > 0 else (low, -math.inf)
    interval = between(percent(low, sign=True), percent(high, sign=True))
    detail = tr("report.key.forecast", interval=interval, steps=count(cast.horizon - run.last_step))
    costs = []
    if cast.tokens is not None:
        costs.append(tr("report.key.tokens", n=compact(cast.tokens)))
    if cast.seconds is not None:
        costs.append(duration(cast.seconds))
    if costs:
        detail += tr("report.list_comma") + tr("report.list_comma").join(costs)
    label = tr("report.key.gain_to", step=count(cast.horizon))
    return KeyNumber(label, percent(max(-cast.gain / cast.level, most), sign=True), detail)
