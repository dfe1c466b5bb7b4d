"""Runs with planted truth and real noise: rows of the recorded trajectories, their mean put where it is wanted.

From one checkpoint to the next the losses of real rows move together and apart. Here their common movement is
taken out, evaluation by evaluation, and a planted course put in its place: flat, or a fall and a rise. What is
left of a row (how hard it is, how it moved between neighbouring checkpoints) is real. Rows are drawn with
replacement, all evaluations of a row together; moves are drawn from the later two thirds of a recorded run,
and each evaluation is shifted by trajectory noise of that run's own size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.recorded import Recorded
from doneness.runs import EVAL_LOSS, LEARNING_RATE, TRAIN_LOSS, ExampleLosses, Run, Series

Floats = NDArray[np.float64]
Course = Callable[[Floats], Floats]
_STEPS = 600
_PER_EPOCH = 200
_TRAIN_NOISE = 0.12


@dataclass(frozen=True)
class Rows:
    """What is real in a planted run: rows of one recorded run.

    Attributes:
        name: of the run.
        tokens: target tokens; shape (n,).
        level: loss per token of each row late in the run; shape (n,).
        moves: change per token of each row from one evaluation to the next, the mean change of all
            tokens taken out; shape (moves, n).
        loss: mean loss of those rows, nats.
        noise: trajectory noise, nats.
    """

    name: str
    tokens: Floats
    level: Floats
    moves: Floats
    loss: float
    noise: float


def rows_of(recorded: Recorded) -> Rows:
    """What a recorded run gives; the opening fall, where rows learn at very different pace, is left out."""
    nll, tokens = recorded.nll, recorded.tokens
    late = nll[recorded.step >= recorded.step[-1] / 3.0]
    moves = np.diff(late, axis=0)
    moves = moves / tokens - (moves.sum(axis=1) / tokens.sum())[:, None]
    level = late[len(late) // 2] / tokens
    return Rows(recorded.name, tokens, level, moves, float(level @ tokens / tokens.sum()), recorded.case.noise)


def flat(at: Floats) -> Floats:
    """A course that stays where it is, as a share of the loss."""
    return np.zeros_like(at)


def overfitting(rise: float, turn: float = 0.4) -> Course:
    """A course that falls by half, is best at the share `turn` of the run, and rises by the share `rise` to its end."""

    def course(at: Floats) -> Floats:
        fall = np.maximum(np.exp(-at / 0.08) - np.exp(-turn / 0.08), 0.0)
        return np.asarray(0.5 * fall + rise * np.maximum((at - turn) / (1 - turn), 0.0))

    return course


def planted(real: Rows, course: Course, rows: int, seed: int, looks: int = 20, wander: bool = True) -> Run:
    """A run of `looks` evaluations after step 0 whose expected loss follows `course`.

    Args:
        real: whose rows.
        course: shares of the loss above the level, by the share of the run that is done.
        rows: how many are drawn.
        seed: of everything random.
        looks: evaluations after step 0.
        wander: a row goes on from where its last move left it, as in training, so that evaluations far apart differ
            more; otherwise every evaluation strays from one place.
    """
    rng = np.random.default_rng([seed, rows, looks])
    at = np.linspace(0.0, 1.0, looks + 1)
    drawn = rng.integers(0, real.tokens.size, rows)
    # Two evaluations of the second kind differ by one move as well: half of its variance belongs to each.
    moves = real.moves[rng.integers(0, len(real.moves), looks)][:, drawn]
    away = np.cumsum(moves, axis=0) if wander else moves / np.sqrt(2.0)
    away = np.vstack((np.zeros(rows), away))
    means = real.loss * course(at) + rng.normal(0.0, real.noise, at.size)
    tokens = real.tokens[drawn]
    # A row that is easy may fall below zero: cutting it off there would raise the mean of a flat course.
    each = (real.level[drawn] + away + means[:, None]) * tokens
    return _run(f"planted on {real.name}", each, tokens, rng)


def _run(name: str, nll: Floats, tokens: Floats, rng: np.random.Generator) -> Run:
    step = np.linspace(0, _STEPS, len(nll)).round().astype(np.int64)
    ids = np.array([f"row-{i:05d}" for i in range(tokens.size)])
    counts = tokens.astype(np.int64)
    found = {int(s): ExampleLosses(int(s), ids, row, counts) for s, row in zip(step, nll, strict=True)}
    every = np.arange(1, _STEPS + 1)
    mean = nll.sum(axis=1) / tokens.sum()
    train = np.minimum.accumulate(np.interp(every, step, mean)) - 0.08 * np.floor(every / _PER_EPOCH)
    return Run(
        name=name,
        kind="synthetic",
        meta={"planned_steps": _STEPS, "warmup_steps": 20, "steps_per_epoch": _PER_EPOCH, "method": "sft"},
        series={
            TRAIN_LOSS: Series.of(every, train + rng.normal(0.0, _TRAIN_NOISE, every.size), epoch=every / _PER_EPOCH),
            LEARNING_RATE: Series.of(every, 2e-4 * np.minimum(every / 20.0, 1.0)),
            EVAL_LOSS: Series.of(step, mean, epoch=step / _PER_EPOCH),
        },
        example_steps=tuple(found),
        example_source=found.__getitem__,
    )
