"""Loss curves whose truth is known, as evaluations, training rows and a state file.

An evaluation every 100 steps, a training row every 10. Training loss follows the best of the course and
falls by 0.08 nats more with each of three passes over the data, as where a model learns its rows by heart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.verdicts import state_files

Floats = NDArray[np.float64]
Course = Callable[[Floats], Floats]  # expected loss by the share of the run done, 0 to 1

EVERY, ROW = 100, 10
_TRAIN_NOISE = 0.04
_PEAK = 2e-4


@dataclass(frozen=True)
class Curve:
    """One run: what was seen, and the course behind it.

    Attributes:
        step, loss: the evaluations; shape (k,).
        true: expected loss at each; shape (k,).
        planned: max_steps of its plan.
        schedule: "linear" or "cosine", to zero at the planned end.
        train: steps and losses of the training rows.
        marked: a step that the case asks about (a lucky dip), or None.
    """

    step: Floats
    loss: Floats
    true: Floats
    planned: int
    schedule: str
    train: tuple[Floats, Floats]
    per_epoch: int
    marked: int | None = None

    def text(self, count: int | None = None) -> str:
        """The trainer_state.json after `count` evaluations (all of them by default)."""
        step, loss = self.step[:count], self.loss[:count]
        seen = self.train[0] <= (step[-1] if step.size else np.inf)
        rows = (self.train[0][seen], self.train[1][seen])
        rate = _PEAK * _schedule(self.schedule, rows[0] / self.planned)
        return state_files.of_curve((step, loss), rows, rate, self.planned, self.per_epoch)


def sample(
    course: Course,
    seed: int,
    evals: int = 20,
    noise: float = 0.0,
    plan: float = 1.0,
    dip: tuple[float, float] | None = None,
) -> Curve:
    """Draw a run of that course.

    Args:
        course: expected loss by share of the run done.
        seed: of the noise; even ones have a cosine schedule, odd ones a linear one.
        evals: evaluations, evenly spaced, the last at the last step.
        noise: standard deviation of an evaluation, as a share of its expected loss.
        plan: planned steps over steps done.
        dip: (where, by how much): the evaluation nearest to that share of the run is lower by so many nats.
    """
    rng = np.random.default_rng([seed, evals, round(noise * 1e5)])
    end = evals * EVERY
    step = np.arange(1, evals + 1, dtype=np.float64) * EVERY
    true = course(step / end)
    loss = true * (1.0 + noise * rng.standard_normal(evals))
    marked = None
    if dip is not None:
        at = int(np.argmin(np.abs(step / end - dip[0])))
        loss[at] = true[at] - dip[1]
        marked = int(step[at])
    rows = np.arange(ROW, end + 1, ROW, dtype=np.float64)
    per_epoch = max(1, end // 3)
    learnt = np.minimum.accumulate(course(rows / end)) - 0.08 * np.floor((rows - 1) / per_epoch)
    noisy = _TRAIN_NOISE * rng.standard_normal(rows.size) if noise else np.zeros(rows.size)
    return Curve(step, loss, true, round(plan * end), "linear" if seed % 2 else "cosine", (rows, learnt + noisy),
                 per_epoch, marked)  # fmt: skip


def given(losses: tuple[float, ...]) -> Curve:
    """A run of exactly these evaluations, without noise anywhere."""
    at = np.arange(1, len(losses) + 1) / len(losses)
    return sample(lambda u: np.interp(u, at, losses), 0, len(losses))


def staircase(seed: int, epochs: int = 10) -> Curve:
    """No evaluation at all: the training loss steps down by 0.15 with every pass over the data."""
    rng = np.random.default_rng([seed, epochs])
    end = 2000
    rows = np.arange(ROW, end + 1, ROW, dtype=np.float64)
    loss = 2.0 - 0.15 * np.floor((rows - 1) / (end / epochs)) + _TRAIN_NOISE * rng.standard_normal(rows.size)
    none = np.zeros(0)
    return Curve(none, none, none, end, "linear" if seed % 2 else "cosine", (rows, loss), end // epochs)


def _schedule(name: str, done: Floats) -> Floats:
    warm = np.clip(done * 30.0, 0.0, 1.0)
    rest = np.clip((done - 1 / 30) / (1 - 1 / 30), 0.0, 1.0)
    down = 1.0 - rest if name == "linear" else 0.5 + 0.5 * np.cos(np.pi * rest)
    return np.asarray(np.minimum(warm, down), dtype=np.float64)


# The courses. All arrive where they are said to, without a tail.
def flat(u: Floats) -> Floats:
    return np.full_like(u, 1.6)


def settles(u: Floats, by: float) -> Floats:
    """Falls from 2.1 and is flat at 1.5 from `by` of the run on."""
    return 1.5 + 0.6 * np.clip(1.0 - u / by, 0.0, 1.0) ** 2


def overfits(u: Floats, rise: float, turn: float = 0.4) -> Floats:
    """Best at `turn`, then straight up to `rise` above it at the end."""
    return (
        1.5 + 0.6 * np.clip(1.0 - u / turn, 0.0, 1.0) ** 3 + 1.5 * rise * np.clip((u - turn) / (1.0 - turn), 0.0, 1.0)
    )


def falls(u: Floats, base: float = 2.243) -> Floats:
    """A power law that ends at 1.6; its last third falls by 3.1 % (with a base of 5 by 1.7 %)."""
    return np.asarray(1.6 * (base + (u + 0.02) ** -0.25) / (base + 1.02**-0.25))


def bump(u: Floats) -> Floats:
    """Rises by about 3 % around the middle for two evaluations or so, then falls to a new low."""
    return 1.4 + 0.8 * np.exp(-u / 0.25) + 0.06 * np.exp(-(((u - 0.5) / 0.05) ** 2))
