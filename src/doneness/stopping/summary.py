"""Averages of a rule over many past runs, with intervals that know which runs belong together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from doneness.stopping.outcome import Replayed

FEWEST = 5  # groups; of fewer a bootstrap says less than it seems to
HARM = 0.01  # a share of the loss; forgoing more is counted as harm
_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over runs, each group weighing the same.

    Attributes:
        value: the mean; None where no run tells it.
        interval: 95 %, bootstrap over groups; None for fewer than five groups or where all are alike.
        n: runs that tell it.
    """

    value: float | None
    interval: tuple[float, float] | None
    n: int


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """What one rule would have done over many runs.

    Attributes:
        rule: its name.
        runs, groups: how many of each.
        stopped: runs that it would have ended early.
        share_run: of the steps trained.
        forgone: least loss up to the stop minus least loss of the run, nats.
        forgone_share: the same as a share of the run's least loss.
        harmed: runs that forgo more than one percent.
        saved_steps: summed over all runs.
        saved_seconds: summed over the `timed` runs whose log has a clock.
    """

    rule: str
    runs: int
    groups: int
    stopped: int
    share_run: Mean
    forgone: Mean
    forgone_share: Mean
    harmed: int
    saved_steps: int
    saved_seconds: float
    timed: int


def summarise(outcomes: Sequence[Replayed], groups: Sequence[str], seed: int = 0) -> RuleSummary:
    """Average one rule over runs.

    Args:
        outcomes: of one rule, one for each run; at least one.
        groups: what each run belongs to (its repository, its folder); runs of one group are alike, so the
            groups are resampled, not the runs, and a group of many weighs no more than one of few.
        seed: of the bootstrap.

    Raises:
        ValueError: nothing to average, or lengths differ.
    """
    if not outcomes or len(outcomes) != len(groups):
        raise ValueError(f"one group for each of at least one outcome is needed, got {len(groups)}/{len(outcomes)}")

    def mean(of: Callable[[Replayed], float | None]) -> Mean:
        told = [(group, value) for group, each in zip(groups, outcomes, strict=True) if (value := of(each)) is not None]
        by_group: dict[str, list[float]] = {}
        for group, value in told:
            by_group.setdefault(group, []).append(value)
        return _mean([float(np.mean(values)) for values in by_group.values()], len(told), seed)

    timed = [each.saved_seconds for each in outcomes if each.saved_seconds is not None]
    return RuleSummary(
        rule=outcomes[0].rule,
        runs=len(outcomes),
        groups=len(set(groups)),
        stopped=sum(each.saved_steps > 0 for each in outcomes),
        share_run=mean(lambda each: each.share_run),
        forgone=mean(lambda each: each.forgone),
        forgone_share=mean(lambda each: each.forgone_share),
        harmed=sum((each.forgone_share or 0.0) > HARM for each in outcomes),
        saved_steps=sum(each.saved_steps for each in outcomes),
        saved_seconds=float(sum(timed)),
        timed=len(timed),
    )


def _mean(values: list[float], n: int, seed: int) -> Mean:
    if not values:
        return Mean(None, None, 0)
    found = np.asarray(values, dtype=np.float64)
    if found.size < FEWEST or float(np.ptp(found)) == 0.0:
        return Mean(float(found.mean()), None, n)
    drawn = np.random.default_rng(seed).integers(0, found.size, size=(_DRAWS, found.size))
    low, high = np.quantile(found[drawn].mean(axis=1), (0.025, 0.975))
    return Mean(float(found.mean()), (float(low), float(high)), n)
