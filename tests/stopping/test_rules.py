from __future__ import annotations

import numpy as np
import pytest

from doneness.core import LANGUAGES, Action, StopDecision, Verdict
from doneness.runs import EVAL_LOSS, LEARNING_RATE, TRAIN_LOSS, ExampleLosses, Run, Series
from doneness.stopping import EvidenceRule, PatienceRule, StopRule, first_stop, replay
from doneness.testing import synthetic as make

NAN = float("nan")


def _evals(*loss: float) -> Run:
    return Run("patience", series={EVAL_LOSS: Series.of([10 * (i + 1) for i in range(len(loss))], loss)})


# patience, threshold, losses, step of the stop; by EarlyStoppingCallback of transformers with
# metric_for_best_model="eval_loss" and load_best_model_at_end (best moves on every gain).
TABLE = [
    (1, 0.0, (2.0, 1.9, 1.95), 30),
    (2, 0.0, (2.0, 2.1, 2.2, 1.0), 30),
    (2, 0.0, (2.0, 2.1, 1.9, 2.0, 2.0), 50),
    (3, 0.01, (2.0, 1.995, 1.99, 1.985, 1.98), 40),
    (3, 0.01, (2.0, 1.9, 1.8, 1.7), None),
    (2, 0.0, (2.0, NAN, NAN), 30),
    (2, 0.0, (2.0, 2.0, 2.0), 30),
]


@pytest.mark.parametrize(("patience", "threshold", "loss", "stop"), TABLE)
def test_patience_is_hugging_faces(patience: int, threshold: float, loss: tuple[float, ...], stop: int | None) -> None:
    decision = first_stop(_evals(*loss), PatienceRule(patience, threshold))
    assert (decision.step if decision else None) == stop


def test_patience_recommends_the_lowest_step_so_far() -> None:
    decision = first_stop(_evals(2.0, 1.5, 1.6, 1.7, 1.0), PatienceRule(2))
    assert decision is not None
    assert decision.recommended_step == 20


def test_an_evaluation_before_the_first_step_may_be_left_out_of_the_count() -> None:
    """Within warm-up nothing is gained, and the untrained model is no look of the trainer's."""
    run = Run("r", series={EVAL_LOSS: Series.of([0, 20, 40, 60], [2.0, 2.0, 1.9, 1.95])})
    every, trained = first_stop(run, PatienceRule(1)), first_stop(run, PatienceRule(1, start=False))
    assert every is not None and trained is not None
    assert (every.step, trained.step, trained.recommended_step) == (20, 60, 40)
    alone = Run("r", series={EVAL_LOSS: Series.of([0], [2.0])})
    assert PatienceRule(1, start=False).decide(alone).action is Action.CONTINUE


def test_patience_needs_sense() -> None:
    with pytest.raises(ValueError, match="patience"):
        PatienceRule(0)


def test_rules_keep_to_the_protocol() -> None:
    rules: list[StopRule] = [EvidenceRule(), PatienceRule(2, 0.01)]
    assert [rule.name for rule in rules] == ["evidence", "patience 2, threshold 0.01"]
    for rule in rules:
        decision = rule.decide(Run("empty"))
        assert decision.action is Action.CONTINUE
        assert decision.reason.text()


def test_overfitting_is_stopped_soon_after_the_turn_with_the_best_recommended() -> None:
    decision = first_stop(make.overfitting_run(rows=500), EvidenceRule())
    assert decision is not None
    assert decision.verdict is Verdict.OVERFITTING
    assert decision.step is not None
    assert 240 < decision.step <= 450
    assert decision.recommended_step in range(150, 271)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_a_settled_run_is_cooled_down_where_the_rate_is_high_and_stopped_where_it_is_low(schedule: str) -> None:
    run = make.converged_run(rows=1500, schedule=schedule)
    rate = run.series[LEARNING_RATE]
    peak = float(rate.value.max())
    asked = [d for d in replay(run, EvidenceRule()) if d.action is not Action.CONTINUE]
    assert asked
    for decision in asked:
        now = float(np.interp(decision.step or 0, rate.step, rate.value)) / peak
        assert decision.action is (Action.COOLDOWN if now > 0.2 else Action.STOP)
    if schedule != "constant":
        assert {d.action for d in asked} == {Action.COOLDOWN, Action.STOP}
        assert "it falls to zero first" in asked[0].reason.text("en")


def test_a_settled_run_is_ended_and_steps_are_saved() -> None:
    decision = first_stop(make.converged_run(rows=1500), EvidenceRule())
    assert decision is not None
    # So early the steep fall still lies within the latest third: learning, but nothing is left to gain.
    assert decision.verdict in (Verdict.CONVERGED, Verdict.LEARNING)
    assert decision.step is not None
    assert 100 <= decision.step < 600


def test_a_learning_run_goes_on_and_says_why_not_each_verdict() -> None:
    run = make.learning_run(rows=1500)
    decisions = replay(run, EvidenceRule())
    assert run.evals is not None
    assert [d.step for d in decisions] == run.evals.step.tolist()
    # What is left of the plan at its very end brings nothing, and that is said; it is never called converged.
    assert all(d.action is Action.CONTINUE for d in decisions if d.step is not None and d.step < 450)
    assert all(d.verdict is not Verdict.CONVERGED for d in decisions)
    why = decisions[10].reason.args["why"]
    assert set(why.args) == {"broken", "diverged", "overfitting", "converged"}
    for lang in LANGUAGES:
        assert decisions[10].reason.text(lang)
    assert StopDecision.from_dict(decisions[10].to_dict()) == decisions[10]


def test_nothing_is_called_converged_before_100_steps() -> None:
    run = make.converged_run(rows=1500, steps=96, planned=96)
    assert all(d.verdict is not Verdict.CONVERGED for d in replay(run, EvidenceRule()))


def test_the_guard_does_not_bind_overfitting() -> None:
    decision = first_stop(make.overfitting_run(rise=0.3, rows=800, steps=90), EvidenceRule())
    assert decision is not None
    assert decision.verdict is Verdict.OVERFITTING


def test_a_resumed_run_decides_the_same() -> None:
    run = make.overfitting_run(rows=300)
    rule = EvidenceRule()
    whole = replay(run, rule)
    again = [EvidenceRule().decide(run.until(d.step)) for d in whole[10:] if d.step is not None]
    assert [d.to_dict() for d in whole[10:]] == [d.to_dict() for d in again]


def test_replay_reads_each_evaluation_once() -> None:
    run = make.converged_run(rows=60, evals=8)
    source, asked = run.example_source, []
    assert source is not None

    def counted(step: int) -> ExampleLosses:
        asked.append(step)
        return source(step)

    from dataclasses import replace

    replay(replace(run, example_source=counted), EvidenceRule())
    assert sorted(asked) == sorted(run.example_steps)


def test_evidence_loses_less_than_patience_where_gains_are_many_and_small() -> None:
    """A steady fall below the threshold: patience stops while the run improves."""
    step = np.arange(1, 21) * 30
    run = Run("slow", series={EVAL_LOSS: Series.of(step, 2.0 - 0.006 * np.arange(20))})
    patient = first_stop(run, PatienceRule(3, 0.01))
    assert patient is not None
    assert first_stop(run, EvidenceRule()) is None


def test_of_rewards_the_reward_says_why_not() -> None:
    step = np.arange(1, 121)
    noise = np.random.default_rng(0).normal(0.0, 0.02, 120)
    known = {"reward": 0.01 * step + noise, "reward_std": 0.0 * step + 0.5, "kl": 0.0005 * step}
    series = {f"train/{name}": Series.of(step, value) for name, value in known.items()}
    loss = Series.of(step, 0.0 * step, epoch=step / 120)
    run = Run("grpo", meta={"method": "grpo"}, series={TRAIN_LOSS: loss, **series})
    decision = EvidenceRule().decide(run)
    assert decision.action is Action.CONTINUE
    said = decision.reason.args["why"].args["pairs"].args["evidence"]
    assert said == next(f.message for f in decision.findings if f.code == "RL01")
    assert all(decision.reason.text(lang) for lang in LANGUAGES)
