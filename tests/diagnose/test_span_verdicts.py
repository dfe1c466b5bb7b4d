from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import span_runs
from span_runs import settled, span_run, still_falling

from doneness.core import Action, DonenessError, Status, StopDecision, Verdict, speaking
from doneness.curves import half_of
from doneness.diagnose import Case, Params, diagnose
from doneness.diagnose.spans import guessing
from doneness.runs import Run
from doneness.stopping import EvidenceRule
from doneness.testing.synthetic import overfitting_run


@pytest.fixture(scope="module")
def label_learns() -> Run:
    return span_run(label=still_falling, free=settled)


def test_the_mean_settles_while_the_label_still_learns(label_learns: Run) -> None:
    found = diagnose(label_learns)
    assert (found.span, found.verdict, found.action) == ("label", Verdict.LEARNING, Action.CONTINUE)
    by_name = {each.name: each for each in found.spans}
    assert by_name["label"].verdict is Verdict.LEARNING
    assert by_name["explanation"].verdict is Verdict.CONVERGED
    assert diagnose(label_learns, span="all").verdict is Verdict.CONVERGED
    told = found.headline.text()
    assert told.startswith("Label tokens: Still learning")
    assert "says otherwise (done)" in told
    with speaking("zh"):
        assert found.headline.text().startswith("标签 token：")
        assert "已到火候" in found.headline.text()


def test_the_whole_says_that_its_label_says_otherwise(label_learns: Run) -> None:
    found = diagnose(label_learns, Params(span="all"))
    assert (found.span, found.verdict) == ("", Verdict.CONVERGED)
    assert found.headline.text().endswith("The label tokens alone say otherwise (still learning).")


def test_the_label_is_done_while_free_text_keeps_the_mean_falling() -> None:
    run = span_run(label=settled, free=still_falling)
    found = diagnose(run)
    assert (found.span, found.verdict) == ("label", Verdict.CONVERGED)
    assert "says otherwise (still learning)" in found.headline.text()
    assert diagnose(run, span="all").verdict is Verdict.LEARNING


def test_where_they_agree_nothing_is_said_of_it() -> None:
    found = diagnose(span_run(label=settled, free=settled))
    assert found.verdict is Verdict.CONVERGED
    assert "otherwise" not in found.headline.text()


def test_any_span_can_be_asked_about(label_learns: Run) -> None:
    found = diagnose(label_learns, span="explanation")
    assert (found.span, found.verdict) == ("explanation", Verdict.CONVERGED)
    with pytest.raises(DonenessError, match="no losses of a span dose"):
        diagnose(label_learns, span="dose")
    # A recipe may name what an older part of the run lacks; all tokens decide then.
    assert diagnose(label_learns, Params(span="dose")).span == ""


def test_numbers_of_a_span(label_learns: Run) -> None:
    label = next(each for each in diagnose(label_learns).spans if each.name == "label")
    last, first = label_learns.examples[-1], label_learns.examples[0]
    assert label.loss == pytest.approx(last.spans["label"].mean)
    assert label.change == pytest.approx(last.spans["label"].mean - first.spans["label"].mean)
    assert label.interval is not None
    assert label.interval[0] < label.change < label.interval[1]
    assert (label.n, label.tokens) == (800, 800)
    assert label.baseline == pytest.approx(np.log(3), abs=1e-3)
    assert json.dumps(label.to_dict())


def test_a_run_without_spans_is_judged_as_before() -> None:
    found = diagnose(overfitting_run())
    assert (found.span, found.spans) == ("", ())
    assert found.verdict is Verdict.OVERFITTING


def test_what_breaks_the_run_breaks_every_span(label_learns: Run) -> None:
    train = label_learns.series["train/loss"]
    torn = replace(train, value=np.where(train.step > 300, np.nan, train.value))
    run = replace(label_learns, series={**label_learns.series, "train/loss": torn})
    found = diagnose(run)
    assert found.verdict is Verdict.BROKEN
    assert {each.verdict for each in found.spans} == {Verdict.BROKEN}


def test_a_span_is_no_leak_and_no_overlap_where_its_loss_is_small(label_learns: Run) -> None:
    found = diagnose(label_learns, span="end")
    status = {finding.code: finding.status for finding in found.findings}
    assert status["RN01"] is Status.PASS
    assert status["CV08"] is Status.PASS


def test_the_rule_decides_by_the_label(label_learns: Run) -> None:
    on = EvidenceRule().decide(label_learns)
    assert on.action is Action.CONTINUE
    assert on.reason.text().startswith("Label tokens: Going on at step 600.")
    assert StopDecision.from_dict(json.loads(json.dumps(on.to_dict()))).reason.text() == on.reason.text()
    stop = EvidenceRule(Params(span="all")).decide(label_learns)
    assert stop.action is Action.STOP
    assert "label tokens alone say otherwise" in stop.reason.text()


def test_a_label_no_better_than_guessing_is_said_to_be() -> None:
    level = float(np.log(3))
    guessed = span_run(label=lambda u: np.full_like(u, level), free=settled)
    told = [reading.text() for reading in diagnose(guessed).readings]
    assert any("no better than guessing by frequency (1.10 against 1.10" in text for text in told)
    better = span_run(label=lambda u: np.full_like(u, level - 0.1), free=settled)
    assert all("guessing by frequency" not in reading.text() for reading in diagnose(better).readings)


def test_guessing_costs_the_entropy_of_the_labels() -> None:
    run = span_run(settled, settled, rows=400, labels=("yes", "yes", "yes", "no"))
    found = guessing(run)
    assert found is not None
    assert found.cost == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert (found.labels, found.rows) == (2, 400)
    assert guessing(span_run(settled, settled, rows=400, labels=("yes",))) is None
    many = tuple(f"disease {i}" for i in range(13))
    assert guessing(span_run(settled, settled, rows=400, labels=many)) is None
    assert guessing(span_run(settled, settled, rows=12, labels=("a", "b", "c"))) is None


def test_rows_of_one_conversation_count_once() -> None:
    alone = span_run(settled, settled, rows=100)
    eightfold = span_run(settled, settled, rows=800, cluster=8)
    one, many = Case(alone, Params()).table, Case(eightfold, Params()).table
    assert one is not None
    assert many is not None
    assert many.tokens.size == one.tokens.size == 100
    assert many.nll[-1].sum() == pytest.approx(eightfold.examples[-1].nll.sum())
    assert many.mean[-1] == pytest.approx(eightfold.examples[-1].mean)
    # Eight copies of a row tell nothing new: the standard error is that of one.
    unclustered = {e.step: replace(e, cluster=None) for e in eightfold.examples}
    wrong = Case(replace(eightfold, example_source=unclustered.__getitem__), Params()).table
    assert wrong is not None
    assert many.effect(-1, -2).se == pytest.approx(wrong.effect(-1, -2).se * np.sqrt(8), rel=0.02)
    assert diagnose(eightfold).spans[0].n == 100


def test_a_conversation_lies_in_one_half() -> None:
    run = span_run(settled, settled, rows=64, cluster=8)
    table = Case(run, Params()).table
    assert table is not None
    names = sorted({f"talk-{i // 8:05d}" for i in range(64)})
    assert table.half.tolist() == half_of(names).tolist()


def test_three_conversations_are_too_few_for_a_table() -> None:
    assert Case(span_run(settled, settled, rows=24, cluster=8), Params()).table is None


def test_a_label_in_three_rows_decides_nothing() -> None:
    run = span_run(settled, settled, rows=40)
    few = {}
    for each in run.examples:
        tokens = np.where(np.arange(40) < 3, 1, 0)
        label = replace(each.spans["label"], tokens=tokens)
        few[each.step] = replace(each, spans={**each.spans, "label": label})
    found = diagnose(replace(run, example_source=few.__getitem__))
    assert found.span == ""
    assert "label" not in {each.name for each in found.spans}


def test_the_sample_itself_partitions() -> None:
    each = span_run(settled, still_falling, rows=16).examples[3]
    total = sum((part.nll for part in each.spans.values()), np.zeros(16))
    np.testing.assert_allclose(total, each.nll)
    assert span_runs.settled(np.array(1.0)) < span_runs.settled(np.array(0.0))
