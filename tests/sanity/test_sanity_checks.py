"""The causes SA01 to SA09 from measurements alone: each planted in numbers, and a healthy set beside it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from doneness.core import Status
from doneness.sanity import (
    Floor,
    Gradient,
    Levels,
    Measured,
    Setting,
    Targets,
    Tokens,
    Trace,
    Trial,
    causes,
    judge,
    outcome,
    outcome_of,
)


def trace(levels: list[float], exact: float = 1.0, **changes: Any) -> Trace:
    looks = np.linspace(0, 100, len(levels))
    steps = np.arange(1.0, 101.0)
    made = Trace(
        planned=100,
        step=steps,
        loss=np.interp(steps, looks, levels),
        grad=np.ones(100),
        looks=looks,
        level=np.array(levels),
        exact=np.full(looks.size, exact),
        spread=0.002,
        judged=64,
        update=1e-3,
    )
    return replace(made, **changes)


LEARNT = [2.0, 0.8, 0.3, 0.1, 0.05, 0.02]
PLATEAU = [2.0, 1.3, 1.21, 1.2, 1.2, 1.2]
STRAIGHT = [2.0, 1.96, 1.92, 1.88, 1.84, 1.8]
STILL = [2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
RISING = [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]

HEALTHY = Measured(
    setting=Setting("sft", "lora", 8, 1e-4),
    gradient=Gradient(100_000, 10_000_000, 20, 20),
    targets=Targets(64, 4000, 2000, 1940, 0, 6000.0),
    tokens=Tokens(32_000, 31_000, 0.0, 0, 0, 0, (), entropy=2.1, surprise=2.0),
    levels=Levels(2.0, 3.0, Floor(0.0, 1.0, 0, 64)),
    trace=trace(LEARNT),
)
FLAT = (Trial("rate", 1.0, 10, 2.0, 1.5), Trial("rate", 10.0, 10, 2.0, 1.6), Trial("rate", 0.1, 10, 2.0, 1.9))
FAILED = replace(HEALTHY, trace=trace(PLATEAU, 0.0), trials=FLAT)

PLANTED = {
    "SA02": replace(HEALTHY, gradient=Gradient(0, 10_000_000, 0, 0), trace=None),
    "SA03": replace(HEALTHY, targets=replace(HEALTHY.targets, targets=64)),
    "SA04": replace(
        FAILED,
        trace=trace(STRAIGHT, 0.0),
        trials=(Trial("rate", 1.0, 10, 2.0, 1.98), Trial("rate", 10.0, 10, 2.0, 1.5)),
    ),
    "SA05": replace(
        FAILED,
        trace=trace(RISING, 0.0),
        trials=(Trial("rate", 1.0, 10, 2.0, math.nan), Trial("rate", 0.1, 10, 2.0, 1.4)),
    ),
    "SA06": replace(FAILED, gradient=Gradient(200, 10_000_000, 4, 4)),
    "SA07": replace(FAILED, tokens=replace(HEALTHY.tokens, surprise=12.0, entropy=3.0)),
    "SA08": replace(HEALTHY, levels=Levels(2.0, 2.0, Floor(0.3, 0.5, 40, 64)), trace=trace([2.0, 1.0, 0.5, 0.32], 0.5)),
    "SA09": replace(FAILED, gradient=Gradient(200, 2000, 4, 4)),
}


def test_a_healthy_pipeline_has_no_cause() -> None:
    found = judge(HEALTHY)
    assert [f.code for f in found] == [f"SA0{i}" for i in range(1, 10)]
    assert {f.status for f in found} == {Status.PASS}
    assert causes(found) == ()
    assert all(f.advice is None and f.summary for f in found)


@pytest.mark.parametrize("code", PLANTED)
def test_the_planted_cause_is_named_first(code: str) -> None:
    found = judge(PLANTED[code])
    assert Status.ERROR not in {f.status for f in found}, [f.summary for f in found if f.status is Status.ERROR]
    first = causes(found)[0]
    assert (first.code, first.status) == (code, Status.FAIL)
    assert first.advice is not None
    for lang in ("en", "zh"):
        assert "sanity." not in first.message.text(lang) + first.advice.text(lang)


def test_a_failure_without_a_known_cause_names_none() -> None:
    found = judge(FAILED)
    assert found[0].status is Status.FAIL
    assert causes(found) == ()


def test_what_was_tried_stands_in_the_advice() -> None:
    advice = causes(judge(PLANTED["SA04"]))[0].advice
    assert advice is not None
    assert "10 times the rate, 10 steps: loss 2.000 → 1.500" in advice.text()


@pytest.mark.parametrize(
    ("levels", "exact", "word"),
    [(LEARNT, 1.0, "learnt"), (LEARNT, 0.2, "closing"), (PLATEAU, 0.0, "failed"), (RISING, 0.0, "diverged"),
     (STILL, 0.0, "failed"), ([2.0, 1.6, 1.2, 0.9, 0.7, 0.5], 0.1, "closing"), ([2.0, math.nan], 0.0, "diverged")],
)  # fmt: skip
def test_outcomes(levels: list[float], exact: float, word: str) -> None:
    found = outcome_of(replace(HEALTHY, trace=trace(levels, exact)))
    assert found is not None
    assert found.word == word


def test_nothing_is_decided_before_half_of_the_steps_unless_it_is_learnt_or_apart() -> None:
    floor = Floor(0.0, 1.0, 0, 64)
    for levels, word in ((STILL[:3], "early"), ([2.0, 0.5, 0.01], "learnt"), ([2.0, 4.0, 4.0], "diverged")):
        early = replace(trace(levels), planned=1000)
        found = outcome(early, 2.0, floor)
        assert found is not None
        assert found.word == word
    assert outcome(replace(trace(STILL), looks=np.zeros(0), level=np.zeros(0), exact=np.zeros(0)), 2.0, floor) is None


def test_few_rows_decide_nothing() -> None:
    """Four of four answers are no proof that three quarters would be given."""
    found = outcome_of(replace(HEALTHY, trace=trace(LEARNT, judged=4)))
    assert found is not None
    assert found.word == "closing"


def test_texts_are_judged_by_their_loss_alone() -> None:
    made = replace(HEALTHY, setting=replace(HEALTHY.setting, stage="pretrain"), trace=trace(LEARNT, math.nan))
    found = judge(replace(made, targets=replace(made.targets, answers=0)))
    assert found[0].status is Status.PASS
    assert "texts" in found[0].summary
    assert [f.code for f in found if f.status is Status.SKIPPED] == ["SA03", "SA08"]


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"highest": 40_000}, Status.FAIL, "beyond"),
        ({"unknown": 0.05}, Status.FAIL, "unknown token"),
        ({"entropy": 1.0, "surprise": 6.0, "unigram": 5.0}, Status.WARN, "Some of the tokens"),
        ({"entropy": 1.0, "surprise": 6.0, "unigram": 1.0}, Status.PASS, "fit"),  # labels, which a model may well miss
        ({"entropy": 1.0, "surprise": 4.5, "unigram": 5.0}, Status.PASS, "fit"),
        ({"two_begins": 64}, Status.WARN, "two begin-of-text"),
        ({"no_begin": 64}, Status.WARN, "lack the begin-of-text"),
        ({"no_end": 64}, Status.WARN, "learn to stop"),
        ({"split": ("<|im_start|>",)}, Status.WARN, "<|im_start|>"),
        ({"entropy": 10.35, "surprise": 10.4}, Status.PASS, "random"),
    ],
)
def test_tokenizer_and_template(change: dict[str, Any], status: Status, word: str) -> None:
    found = next(f for f in judge(replace(HEALTHY, tokens=replace(HEALTHY.tokens, **change))) if f.code == "SA07")
    assert found.status is status
    assert word in found.summary


def test_cut_answers_are_told_from_masked_ones() -> None:
    cut = replace(HEALTHY, targets=replace(HEALTHY.targets, targets=500, lost=1440))
    assert "cut away" in next(f for f in judge(cut) if f.code == "SA03").summary


def test_idle_tensors_are_a_warning() -> None:
    some = replace(HEALTHY, gradient=Gradient(100, 1000, 20, 6, ("a.lora_A",)))
    found = next(f for f in judge(some) if f.code == "SA02")
    assert found.status is Status.WARN
    assert "a.lora_A" in found.summary


def test_what_was_not_measured_is_not_at_fault() -> None:
    unread = replace(
        HEALTHY,
        gradient=replace(HEALTHY.gradient, tensors=0, moving=0, known=False),
        tokens=replace(HEALTHY.tokens, highest=40_000, entropy=math.nan, surprise=math.nan),
        levels=replace(HEALTHY.levels, base=math.nan, shuffled=None),
        trace=None,
    )
    found = judge(unread)
    assert [cause.code for cause in causes(found)] == ["SA07"]
    assert next(f for f in found if f.code == "SA02").status is Status.SKIPPED


def test_a_whole_model_that_is_mostly_frozen_is_named_before_its_rate() -> None:
    slow = replace(PLANTED["SA04"], setting=replace(HEALTHY.setting, method="full"))
    few = replace(slow, gradient=replace(slow.gradient, trained=900_000, total=10_000_000))
    first, *rest = causes(judge(few))
    assert (first.code, first.status) == ("SA02", Status.FAIL)
    assert "900,000 of 10,000,000" in first.summary
    assert "SA04" in [cause.code for cause in rest]
    assert "mostly" not in first.message.text("zh") and "900,000" in first.message.text("zh")
    # A tenth, adapters, and rows that were learnt all the same are another matter.
    more = replace(few, gradient=replace(few.gradient, trained=1_000_000))
    for other in (more, replace(few, setting=HEALTHY.setting), replace(few, trace=HEALTHY.trace)):
        assert next(f for f in judge(other) if f.code == "SA02").status is Status.PASS


@pytest.mark.parametrize(("share", "status"), [(0.56, "fail"), (0.74, "fail"), (0.8, "warn"), (0.95, "pass")])
def test_a_quarter_of_the_answers_without_loss_is_a_fault(share: float, status: str) -> None:
    targets = replace(HEALTHY.targets, targets=int(share * HEALTHY.targets.answers))
    found = judge(replace(HEALTHY, targets=targets))
    assert next(f for f in found if f.code == "SA03").status.value == status
