"""Runs with planted truth, made in memory: what they really did is known, so verdicts can be scored.

Per-example losses are correlated between checkpoints as in real runs: examples differ in
difficulty (sd 0.6 nats per token), checkpoints differ per example by little (sd 0.06).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from doneness.runs import EVAL_LOSS, GRAD_NORM, LEARNING_RATE, TRAIN_LOSS, Checkpoint, ExampleLosses, Run, Series

Floats = NDArray[np.float64]
Truth = Callable[[Floats], Floats]

_DIFFICULTY = 0.6
_DIFFERENCE = 0.06
_TOKENS_PER_STEP = 2000.0
_SECONDS_PER_STEP = 1.5


class Plan(TypedDict, total=False):
    """What a synthetic run may be asked for.

    Attributes:
        seed: of everything random.
        steps: optimizer steps done.
        evals: evaluations after step 0, evenly spaced unless `eval_steps` is given.
        rows: evaluation examples; 0 leaves only the mean losses.
        noise: trajectory noise σ_t, nats.
        schedule: "linear", "cosine" or "constant" learning rate.
        planned: planned last step; by default `steps`.
        eval_steps: the exact steps to evaluate at.
        steps_per_epoch: by default a third of `steps`.
    """

    seed: int
    steps: int
    evals: int
    rows: int
    noise: float
    schedule: str
    planned: int
    eval_steps: tuple[int, ...]
    steps_per_epoch: int


@dataclass(frozen=True)
class Settings:
    """Sizes, noise and seed of a synthetic run, with the meanings of `Plan`."""

    seed: int = 0
    steps: int = 600
    evals: int = 20
    rows: int = 800
    noise: float = 0.003
    schedule: str = "linear"
    planned: int | None = None
    eval_steps: tuple[int, ...] | None = None
    steps_per_epoch: int | None = None


def learning_run(**plan: Unpack[Plan]) -> Run:
    """A power law that is still falling at the end: about 4 % in the last third."""
    s = Settings(**plan)
    return make_run("learning", lambda t: 1.0 + 1.0 * (t / s.steps + 0.02) ** -0.25, s)


def converged_run(**plan: Unpack[Plan]) -> Run:
    """Falls fast and has settled by a third of the run."""
    s = Settings(**plan)
    return make_run("converged", lambda t: 1.4 + 0.8 * np.exp(-t / (0.06 * s.steps)), s)


def overfitting_run(rise: float = 0.1, **plan: Unpack[Plan]) -> Run:
    """Best at 40 % of the run, then rises to the share `rise` above it while train loss falls on."""
    s = Settings(**plan)
    turn = 0.4

    def truth(t: Floats) -> Floats:
        u = t / s.steps
        floor = 1.4 + 0.8 * np.exp(-u / 0.08)
        return floor + rise * 1.4 * np.clip((u - turn) / (1.0 - turn), 0.0, None)

    return make_run("overfitting", truth, s)


def temporary_rise_run(**plan: Unpack[Plan]) -> Run:
    """Rises by 3 % around the middle for two evaluations or so, then falls to a new low."""
    s = Settings(**plan)

    def truth(t: Floats) -> Floats:
        u = t / s.steps
        return 1.4 + 0.8 * np.exp(-u / 0.25) + 0.06 * np.exp(-(((u - 0.5) / 0.05) ** 2))

    return make_run("temporary rise", truth, s)


def flat_run(**plan: Unpack[Plan]) -> Run:
    """Nothing is learnt: the loss stays where it was at step 0."""
    return make_run("flat", lambda t: np.full_like(t, 1.6), Settings(**plan))


def small_eval_run(**plan: Unpack[Plan]) -> Run:
    """Has settled, but 16 evaluation rows (or `rows`) cannot show it."""
    plan.setdefault("rows", 16)
    return replace(converged_run(**plan), name="small eval")


def diverged_run(**plan: Unpack[Plan]) -> Run:
    """Learns for half of the run, then the loss climbs by several nats."""
    s = Settings(**plan)

    def truth(t: Floats) -> Floats:
        u = t / s.steps
        return 1.4 + 0.8 * np.exp(-u / 0.08) + 5.0 * np.clip((u - 0.55) / 0.2, 0.0, 1.0)

    return make_run("diverged", truth, s, train_follows=True)


def broken_run(fault: str = "nan", **plan: Unpack[Plan]) -> Run:
    """Something is wrong from early on: "nan" loss, "leak" (loss near zero), or "chance" (above ln V + 1)."""
    s = Settings(**plan)
    run = make_run("broken", lambda t: 1.4 + 0.8 * np.exp(-t / (0.06 * s.steps)), s)
    series = dict(run.series)
    if fault == "nan":
        late = series[TRAIN_LOSS].step > s.steps // 2
        series[TRAIN_LOSS] = replace(series[TRAIN_LOSS], value=np.where(late, np.nan, series[TRAIN_LOSS].value))
    elif fault == "leak":
        series[TRAIN_LOSS] = replace(series[TRAIN_LOSS], value=np.full(len(series[TRAIN_LOSS]), 0.002))
        series[EVAL_LOSS] = replace(series[EVAL_LOSS], value=0.002 * series[EVAL_LOSS].value)
    elif fault == "chance":
        evals = series[EVAL_LOSS]
        series[EVAL_LOSS] = replace(evals, value=evals.value + np.where(evals.step == 0, 12.0, 0.0))
    else:
        raise ValueError(f"no such fault: {fault}")
    return replace(run, series=series)


def make_run(name: str, truth: Truth, settings: Settings, train_follows: bool = False) -> Run:
    """A run whose expected evaluation loss at each step is `truth`.

    Args:
        name: of the run.
        truth: true mean loss in nats per target token, by step.
        settings: sizes, noise and seed.
        train_follows: train loss takes the same course; otherwise it falls below it over the epochs.
    """
    s = settings
    rng = np.random.default_rng([s.seed, zlib.crc32(name.encode())])
    at = np.array(
        s.eval_steps if s.eval_steps is not None else np.linspace(0, s.steps, s.evals + 1).round(), dtype=np.int64
    )
    course = truth(at.astype(np.float64)) + rng.normal(0.0, s.noise, at.size)
    per_epoch = s.steps_per_epoch or max(1, s.steps // 3)
    losses = _examples(rng, at, course, s.rows) if s.rows else {}
    means = np.array([losses[int(step)].mean for step in at]) if losses else course
    every = np.arange(1, s.steps + 1, max(1, s.steps // 600))
    planned = s.planned or s.steps
    peak = 2e-4
    rate = peak * _schedule(s.schedule, every / planned)
    train = truth(every.astype(np.float64))
    if not train_follows:
        train = np.minimum.accumulate(train) - 0.08 * np.floor(every / per_epoch)
    train = train + rng.normal(0.0, 0.12, every.size)
    grads = 1.0 + 0.2 * rng.random(every.size)
    return Run(
        name=name,
        kind="synthetic",
        meta={
            "planned_steps": planned,
            "warmup_steps": max(1, planned // 30),
            "steps_per_epoch": per_epoch,
            "vocab_size": 32000,
            "eval_rows": s.rows or None,
            "seed": s.seed,
            "method": "sft",
        },
        series={
            TRAIN_LOSS: _series(every, train, per_epoch),
            LEARNING_RATE: _series(every, rate, per_epoch),
            GRAD_NORM: _series(every, grads, per_epoch),
            EVAL_LOSS: _series(at, means, per_epoch),
        },
        checkpoints=tuple(Checkpoint(int(step), None, True) for step in at if step > 0),
        example_steps=tuple(losses),
        example_source=losses.__getitem__ if losses else None,
    )


def _series(step: NDArray[np.int64], value: Floats, per_epoch: int) -> Series:
    return Series.of(
        step,
        value,
        epoch=step / per_epoch,
        tokens=step * _TOKENS_PER_STEP,
        targets=step * _TOKENS_PER_STEP / 2,
        time=step * _SECONDS_PER_STEP,
    )


def _schedule(name: str, done: Floats) -> Floats:
    warm = np.clip(done * 30.0, 0.0, 1.0)
    if name == "constant":
        return warm
    if name == "linear":
        return np.minimum(warm, np.clip((1.0 - done) / (1.0 - 1 / 30), 0.0, 1.0))
    if name == "cosine":
        return np.minimum(warm, 0.5 + 0.5 * np.cos(np.pi * np.clip((done - 1 / 30) / (1 - 1 / 30), 0.0, 1.0)))
    raise ValueError(f"no such schedule: {name}")


def _examples(rng: np.random.Generator, at: NDArray[np.int64], course: Floats, rows: int) -> dict[int, ExampleLosses]:
    ids = np.array([f"row-{i:05d}" for i in range(rows)])
    tokens = np.maximum(4, rng.lognormal(4.0, 0.6, rows)).astype(np.int64)
    hard = rng.normal(0.0, _DIFFICULTY, rows)
    found = {}
    for step, mean in zip(at, course, strict=True):
        # Half of the difference's variance belongs to either checkpoint.
        each = mean + hard + rng.normal(0.0, _DIFFERENCE / np.sqrt(2.0), rows)
        found[int(step)] = ExampleLosses(int(step), ids, np.maximum(each, 1e-3) * tokens, tokens)
    return found
