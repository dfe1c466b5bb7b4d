"""Which checkpoint would be picked if all questions were asked, foreseen from those that were.

The answers that are missing are drawn, as if they came from where the answers so far did: whole clusters of questions
anew (`curves.resample`), with what is known counted as known. On each draw the rule of the choice is applied: the first
goal in which some checkpoint is shown better than base decides, among those equal to the best in it, or near it and
tied in loss; else the loss does; guards that show harm rule out. How often each checkpoint comes out is what further
questions could still change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from doneness.probe.picking import picked
from doneness.probe.scoring import Scored
from doneness.runs.probes import BASE

Floats = NDArray[np.float64]
_ALPHA = 0.05
_Z = NormalDist().inv_cdf(1 - _ALPHA / 2)
_UNSEEN = 0.5  # pseudo-answers: spread of a checkpoint whose answers are all alike


@dataclass(frozen=True)
class Foreseen:
    """How the choice would come out; shares of draws.

    Attributes:
        picked: by step; None for no checkpoint at all.
        best: by step, how often it is the one that the others are held against, in whatever goal decides.
    """

    picked: dict[int | None, float]
    best: dict[int, float]

    @property
    def likeliest(self) -> tuple[int | None, float]:
        """The step that is picked most often, with its share."""
        return max(self.picked.items(), key=lambda each: each[1])

    def matters(self, step: int) -> float:
        """Share of draws in which the choice would be another without that step."""
        return max(self.picked.get(step, 0.0), self.best.get(step, 0.0))


@dataclass(frozen=True)
class Drawn:
    """One behaviour on whole sets of questions.

    Attributes:
        levels: in the direction of the better; shape (draws, 1 + k), base first.
        errors: standard error of each checkpoint's difference to base on a whole set; shape (k,).
        apart: the same of the difference of two checkpoints; shape (k, k).
        margin: harm that still counts as the same.
    """

    levels: Floats
    errors: Floats
    apart: Floats
    margin: float

    @property
    def gains(self) -> Floats:
        """Over base; shape (draws, k)."""
        return self.levels[:, 1:] - self.levels[:, :1]


def foresee(
    scored: Sequence[Scored],
    steps: Sequence[int],
    whole: Sequence[int],
    tied: Sequence[int],
    goal: str | None = None,
    comparisons: int = 0,
) -> Foreseen | None:
    """How the choice would come out; None where nothing that decides was asked of all `steps`.

    Args:
        scored: the behaviours so far, base included, goals in their order.
        steps: the checkpoints to choose from.
        whole: for each of `scored`, how many questions bear on it once all are asked.
        tied: steps in the order in which loss alone would take them.
        goal: the behaviour that is to decide; by default those that are goals.
        comparisons: with base that the table will correct for, where it has more rows than those that decide.
    """
    drawn = [(s, drawn_whole(s, steps, n)) for s, n in zip(scored, whole, strict=True)]
    there = [(s.measure.behaviour, d) for s, d in drawn if d is not None]
    if not there:
        return None
    draws = len(there[0][1].levels)
    guards = [d for b, d in there if b.guard and b.better != "none"]
    out = _vetoed(guards, draws, len(steps))
    goals = [d for b, d in there if (b.name == goal if goal else b.goal)]
    pick = np.full(draws, -1)
    best = np.zeros((draws, len(steps)), dtype=bool)
    open_ = np.ones(draws, dtype=bool)
    order = {s: i for i, s in enumerate(steps)}
    prefer = [order[s] for s in tied if s in order]
    comparisons = max(1, comparisons, sum(d.errors.size for _, d in there))
    for each in goals:
        gains = np.where(out, -np.inf, each.gains)
        shown = (gains > _z(comparisons) * each.errors).any(axis=1) & open_
        top = gains.max(axis=1, keepdims=True)
        pick = np.where(shown, _first(gains, each, prefer), pick)
        best |= shown[:, None] & (gains == top)
        open_ &= ~shown
    left = ~out
    by_loss = np.full(draws, -1)
    for i in reversed(prefer):
        by_loss = np.where(left[:, i], i, by_loss)
    pick = np.where(open_, by_loss, pick)
    share: dict[int | None, float] = {s: float((pick == i).mean()) for s, i in order.items()}
    share_best = {s: float(best[:, i].mean()) for s, i in order.items()}
    return Foreseen({**share, None: float((pick < 0).mean())}, share_best)


def drawn_whole(scored: Scored, steps: Sequence[int], whole: int) -> Drawn | None:
    """Values on the whole set of questions, as far as they are open; None unless base and all `steps` were asked."""
    wanted = (BASE, *steps)
    if not scored.sign or any(s not in scored.steps for s in wanted):
        return None
    only = scored.only(wanted)
    asked = int(np.isfinite(only.values).all(axis=0).sum())
    if asked < 2 or not np.isfinite(only.levels).all():
        return None
    share = min(1.0, asked / max(whole, asked))
    levels, draws = only.sign * only.levels, only.sign * only.draws
    draws = np.where(np.isfinite(draws), draws, levels)
    spread = draws - levels
    # Answers that are all alike show no spread, which is not the same as having none.
    unseen = _unseen(only, asked) * np.random.default_rng([asked, len(steps)]).standard_normal(spread.shape)
    errors = np.hypot((spread[:, 1:] - spread[:, :1]).std(axis=0), np.sqrt(2.0) * _unseen(only, asked))
    apart = (spread[:, 1:, None] - spread[:, None, 1:]).std(axis=0)
    return Drawn(
        levels + np.sqrt(1.0 - share) * (spread + unseen),
        errors * np.sqrt(share),
        np.hypot(apart, np.sqrt(2.0) * _unseen(only, asked)) * np.sqrt(share),
        only.measure.behaviour.margin,
    )


def _unseen(only: Scored, asked: int) -> float:
    """Standard error of a mean that half an unseen answer of another kind among those asked would make."""
    scale = 1.0
    if only.measure.behaviour.unit != "share":
        finite = only.values[np.isfinite(only.values)]
        scale = float(finite.std()) if finite.size else 1.0
    return scale * float(np.sqrt(_UNSEEN / (asked + 1)) / np.sqrt(asked))


def _vetoed(guards: Sequence[Drawn], draws: int, steps: int) -> NDArray[np.bool_]:
    """Which checkpoints a guard rules out on each draw; shape (draws, k). Bonferroni for Holm: hardly later."""
    out = np.zeros((draws, steps), dtype=bool)
    strict = _z(len(guards) * steps)
    for each in guards:
        gain = each.gains
        out |= (gain + strict * each.errors < 0) & (gain - _Z * each.errors < -each.margin)
    return out


def _first(gains: Floats, goal: Drawn, prefer: Sequence[int]) -> NDArray[np.intp]:
    """The row that is picked on each draw, as `probe.choice` picks it; −1 for none."""
    tied = np.zeros(gains.shape[1], dtype=bool)
    tied[list(prefer)] = True
    return picked(gains, goal.apart, goal.margin, tied)


def _z(comparisons: int) -> float:
    return NormalDist().inv_cdf(1 - _ALPHA / 2 / max(1, comparisons))
