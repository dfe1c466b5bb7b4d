"""For every check a case of every status that it can give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from doneness.core import LANGUAGES, Finding, Verdict
from doneness.diagnose import CHECKS, diagnose
from doneness.runs import EVAL_LOSS, GRAD_NORM, TRAIN_LOSS, Event, ExampleLosses, Run, Series
from doneness.testing import synthetic as make

Judge = Callable[..., Finding]


def _evals(*loss: float, every: int = 100, **meta: object) -> Run:
    step = [every * (i + 1) for i in range(len(loss))]
    return Run("means", meta=meta, series={EVAL_LOSS: Series.of(step, loss)})


def _train(loss: list[float], epochs: float = 1.0, **extra: Series) -> Run:
    step = np.arange(1, len(loss) + 1)
    return Run("train", series={TRAIN_LOSS: Series.of(step, loss, epoch=step / len(loss) * epochs), **extra})


def _with(run: Run, name: str, series: Series) -> Run:
    return replace(run, series={**run.series, name: series})


def _masked(run: Run) -> Run:
    blank = {e.step: ExampleLosses(e.step, e.ids, np.zeros_like(e.nll), np.zeros_like(e.tokens)) for e in run.examples}
    return replace(run, example_source=blank.__getitem__)


def _hump(t: np.ndarray) -> np.ndarray:
    return 1.4 + 0.1 * np.clip((t - 240) / 240, 0, 1) - 0.05 * np.clip((t - 480) / 120, 0, 1)


def _exact() -> make.Settings:
    return make.Settings(rows=0, noise=0.002)


SMOOTH = [1.5 + 0.3 * 0.99**i for i in range(200)]
ONE_NAN = [*SMOOTH[:100], float("nan"), *SMOOTH[100:]]
CLIMB = [2.0 - 0.004 * i if i < 150 else 1.4 + 0.1 * (i - 150) for i in range(220)]
SPIKE = [*SMOOTH[:100], *[6.0] * 30, *SMOOTH[100:]]
STEPS = np.arange(1, 201)
DPO = {"train/rewards/chosen": Series.of([1, 2], [0.1, 0.2])}

CASES: list[tuple[str, str, Callable[[], Run]]] = [
    ("RN01", "pass", lambda: make.converged_run(rows=50)),
    ("RN01", "fail", lambda: make.broken_run("nan", rows=0)),
    ("RN01", "fail", lambda: make.broken_run("leak", rows=0)),
    ("RN01", "fail", lambda: make.broken_run("chance", rows=0)),
    ("RN01", "fail", lambda: _evals(2.0, 1.9, float("nan"))),
    ("RN01", "fail", lambda: _masked(make.flat_run(rows=20, evals=4))),
    (
        "RN01",
        "fail",
        lambda: _train(np.full(200, 1.5) + 0.01 * np.sin(STEPS), **{GRAD_NORM: Series.of(STEPS, np.zeros(200))}),
    ),
    ("RN01", "pass", lambda: _train(SMOOTH, **{GRAD_NORM: Series.of(STEPS, np.zeros(200))})),  # printed as 0.00
    (
        "RN01",
        "fail",
        lambda: replace(_train([0.0] * 30), events=tuple(Event("hidden_nan", s, {}) for s in range(1, 31))),
    ),
    ("RN01", "warn", lambda: _train(ONE_NAN)),
    ("RN01", "warn", lambda: _with(_train(SMOOTH), EVAL_LOSS, Series.of([50, 100, 150], [1.6, float("nan"), 1.5]))),
    ("RN01", "pass", lambda: _with(_train([0.002] * 30), EVAL_LOSS, Series.of([10, 20], [1.6, 1.7]))),
    ("RN01", "skipped", lambda: Run("empty")),
    ("CV01", "pass", lambda: make.learning_run(rows=0)),
    ("CV01", "pass", lambda: _evals(2.0, 1.5, 1.4)),
    ("CV01", "fail", lambda: make.diverged_run(rows=0)),
    ("CV01", "fail", lambda: _train(CLIMB)),
    ("CV01", "fail", lambda: _train([1.64, 1.7, 2.4, 3.9, 5.5, 6.8, 7.9, 8.8, 9.7, 10.37])),
    ("CV01", "fail", lambda: _evals(2.0, 1.5, 4.0, 6.0)),
    ("CV01", "fail", lambda: _train(SMOOTH, **{GRAD_NORM: Series.of(STEPS, np.where(STEPS > 180, 50.0, 1.0))})),
    ("CV01", "warn", lambda: _train(SPIKE)),
    ("CV01", "warn", lambda: _train([0.33, *[9.0 * 0.98**i + 1.5 for i in range(120)]])),
    ("CV01", "unsure", lambda: _train([2.0, 1.9])),
    ("CV01", "skipped", lambda: _train(SMOOTH, **DPO)),
    ("CV02", "pass", lambda: make.converged_run(rows=1500, noise=0.001)),
    ("CV02", "fail", lambda: make.overfitting_run(rows=500)),
    ("CV02", "warn", lambda: make.make_run("late", lambda t: np.where(t > 590, 1.55, 1.4), make.Settings(rows=800))),
    ("CV02", "unsure", lambda: make.small_eval_run()),
    ("CV02", "unsure", lambda: make.flat_run(rows=100, evals=1)),
    ("CV02", "skipped", lambda: _evals(2.0, 1.9)),
    ("CV03", "pass", lambda: make.learning_run(rows=0)),
    ("CV03", "fail", lambda: make.overfitting_run(rows=0)),
    ("CV03", "fail", lambda: _evals(1.5, 1.2, 1.3, 1.4)),
    ("CV03", "warn", lambda: make.make_run("receding", _hump, _exact())),
    ("CV03", "unsure", lambda: _evals(1.3, 1.22, 1.45)),
    ("CV03", "unsure", lambda: make.flat_run(rows=0, noise=0.1)),
    ("CV03", "fail", lambda: _evals(0.31, 0.39, 0.47)),
    ("CV03", "pass", lambda: make.flat_run(rows=100)),
    ("CV03", "skipped", lambda: _train(SMOOTH, **DPO)),
    ("CV04", "pass", lambda: make.converged_run(rows=0)),
    ("CV04", "warn", lambda: make.learning_run(rows=0)),
    ("CV04", "unsure", lambda: _evals(1.5, 1.4, 1.35)),
    ("CV04", "unsure", lambda: make.converged_run(rows=0).until(90)),
    ("CV04", "unsure", lambda: make.learning_run(rows=0, noise=0.05)),
    ("CV04", "skipped", lambda: _train(SMOOTH)),
    ("CV05", "pass", lambda: make.learning_run(rows=500)),
    ("CV05", "pass", lambda: make.learning_run(rows=0)),
    ("CV05", "pass", lambda: _train([2.0 - 0.005 * i for i in range(200)])),
    ("CV05", "warn", lambda: make.overfitting_run(rows=500)),
    ("CV05", "warn", lambda: make.overfitting_run(rows=0)),
    ("CV05", "unsure", lambda: make.small_eval_run()),
    ("CV05", "unsure", lambda: _train([2.0 - 0.005 * i for i in range(200)], epochs=3.0)),
    ("CV05", "skipped", lambda: Run("empty")),
    ("CV06", "pass", lambda: make.converged_run(rows=1500)),
    ("CV06", "unsure", lambda: make.small_eval_run()),
    ("CV06", "skipped", lambda: _evals(2.0, 1.9)),
]


@pytest.mark.parametrize(("code", "status", "build"), CASES, ids=[f"{c}-{s}-{i}" for i, (c, s, _) in enumerate(CASES)])
def test_status(judge: Judge, code: str, status: str, build: Callable[[], Run]) -> None:
    finding = judge(code, build())
    assert finding.status.value == status, finding.summary
    for lang in LANGUAGES:
        assert finding.message.text(lang)
        assert finding.advice is None or finding.advice.text(lang)
    assert Finding.from_dict(finding.to_dict()) == finding


def test_every_check_says_what_it_finds_how_and_on_whose_word() -> None:
    import sys

    for check in CHECKS:
        doc = sys.modules[check.run.__module__].__doc__ or ""
        assert doc.startswith(f"{check.code}: ")
        for part in ("What it finds:", "How:", "Source:"):
            assert part in doc, f"{check.code} lacks {part}"


def test_rows_needed_would_be_enough(judge: Judge) -> None:
    small = judge("CV06", make.converged_run(rows=200))
    assert small.status.value == "unsure"
    needed = small.evidence["rows_needed"]
    assert judge("CV06", make.converged_run(rows=int(1.15 * needed))).status.value == "pass"


def test_a_rise_that_comes_back_is_no_overfitting(judge: Judge) -> None:
    for rows in (500, 0):
        found = judge("CV02" if rows else "CV03", make.temporary_rise_run(rows=rows))
        assert found.status.value == "pass"


def test_settled_at_a_high_rate_asks_for_a_cooldown(judge: Judge) -> None:
    found = judge("CV04", make.converged_run(rows=0, schedule="constant"))
    assert found.message.key == "diagnose.cv04.plateau"
    assert found.advice is not None


def test_a_loss_that_leapt_at_once_has_diverged() -> None:
    values = [1.637, 11.8, 11.6, 10.38, *[10.3735] * 6]
    run = Run("leap", series={TRAIN_LOSS: Series.of(range(1, 11), values)})
    found = diagnose(run)
    assert found.verdict is Verdict.DIVERGED
    assert "1.64" in found.headline.text()
    calm = Run("calm", series={TRAIN_LOSS: Series.of(range(1, 11), [1.6, 2.4, *[1.9] * 8])})
    assert diagnose(calm).verdict is not Verdict.DIVERGED


def test_a_loss_of_exactly_zero_crashes_nothing() -> None:
    evals = Series.of(range(0, 80, 10), [1.0, 0.5, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4])
    found = diagnose(Run("zero", series={EVAL_LOSS: evals}))
    assert all(f.status.value != "error" for f in found.findings)
    for lang in LANGUAGES:
        assert found.headline.text(lang)
