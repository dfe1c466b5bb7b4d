"""Planted panels: behaviours over checkpoints whose true values are known, with answers that hang together.

Answers to one question are alike over checkpoints, more so over neighbours; questions of one cluster rise and fall
together from checkpoint to checkpoint. Shares, means of skewed values, and AUROC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from doneness.curves.clustered import groups_of
from doneness.probe.calibration import discrimination
from doneness.probe.measure import Measure
from doneness.probe.scoring import Scored
from doneness.runs.probes import Behaviour

Floats = NDArray[np.float64]
_NORMAL = NormalDist()
_UNIT = np.vectorize(_NORMAL.inv_cdf, otypes=[float])
COURSES = ("flat", "flat", "flat", "rise", "rise", "rise and drop", "rise and decline", "harm", "slow harm")
MARGIN = 0.05


@dataclass(frozen=True)
class Planted:
    """One behaviour of a panel: what was answered, and the truth."""

    scored: Scored
    truth: Floats  # by checkpoint, base first
    course: str

    @property
    def gain(self) -> Floats:
        """True difference to base, above zero for better."""
        return self.scored.sign * (self.truth - self.truth[0])

    @property
    def onset(self) -> int | None:
        """The row from which on the true value stays worse than the best by more than the margin."""
        level = self.scored.sign * self.truth
        worse = level < level.max() - self.scored.measure.behaviour.margin - 1e-12
        if not worse[-1]:
            return None
        return int(np.flatnonzero(~worse)[-1]) + 1


def course(name: str, checkpoints: int, generator: np.random.Generator) -> Floats:
    """Gain over base by checkpoint in units of the largest, base first; shape (checkpoints + 1,)."""
    at = np.arange(checkpoints + 1)
    peak = int(generator.integers(2, max(checkpoints, 3)))
    rise = np.minimum(at / peak, 1.0)
    if name == "flat":
        return np.zeros(checkpoints + 1)
    if name == "rise":
        return rise
    if name == "rise and drop":
        return np.where(at > peak, rise - generator.uniform(0.6, 1.6), rise)
    if name == "rise and decline":
        return rise - np.maximum(at - peak, 0) / max(checkpoints - peak, 1) * generator.uniform(0.8, 1.8)
    if name == "harm":
        return np.where(at >= peak, -1.0, 0.0)
    return -at / checkpoints


def shares(truth: Floats, size: int, questions: int, generator: np.random.Generator) -> Floats:
    """Answers right or wrong with these true shares; shape (k, n)."""
    return (_latent(len(truth), size, questions, generator) < _UNIT(truth)[:, None]).astype(np.float64)


def means(truth: Floats, size: int, questions: int, generator: np.random.Generator) -> Floats:
    """Skewed positive values with these true means; shape (k, n)."""
    return truth[:, None] * np.exp(0.6 * _latent(len(truth), size, questions, generator) - 0.18)


def confidences(truth: Floats, size: int, questions: int, generator: np.random.Generator) -> Floats:
    """(confidence, right) with these true AUROCs; shape (k, n, 2)."""
    right = _latent(len(truth), size, questions, generator) < 0.2
    apart = math.sqrt(2.0) * _UNIT(truth)[:, None]
    return np.stack((_latent(len(truth), size, questions, generator) + apart * right, right.astype(np.float64)), axis=2)


def behaviour(
    name: str, sort: str, planned: str, checkpoints: int, questions: int, size: int,
    generator: np.random.Generator, guard: bool = False, goal: bool = False,
) -> Planted:  # fmt: skip
    """One behaviour with a planted course.

    Args:
        sort: "share", "mean" or "auroc".
        planned: one of COURSES.
        size: questions of one cluster; 1 for none.
    """
    better = "higher" if sort != "mean" or generator.random() < 0.5 else "lower"
    shape = course(planned, checkpoints, generator)
    if sort == "mean":
        truth = 100.0 * (1.0 + (1 if better == "higher" else -1) * generator.uniform(0.1, 0.35) * shape)
        about = Behaviour(name, better, "tokens", 5.0, guard, goal=goal)
    else:
        start = generator.uniform(0.35, 0.6)
        truth = np.clip(start + generator.uniform(0.06, 0.3) * shape, 0.05, 0.95)
        about = Behaviour(name, better, "share", MARGIN, guard, goal=goal)
    labels = [i // size for i in range(questions)]
    steps = tuple(100 * k for k in range(checkpoints + 1))
    if sort == "auroc":
        rows = confidences(truth, size, questions, generator)
        measure = Measure(about, _never, binary=False, row=_never, statistic=discrimination)
        return Planted(Scored(measure, steps, np.ones(rows.shape[:2]), groups_of(labels), rows), truth, planned)
    values = (shares if sort == "share" else means)(truth, size, questions, generator)
    return Planted(Scored(Measure(about, _never, sort == "share"), steps, values, groups_of(labels)), truth, planned)


def panel(seed: int, questions: int | None = None) -> list[Planted]:
    """Eight behaviours of one run: the goal, guards and others; some in clusters, one an AUROC in every fourth."""
    generator = np.random.default_rng([seed, 77])
    checkpoints = int(generator.integers(6, 11))
    n = questions or int(generator.choice([50, 100, 200, 400]))
    size = int(generator.choice([1, 1, 2, 5]))
    courses = [str(c) for c in generator.choice(COURSES, 8)]
    courses[0] = str(generator.choice(["flat", "rise", "rise", "rise and drop", "rise and decline"]))
    sorts = ["share"] * 5 + ["mean", "mean", "auroc" if seed % 4 == 0 else "share"]
    return [
        behaviour(f"b{i}", sort, planned, checkpoints, n, size, generator, guard=1 <= i <= 3, goal=i == 0)
        for i, (sort, planned) in enumerate(zip(sorts, courses, strict=True))
    ]


def _latent(k: int, size: int, questions: int, generator: np.random.Generator) -> Floats:
    """Standard normal by checkpoint and question: the question's own, its cluster's walk, its own walk."""
    own = np.repeat(generator.standard_normal((1, questions)), k, axis=0)
    walk = _walk(k, questions, generator)
    if size == 1:
        return math.sqrt(0.6) * own + math.sqrt(0.4) * walk
    clusters = math.ceil(questions / size)
    shared = np.repeat(generator.standard_normal((1, clusters)), size, axis=1)[:, :questions]
    moving = np.repeat(_walk(k, clusters, generator), size, axis=1)[:, :questions]
    return math.sqrt(0.35) * own + math.sqrt(0.25) * shared + math.sqrt(0.15) * moving + math.sqrt(0.25) * walk


def _walk(k: int, n: int, generator: np.random.Generator) -> Floats:
    """Standard normal, correlated between neighbouring checkpoints, less so with base."""
    out = generator.standard_normal((k, n))
    for i in range(1, k):
        near = 0.3 if i == 1 else 0.8
        out[i] = near * out[i - 1] + math.sqrt(1 - near**2) * out[i]
    return out


def _never(*_: object) -> None:
    return None
