from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import report_samples as samples

from doneness.core import Message, UnreadableError, Verdict
from doneness.report import Extras, ReportView, build
from doneness.report.answers import marked
from doneness.report.curve import eval_points
from doneness.report.thin import thin
from doneness.runs import Checkpoint, Event, ExampleLosses, Run, Series


def test_headline_and_words_are_in_the_chosen_language(extras: Extras) -> None:
    run, diagnosis = samples.full_run(), samples.full_diagnosis()
    english, chinese = (build(run, diagnosis, extras, lang) for lang in ("en", "zh"))
    assert english.headline.startswith("Done at step 64. Keep checkpoint-32")
    assert chinese.headline.startswith("第 64 步已到火候")
    assert (english.verdict_word, chinese.verdict_word) == ("Overfitting", "过拟合")
    assert english.lang == "en" and chinese.lang == "zh"


def test_three_key_numbers_carry_their_evidence(view: ReportView) -> None:
    level, change, gain = view.key_numbers
    assert level.label.endswith("step 32") and "120 examples" in level.detail
    assert level.value == f"{samples.examples_at(32).mean:.3f}"
    rise = samples.examples_at(96).mean / samples.examples_at(32).mean - 1
    assert change.value == f"+{100 * rise:.1f}\u00a0%"
    assert "120 paired examples" in change.detail
    # The forecast expects the loss to rise: a gain of −0.039 nats on 1.153.
    assert gain.value == "+3.4\u00a0%" and "costs 32 steps, 525k tokens, 11 min 30 s" in gain.detail


def test_checkpoint_rows(view: ReportView) -> None:
    rows = {r.step: r for r in view.checkpoints}
    assert sorted(rows) == [8, 16, 32, 48, 64, 80, 96]
    assert [s for s, r in rows.items() if r.state == "gone"] == [8, 16, 48]
    assert [s for s, r in rows.items() if r.sweet] == [32, 48]
    assert [s for s, r in rows.items() if r.chosen] == [32]
    best = rows[32]
    assert best.best and best.diff is None and best.epoch == pytest.approx(1.0)
    last = rows[96]
    assert last.diff == pytest.approx(samples.examples_at(96).mean - samples.examples_at(32).mean)
    assert last.diff_interval is not None and last.interval is not None
    # Pairing takes the examples' own levels out: the paired interval is far narrower.
    paired, alone = (b - a for a, b in (last.diff_interval, last.interval))
    assert 0 < paired < alone / 3


def test_an_interval_of_one_example_is_unknown_not_zero() -> None:
    one = ExampleLosses(4, np.array(["a"]), np.array([3.0]), np.array([2]))
    run = Run("one", series={"eval/loss": Series.of([4], [1.5])}, example_steps=(4,), example_source=lambda step: one)
    points, _ = eval_points(run)
    assert points[0].low is None and points[0].high is None


def test_choice_overrides_the_diagnosis_even_with_nothing(extras: Extras) -> None:
    run, diagnosis = samples.full_run(), samples.full_diagnosis()
    other = build(run, diagnosis, replace(extras, choice=replace(samples.choice(), step=16)), "en")
    assert other.curve.chosen == 16 and other.checklist is not None and other.checklist.chosen == 16
    none = build(run, diagnosis, replace(extras, choice=replace(samples.choice(), step=None)), "en")
    assert none.curve.chosen is None and not any(r.chosen for r in none.checkpoints)


def test_decisions_are_folded_by_reason(view: ReportView) -> None:
    assert [(s.first, s.last, s.times, s.action_key) for s in view.timeline] == [
        (1, 32, 6, "continue"),
        (48, 48, 1, "continue"),
        (64, 96, 3, "stop"),
    ]
    assert view.timeline[2].recommended == 32
    assert len(view.timeline[0].earlier) == 5


def test_a_decision_of_a_newer_version_is_still_shown() -> None:
    data = {"action": "stop", "verdict": "converged", "findings": []}
    unknown = Event("decision", 5, {**data, "reason": Message("future.reason", {"gain": 0.2}).to_dict()})
    broken = Event("decision", 6, {"action": "stop"})
    run = replace(samples.full_run(), events=(unknown, broken))
    view = build(run, samples.full_diagnosis(), lang="en")
    assert "future.reason" in view.timeline[0].reason and "gain=0.2" in view.timeline[0].reason
    assert any("could not be read" in m.why and "1" in m.why for m in view.missing)


def test_the_checklist_marks_and_turning_points(view: ReportView) -> None:
    table = view.checklist
    assert table is not None and table.steps == samples.PROBED
    row = next(r for r in table.rows if r.name == "refusal_invented")
    assert row.turning == 48 and row.guard
    assert [c.mark for c in row.cells if c][-3:] == ["worse"] * 3
    cell = row.cells[3]
    assert cell is not None and (cell.value, cell.interval, cell.n) == ("50\u00a0%", "41–59", 40)
    length = next(r for r in table.rows if r.name == "length")
    assert length.cells[0] is not None and length.cells[0].value == "52"


def test_an_unknown_mark_reads_as_cannot_tell(extras: Extras) -> None:
    table = samples.table()
    table = replace(table, cells=tuple(replace(c, mark="splendid") for c in table.cells))
    view = build(samples.full_run(), samples.full_diagnosis(), replace(extras, table=table), "en")
    assert view.checklist is not None
    assert {c.mark for r in view.checklist.rows for c in r.cells if c} == {"unsure"}


def test_answers_stand_side_by_side_with_their_changes(view: ReportView) -> None:
    assert len(view.questions) == 48
    english = next(q for q in view.questions if q.id == "q00")
    assert [a.step for a in english.answers] == list(samples.PROBED)
    assert [a.change for a in english.answers][:3] == ["first", "changed", "same"]
    new = [p.text.strip() for p in english.answers[1].pieces if p.kind == "new"]
    assert "of" in new and "spelling" in new


@pytest.mark.parametrize(
    ("before", "now", "kinds"),
    [
        ("请向药师核对名称。", "请向药师核对药名。", ["same", "gone", "new", "same"]),
        ("take two tablets now", "take three tablets now", ["same", "gone", "new", "same"]),
        ("a b c", "a b c", ["same"]),
    ],
)
def test_marks_by_word_and_by_chinese_character(before: str, now: str, kinds: list[str]) -> None:
    pieces, _ = marked(before, now)
    assert [p.kind for p in pieces] == kinds
    assert "".join(p.text for p in pieces if p.kind != "gone") == now


def test_a_lone_word_between_two_changes_is_part_of_the_change() -> None:
    pieces, change = marked("stay in bed all day and drink some water", "lie in state all day and drink some water")
    assert change == "changed"
    assert [(p.kind, p.text.strip()) for p in pieces][:2] == [("gone", "stay in bed"), ("new", "lie in state")]


def test_nothing_absent_goes_unsaid() -> None:
    view = build(Run("empty"), samples.plain_diagnosis(), lang="en")
    said = {m.what for m in view.missing}
    assert {"Training loss", "Evaluation loss", "Checkpoints", "Behaviours", "Recipe", "Data card", "Seed"} <= said
    assert all(n.value == "–" for n in view.key_numbers)
    assert view.command is None and view.checklist is None


def test_a_damaged_evaluation_file_is_named_and_the_rest_still_shown() -> None:
    def source(step: int) -> ExampleLosses:
        if step == 64:
            raise UnreadableError("evals/step-00000064.npz: damaged")
        return samples.examples_at(step)

    run = replace(samples.full_run(), example_source=source)
    view = build(run, samples.full_diagnosis(), lang="en")
    rows = {r.step: r for r in view.checkpoints}
    assert rows[64].interval is None and rows[64].diff_interval is None and rows[64].loss is not None
    assert rows[96].diff_interval is not None
    assert any("step 64" in m.why and "left out" in m.why for m in view.missing)


def test_a_foreign_run_says_what_its_log_lacks() -> None:
    view = build(samples.foreign_run(), samples.plain_diagnosis("foreign", Verdict.LEARNING), lang="en")
    said = {m.what: m.why for m in view.missing}
    assert "Paired comparison of checkpoints" in said and "Learning rate" in said
    assert said["Reader"] == "two rows hold the same step; the later one was kept"
    assert "no interval" in view.key_numbers[0].detail
    assert {r.state for r in view.checkpoints} == {"unknown"}
    assert set(view.curve.axes) == {"step", "epoch"}


def test_skipped_checks_are_not_among_the_findings(view: ReportView) -> None:
    assert [f.code for f in view.findings] == ["CV03", "CV07", "CV09", "CV01"]
    assert "CV12" in {m.what for m in view.missing}


def test_an_absent_checkpoint_file_is_told_from_a_present_one() -> None:
    run = replace(samples.full_run(), checkpoints=(Checkpoint(32, None, True), Checkpoint(64, None, False)))
    view = build(run, samples.full_diagnosis(), lang="en")
    assert {r.step: r.state for r in view.checkpoints} == {32: "kept", 64: "gone"}


def test_thinning_keeps_extremes_and_ends() -> None:
    rng = np.random.default_rng(0)
    value = rng.normal(size=50_000)
    value[31_234], value[7] = 40.0, -40.0
    step, kept = thin(np.arange(50_000.0), value)
    assert kept.size <= 2002
    assert kept.max() == 40.0 and kept.min() == -40.0
    assert (step[0], step[-1]) == (0, 49_999)
    assert np.all(np.diff(step) > 0) and np.array_equal(value[step.astype(int)], kept)
