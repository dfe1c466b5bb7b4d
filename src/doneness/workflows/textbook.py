"""The textbook pair, trained here and now: a model with far fewer weights than rows, and one with more.

Plain minibatch gradient descent on a linear regression, in numpy; nothing is drawn by hand. A few
inputs tell the answer, many faint ones tell nothing. A model of the telling inputs with ten times
more rows settles and stays. One of all inputs with few rows first learns what tells, then slowly fits the
noise of its rows with the faint ones, until it knows the rows by heart: its validation loss falls,
rises for a while and settles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from doneness.runs import EVAL_LOSS, LEARNING_RATE, TRAIN_LOSS, ExampleLosses, Run, Series

Floats = NDArray[np.float64]

_TELLING, _FAINT, _SIZE = 12, 800, 0.15  # inputs that tell, others, and the size of the others
_NOISE = 0.6  # of the answers; the likelihood knows it
_PER_EPOCH = 3  # steps
_HELD_OUT = 3200
_LOGGED = 200  # rows of the training log
_LOOKS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60)  # sixtieths of the run


@dataclass(frozen=True)
class Lesson:
    """One of the two trainings; `weights` counts the inputs that the model is given."""

    name: str
    epochs: int
    weights: int
    rows: int
    rate: float = 0.008
    seed: int = 7


PAIR = (
    Lesson("600 epochs", 600, _TELLING, 1200),
    Lesson("2,400 epochs", 2400, _TELLING + _FAINT, 120),
)


def textbook(seed: int = 7) -> tuple[Run, Run]:
    """Both runs, with per-example validation losses; the same for a seed on every machine up to rounding.

    Args:
        seed: of the rows, and of their order in training.
    """
    first, second = (trained(replace(lesson, seed=seed)) for lesson in PAIR)
    return first, second


def trained(lesson: Lesson) -> Run:
    """Train one model and log it as trainers do: the mean loss since the last log row."""
    rng = np.random.default_rng(lesson.seed)
    truth = np.concatenate([rng.normal(0.0, 1.0, _TELLING) / np.sqrt(_TELLING), np.zeros(_FAINT)])
    rows, answers = _draw(rng, truth, lesson.rows)
    held, targets = _draw(rng, truth, _HELD_OUT)
    rows, held = rows[:, : lesson.weights], held[:, : lesson.weights]
    size = lesson.rows // _PER_EPOCH
    steps = _PER_EPOCH * lesson.epochs
    looks = [round(share * steps / _LOOKS[-1]) for share in _LOOKS]
    every = max(1, steps // _LOGGED)
    weights, since, logged, examples = np.zeros(lesson.weights), [], [], {}
    for step in range(steps + 1):
        if step in looks:
            examples[step] = _example_losses(step, held @ weights - targets)
        if step == steps:
            break
        if step % _PER_EPOCH == 0:
            order = rng.permutation(lesson.rows)
        batch = order[step % _PER_EPOCH * size :][:size]
        away = rows[batch] @ weights - answers[batch]
        since.append(float(_nats(away).mean()))
        weights = weights - lesson.rate * rows[batch].T @ away / batch.size
        if (step + 1) % every == 0:
            logged.append((step + 1, float(np.mean(since))))
            since.clear()
    return _run(lesson, logged, examples)


def _draw(rng: np.random.Generator, truth: Floats, count: int) -> tuple[Floats, Floats]:
    size = np.concatenate([np.ones(_TELLING), np.full(_FAINT, _SIZE)])
    rows = rng.normal(size=(count, truth.size)) * size
    return rows, rows @ truth + rng.normal(0.0, _NOISE, count)


def _nats(away: Floats) -> Floats:
    """Negative log-likelihood of an answer that the model misses by `away`, under normal noise of known size."""
    losses: Floats = away**2 / (2.0 * _NOISE**2) + np.log(_NOISE * np.sqrt(2.0 * np.pi))
    return losses


def _example_losses(step: int, away: Floats) -> ExampleLosses:
    ids = np.array([f"row-{i:04d}" for i in range(away.size)])
    return ExampleLosses(step, ids, _nats(away), np.ones(away.size, dtype=np.int64))


def _run(lesson: Lesson, logged: list[tuple[int, float]], examples: dict[int, ExampleLosses]) -> Run:
    at, looks = np.array([s for s, _ in logged]), np.array(sorted(examples))
    steps = int(looks[-1])
    return Run(
        name=lesson.name,
        kind="synthetic",
        meta={
            "planned_steps": steps,
            "steps_per_epoch": _PER_EPOCH,
            "train_rows": lesson.rows,
            "eval_rows": _HELD_OUT,
            "weights": lesson.weights,
            "seed": lesson.seed,
        },
        series={
            TRAIN_LOSS: Series.of(at, [v for _, v in logged], epoch=at / _PER_EPOCH),
            LEARNING_RATE: Series.of(at, np.full(at.size, lesson.rate), epoch=at / _PER_EPOCH),
            EVAL_LOSS: Series.of(looks, [examples[s].mean for s in looks.tolist()], epoch=looks / _PER_EPOCH),
        },
        example_steps=tuple(looks.tolist()),
        example_source=examples.__getitem__,
    )
