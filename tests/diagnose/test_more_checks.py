"""CV07 to CV09, PF01, RL01 and the readings: fires, does not fire, too little evidence; and what is said then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.core import LANGUAGES, Action, Diagnosis, Finding, Status, Verdict
from doneness.diagnose import Case, Params, diagnose
from doneness.diagnose.readings import readings
from doneness.runs import EVAL_LOSS, LEARNING_RATE, TRAIN_LOSS, Event, Run, Series
from doneness.runs.readers.facts import arguments
from doneness.testing import synthetic as make

Judge = Callable[..., Finding]
PER = 100


def stairs(
    drop: float, epochs: int = 3, noise: float = 0.05, seed: int = 0, also: dict[str, Series] | None = None
) -> Run:
    """Train losses that drop by the share `drop` at every epoch edge."""
    rng = np.random.default_rng(seed)
    step = np.arange(1, epochs * PER + 1)
    loss = 1.5 * (1.0 - drop) ** np.floor((step - 1) / PER) * (1.0 + noise * rng.normal(size=step.size))
    return Run("stairs", series={TRAIN_LOSS: Series.of(step, loss, epoch=step / PER), **(also or {})})


def evaluated(values: list[float], every: int = 25) -> Series:
    step = np.arange(1, len(values) + 1) * every
    return Series.of(step, values, epoch=step / PER)


def falling_rate(drops: bool) -> Series:
    """A rate that falls by a third at every epoch edge, or stays."""
    step = np.arange(1, 3 * PER + 1)
    return Series.of(step, 1e-4 * (1.0 - 0.33 * drops * np.floor((step - 1) / PER)))


def overlapping() -> Run:
    """Evaluation rows from the training file: their loss takes the same stairs."""
    rng = np.random.default_rng(1)
    run = stairs(0.25)
    step = np.arange(10, 3 * PER + 1, 10)
    loss = 1.5 * 0.75 ** np.floor((step - 1) / PER) * (1.0 + 0.01 * rng.normal(size=step.size))
    return replace(run, series={**run.series, EVAL_LOSS: Series.of(step, loss, epoch=step / PER)})


def below(share: float, epochs: int = 3) -> Run:
    run = stairs(0.0, epochs)
    return replace(run, series={**run.series, EVAL_LOSS: evaluated([1.5 * (1.0 - share)] * 4 * epochs)})


def named(train: str, evaluation: str) -> Run:
    run = make.learning_run(rows=0)
    return replace(run, meta={**run.meta, "recipe": {"data": {"train": train, "eval": evaluation}}})


def preference(
    accuracy: Callable[[Any], Any], chosen: float = 0.0, held_out: bool = True, epochs: float = 1.0, **meta: Any
) -> Run:
    """Twelve held-out evaluations (or 300 training rows) of a DPO run whose margin grows."""
    rng = np.random.default_rng(0)
    n = 12 if held_out else 300
    step = np.arange(1, n + 1) * (40 if held_out else 2)
    u = step / step[-1]
    split = "eval" if held_out else "train"
    noise = 0.002 if held_out else 0.12
    columns = {
        "rewards/accuracies": accuracy(u) + noise * rng.normal(size=n),
        "rewards/chosen": chosen * u + 0.01 * rng.normal(size=n),
        "rewards/margins": 1.5 * u + 0.01 * rng.normal(size=n),
        "logps/chosen": -100.0 + 10.0 * chosen * u,
    }
    series = {f"{split}/{name}": Series.of(step, value) for name, value in columns.items()}
    train = Series.of(step, 0.7 - 0.3 * u, epoch=epochs * u)
    told = {"method": "dpo", "planned_steps": int(step[-1]), **meta}
    return Run("dpo", meta=told, series={TRAIN_LOSS: train, **series})


def settled(u: Any) -> Any:
    return 0.72 - 0.2 * np.exp(-u / 0.08)


def climbing(u: Any) -> Any:
    return 0.55 + 0.2 * u


def reinforced(reward: Callable[[Any], Any], n: int = 600, noise: float = 0.1, **columns: Callable[[Any], Any]) -> Run:
    """A GRPO run: its reward over steps, a within-group deviation of 0.5, and what else is asked for."""
    rng = np.random.default_rng(0)
    step = np.arange(1, n + 1)
    u = step / n
    series = {"train/reward": reward(u) + noise * rng.normal(size=n), "train/reward_std": np.full(n, 0.5)}
    series |= {f"train/{name.replace('__', '/')}": make_values(u) + 0 * u for name, make_values in columns.items()}
    found = {name: Series.of(step, value) for name, value in series.items()}
    return Run("grpo", meta={"method": "grpo"}, series={TRAIN_LOSS: Series.of(step, 0.0 * u, epoch=u), **found})


def one(u: Any) -> Any:
    return 1.0 + 0 * u


CASES: list[tuple[str, str, Callable[[], Run]]] = [
    ("CV07", "fail", lambda: stairs(0.1)),
    ("CV07", "warn", lambda: stairs(0.1, also={EVAL_LOSS: evaluated([1.5] * 12)})),
    ("CV07", "pass", lambda: stairs(0.0, noise=0.02)),
    ("CV07", "pass", lambda: stairs(0.1, epochs=1)),
    ("CV07", "unsure", lambda: stairs(0.0, noise=0.3)),
    ("CV07", "unsure", lambda: stairs(0.3, also={LEARNING_RATE: falling_rate(True)})),
    ("CV07", "fail", lambda: stairs(0.3, also={LEARNING_RATE: falling_rate(False)})),
    ("CV07", "skipped", lambda: Run("no epochs", series={TRAIN_LOSS: Series.of(range(200), np.ones(200))})),
    ("CV07", "skipped", lambda: Run("means", series={EVAL_LOSS: evaluated([1.5, 1.4])})),
    ("CV07", "skipped", lambda: preference(settled)),
    ("CV08", "fail", lambda: named("data/rows.jsonl", "data/rows.jsonl")),
    ("CV08", "fail", lambda: named("data/rows.jsonl", "./data//rows.jsonl")),
    ("CV08", "warn", lambda: replace(make.learning_run(rows=0), meta={"train_data": "a,b", "eval_data": "b, c"})),
    ("CV08", "pass", lambda: named("data/train.jsonl", "data/eval.jsonl")),
    ("CV08", "pass", lambda: replace(make.learning_run(rows=0), meta={"train_data": "a"})),  # a share is split off
    ("CV08", "warn", overlapping),
    ("CV08", "warn", lambda: below(0.2)),
    ("CV08", "pass", lambda: below(0.2, epochs=1)),
    ("CV08", "pass", lambda: below(-0.2)),
    ("CV08", "pass", lambda: make.small_eval_run()),
    ("CV08", "unsure", lambda: Run("means", series={EVAL_LOSS: evaluated([1.5, 1.4])})),
    ("CV08", "skipped", lambda: stairs(0.1)),
    ("CV09", "pass", lambda: make.learning_run(rows=0)),
    ("CV09", "pass", lambda: make.learning_run(rows=0, planned=1000)),
    ("CV09", "warn", lambda: ended(make.learning_run(rows=0, planned=1000))),
    ("CV09", "warn", lambda: make.overfitting_run(rows=0)),
    ("CV09", "warn", lambda: spent_run()),
    ("CV09", "unsure", lambda: make.learning_run(rows=0, evals=3)),
    ("CV09", "skipped", lambda: stairs(0.1)),
    ("PF01", "pass", lambda: preference(climbing)),
    ("PF01", "warn", lambda: preference(settled)),
    ("PF01", "fail", lambda: preference(settled, chosen=-2.0)),
    ("PF01", "warn", lambda: preference(climbing, chosen=-2.0)),
    ("PF01", "warn", lambda: preference(lambda u: 0.8 - 0.1 * u)),
    ("PF01", "pass", lambda: preference(climbing, chosen=-0.2, chosen_tokens=200)),
    ("PF01", "unsure", lambda: preference(settled, eval_rows=60)),
    ("PF01", "unsure", lambda: preference(settled, held_out=False).until(200)),
    ("PF01", "unsure", lambda: preference(climbing, held_out=False, epochs=2.5)),
    ("PF01", "unsure", lambda: preference(settled).until(160)),
    ("PF01", "skipped", lambda: make.learning_run(rows=0)),
    ("RL01", "pass", lambda: reinforced(lambda u: 2.0 * u)),
    ("RL01", "warn", lambda: reinforced(one)),
    ("RL01", "warn", lambda: reinforced(one, completions__mean_length=lambda u: 200.0 + 300.0 * u)),
    ("RL01", "fail", lambda: reinforced(one, kl=lambda u: 5.0 * u**3)),
    (
        "RL01",
        "fail",
        lambda: reinforced(one, completions__mean_length=lambda u: 200.0 + 300.0 * u, entropy=lambda u: 1.0 - 0.9 * u),
    ),
    ("RL01", "warn", lambda: reinforced(lambda u: 2.0 * u, kl=lambda u: 5.0 * u**3)),
    ("RL01", "warn", lambda: reinforced(lambda u: 2.0 * u, entropy=lambda u: 1.5 - 1.4 * u)),
    (
        "RL01",
        "warn",
        lambda: reinforced(
            lambda u: 2.0 * u, rewards__format__mean=lambda u: 2.0 * u, rewards__answer__mean=lambda u: 0.1 * u
        ),
    ),
    ("RL01", "warn", lambda: reinforced(lambda u: 2.0 * u, completions__clipped_ratio=lambda u: 0.3 * u)),
    ("RL01", "fail", lambda: reinforced(one, frac_reward_zero_std=lambda u: 0.99 + 0 * u)),
    ("RL01", "fail", lambda: reinforced(lambda u: np.where(u < 0.6, 2.0, 0.0))),
    ("RL01", "warn", lambda: reinforced(lambda u: 1.0 - 0.4 * u)),
    ("RL01", "unsure", lambda: reinforced(one, n=30, noise=0.6)),
    ("RL01", "unsure", lambda: reinforced(lambda u: 2.0 * u).until(6)),
    ("RL01", "skipped", lambda: preference(settled)),
]


def ended(run: Run) -> Run:
    return replace(run, events=(*run.events, Event("end", run.last_step, {})))


def test_a_cooldown_that_was_meant_explains_nothing_away() -> None:
    run = spent_run()
    cooled = replace(run, meta={**run.meta, "cooldown_step": 600})
    told = [next(f for f in diagnose(each).findings if f.code == "CV09").message.key for each in (run, cooled)]
    assert told[0] == "diagnose.cv09.spent"
    assert told[1] != told[0]


def spent_run() -> Run:
    """Falls steadily while the rate is up, and stands still once it has gone."""
    step = np.arange(0, 1001, 50)
    rate = np.where(step < 600, 1.0, np.clip((700.0 - step) / 100.0, 1e-3, 1.0))
    loss = 2.0 - 0.001 * np.minimum(step, 650) + 0.0005 * np.cos(step)
    return Run(
        "spent",
        meta={"planned_steps": 1000, "warmup_steps": 0},
        series={EVAL_LOSS: Series.of(step, loss), LEARNING_RATE: Series.of(step, 1e-4 * rate)},
    )


@pytest.mark.parametrize(("code", "status", "build"), CASES, ids=[f"{c}-{s}-{i}" for i, (c, s, _) in enumerate(CASES)])
def test_status(judge: Judge, code: str, status: str, build: Callable[[], Run]) -> None:
    finding = judge(code, build())
    assert finding.status.value == status, finding.summary
    for lang in LANGUAGES:
        assert "{" not in finding.message.text(lang)
        assert "=" not in finding.message.text(lang)  # what stands in for a sentence that asks for other numbers
        assert finding.advice is None or "=" not in finding.advice.text(lang)
    assert Finding.from_dict(finding.to_dict()) == finding


def _spoken(found: Diagnosis) -> str:
    texts = [m.text(lang) for lang in LANGUAGES for m in (found.headline, found.advice, *found.readings) if m]
    assert all("=" not in text for text in texts)
    return texts[0]


def test_memorising_is_a_verdict_without_evaluations_alone() -> None:
    found = diagnose(stairs(0.1))
    assert (found.verdict, found.action) == (Verdict.MEMORISING, Action.CONTINUE)
    assert found.recommended_step is None
    assert found.forecast is None
    text = _spoken(found)
    assert "step 100" in text
    assert "verfitting unknown" in text
    with_evals = diagnose(stairs(0.1, also={EVAL_LOSS: evaluated([1.5 - 0.03 * i for i in range(12)])}))
    plain = diagnose(stairs(0.0, also={EVAL_LOSS: evaluated([1.5 - 0.03 * i for i in range(12)])}))
    assert with_evals.verdict is plain.verdict is not Verdict.MEMORISING


def test_false_alarms_of_memorising_are_rare(judge: Judge) -> None:
    hits = [judge("CV07", stairs(0.0, noise=0.15, seed=seed)).status is Status.FAIL for seed in range(100)]
    assert np.mean(hits) <= 0.02


def test_rows_in_a_fixed_order_are_not_memorised_rows(judge: Judge) -> None:
    run = stairs(0.0)
    train = run.series[TRAIN_LOSS]
    # The hard rows come last in every epoch, and the loss falls on the whole.
    value = train.value + 0.5 * ((train.epoch - 1e-9) % 1.0) - 0.1 * train.epoch
    assert judge("CV07", replace(run, series={TRAIN_LOSS: replace(train, value=value)})).status is Status.UNSURE


def test_an_evaluation_on_training_data_is_named_before_any_verdict() -> None:
    found = diagnose(named("rows.jsonl", "rows.jsonl"))
    assert found.verdict is Verdict.UNDECIDED
    assert found.recommended_step is None
    assert found.forecast is None
    assert found.headline.args["first"].key == "diagnose.cv08.named"
    assert "rows.jsonl" in _spoken(found)
    suspected = diagnose(below(0.2))
    assert suspected.headline.args["first"].key == "diagnose.headline.overlap"
    _spoken(suspected)


def test_a_train_loss_summed_over_accumulation_is_no_overlap(judge: Judge) -> None:
    run = below(15.0 / 16.0)
    found = judge("CV08", run)
    assert found.message.key == "diagnose.cv08.summed" and found.message.args["times"] == pytest.approx(16.0, rel=0.02)
    diagnosis = diagnose(run)
    assert "overlap" not in _spoken(diagnosis) and diagnosis.headline.args.get("first") is None


def test_an_evaluation_that_falls_away_from_the_train_loss_is_no_sum(judge: Judge) -> None:
    run = stairs(0.0, 3)
    leak = evaluated([1.45 * 0.8**i for i in range(12)])
    assert judge("CV08", replace(run, series={**run.series, EVAL_LOSS: leak})).message.key == "diagnose.cv08.below"
    assert judge("CV08", below(0.5)).message.key == "diagnose.cv08.summed", "two batches added up"


def test_chosen_answers_that_fall_a_little_are_no_harm(judge: Judge) -> None:
    assert judge("PF01", preference(settled, chosen=-0.1)).message.key == "diagnose.pf01.plateau"
    unseen = judge("PF01", preference(settled, chosen=-2.0, held_out=False))
    assert unseen.status is not Status.FAIL, "of training pairs nothing proves harm"


def test_the_follower_is_told_from_the_held_out(judge: Judge) -> None:
    assert judge("CV08", overlapping()).message.key == "diagnose.cv08.follows"


PREFERENCES: list[tuple[Callable[[], Run], Verdict, Action, str]] = [
    (lambda: preference(climbing), Verdict.LEARNING, Action.CONTINUE, "Still learning"),
    (lambda: preference(settled), Verdict.CONVERGED, Action.STOP, "Done"),
    (lambda: preference(settled, chosen=-2.0), Verdict.OVERFITTING, Action.STOP, "Over-optimised"),
    (lambda: preference(climbing, chosen=-2.0), Verdict.UNDECIDED, Action.CONTINUE, "Cannot tell"),
    (lambda: reinforced(lambda u: 2.0 * u), Verdict.LEARNING, Action.CONTINUE, "Still learning"),
    (lambda: reinforced(one), Verdict.CONVERGED, Action.STOP, "Done"),
    (lambda: reinforced(lambda u: np.where(u < 0.6, 2.0, 0.0)), Verdict.DIVERGED, Action.STOP, "Diverged"),
    (lambda: reinforced(one, frac_reward_zero_std=one), Verdict.CONVERGED, Action.STOP, "Done"),
    (lambda: reinforced(lambda u: 2.0 * u, kl=lambda u: 5.0 * u**3), Verdict.UNDECIDED, Action.CONTINUE, "Cannot tell"),
]


@pytest.mark.parametrize(("build", "verdict", "action", "word"), PREFERENCES)
def test_preference_and_reward_decide_where_no_likelihood_does(
    build: Callable[[], Run], verdict: Verdict, action: Action, word: str
) -> None:
    found = diagnose(build())
    assert (found.verdict, found.action) == (verdict, action), found.headline.text()
    assert _spoken(found).startswith(word)
    assert found.recommended_step is None
    assert found.readings == ()


def test_nan_from_the_first_evaluation_sends_nobody_back_to_a_checkpoint(judge: Judge) -> None:
    nan = float("nan")
    run = stairs(0.0, also={EVAL_LOSS: evaluated([nan, nan, nan])})
    assert judge("RN01", run).advice == diagnose(run).advice
    assert diagnose(run).advice.key == "diagnose.rn01.nan_eval_advice"  # type: ignore[union-attr]
    alone = Run("nan", series={EVAL_LOSS: evaluated([nan, nan])})
    assert judge("RN01", alone).advice.key == "diagnose.rn01.nan_first_advice"  # type: ignore[union-attr]
    late = Run("late", series={EVAL_LOSS: evaluated([1.0, nan, nan])})
    assert judge("RN01", late).advice.key == "diagnose.rn01.nan_advice"  # type: ignore[union-attr]


def test_what_was_asked_for_is_said_as_it_was_asked() -> None:
    params = Params()
    assert params.asked(2.0).text("en") == "0.50%"
    assert params.asked(0.318).text("en") == "0.003 nats (here 1.00%)"
    assert "0.003" in params.asked(0.318).text("zh")


def read(run: Run) -> dict[str, str]:
    return {m.key.rpartition(".")[2]: m.text("en") for m in readings(Case(run, Params()))}


def _metrics(**meta: Any) -> Run:
    step = np.arange(1, 7) * 50
    columns = {
        "loss": [1.0, 0.8, 0.7, 0.72, 0.75, 0.8],
        "accuracy": [0.6, 0.7, 0.74, 0.75, 0.76, 0.75],
        "wer": [30.0, 20.0, 18.0, 18.5, 19.0, 19.5],
        "weirdness": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "runtime": [3.0] * 6,
    }
    return Run("metrics", meta=meta, series={f"eval/{n}": Series.of(step, v) for n, v in columns.items()})


def test_metrics_are_read_with_their_directions() -> None:
    found = read(_metrics(classes=3))
    assert "best 0.76 at step 250" in found["higher"]
    assert "best 18 at step 150" in found["lower"]
    assert "not known" in found["unknown"]
    assert "1.099" in found["guessing"]
    assert "perplexity" not in found
    assert "accuracy at step 250" in found["disagree"]
    assert "not logged" in found["disagree"]


def test_a_known_number_of_rows_says_what_one_value_is_worth() -> None:
    assert "± 0.042" in read(_metrics(eval_rows=400))["disagree"]


def test_perplexity_is_for_text_alone() -> None:
    assert "best 2.014 at step 150, last 2.226" in read(_metrics(task="causal-lm"))["perplexity"]
    assert "perplexity" not in read(_metrics(task="classification", vocab_size=32000))


def test_regression_is_held_against_the_target_variance() -> None:
    series = {"eval/rmse": Series.of([1, 2], [0.8, 0.5])}
    assert "R² 0.750" in read(Run("r", meta={"target_variance": 1.0}, series=series))["variance"]
    assert "variance" not in read(Run("r", series=series))


def test_readings_travel_in_the_json() -> None:
    found = diagnose(_metrics())
    told = found.to_dict()["readings"]
    assert len(told) == len(found.readings) > 0
    assert told[0]["text"] == found.readings[0].text()


def test_the_arguments_beside_a_log_name_its_data(tmp_path: Path) -> None:
    file = tmp_path / "training_args.yaml"
    file.write_text("stage: sft\ndataset: medical,chat\neval_dataset: medical\n", encoding="utf-8")
    meta = arguments(file)
    assert (meta["train_data"], meta["eval_data"]) == ("medical,chat", "medical")
    assert diagnose(replace(make.learning_run(rows=0), meta=meta)).verdict is Verdict.UNDECIDED
    file.write_text("stage: sft\ndataset: medical\neval_dataset: null\nval_size: 0.1\n", encoding="utf-8")
    assert "eval_data" not in arguments(file)
