"""What a run is for, what it may cost, and which of equal checkpoints to keep."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from doneness.core import LANGUAGES, Action, Finding, Status, StopDecision, Verdict
from doneness.curves import read_rate
from doneness.diagnose import Case, Params, diagnose
from doneness.runs import LEARNING_RATE, TRAIN_LOSS, Run, Series
from doneness.stopping import Budget, EvidenceRule, first_stop, replay
from doneness.testing import synthetic as make

HOUR = 3600.0


def falling_train(run: Run) -> Run:
    """The run with a train loss that falls all the way and shows no staircase."""
    column = run.series[TRAIN_LOSS]
    noise = np.random.default_rng(0).normal(0.0, 0.02, len(column))
    value = 1.5 - 0.6 * column.step / column.step[-1] + noise
    return replace(run, series={**run.series, TRAIN_LOSS: replace(column, value=value)})


def flat_train(run: Run) -> Run:
    column = run.series[TRAIN_LOSS]
    value = 1.0 + np.random.default_rng(0).normal(0.0, 0.05, len(column))
    return replace(run, series={**run.series, TRAIN_LOSS: replace(column, value=value)})


def found_cv04(run: Run, share: float) -> Finding:
    return next(f for f in diagnose(run, Params(hourly_share=share)).findings if f.code == "CV04")


def all_said(decision: StopDecision) -> StopDecision:
    for lang in LANGUAGES:
        assert "{" not in decision.reason.text(lang)
        assert decision.reason.key not in decision.reason.text(lang)
    return decision


def test_fidelity_goes_on_where_behaviour_stops_while_the_train_loss_falls() -> None:
    run = falling_train(make.converged_run(rows=1000))
    stopped = first_stop(run, EvidenceRule())
    assert stopped is not None
    assert stopped.verdict in (Verdict.CONVERGED, Verdict.LEARNING)
    decisions = replay(run, EvidenceRule(goal="fidelity"))
    assert all(d.action is Action.CONTINUE for d in decisions)
    there = next(all_said(d) for d in decisions if d.step == stopped.step)
    assert there.reason.key == "stopping.goal.fidelity"
    assert there.verdict is stopped.verdict


def test_fidelity_stops_where_the_train_loss_is_flat_and_at_overfitting() -> None:
    settled = flat_train(make.converged_run(rows=1000))
    usual, faithful = (first_stop(settled, EvidenceRule(goal=goal)) for goal in ("behaviour", "fidelity"))
    assert usual is not None
    assert faithful is not None
    assert faithful.step == usual.step
    harmed = first_stop(falling_train(make.overfitting_run(rows=500)), EvidenceRule(goal="fidelity"))
    assert harmed is not None
    assert harmed.verdict is Verdict.OVERFITTING


def test_fidelity_watches_memorising() -> None:
    # The synthetic train loss falls in steps at the ends of the epochs: a staircase.
    run = make.converged_run(rows=1000, steps_per_epoch=100)
    warned = [d for d in replay(run, EvidenceRule(goal="fidelity")) if any(f.code == "CV07" for f in d.findings)]
    told = [d for d in warned if any(f.code == "CV07" and f.status.value == "warn" for f in d.findings)]
    assert told
    assert all(d.reason.key != "stopping.goal.fidelity" for d in told)


def test_a_target_stops_once_it_is_surely_reached_however_high_the_loss() -> None:
    run = make.learning_run(rows=800)
    assert run.evals is not None
    decision = first_stop(run, EvidenceRule(goal="target", target=2.3))
    assert decision is not None
    assert (decision.action, decision.verdict) == (Action.STOP, Verdict.LEARNING)
    assert decision.reason.key == "stopping.goal.stop"
    all_said(decision)
    goal = decision.reason.args["goal"]
    assert goal.args["loss"] < goal.args["bound"] < 2.3
    # Not at the first evaluation below, where its interval still reaches above.
    first = int(run.evals.step[np.argmax(run.evals.value < 2.3)])
    assert decision.step is not None
    assert decision.step >= first
    wide = first_stop(make.learning_run(rows=16), EvidenceRule(goal="target", target=2.3))
    assert wide is None or (wide.step or 0) > first


def test_a_target_holds_no_harmful_run_back_and_the_base_model_reaches_none() -> None:
    harmed = first_stop(make.overfitting_run(rows=500), EvidenceRule(goal="target", target=0.1))
    assert harmed is not None
    assert harmed.verdict is Verdict.OVERFITTING
    decisions = replay(make.learning_run(rows=100, evals=5), EvidenceRule(goal="target", target=100.0))
    assert decisions[0].action is Action.CONTINUE
    assert decisions[1].action is Action.STOP
    means = replay(make.learning_run(rows=0, evals=5), EvidenceRule(goal="target", target=100.0))
    assert means[1].reason.args["goal"].key == "stopping.goal.reached_means"


@pytest.mark.parametrize(
    ("budget", "key", "step"),
    [
        (Budget(tokens=200_000), "tokens", 120),
        (Budget(hours=150 * 1.5 / HOUR), "hours", 150),
        (Budget(cost=1.0, cost_per_hour=HOUR / 1.5 / 100.0), "cost", 120),
    ],
)
def test_a_budget_stops_and_is_no_verdict(budget: Budget, key: str, step: int) -> None:
    run = make.learning_run(rows=200)
    decision = first_stop(run, EvidenceRule(budget=budget))
    assert decision is not None
    all_said(decision)
    assert decision.reason.key == "stopping.budget.stop"
    assert decision.reason.args["spent"].key == f"stopping.budget.{key}"
    assert decision.step == step
    assert decision.verdict is EvidenceRule().decide(run.until(step)).verdict
    assert decision.findings


def test_limits_are_named_in_order_and_unknown_is_not_spent() -> None:
    every = Budget(target_tokens=10, tokens=20, hours=1.0, cost=5.0, cost_per_hour=2.0)
    assert every
    assert not Budget(cost_per_hour=3.0)
    reached = [every.spent(*used) for used in ((10, 20, 0), (9, 20, 0), (0, 0, HOUR), (9, 19, HOUR - 1))]
    assert [m and m.key.rpartition(".")[2] for m in reached] == ["target_tokens", "tokens", "hours", None]
    assert Budget(cost=2.0, cost_per_hour=2.0).spent(0, 0, HOUR) is not None
    assert every.spent(math.nan, math.nan, math.nan) is None
    assert every.spent_by(Run("empty")) is None


def test_harm_comes_before_the_budget() -> None:
    decision = first_stop(make.broken_run("nan", rows=100), EvidenceRule(budget=Budget(tokens=10**12)))
    assert decision is not None
    assert decision.verdict is Verdict.BROKEN
    broken = make.broken_run("nan", rows=100)
    last = EvidenceRule(budget=Budget(tokens=1)).decide(broken)
    assert last.reason.key == "stopping.stop"


def test_the_best_of_equals_can_be_preferred() -> None:
    run = make.converged_run(rows=300, noise=0.004)
    earliest, best = (diagnose(run, Params(prefer=prefer)) for prefer in ("earliest", "best"))
    assert earliest.sweet_spot is not None
    assert earliest.sweet_spot == best.sweet_spot
    assert earliest.recommended_step == earliest.sweet_spot.first
    assert best.recommended_step == earliest.sweet_spot.best
    assert best.recommended_step != earliest.recommended_step
    # Rotated away, the lowest of those tied that are left.
    left = tuple(replace(c, exists=c.step != earliest.sweet_spot.best) for c in run.checkpoints)
    other = diagnose(replace(run, checkpoints=left), Params(prefer="best"))
    assert run.evals is not None
    losses = dict(zip(run.evals.step.tolist(), run.evals.value.tolist(), strict=True))
    tied = [s for s in earliest.sweet_spot.steps if s != earliest.sweet_spot.best and s > 0]
    assert other.recommended_step == min(tied, key=losses.__getitem__)


def test_an_hourly_gain_is_held_against_the_hours_ahead() -> None:
    run = make.learning_run(rows=400, steps=600, planned=1200)
    case = Case(run, Params(hourly_share=0.01))
    # 600 steps ahead at 1.5 seconds are a quarter of an hour.
    wanted, said = case.wanted
    assert wanted == pytest.approx(0.01 * 0.25 * case.level, rel=0.01)
    assert "0.25" in said.text("en")
    assert "1.00%" in said.text("en")
    assert case.epsilon == Params().epsilon(case.level)
    # The same run, its forecast held against more or less for each hour: CV04 alone changes.
    forecast = {share: found_cv04(run, share) for share in (2.0, 1e-4)}
    assert forecast[2.0].status is Status.PASS
    assert forecast[1e-4].status is Status.WARN
    # Without a clock what matters in all is asked for.
    column = run.series[TRAIN_LOSS]
    timeless = Series.of(column.step, column.value, epoch=column.epoch)
    silent = Case(replace(run, series={**run.series, TRAIN_LOSS: timeless}), Params(hourly_share=0.9))
    assert silent.wanted[0] == silent.epsilon


@pytest.mark.parametrize(
    ("meta", "times", "told"),
    [
        ({"devices": 4}, 4, "devices: 4"),
        ({"processes": 2}, 2, "devices: 2"),
        ({"devices": 8, "processes": 2}, 8, "devices: 8"),  # each process drives four
        ({"recipe": {"run": {}}}, 1, "devices: 1"),  # our own training keeps to one
        ({}, 1, "one is assumed"),
        ({"devices": "many"}, 1, "one is assumed"),
    ],
)
def test_an_hour_of_several_devices_counts_as_many(meta: dict[str, object], times: int, told: str) -> None:
    run = make.learning_run(rows=50, steps=600, planned=1200)
    run = replace(run, meta={k: v for k, v in run.meta.items() if k not in ("devices", "processes", "recipe")} | meta)
    alone, _ = Case(run, Params(hourly_share=0.01)).wanted
    wanted, said = Case(run, Params(hourly_share=0.01, hourly_by_device=True)).wanted
    assert wanted == pytest.approx(times * alone)
    assert told in said.text("en")
    assert "GPU 小时" in said.text("zh")
    # A CV04 that says it has all its words.
    finding = next(
        f for f in diagnose(run, Params(hourly_share=0.01, hourly_by_device=True)).findings if f.code == "CV04"
    )
    assert finding.status is not Status.ERROR


def test_a_cooldown_that_was_begun_is_foreseen_as_a_line_to_zero() -> None:
    run = make.converged_run(rows=50, schedule="constant", steps=600, planned=2000)
    steady = Case(run, Params())
    assert steady.rate is not None
    assert steady.rate.shape == "constant"
    cooling = Case(replace(run, meta={**run.meta, "planned_steps": 690, "cooldown_step": 600}), Params())
    assert cooling.rate is not None
    assert cooling.rate.shape == "linear"
    assert float(cooling.rate.at(690.0)) == pytest.approx(0.0)
    assert float(cooling.rate.at(645.0)) == pytest.approx(0.5, abs=0.01)
    assert cooling.horizon[0] == 690
    assert EvidenceRule().decide(cooling.run).action is not Action.COOLDOWN
    column = run.series[LEARNING_RATE]
    assert read_rate(column.step, column.value, 690, shape="linear") is not None


def test_a_settled_run_at_a_constant_rate_asks_for_a_cooldown() -> None:
    run = make.converged_run(rows=1500, schedule="constant", steps=600, planned=2000)
    decision = first_stop(run, EvidenceRule())
    assert decision is not None
    assert decision.action is Action.COOLDOWN
    # What is no longer there pays for no cooldown.
    assert decision.step is not None
    spent = EvidenceRule(budget=Budget(tokens=1)).decide(run.until(decision.step))
    assert (spent.action, spent.reason.key) == (Action.STOP, "stopping.budget.stop")
