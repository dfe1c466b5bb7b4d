"""Case: a run and what is asked of it, with the numbers that several checks share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from doneness.core import DonenessError, Message, say
from doneness.curves import (
    CrossFit,
    LossForecast,
    Noise,
    PairedEffect,
    Rate,
    forecast,
    half_of,
    paired_effect,
    read_rate,
    told_end,
    trajectory_noise,
    worse_than_best,
)
from doneness.diagnose.pace import cost, devices
from doneness.diagnose.params import Params
from doneness.runs import LEARNING_RATE, SPAN_LOSS, ExampleLosses, Run

Floats = NDArray[np.float64]
_PREFERENCE = {"dpo", "orpo", "kto", "simpo", "cpo", "ipo", "grpo", "ppo", "rloo"}
_LIKELIHOOD = {"sft", "pretrain", "pt"}
# A reward model's loss is the likelihood of who won, as a classifier's; it logs these and no rewards of a policy.
_REWARD_MODEL, _OF_POLICY = ("accuracy", "min_reward", "max_reward"), ("rewards/", "logps", "/kl", "train/reward")
_SPENT = 0.05  # of the peak rate
_TOLD_BY = ("reward", "logps", "/kl", "completion_length")


@dataclass(frozen=True)
class LossTable:
    """Per-example losses of all evaluations on the examples that they share.

    Attributes:
        step: steps of the evaluations; shape (k,).
        nll: summed losses; shape (k, n).
        tokens: target tokens; shape (n,).
        half: True for half A of the cross-fit; shape (n,).

    Examples of one conversation or document are summed first, where the log says which they are: n then
    counts those, and no half of the cross-fit holds a part of what the other half holds.
    """

    step: NDArray[np.int64]
    nll: Floats
    tokens: Floats
    half: NDArray[np.bool_]

    @property
    def mean(self) -> Floats:
        """Token-weighted mean losses; shape (k,)."""
        means: Floats = self.nll.sum(axis=1) / self.tokens.sum()
        return means

    def effect(self, cur: int, ref: int) -> PairedEffect:
        """Paired difference of two evaluations, by row."""
        return paired_effect(self.nll[cur], self.nll[ref], self.tokens)

    def look(self, row: int, noise: Noise) -> CrossFit:
        """Cross-fitted test of evaluation `row` against the best up to it."""
        return worse_than_best(self.nll[: row + 1], self.tokens, self.half, noise)


@dataclass(frozen=True)
class Case:
    """A run and the thresholds to judge it by.

    Attributes:
        run: as it is read.
        params: what gain matters and how sure to be.
        barred: steps not to keep, whatever their loss: the probes showed harm.
        chosen: the step that the answers chose, which may be another than the loss would keep; None where they did not.
    """

    run: Run
    params: Params
    barred: frozenset[int] = frozenset()
    chosen: int | None = None

    @cached_property
    def step(self) -> NDArray[np.int64]:
        """Steps of the usable evaluations; shape (k,)."""
        evals = self.run.evals
        return np.zeros(0, dtype=np.int64) if evals is None else evals.step[np.isfinite(evals.value)]

    @cached_property
    def loss(self) -> Floats:
        """Mean losses of the usable evaluations; shape (k,)."""
        evals = self.run.evals
        return np.zeros(0) if evals is None else evals.value[np.isfinite(evals.value)]

    @cached_property
    def train(self) -> tuple[NDArray[np.int64], Floats]:
        """Steps and values of the finite training losses."""
        train = self.run.train
        if train is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        keep = np.isfinite(train.value)
        return train.step[keep], train.value[keep]

    @cached_property
    def table(self) -> LossTable | None:
        """Per-example losses, aligned; None with fewer than two evaluations or four shared examples."""
        return _table(self.run.examples)

    @property
    def tabled(self) -> bool:
        """Whether there are per-example losses to judge; also where reading them fails.

        The check that needs them then raises, and the runner names the fault: it is not "missing".
        """
        try:
            return self.table is not None
        except (DonenessError, OSError):
            return True

    @cached_property
    def level(self) -> float:
        """Current loss: the median of the last three evaluations, nats; NaN without any."""
        return float(np.median(self.loss[-3:])) if self.loss.size else float("nan")

    @property
    def epsilon(self) -> float:
        """The smallest gain that matters, nats."""
        return self.params.epsilon(self.level)

    @cached_property
    def noise(self) -> float:
        """Trajectory noise σ_t, nats; a stated share of the loss while too few evaluations tell it."""
        return self.noise_until(self.loss.size)

    def noise_until(self, count: int) -> float:
        """The same from the first `count` evaluations alone."""
        usual = self.params.usual_noise * abs(self.level)
        found = trajectory_noise(self.step[:count], self.loss[:count], usual)
        return found if found is not None else self.params.fallback_noise * abs(self.level)

    @cached_property
    def rate(self) -> Rate | None:
        """The learning rate and its continuation, where logged."""
        column = self.run.series.get(LEARNING_RATE)
        if column is None:
            return None
        # A cooldown that was decided falls along a line, also before the log shows it.
        shape = "linear" if self.run.number("cooldown_step") is not None else None
        return read_rate(column.step, column.value, self.planned, shape=shape)

    @cached_property
    def planned(self) -> float | None:
        """The planned last step: told by the log, else by where the learning rate is heading."""
        told = self.run.number("planned_steps")
        column = self.run.series.get(LEARNING_RATE)
        return told if told is not None or column is None else told_end(column.step, column.value)

    @property
    def rate_now(self) -> float | None:
        """Learning rate at the last evaluation (or log row) as a share of its peak."""
        if self.rate is None:
            return None
        return float(self.rate.at(float(self.step[-1]) if self.step.size else self.rate.now))

    @property
    def warming_up(self) -> bool:
        """Whether the learning rate is still rising at the last evaluation."""
        last = float(self.step[-1]) if self.step.size else 0.0
        warmup = self.run.number("warmup_steps")
        if warmup is not None:
            return last < warmup
        column = self.run.series.get(LEARNING_RATE)
        if column is None or len(column) < 3:
            return False
        value = column.value[np.isfinite(column.value)]
        return value.size >= 3 and bool(value[-1] > value[-2] > value[-3])

    @property
    def recovering(self) -> bool:
        """Whether the last third brought no new best: a fall there only makes up for a rise."""
        if self.loss.size < 3:
            return False
        late = self.step >= 2.0 / 3.0 * self.step[-1]
        if late.all():
            return False
        return bool(self.loss[late].min() > self.loss[~late].min() - self.epsilon / 2.0)

    @cached_property
    def preference(self) -> bool:
        """Whether the loss is that of preference or reinforcement learning, not a likelihood.

        That of a reward model is one: of who won a pair, as a classifier's.
        """
        method = str(self.run.meta.get("method", "")).lower()
        if method in _PREFERENCE:
            return True
        names = [name.lower() for name in self.run.series if not name.startswith(SPAN_LOSS)]
        if method == "reward" or _of_reward_model(names):
            return False
        if any(mark in name for name in names for mark in _TOLD_BY):
            return True
        value = self.train[1]
        return method not in _LIKELIHOOD and value.size > 0 and bool(np.mean(value < 0) > 0.05)

    @property
    def pairs(self) -> LossTable | None:
        """Losses −log σ(margin) of held-out pairs, pair by pair, of a preference run that records them."""
        table = self.table if self.preference else None
        return table if table is not None and bool((table.tokens == 1).all()) else None

    @cached_property
    def steps_per_epoch(self) -> float | None:
        """Optimizer steps in one pass over the data, told or read off the epoch column."""
        told = self.run.number("steps_per_epoch")
        for column in (self.run.train, self.run.evals):
            if column is not None and len(column):
                known = np.isfinite(column.epoch) & (column.epoch > 0) & (column.step > 0)
                if known.any():
                    seen = float(column.step[known][-1] / column.epoch[known][-1])
                    # What the log shows counts where a fact of the plan (max_steps over epochs) says otherwise.
                    return told if told is not None and told > 0 and abs(told / seen - 1.0) < 0.2 else seen
        if told is not None and told > 0:
            return told
        return None

    @property
    def to_plan(self) -> bool:
        """Whether a planned end lies ahead, far enough to forecast to."""
        return self.planned is not None and self.planned >= 1.05 * float(self.step[-1])

    @cached_property
    def horizon(self) -> tuple[int, Message]:
        """The step to forecast to, and what to call it.

        The planned end while a twentieth of the run or more is left; else one more epoch (a tenth of the
        steps done at least, as many again at most); half as many steps again where the epoch is unknown.
        """
        now = int(self.step[-1])
        planned = self.planned
        if planned is not None and self.to_plan:
            return round(planned), say("diagnose.horizon.planned", step=round(planned))
        epoch = self.steps_per_epoch
        ahead = 0.5 * now if epoch is None else min(max(epoch, 0.1 * now), now)
        steps = max(1, round(ahead))
        key = "epoch" if epoch is not None and abs(steps - epoch) < 1.0 else "more"
        if self.rate_now is not None and self.rate_now < _SPENT:
            # At a rate of nearly zero nothing moves: what is foreseen is a run that was planned longer.
            key = "longer"
        return now + steps, say(f"diagnose.horizon.{key}", steps=steps)

    @cached_property
    def wanted(self) -> tuple[float, Message]:
        """The gain, in nats, without which going on to the horizon is not worth it, and what was asked for.

        Where a gain for each hour was asked for and the log has a clock, that many hours' gain; of devices' hours, all
        devices'.
        """
        hourly = self.params.hourly(self.level)
        seconds = cost(self.run.train, "time", self.horizon[0] - int(self.step[-1])) if hourly > 0 else None
        if not seconds:
            return self.epsilon, self.params.asked(self.level)
        hours = seconds / 3600.0
        count, key = 1, "hourly"
        if self.params.hourly_by_device:
            told = devices(self.run.meta)
            count, key = told or 1, "device_hourly" if told else "device_unknown"
        hours *= count
        rate, share = hourly / (abs(self.level) or 1.0), hourly * hours / (abs(self.level) or 1.0)
        numbers = {"share": share, "rate": rate, "hours": hours}
        return hourly * hours, say(
            f"diagnose.asked.{key}", **numbers, **({"n": count} if key == "device_hourly" else {})
        )

    @cached_property
    def outlook(self) -> LossForecast | None:
        """Forecast to the horizon from the evaluations so far; None where there are too few."""
        if self.step.size < 4 or self.step[-1] <= 0:
            return None
        return forecast(self.step, self.loss, self.horizon[0], self.rate)


def _of_reward_model(names: list[str]) -> bool:
    """Whether these are the columns of a reward model's training (TRL's RewardTrainer)."""
    if any(mark in name for name in names for mark in _OF_POLICY):
        return False
    return all(any(name.endswith(f"/{mark}") for name in names) for mark in _REWARD_MODEL)


def _table(examples: tuple[ExampleLosses, ...]) -> LossTable | None:
    usable = [e for e in examples if e.ids.size]
    if len(usable) < 2:
        return None
    # The latest evaluation says which examples count; one that shares under half of them is left out.
    ids, tokens = usable[-1].ids, usable[-1].tokens
    kept: list[tuple[ExampleLosses, Floats]] = []
    for each in usable:
        aligned = _aligned(each, ids, tokens)
        if np.isfinite(aligned).mean() >= 0.5:
            kept.append((each, aligned))
    if len(kept) < 2:
        return None
    nll = np.stack([row for _, row in kept])
    good = np.isfinite(nll).all(axis=0) & (tokens > 0)
    if good.sum() < 4:
        return None
    unit, cluster = ids[good], usable[-1].cluster
    nll, weight = nll[:, good], tokens[good].astype(np.float64)
    if cluster is not None:
        unit, index = np.unique(cluster[good], return_inverse=True)
        if unit.size < 4:
            return None
        nll = np.stack([np.bincount(index, weights=row) for row in nll])
        weight = np.bincount(index, weights=weight).astype(np.float64)
    step = np.array([e.step for e, _ in kept], dtype=np.int64)
    return LossTable(step, nll, weight, half_of([str(i) for i in unit]))


def _aligned(each: ExampleLosses, ids: NDArray[np.str_], tokens: NDArray[np.int64]) -> Floats:
    """Losses in the order of `ids`; NaN where absent or where the targets differ."""
    if each.ids.shape == ids.shape and bool((each.ids == ids).all()):
        return np.where(each.tokens == tokens, each.nll, np.nan)
    place = {str(i): row for row, i in enumerate(each.ids)}
    rows = np.array([place.get(str(i), -1) for i in ids], dtype=np.int64)
    found = np.where(rows >= 0, each.nll[rows], np.nan)
    return np.where(each.tokens[rows] == tokens, found, np.nan)
