"""The sweet spot under noise, and which checkpoint is kept where the best was never saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from doneness.diagnose import Params, diagnose
from doneness.diagnose.case import Case
from doneness.diagnose.sweet_spot import recommend, sweet_spot
from doneness.runs import EVAL_LOSS, Checkpoint, Run, Series


def case(loss: np.ndarray[tuple[int], np.dtype[np.float64]], kept: tuple[int, ...] = ()) -> Case:
    step = np.arange(1, loss.size + 1) * 100
    checkpoints = tuple(Checkpoint(s, Path(f"checkpoint-{s}"), True) for s in kept)
    return Case(Run("spot", series={EVAL_LOSS: Series.of(step, loss)}, checkpoints=checkpoints), Params())


@pytest.mark.parametrize(("noise", "least"), [(0.002, 0.7), (0.01, 0.5)])
def test_a_noisy_plateau_is_held_by_more_than_its_luckiest_evaluations(noise: float, least: float) -> None:
    held = []
    for seed in range(20):
        chance = np.random.default_rng(seed)
        spot = sweet_spot(case(2.0 * (1.0 + noise * chance.normal(size=20))))
        assert spot is not None
        held.append(len(spot.steps) / 20)
    assert np.mean(held) > least


@pytest.mark.parametrize("noise", [0.0, 0.002, 0.01])
def test_what_is_worse_for_certain_is_never_held(noise: float) -> None:
    """A fall of 30 % to the middle and a rise of 12 % since."""
    u = np.linspace(0.05, 1.0, 20)
    truth = 2.0 + np.where(u < 0.5, 0.5 - u, 0.5 * (u - 0.5))
    for seed in range(10):
        spot = sweet_spot(case(truth * (1.0 + noise * np.random.default_rng(seed).normal(size=20))))
        assert spot is not None
        for step in spot.steps:
            assert truth[step // 100 - 1] < 1.05 * truth.min()


def test_a_run_that_goes_wild_later_widens_nothing() -> None:
    early = np.array([4.1, 2.8, 2.0, 1.69, 1.63, 1.52, 1.50, 1.46, 1.43, 1.39, 1.36, 1.343, 1.338])
    wild = np.array([1.8, 7.7, 3.0, 2.4, 2.4, 5.5, 1.9, 1.8, 1.9, 1.8, 1.7, 1.6])
    spot = sweet_spot(case(np.concatenate([early, wild])))
    assert spot is not None
    assert spot.best == 1300
    assert spot.first >= 1100


def test_a_checkpoint_beside_the_best_goes_before_a_far_worse_one_that_was_evaluated() -> None:
    u = np.linspace(0.05, 1.0, 20)
    truth = 2.0 + np.where(u < 0.5, 0.5 - u, 0.6 * (u - 0.5))
    kept = recommend(case(truth, kept=(250, 950, 1050, 2000)))
    assert kept is not None
    assert (kept.step, kept.best_kept) == (1050, False)
    # One after the last evaluation is nobody's.
    only = recommend(case(truth, kept=(2050,)))
    assert only is not None
    assert (only.step, only.lacking) == (None, "gone")


def test_the_advice_plans_for_the_turn_not_for_what_was_left() -> None:
    u = np.linspace(0.05, 1.0, 20)
    truth = 2.0 + np.where(u < 0.5, 0.5 - u, 0.6 * (u - 0.5))
    found = diagnose(case(truth, kept=(2000,)).run)
    assert found.recommended_step == 2000
    assert found.advice is not None
    assert "keep step 2,000" in found.advice.text("en")
    assert "about 1,000 steps" in found.advice.text("en")
    assert "1,000" in found.advice.text("zh")


@pytest.mark.parametrize("height", [0.05, 0.1, 0.15, 0.3])
@pytest.mark.parametrize("last", [700, 900, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_what_lifts_the_curve_does_not_hide_where_it_had_come_to(height: float, last: int, seed: int) -> None:
    step = np.arange(50, last + 1, 50)
    noise = np.random.default_rng(seed).normal(size=step.size)
    loss = 1.0 + 1.9 * np.exp(-step / 150) + height * (step >= 500) + 0.003 * noise
    spot = sweet_spot(Case(Run("lifted", series={EVAL_LOSS: Series.of(step, loss)}), Params()))
    assert spot is not None
    at = {int(s): float(v) for s, v in zip(step, loss, strict=True)}
    # The curve comes down again in time: what is kept is near the least either way.
    assert at[spot.steps[0]] < 1.036 * loss.min()
