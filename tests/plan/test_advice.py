from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from doneness.core import Finding, Status, speaking
from doneness.plan import ModelShape, Proposal, advise, budget, recommended_rate

SHAPE = ModelShape(16, 2048, 8192, 32, 8, 64, 128256, tied=True)
MADE = budget([100] * 4000, [40] * 4000, 16, 4, epochs=2)
GOOD = Proposal(SHAPE, MADE, 4.9e-4, warmup_steps=20, eval_rows=600)


def found(plan: Proposal, code: str) -> Finding:
    return next(finding for finding in advise(plan) if finding.code == code)


def test_a_sound_plan_passes() -> None:
    assert {finding.code: finding.status for finding in advise(GOOD)} == {f"PL0{i}": Status.PASS for i in range(1, 9)}


def test_recommended_rates() -> None:
    """3e-4 from 8 billion parameters, more in proportion below, 1e-3 at most; with the root of the batch."""
    eight = ModelShape(32, 4096, 14336, 32, 8, 128, 128256)
    assert recommended_rate(eight) == pytest.approx(3e-4, rel=0.01)
    assert recommended_rate(replace(eight, layers=80, hidden=8192)) == 3e-4
    assert recommended_rate(SHAPE) == 1e-3
    half = replace(eight, layers=12)
    assert recommended_rate(half) == pytest.approx(3e-4 * 8e9 / half.parameters)
    assert recommended_rate(eight, batch=64) == pytest.approx(3e-4 * 0.5**0.5, rel=0.01)
    assert recommended_rate(eight, batch=1) == pytest.approx(1.5e-4, rel=0.01)
    assert recommended_rate(SHAPE, "full") == pytest.approx(recommended_rate(SHAPE) / 10)
    assert recommended_rate(SHAPE, epochs=4) == pytest.approx(recommended_rate(SHAPE) / 2)
    assert recommended_rate(SHAPE, stage="dpo") == 5e-6
    assert recommended_rate(SHAPE, "full", "grpo") == pytest.approx(1e-6)


def test_alpha_times_rate_decides() -> None:
    assert found(replace(GOOD, alpha=128.0), "PL01").status is Status.WARN
    assert found(replace(GOOD, alpha=128.0, learning_rate=1.2e-4), "PL01").status is Status.PASS
    high = found(replace(GOOD, alpha=128.0, learning_rate=2e-3), "PL01")
    assert high.status is Status.FAIL
    assert high.advice is not None
    assert high.advice.args["to_set"] * 128 / 32 == pytest.approx(recommended_rate(SHAPE, batch=16))
    assert found(replace(GOOD, rslora=True), "PL01").status is Status.WARN
    assert found(replace(GOOD, learning_rate=5e-5), "PL01").status is Status.WARN
    assert found(replace(GOOD, method="full", learning_rate=5e-5, alpha=999.0), "PL01").status is Status.PASS


def test_steps_and_epochs() -> None:
    few = found(replace(GOOD, budget=budget([100] * 400, [40] * 400, 64, 4, epochs=3)), "PL02")
    assert (few.status, few.value) == (Status.WARN, 21.0)
    assert few.advice is not None
    batch, steps = few.advice.args["batch"], few.advice.args["batch_steps"]
    assert (batch, steps) == (12, 102)  # in the three epochs that were planned
    assert budget([100] * 400, [40] * 400, batch, 4, epochs=3).steps == steps
    assert budget([100] * 400, [40] * 400, batch + 1, 4, epochs=3).steps < 100
    many = replace(GOOD, budget=budget([100] * 4000, [40] * 4000, 16, 4, epochs=6))
    assert found(many, "PL02").status is Status.WARN
    assert found(replace(many, goal="reasoning"), "PL02").status is Status.PASS
    tables = found(replace(GOOD, budget=budget([1] * 20_000, [1] * 20_000, 16, 4, epochs=1)), "PL02").evidence
    assert tables["folk_tables"] == {"Unsloth": "1–3", "first table by size": "2–5", "second table by size": "5–8"}


def test_capacity() -> None:
    tight = found(
        replace(GOOD, rank=1, targets=("q",), loss=2.0, budget=replace(MADE, target_tokens=2_000_000)), "PL03"
    )
    assert tight.status is Status.WARN
    assert tight.advice is not None
    trained = SHAPE.lora_parameters(1, ("q",))
    assert tight.value == pytest.approx(2e6 * 2.0 / 0.6931472 / (2 * trained))
    assert tight.advice.args["needed_rank"] == 45
    assert found(replace(GOOD, method="full", learning_rate=5e-5), "PL03").status is Status.PASS


def test_evaluation_size() -> None:
    small = found(replace(GOOD, eval_rows=100), "PL04")
    assert small.status is Status.WARN
    assert small.message.args["detects"] == pytest.approx(2.8 * 0.06 / 10)
    assert small.message.args["needed"] == 502
    assert found(replace(GOOD, eval_rows=500), "PL04").status is Status.PASS
    assert found(replace(GOOD, eval_rows=450), "PL04").status is Status.WARN
    assert found(replace(GOOD, eval_rows=0), "PL04").status is Status.FAIL


def test_batch_and_warmup() -> None:
    big = replace(GOOD, budget=budget([10] * 40_000, [4] * 40_000, 128, 4, epochs=1))
    assert found(big, "PL05").status is Status.WARN
    assert found(replace(big, method="full"), "PL05").status is Status.PASS
    assert found(replace(GOOD, warmup_steps=0), "PL06").status is Status.WARN
    assert found(replace(GOOD, warmup_steps=200), "PL06").status is Status.WARN


def test_both_languages_carry_the_same_numbers() -> None:
    poor = replace(GOOD, learning_rate=1.0, eval_rows=50, warmup_steps=0, rank=1, targets=("q",), loss=900.0)
    poor = replace(poor, budget=budget([100] * 900, [40] * 900, 128, 4, epochs=3))
    plans = [GOOD, poor, replace(GOOD, alpha=128.0, rank=8, evaluations=3), replace(GOOD, evaluations=20, patience=1),
             replace(GOOD, evaluations=0), replace(GOOD, budget=budget([100] * 90, [4] * 90, 9, 3, epochs=9)),
             replace(poor, method="full", eval_rows=0, learning_rate=1e-9, warmup_steps=9),
             replace(GOOD, budget=budget([9] * 4000, [4] * 4000, 16, 4, epochs=9), learning_rate=1e-6)]  # fmt: skip
    seen = set()
    for finding in (finding for plan in plans for finding in advise(plan)):
        json.dumps(finding.to_dict())
        seen.add(finding.message.key)
        assert (finding.advice is None) == (finding.status is Status.PASS)
        for message in (finding.message, *([finding.advice] if finding.advice else [])):
            numbers = []
            for lang in ("en", "zh"):
                with speaking(lang):
                    numbers.append(sorted(re.findall(r"\d[\d,.e+-]*\d|\d", message.text())))
            assert numbers[0] == numbers[1], message.key
    assert len(seen) >= 14


def test_a_decay_that_is_to_be_cut_short_is_warned_of() -> None:
    long = replace(GOOD, budget=budget([100] * 4000, [40] * 4000, 16, 4, epochs=20))
    for schedule, status in (("cosine", Status.WARN), ("linear", Status.WARN), ("wsd", Status.PASS)):
        assert found(replace(long, schedule=schedule), "PL07").status is status
    assert found(replace(long, schedule="cosine", stops=False), "PL07").status is Status.PASS
    told = found(replace(long, schedule="cosine"), "PL07")
    assert told.advice is not None
    assert "wsd" in told.advice.text("en")
    assert "wsd" in told.advice.text("zh")


def test_alpha_over_rank_is_named_where_it_is_the_cause() -> None:
    """Rank 8 with alpha 128 multiplies adapters by 16: eight times what alpha = 2 · rank does."""
    told = found(replace(GOOD, rank=8, alpha=128.0), "PL01")
    assert told.message.key == "plan.pl01.scaled_lora"
    assert told.message.args["scale"] == 16
    assert told.advice is not None
    assert told.advice.args["usual"] == 16


def test_parameters_a_row() -> None:
    few = replace(GOOD, budget=budget([100] * 90, [4] * 90, 9, 3, epochs=9), rank=64)
    assert found(few, "PL08").status is Status.WARN
    assert found(replace(few, rank=1, targets=("q",)), "PL08").value == SHAPE.lora_parameters(1, ("q",)) / 90
    once = replace(few, budget=budget([100] * 90, [4] * 90, 9, 3, epochs=1))
    assert found(once, "PL08").status is Status.PASS


def test_looks_and_patience() -> None:
    assert found(replace(GOOD, evaluations=15), "PL09").status is Status.PASS
    assert found(replace(GOOD, evaluations=3), "PL09").status is Status.WARN
    hasty = found(replace(GOOD, evaluations=50, patience=2), "PL09")
    assert hasty.status is Status.WARN
    assert hasty.message.args["span"] == pytest.approx(2 * MADE.steps / 50)
    assert found(replace(GOOD, evaluations=15, patience=3), "PL09").status is Status.PASS
    assert not [f for f in advise(GOOD) if f.code == "PL09"]
