"""RN01 on zeros and on NaN of the first rows; readings of evaluation sets that turned upwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from doneness.core import LANGUAGES, Finding, Status
from doneness.diagnose import Case, Params
from doneness.diagnose.readings import readings
from doneness.runs import EVAL_LOSS, TRAIN_LOSS, Run, Series

Judge = Callable[..., Finding]
NAN = float("nan")


def losses(*train: float, evals: list[float] | None = None) -> Run:
    series = {TRAIN_LOSS: Series.of(range(1, len(train) + 1), train)}
    if evals:
        series[EVAL_LOSS] = Series.of([5 * (i + 1) for i in range(len(evals))], evals)
    return Run("losses", series=series)


def test_nothing_but_zeros_may_have_other_causes_than_a_leak(judge: Judge) -> None:
    for run in (losses(*[0.0] * 30), losses(*[0.0] * 30, evals=[0.0] * 5)):
        found = judge("RN01", run)
        assert (found.status, found.message.key) == (Status.FAIL, "diagnose.rn01.zeros")
        assert "NaN" in found.message.text("en") and "NaN" in found.message.text("zh")
        assert found.advice is not None and found.advice.key == "diagnose.rn01.zeros_advice"
    assert judge("RN01", losses(*[0.001] * 30)).message.key == "diagnose.rn01.leak"
    assert judge("RN01", losses(*[0.0] * 30, evals=[0.001] * 5)).message.key == "diagnose.rn01.leak"


@pytest.mark.parametrize(
    ("train", "status"),
    [
        ([NAN, 2.0, 1.9], Status.WARN),
        ([NAN, NAN, 2.0, 1.9, 1.8], Status.WARN),
        ([NAN, 2.0], Status.FAIL),
        ([NAN, 2.0, NAN, 1.9, 1.8], Status.FAIL),
        ([2.0, NAN, 1.9, 1.8], Status.FAIL),
        ([NAN] * 10, Status.FAIL),
        ([NAN] * 10 + [2.0] * 30, Status.FAIL),
        ([NAN] + [2.0] * 39, Status.WARN),
    ],
)
def test_nan_in_the_first_rows_alone_has_passed(judge: Judge, train: list[float], status: Status) -> None:
    found = judge("RN01", losses(*train))
    assert (found.status, found.message.key) == (status, "diagnose.rn01.nan")
    passed = found.advice is not None and found.advice.key == "diagnose.rn01.nan_passed_advice"
    assert passed == (status is Status.WARN)


def test_a_warning_of_train_hides_no_fault_of_evaluation(judge: Judge) -> None:
    found = judge("RN01", losses(NAN, *[2.0] * 39, evals=[1.9, NAN, NAN]))
    assert found.status is Status.FAIL
    assert found.message.text("en").startswith("2 of 3 evaluation losses")


TURNED = [1.0, 0.8, 0.65, 0.55, 0.5, 0.5, 0.6, 0.75, 0.9, 1.05, 1.2]
FALLING = [2.0 * 0.9**i + 1.0 for i in range(11)]


def sets(meta: dict[str, Any] | None = None, **columns: list[float]) -> Run:
    named = {name.replace("__", "/").replace("eval_", "eval:"): values for name, values in columns.items()}
    series = {name: Series.of(100 * np.arange(1, len(v) + 1), v) for name, v in named.items()}
    return Run("sets", meta=meta or {}, series=series)


def told(run: Run) -> dict[str, Any]:
    found = {m.key.rpartition(".")[2]: m for m in readings(Case(run, Params()))}
    for message in found.values():
        assert all(message.text(language) for language in LANGUAGES)
    return found


def test_a_set_that_turned_is_told_beside_the_one_that_decides() -> None:
    run = sets(eval_code__loss=FALLING, eval_math__loss=TURNED, eval__loss=FALLING)
    message = told(run)["set_turned"]
    text = "Evaluation set math: loss has risen by 140% since step 500, while code decides the verdict."
    assert message.text("en") == text
    assert "math" in message.text("zh") and "140%" in message.text("zh") and "code" in message.text("zh")
    own = sets(eval__loss=[v + 0.1 for v in FALLING], eval_math__loss=TURNED)
    assert "the main evaluation set" in told(own)["set_turned"].text("en")


def test_a_set_that_did_not_turn_is_not_told() -> None:
    for values in (FALLING, TURNED[:5], [1.0 + 0.001 * (i % 2) for i in range(11)]):
        assert "set_turned" not in told(sets(eval__loss=[v + 0.1 for v in FALLING], eval_math__loss=values))
    assert "set_turned" not in told(sets(eval__loss=TURNED, eval_math__loss=TURNED))


def test_a_preference_loss_that_turned_is_context() -> None:
    dpo = {"method": "dpo"}
    found = told(sets(dpo, eval__loss=TURNED))
    assert list(found) == ["preference_turned"]
    assert "140% since step 500" in found["preference_turned"].text("en")
    assert told(sets(dpo, eval__loss=FALLING)) == {}
