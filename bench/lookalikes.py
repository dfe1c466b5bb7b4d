"""Runs without a fault, and runs that only look as if they had one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from doneness.runs import EVAL_LOSS, GRAD_NORM, LEARNING_RATE, TRAIN_LOSS, Run, Series
from doneness.testing import synthetic as s

Floats = NDArray[np.float64]
Build = Callable[[int], Run]
PER, EPOCHS = 100, 3
STEP = np.arange(1, PER * EPOCHS + 1)
U = STEP / STEP[-1]


def course(seed: int, truth: Floats, noise: float) -> Run:
    """A train loss around `truth`, noise a share of the loss."""
    loss = truth * (1.0 + noise * np.random.default_rng(seed).normal(size=STEP.size))
    return Run("shown", series={TRAIN_LOSS: Series.of(STEP, np.maximum(loss, 0.0), epoch=STEP / PER)})


def evaluated(seed: int, truth: Callable[[Floats], Floats], noise: float, count: int = 20) -> Series:
    """`count` evaluations around `truth`, a function of the share of the run done."""
    at = np.linspace(STEP[-1] / count, STEP[-1], count).round().astype(np.int64)
    level = truth(at / STEP[-1])
    return Series.of(at, level * (1.0 + noise * np.random.default_rng([seed, 1]).normal(size=count)), epoch=at / PER)


def _fall(u: Floats) -> Floats:
    return 1.4 + 0.8 * np.exp(-u / 0.2)


def healthy(seed: int, noise: float) -> Run:
    """A loss that falls and settles, with its gradients."""
    grad = np.random.default_rng([seed, 2]).lognormal(0.0, 0.3, STEP.size)
    run = course(seed, _fall(U), noise)
    return replace(run, series={**run.series, GRAD_NORM: Series.of(STEP, grad)})


def tiny_loss(seed: int) -> Run:
    """Classification as text: the loss ends near 0.02 nats, and logs round some of it to less."""
    run = course(seed, 0.02 + 0.6 * np.exp(-U / 0.05), 0.5)
    column = run.series[TRAIN_LOSS]
    return replace(run, series={TRAIN_LOSS: replace(column, value=column.value.round(4))})


def overflow(seed: int) -> Run:
    """One infinite gradient, which the scaler skipped; the losses are ordinary."""
    run = healthy(seed, 0.05)
    grad = run.series[GRAD_NORM].value.copy()
    grad[np.random.default_rng(seed).integers(5, 40)] = np.inf
    return replace(run, series={**run.series, GRAD_NORM: Series.of(STEP, grad)})


def first_zero(seed: int) -> Run:
    """A trainer that logs 0.0 before anything was counted."""
    run = healthy(seed, 0.05)
    loss = run.series[TRAIN_LOSS].value.copy()
    loss[0] = 0.0
    return replace(run, series={**run.series, TRAIN_LOSS: Series.of(STEP, loss, epoch=STEP / PER)})


def jump(seed: int, size: float) -> Run:
    """Harder data from the middle on: another loss, which falls as before."""
    return course(seed, _fall(U) + size * (U > 0.5), 0.05)


def restart(seed: int) -> Run:
    """The rate is raised again at the middle; the loss climbs and comes back."""
    return course(seed, _fall(U) + 0.8 * np.exp(-(U - 0.5) / 0.1) * (U > 0.5), 0.05)


def flat(seed: int, noise: float, rows: int) -> Run:
    """Twenty evaluations of 1.6 nats; `noise` as a share of the loss."""
    return s.flat_run(seed=seed, noise=1.6 * noise, rows=rows)


def for_a_while(seed: int, rows: int) -> Run:
    """Up by 4 % in the middle of a fall, cut at the end, when it has come back."""
    return s.temporary_rise_run(seed=seed, rows=rows)


def falling(seed: int) -> Run:
    """A power law, half-way of its plan."""
    return s.learning_run(seed=seed, rows=0, noise=0.008, planned=1200)


def grokking(seed: int) -> Run:
    """Falls, waits, and falls again at 75 % of the run; asked at 70 %."""
    late = evaluated(seed, lambda u: _fall(u / 0.6) - 0.3 * (u > 0.75), 0.003)
    keep = late.step <= 0.7 * STEP[-1]
    run = course(seed, _fall(U), 0.05)
    first = Series.of(late.step[keep], late.value[keep], epoch=late.epoch[keep])
    return replace(run, series={**run.series, EVAL_LOSS: first}, meta={"planned_steps": int(STEP[-1])})


def held_rate(seed: int) -> Run:
    """Warm-up, stable rate, and a decay that is planned and has not begun: the loss has levelled at the peak."""
    rate = Series.of(STEP, np.full(STEP.size, 1e-4))
    run = course(seed, _fall(U), 0.05)
    level = evaluated(seed, lambda u: _fall(u / 0.3), 0.003)
    series = {**run.series, LEARNING_RATE: rate, EVAL_LOSS: level}
    return replace(run, series=series, meta={"planned_steps": int(1.25 * STEP[-1])})


def settled(seed: int) -> Run:
    """Settled from a third on."""
    return s.converged_run(seed=seed, rows=0, noise=0.0045)


def stairs(seed: int, drop: float, rate_drops: bool = False) -> Run:
    """Train losses that drop at every edge, where asked together with the rate."""
    run = course(seed, 1.5 * (1.0 - drop) ** np.floor((STEP - 1) / PER), 0.05)
    if not rate_drops:
        return run
    rate = Series.of(STEP, 1e-4 * (1.0 - 0.33 * np.floor((STEP - 1) / PER)))
    return replace(run, series={**run.series, LEARNING_RATE: rate})


def sorted_rows(seed: int) -> Run:
    """Easy rows first in every epoch, in the same order: the loss saws, and nothing is memorised."""
    return course(seed, 1.5 * (0.9 + 0.2 * ((STEP - 1) % PER) / PER), 0.05)


def beside(seed: int, share: float) -> Run:
    """Evaluations on held-out rows that are easier by `share`; the train loss falls alike."""
    run = course(seed, _fall(U), 0.05)
    return replace(run, series={**run.series, EVAL_LOSS: evaluated(seed, lambda u: (1.0 - share) * _fall(u), 0.005)})


def whole_cosine(seed: int) -> Run:
    """A cosine run that came to its planned end, learning to the last."""
    return s.learning_run(seed=seed, rows=0, noise=0.005, schedule="cosine")


def constant(seed: int) -> Run:
    """A constant rate."""
    return s.learning_run(seed=seed, rows=0, noise=0.005, schedule="constant")


def slight(seed: int, fall: float) -> Run:
    """All that was learned is a small share of the loss."""
    return course(seed, 1.5 * (1.0 - fall * U), 0.03)


def _pairs(seed: int, accuracy: Floats, chosen: float) -> Run:
    rng = np.random.default_rng(seed)
    at = np.arange(1, accuracy.size + 1) * 40
    u = at / at[-1]
    columns = {
        "rewards/accuracies": accuracy + 0.005 * rng.normal(size=at.size),
        "rewards/chosen": chosen * u + 0.02 * rng.normal(size=at.size),
        "rewards/margins": 1.5 * u + 0.02 * rng.normal(size=at.size),
        "logps/chosen": -100.0 + 10.0 * chosen * u,
    }
    series = {f"eval/{name}": Series.of(at, value) for name, value in columns.items()}
    return Run("dpo", meta={"method": "dpo"}, series={TRAIN_LOSS: Series.of(at, 0.7 - 0.3 * u, epoch=u), **series})


def good_pairs(seed: int) -> Run:
    """Accuracy climbs on; the chosen answers gain a little."""
    return _pairs(seed, np.linspace(0.55, 0.75, 15), 0.2)


def ceiling(seed: int) -> Run:
    """Accuracy ends at what noisy labels allow; the chosen answers keep their probability."""
    return _pairs(seed, 0.7 - 0.15 * np.exp(-np.linspace(0.0, 8.0, 15)), 0.05)


def drifting_pairs(seed: int) -> Run:
    """Chosen rewards fall a little, as they do in most DPO runs, while accuracy climbs."""
    return _pairs(seed, np.linspace(0.55, 0.75, 15), -0.5)


def _rewarded(seed: int, reward: Floats, **columns: Floats) -> Run:
    rng = np.random.default_rng(seed)
    series = {"train/reward": reward + 0.1 * rng.normal(size=STEP.size), "train/reward_std": np.full(STEP.size, 0.5)}
    series |= {name.replace("__", "/"): value for name, value in columns.items()}
    found = {name: Series.of(STEP, value) for name, value in series.items()}
    return Run("grpo", meta={"method": "grpo"}, series={TRAIN_LOSS: Series.of(STEP, 0.0 * U, epoch=U), **found})


def _lengths(seed: int, growth: float) -> Floats:
    return 300.0 * (1.0 + growth * U) * (1.0 + 0.1 * np.random.default_rng([seed, 3]).normal(size=STEP.size))


def good_reward(seed: int) -> Run:
    """A reward that climbs; answers stay as long as they were."""
    return _rewarded(seed, 1.0 + U, train__completions__mean_length=_lengths(seed, 0.0))


def longer(seed: int) -> Run:
    """A reward that climbs with answers that grow by half, as reasoning does."""
    return _rewarded(seed, 1.0 + U, train__completions__mean_length=_lengths(seed, 0.7))


def settled_reward(seed: int) -> Run:
    """A reward that has settled; nothing drifts."""
    return _rewarded(seed, 2.0 - np.exp(-U / 0.1), train__completions__mean_length=_lengths(seed, 0.0))
