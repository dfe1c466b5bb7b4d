"""Preference runs with planted truth: what still rises is not stopped, what has settled or overfits is.

The rates over many seeds stand in docs/design/log.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from doneness.core import LANGUAGES, Action, Status, Verdict
from doneness.diagnose import Case, Params, diagnose
from doneness.diagnose.climb import Scores, climb, end_of, looks
from doneness.diagnose.pair_loss import margins, right
from doneness.runs import EVAL_LOSS, LEARNING_RATE, ExampleLosses, Run, Series
from doneness.stopping import EvidenceRule

PLAN = 1000
Course = Callable[[Any], Any]


def rising(u: Any) -> Any:
    return 0.60 + 0.08 * u


def settled(u: Any) -> Any:
    return 0.58 + 0.10 * np.minimum(u / 0.3, 1.0)


def turning_down(u: Any) -> Any:
    return np.where(u < 0.3, 0.58 + 0.08 * u / 0.3, 0.66 - 0.06 * (u - 0.3) / 0.7)


def planted(
    accuracy: Course, pairs: int, evals: int, spread: Course, seed: int = 0, recorded: bool = True, **meta: Any
) -> Run:
    """A DPO run whose true accuracy and spread of margins are known; each pair has a place of its own and wanders."""
    rng = np.random.default_rng(seed)
    step = np.round(np.linspace(PLAN / evals, PLAN, evals)).astype(np.int64)
    u = step / PLAN
    own = rng.normal(size=pairs)
    centre = np.array([NormalDist().inv_cdf(float(p)) for p in accuracy(u)])
    wander = 0.15 * rng.normal(size=(evals, pairs)) + 0.02 * rng.normal(size=(evals, 1))
    margin = spread(u)[:, None] * (centre[:, None] + np.sqrt(1.0 - 0.15**2) * own + wander)
    loss = np.logaddexp(0.0, -margin)
    ids, one = np.array([f"p{i:05d}" for i in range(pairs)]), np.ones(pairs, dtype=np.int64)
    rows = {int(s): ExampleLosses(int(s), ids, row, one) for s, row in zip(step, loss, strict=True)}
    columns = {
        EVAL_LOSS: loss.mean(axis=1),
        "eval/rewards/accuracies": (margin > 0).mean(axis=1),
        "eval/rewards/margins": margin.mean(axis=1),
    }
    run = Run(
        "planted",
        meta={"method": "dpo", "planned_steps": PLAN, "eval_rows": pairs, **meta},
        series={name: Series.of(step, value) for name, value in columns.items()},
    )
    return replace(run, example_steps=tuple(rows), example_source=rows.__getitem__) if recorded else run


def mild(u: Any) -> Any:
    return 0.1 + 1.0 * u


def done(u: Any) -> Any:
    return 0.2 + 0.8 * np.minimum(u / 0.3, 1.0)


def parting(u: Any) -> Any:
    return 0.2 + 6.0 * u


def stop_of(run: Run) -> tuple[int, Verdict] | None:
    """Where the usual rule stops the run, and why; None where it does not."""
    assert run.evals is not None
    for step in run.evals.step.tolist():
        decision = EvidenceRule().decide(run.until(step))
        if decision.action is Action.STOP:
            return step, decision.verdict
    return None


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("pairs", [500, 1000, 2000])
def test_an_accuracy_that_still_rises_is_not_stopped(pairs: int, recorded: bool) -> None:
    stops = [stop_of(planted(rising, pairs, 20, mild, seed, recorded)) for seed in range(3)]
    # Towards the end there is nothing left to rise to.
    assert all(stop is None or PLAN - stop[0] <= 100 for stop in stops), stops


def test_more_evaluations_make_no_run_settle_sooner() -> None:
    coarse = stop_of(planted(rising, 500, 12, mild, recorded=False))
    fine = stop_of(planted(rising, 500, 100, mild, recorded=False).until(600))
    assert coarse is None or coarse[0] > 900
    assert fine is None


@pytest.mark.parametrize("recorded", [True, False])
def test_an_accuracy_that_has_settled_is_stopped(recorded: bool) -> None:
    stops = [stop_of(planted(settled, 1000, 20, done, seed, recorded)) for seed in range(3)]
    assert all(stop is not None and stop[1] is Verdict.CONVERGED and 300 < stop[0] < PLAN for stop in stops), stops


def test_at_a_high_rate_what_has_settled_is_cooled_down_not_stopped() -> None:
    run = planted(settled, 2000, 20, done)
    step = run.series[EVAL_LOSS].step
    held = replace(run, series={**run.series, LEARNING_RATE: Series.of(step, np.full(step.size, 1e-6))})
    at = held.until(900)
    decision = EvidenceRule().decide(at)
    assert (decision.action, decision.verdict) == (Action.COOLDOWN, Verdict.CONVERGED)
    assert EvidenceRule().decide(run.until(900)).action is Action.STOP
    told = diagnose(at)
    for lang in LANGUAGES:
        assert told.advice is not None and "135" in told.advice.text(lang), "15 % of the steps done"
        assert "=" not in told.headline.text(lang)


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("pairs", [100, 500])
def test_overfitting_to_pairs_is_stopped(pairs: int, recorded: bool) -> None:
    found = stop_of(planted(turning_down, pairs, 20, parting, 1, recorded))
    assert found is not None and found[1] is Verdict.OVERFITTING and 300 < found[0] <= 900


@pytest.mark.parametrize("recorded", [True, False])
def test_over_confidence_alone_is_a_warning(recorded: bool) -> None:
    run = planted(rising, 1000, 20, lambda u: 0.2 + 8.0 * u, 0, recorded).until(800)
    assert run.evals is not None and run.evals.value[-1] > 1.5 * run.evals.value.min()
    found = diagnose(run, Params(watched=True))
    judged = next(f for f in found.findings if f.code == "PF01")
    assert (judged.status, judged.message.key) == (Status.WARN, "diagnose.pf01.confident")
    assert found.action is Action.CONTINUE and stop_of(run) is None
    for lang in LANGUAGES:
        assert "=" not in judged.message.text(lang)


def test_settled_with_pairs_that_are_wrong_by_more_and_more_is_done_and_says_so() -> None:
    run = planted(lambda u: 0.58 + 0.06 * np.minimum(u / 0.2, 1.0), 1000, 20, parting)
    stop = stop_of(run)
    assert stop is not None and stop[1] is Verdict.CONVERGED
    found = diagnose(run.until(stop[0]), Params(watched=True))
    judged = next(f for f in found.findings if f.code == "PF01")
    assert judged.message.key == "diagnose.pf01.plateau_risen" and found.advice == judged.advice
    assert all("=" not in judged.message.text(lang) for lang in LANGUAGES)


def test_what_is_overfit_says_where_it_was_best() -> None:
    run = planted(turning_down, 500, 20, parting, 1)
    found = diagnose(run)
    assert found.headline.text("en").startswith("Overfitting at step 1,000. The loss of held-out pairs has risen")
    assert found.advice is not None and run.evals is not None
    best = int(run.evals.step[int(np.argmin(run.evals.value))])
    assert f"step {best}" in found.advice.text("en") and f"{best}" in found.advice.text("zh")


def kto(shape: Course, fall: float = 0.0, noise: float = 5e-4) -> Run:
    """What TRL's KTOTrainer logs: a loss between 0 and 1, rewards of chosen and rejected answers, no accuracy."""
    rng = np.random.default_rng(0)
    step = np.arange(1, 21) * 50
    u = step / PLAN
    margin = np.minimum(u / 0.3, 1.0) - fall * np.clip(u - 0.4, 0.0, None) + 0.01 * rng.normal(size=u.size)
    columns = {
        EVAL_LOSS: shape(u) + noise * rng.normal(size=u.size),
        "eval/rewards/chosen": 0.5 * margin,
        "eval/rewards/rejected": -0.5 * margin,
        "eval/kl": 0.1 * u,
    }
    series = {name: Series.of(step, value) for name, value in columns.items()}
    return Run("kto", meta={"method": "kto", "planned_steps": PLAN}, series=series)


def flat_from_a_third(u: Any) -> Any:
    return 0.5 - 0.1 * np.minimum(u / 0.3, 1.0)


def back_up(u: Any) -> Any:
    return flat_from_a_third(u) + 0.08 * np.clip(u - 0.4, 0.0, None)


def test_kto_is_judged_by_its_loss_with_its_margin() -> None:
    told = {
        "loss_falls": (kto(lambda u: 0.5 - 0.1 * u), Verdict.LEARNING, Action.CONTINUE),
        "loss_settled": (kto(flat_from_a_third, noise=1e-4), Verdict.CONVERGED, Action.STOP),
        "overfit": (kto(back_up, fall=1.0), Verdict.OVERFITTING, Action.STOP),
        "few_losses": (kto(back_up).until(250), Verdict.UNDECIDED, Action.CONTINUE),
    }
    for key, (run, verdict, action) in told.items():
        found = diagnose(run, Params(watched=True))
        judged = next(f for f in found.findings if f.code == "PF01")
        assert judged.message.key == f"diagnose.pf01.{key}", judged.summary
        assert (found.verdict, found.action) == (verdict, action)
        assert all("=" not in judged.message.text(lang) for lang in LANGUAGES)
    alone = diagnose(kto(lambda u: 0.5 - 0.1 * np.minimum(u / 0.3, 1.0) + 0.08 * np.clip(u - 0.4, 0.0, None), -1.0))
    assert next(f for f in alone.findings if f.code == "PF01").message.key == "diagnose.pf01.confident_loss"
    assert alone.action is Action.CONTINUE


def test_what_is_flat_too_early_is_not_said_to_be_unknown() -> None:
    found = diagnose(kto(flat_from_a_third, noise=1e-4), Params(watched=True, min_steps=10 * PLAN))
    judged = next(f for f in found.findings if f.code == "PF01")
    assert (judged.status, judged.message.key) == (Status.UNSURE, "diagnose.pf01.loss_early")
    assert found.action is Action.CONTINUE


def test_a_reward_model_is_judged_as_a_classifier_is() -> None:
    run = planted(turning_down, 400, 20, lambda u: 0.2 + 3.0 * u)
    named = replace(run, meta={**run.meta, "method": "reward"})
    renamed = {name.replace("rewards/accuracies", "accuracy").replace("rewards/margins", "margin"): s
               for name, s in run.series.items()}  # fmt: skip
    extremes = {f"eval/{name}_reward": run.series[EVAL_LOSS] for name in ("min", "mean", "max")}
    unnamed = replace(run, meta={"planned_steps": PLAN}, series={**renamed, **extremes})
    for each in (named, unnamed):
        found = diagnose(each)
        assert not Case(each, Params()).preference and found.verdict is Verdict.OVERFITTING
        assert "PF01" not in {f.code for f in found.findings}
        assert found.recommended_step is not None, "its likelihood names a best checkpoint"


def test_one_number_tells_loss_margin_and_who_won() -> None:
    run = planted(rising, 50, 5, parting)
    table = Case(run, Params()).pairs
    assert table is not None
    np.testing.assert_allclose(margins(table).mean(axis=1), run.series["eval/rewards/margins"].value, atol=1e-9)
    np.testing.assert_allclose(right(table).mean(axis=1), run.series["eval/rewards/accuracies"].value)
    texts = {s: replace(run.examples[0], step=s, tokens=np.full(50, 7)) for s in (200, 400)}
    assert Case(replace(run, example_source=texts.__getitem__), Params()).pairs is None, "losses of texts are no pairs"


def test_the_bound_of_a_line_covers_the_gain_it_bounds() -> None:
    covered = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        step = np.arange(1, 31) * 10
        value = 0.5 + 0.0004 * step + 0.01 * rng.normal(size=30)
        found = climb(Scores(step, value, drawn=True), 600.0, 0.05)
        assert found is not None
        covered.append(found.gain + found.half >= 0.0004 * 300)
    assert 0.90 <= np.mean(covered) <= 0.99
    assert climb(Scores(step[:3], value[:3]), 600.0, 0.05) is None


def test_looks_lie_a_twentieth_of_the_plan_apart_however_often_is_evaluated() -> None:
    assert list(looks(np.arange(1, 901), 1000.0, True)) == list(range(50, 901, 50))
    assert list(looks(np.arange(1, 10) * 100, 1000.0, True)) == list(range(1, 10))
    assert list(looks(np.arange(1, 1001), 1000.0, False)) == [925, 1000]
    assert [end_of(now, 1000.0) for now in (500.0, 1000.0)] == [1000.0, 1500.0]
    assert end_of(500.0, None) == 1000.0
