"""What more rows bring: runs on ever larger parts of one set, judged on the same held-out rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.curves.paired import PairedEffect, paired_effect
from doneness.curves.student import t_quantile
from doneness.sanity.power import Power, fit_power

Floats = NDArray[np.float64]

_SURE = 0.95
_LEARNT = 0.5  # nats per token: a train loss so far below the held-out one has been learnt by heart


@dataclass(frozen=True, slots=True)
class Climb:
    """One run of the ladder at its lowest evaluation.

    Attributes:
        rows, seed: what was trained on, and by which seed rows and order were drawn.
        step, tokens: of that evaluation.
        planned: steps planned.
        loss: held-out, nats per target token.
        train: median training loss around that step, nats per target token.
        nll, targets: of each held-out row; shape (n,).
        hours: that the run took until then.
    """

    rows: int
    seed: int
    step: int
    planned: int
    tokens: float
    loss: float
    train: float
    nll: Floats
    targets: Floats
    hours: float


@dataclass(frozen=True, slots=True)
class Rung:
    """All runs on so many rows.

    Attributes:
        rows, runs: how many.
        loss, spread: mean of the runs, and their standard deviation (NaN for one run).
        train: mean training loss there.
        step, tokens: means.
        gain: fall against the rung below, over the same rows; None for the lowest.
        interval: its 95 % interval, noise of seeds included; None where that is not known.
    """

    rows: int
    runs: int
    loss: float
    spread: float
    train: float
    step: float
    tokens: float
    gain: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Ladder:
    """What the rungs tell together.

    Attributes:
        rungs: from few rows to many.
        noise: standard deviation of a run by its seed, pooled; NaN where no rung has two runs.
        power: the law through them, where there are three rungs.
        word: rises (more rows pay), flat (they do not), worse, or unsure.
        hours: that a thousand rows take, at the measured pace and the largest rung's epochs.
        repeats: share of rows that repeat another, word for word.
        floor: that contradictory rows leave, nats per target token.
        whole: rows of the whole set.
        matters: the smallest gain that matters, nats per target token.
    """

    rungs: tuple[Rung, ...]
    noise: float
    power: Power | None
    word: str
    hours: float
    repeats: float
    floor: float
    whole: int
    matters: float

    @property
    def by_heart(self) -> bool:
        """Whether the largest rung's training loss lies far below its held-out loss."""
        top = self.rungs[-1]
        return top.loss - top.train > _LEARNT


def climb(runs: Sequence[Climb], whole: int, matters: float, repeats: float, floor: float) -> Ladder:
    """Put runs together; they share their held-out rows.

    Args:
        runs: one for each rung and seed.
        whole: rows of the whole set.
        matters: the smallest gain that matters, nats per target token.
        repeats, floor: see `Ladder`.
    """
    sizes = sorted({run.rows for run in runs})
    groups = [[run for run in runs if run.rows == size] for size in sizes]
    noise = _noise(groups)
    rungs: list[Rung] = []
    for at, group in enumerate(groups):
        effect = None if at == 0 else _paired(group, groups[at - 1])
        gain, interval = None, None
        if effect is not None:
            gain = -effect.diff
            error = math.hypot(effect.se, noise * math.sqrt(1 / len(group) + 1 / len(groups[at - 1])))
            # The noise of seeds is known from few runs: their degrees of freedom, not those of the rows, count.
            free = sum(len(each) - 1 for each in groups)
            if math.isfinite(error) and free:
                half = t_quantile(0.5 + _SURE / 2.0, float(min(free, effect.n - 1))) * error
                interval = (gain - half, gain + half)
        losses = np.array([run.loss for run in group])
        rungs.append(
            Rung(
                rows=sizes[at],
                runs=len(group),
                loss=float(losses.mean()),
                spread=float(losses.std(ddof=1)) if losses.size > 1 else math.nan,
                train=float(np.mean([run.train for run in group])),
                step=float(np.mean([run.step for run in group])),
                tokens=float(np.mean([run.tokens for run in group])),
                gain=gain,
                interval=interval,
            )
        )
    top = groups[-1]
    pace = float(np.mean([run.hours / max(run.step, 1) * run.planned for run in top])) / sizes[-1] * 1000.0
    power = None
    if not math.isnan(noise):
        power = fit_power(np.array([float(r.rows) for r in runs]), np.array([r.loss for r in runs]), noise)
    return Ladder(tuple(rungs), noise, power, _word(rungs, matters), pace, repeats, floor, whole, matters)


def _paired(group: Sequence[Climb], below: Sequence[Climb]) -> PairedEffect:
    """The mean of a rung's runs against that of the rung below, row by row."""
    mean, other = (np.mean([run.nll for run in each], axis=0) for each in (group, below))
    return paired_effect(mean, other, group[0].targets)


def _noise(groups: Sequence[Sequence[Climb]]) -> float:
    """Standard deviation of a run's loss within its rung, pooled over rungs; NaN where no rung has two runs."""
    squares, free = 0.0, 0
    for group in groups:
        losses = np.array([run.loss for run in group])
        squares += float(((losses - losses.mean()) ** 2).sum())
        free += losses.size - 1
    return math.sqrt(squares / free) if free else math.nan


def _word(rungs: Sequence[Rung], matters: float) -> str:
    """By the last step of the ladder, which is the nearest to what more rows would do."""
    interval = rungs[-1].interval
    if interval is None:
        return "unsure"
    low, high = interval
    if high < 0.0:
        return "worse"
    if high < matters:
        return "flat"
    return "rises" if low > 0.0 else "unsure"
