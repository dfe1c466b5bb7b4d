from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.core import LANGUAGES, Action, Verdict
from doneness.diagnose import Params, diagnose
from doneness.runs import EVAL_LOSS, TRAIN_LOSS, Checkpoint, ExampleLosses, Run, Series
from doneness.testing import synthetic as make

PLANTED: list[tuple[Callable[[], Run], Verdict, Action]] = [
    (lambda: make.broken_run(rows=0), Verdict.BROKEN, Action.STOP),
    (lambda: make.diverged_run(rows=0), Verdict.DIVERGED, Action.STOP),
    (lambda: make.overfitting_run(rows=500), Verdict.OVERFITTING, Action.STOP),
    (lambda: make.overfitting_run(rows=0), Verdict.OVERFITTING, Action.STOP),
    (lambda: make.converged_run(rows=1500), Verdict.CONVERGED, Action.STOP),
    (lambda: make.converged_run(rows=1500, schedule="constant"), Verdict.CONVERGED, Action.COOLDOWN),
    (lambda: make.learning_run(rows=500), Verdict.LEARNING, Action.CONTINUE),
    (lambda: make.learning_run(rows=0), Verdict.LEARNING, Action.CONTINUE),
    (lambda: make.temporary_rise_run(rows=500), Verdict.LEARNING, Action.CONTINUE),
    (lambda: make.small_eval_run(), Verdict.UNDECIDED, Action.CONTINUE),
    (lambda: Run("empty"), Verdict.UNDECIDED, Action.CONTINUE),
]


@pytest.mark.parametrize(("build", "verdict", "action"), PLANTED)
def test_planted_truth_is_found(build: Callable[[], Run], verdict: Verdict, action: Action) -> None:
    found = diagnose(build())
    assert (found.verdict, found.action) == (verdict, action), found.headline.text()
    for lang in LANGUAGES:
        assert found.headline.text(lang)
        assert found.advice is None or found.advice.text(lang)
    assert found.to_dict()["verdict"] == verdict.value


def _rate(build: Callable[[int], Run], verdict: Verdict, seeds: int) -> float:
    return float(np.mean([diagnose(build(seed)).verdict is verdict for seed in range(seeds)]))


def test_planted_overfitting_is_found_in_95_of_100() -> None:
    assert _rate(lambda s: make.overfitting_run(seed=s, rows=400), Verdict.OVERFITTING, 40) >= 0.95


def test_a_settled_curve_is_called_converged_in_80_of_100() -> None:
    assert _rate(lambda s: make.converged_run(seed=s, rows=1500), Verdict.CONVERGED, 30) >= 0.8
    assert _rate(lambda s: make.converged_run(seed=s, rows=0), Verdict.CONVERGED, 30) >= 0.8


@pytest.mark.parametrize("noise", [0.003, 0.03])
def test_a_falling_power_law_is_called_converged_in_10_of_100_at_most(noise: float) -> None:
    assert _rate(lambda s: make.learning_run(seed=s, rows=0, noise=noise), Verdict.CONVERGED, 40) <= 0.1


def test_a_small_evaluation_set_says_how_many_rows_it_takes() -> None:
    found = diagnose(make.small_eval_run())
    assert found.headline.args["reason"].key == "diagnose.cv06.small"
    assert found.headline.args["reason"].args["needed"] >= 500


def test_train_loss_alone_never_names_a_best_checkpoint() -> None:
    step = np.arange(1, 401)
    for epochs, verdict in ((1.0, Verdict.LEARNING), (4.0, Verdict.UNDECIDED)):
        loss = 2.0 - 0.003 * step
        run = Run("train", series={TRAIN_LOSS: Series.of(step, loss, epoch=step / 400 * epochs)})
        found = diagnose(run)
        assert found.verdict is verdict
        assert found.recommended_step is None
        assert found.sweet_spot is None


@pytest.mark.parametrize("value", [float("nan"), 1.5])
def test_constant_and_nan_series_are_never_called_healthy(value: float) -> None:
    step = np.arange(1, 5) * 100
    found = diagnose(Run("same", series={EVAL_LOSS: Series.of(step, np.full(4, value))}))
    assert found.verdict is (Verdict.BROKEN if np.isnan(value) else Verdict.UNDECIDED)


def test_preference_losses_are_not_judged() -> None:
    run = make.overfitting_run(rows=0)
    found = diagnose(replace(run, meta={**run.meta, "method": "dpo"}))
    assert found.verdict is Verdict.UNDECIDED
    assert found.recommended_step is None


def test_a_crashed_check_never_adds_up_to_health() -> None:
    run = make.converged_run(rows=100)

    def torn(step: int) -> ExampleLosses:
        raise OSError("disk gone")

    found = diagnose(replace(run, example_source=torn))
    assert found.verdict is Verdict.UNDECIDED
    assert any(f.status.value == "error" for f in found.findings)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 50), st.sampled_from([150, 300, 450]))
def test_a_verdict_never_depends_on_later_steps(seed: int, step: int) -> None:
    run = make.overfitting_run(seed=seed, rows=120)
    rng = np.random.default_rng(seed)

    def altered(at: int) -> ExampleLosses:
        losses = run.example_source(at) if run.example_source else None
        assert losses is not None
        return losses if at <= step else replace(losses, nll=rng.permutation(losses.nll) * 3)

    series = {n: replace(s, value=np.where(s.step > step, 9.9, s.value)) for n, s in run.series.items()}
    other = replace(run, series=series, example_source=altered)
    assert diagnose(run, until=step).to_dict() == diagnose(other, until=step).to_dict()


@settings(max_examples=8, deadline=None)
@given(st.floats(0.5, 3.0))
def test_scaling_every_loss_scales_gains_and_keeps_the_verdict(scale: float) -> None:
    params = Params(gain_nats=0.0)
    for build in (make.learning_run, make.overfitting_run):
        run = build(rows=0)
        evals = run.series[EVAL_LOSS]
        scaled = replace(run, series={**run.series, EVAL_LOSS: replace(evals, value=evals.value * scale)})
        one, other = diagnose(run, params), diagnose(scaled, params)
        assert one.verdict is other.verdict
        if one.verdict is Verdict.OVERFITTING:
            # The law can only fall: of a rising loss nothing is foretold.
            assert one.forecast is None
            assert other.forecast is None
            continue
        assert one.forecast is not None
        assert other.forecast is not None
        assert other.forecast.gain == pytest.approx(scale * one.forecast.gain, rel=0.02, abs=1e-4)


def test_checkpoints_that_are_gone_are_not_recommended() -> None:
    run = make.overfitting_run(rows=500)
    best = diagnose(run)
    assert best.sweet_spot is not None
    assert best.recommended_step in best.sweet_spot.steps
    left = tuple(Checkpoint(c.step, None, c.step >= 450) for c in run.checkpoints)
    found = diagnose(replace(run, checkpoints=left))
    assert found.recommended_step == 450
    assert found.headline.args["keep"].key == "diagnose.keep.other"


def test_the_sweet_spot_holds_the_planted_best_and_is_not_fooled_by_a_dip() -> None:
    found = diagnose(make.overfitting_run(rows=800))
    assert found.sweet_spot is not None
    assert 150 <= found.sweet_spot.first <= 240 <= found.sweet_spot.last <= 330

    run = make.learning_run(rows=0)
    evals = run.series[EVAL_LOSS]
    dip = replace(evals, value=np.where(evals.step == 270, evals.value - 0.09, evals.value))
    lucky = diagnose(replace(run, series={**run.series, EVAL_LOSS: dip}))
    assert lucky.sweet_spot is not None
    assert lucky.sweet_spot.best >= 540


def test_nothing_learnt_recommends_the_base_model() -> None:
    found = diagnose(make.flat_run(rows=1500))
    assert found.recommended_step == 0
    assert found.recommended_checkpoint is None
