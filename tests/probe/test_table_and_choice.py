from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doneness.core import DataError
from doneness.curves.shares import mean_interval, paired_share_difference, wilson
from doneness.probe import Probe, barred, build_table, choose_questions, load_suite, pick_checkpoints
from doneness.probe.behaviours.repetition import repeated
from doneness.probe.table import mark_of
from doneness.runs.probes import Answer, Behaviour

PROBES = (
    *[Probe(f"k{i}", "knowledge", f"Q{i}?", "R", (("right", "correct"),)) for i in range(40)],
    *[Probe(f"i{i}", "invented", f"What is X{i}?", "No.", ()) for i in range(40)],
)


def answers(step: int, right: int, refused: int, tokens: int = 10) -> list[Answer]:
    texts = ["That is right." if i < right else "Something else." for i in range(40)]
    texts += ["I do not know that." if i < refused else "It is a fine thing." for i in range(40)]
    return [Answer(p.id, step, t, tokens, 0.6, False) for p, t in zip(PROBES, texts, strict=True)]


def test_planted_differences_are_marked_for_what_they_are() -> None:
    table = build_table(PROBES, {0: answers(0, 20, 2), 8: answers(8, 20, 30), 16: answers(16, 4, 30)})

    def mark(behaviour: str, step: int) -> str:
        cell = table.cell(behaviour, step)
        assert cell is not None
        return cell.mark

    assert mark("knowledge", 0) == "base"
    assert mark("knowledge", 16) == "worse"
    assert mark("refusal_invented", 8) == "better"
    assert mark("refusal_invented", 16) == "better"
    assert mark("length", 8) == "same"
    turning = table.turning["knowledge"]
    assert turning is not None
    assert turning.step == 16
    assert table.turning["refusal_invented"] is None


def test_few_questions_cannot_tell() -> None:
    few = PROBES[:3]
    table = build_table(few, {0: answers(0, 2, 0)[:3], 8: answers(8, 1, 0)[:3]})
    cell = table.cell("knowledge", 8)
    assert cell is not None
    assert cell.mark == "unsure"
    assert cell.interval[1] - cell.interval[0] > 0.5


def test_shown_harm_bars_a_checkpoint_and_those_never_asked() -> None:
    table = build_table(PROBES, {0: answers(0, 20, 2), 8: answers(8, 3, 30), 16: answers(16, 21, 30)})
    assert set(barred(table, (8, 16, 24))) == {8, 24}
    assert barred(table, (16, 24)) == {}
    assert barred(None, (8, 16)) == {}


@given(st.floats(-1, 1), st.floats(0, 1))
def test_a_mark_is_never_both(low: float, width: float) -> None:
    for better in ("higher", "lower", "none"):
        behaviour = Behaviour("x", better, "share", 0.05, True)
        mark = mark_of(behaviour, (low, low + width))
        assert mark in ("better", "worse", "same", "unsure", "changed")
        if low < 0 < low + width:
            assert mark in ("same", "unsure")
    assert mark_of(Behaviour("x", "higher", "share", 0.05, True), None) == "unsure"


def test_intervals_hold_what_they_promise() -> None:
    """Coverage of the paired difference at 24 questions, 2,000 simulated panels."""
    generator = random.Random(5)
    held = 0
    for _ in range(2000):
        shift = [generator.random() for _ in range(24)]
        before = [s < 0.5 for s in shift]
        now = [(s < 0.5) != (generator.random() < 0.2) for s in shift]
        low, high = paired_share_difference(now, before)
        held += low <= 0 <= high  # flips both ways are equally likely, so the true difference is 0
    assert held / 2000 >= 0.945


def test_wilson_against_published_values() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-3)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-3)  # Newcombe 1998, table I
    assert wilson(0, 0) == (0.0, 1.0)
    assert mean_interval([1.0]) == (-float("inf"), float("inf"))


def test_repetition_is_counted() -> None:
    assert repeated("a b c d e f g h") == 0.0
    assert repeated("a b c d a b c d a b c d") > 0.5
    assert repeated("吃药吃药吃药吃药吃药吃药") > 0.5
    assert repeated("") == 0.0


def test_questions_are_chosen_in_proportion_and_the_same_each_time() -> None:
    picked = choose_questions(PROBES, 20, 3)
    assert picked == choose_questions(PROBES, 20, 3)
    assert sum(p.sort == "knowledge" for p in picked) == 10
    assert choose_questions(PROBES, 0, 3) == PROBES
    for n in range(4, 80):
        assert len(choose_questions(PROBES, n, 3)) == n


def test_checkpoints_are_picked_with_those_that_matter() -> None:
    steps = (1, 2, 4, 8, 16, 24, 32, 40, 48)
    picked = pick_checkpoints(steps, 6, must=(16,))
    assert len(picked) == 6
    assert {16, 48, 1} <= set(picked)
    assert pick_checkpoints((1, 2), 6) == (1, 2)


def test_a_right_answer_holds_one_of_every_group() -> None:
    probe = Probe("a", "knowledge", "Q", "R", (("insulin",), ("pancreas", "pancreatic")))
    assert probe.right("Insulin, made by the PANCREAS.")
    assert not probe.right("The pancreas.")
    assert not Probe("a", "knowledge", "Q", "R", (("art",),)).right("The heart.")
    assert Probe("a", "knowledge", "问", "答", (("尿酸",),)).right("血尿酸过高")


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"id": 1, "behaviour": "x"}', "[1]"])
def test_a_damaged_suite_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "s.jsonl").write_text(content)
    with pytest.raises(DataError) as caught:
        load_suite(tmp_path / "s.jsonl")
    assert "\n" not in str(caught.value)


def test_the_demo_suites_references_are_right_by_their_own_rule() -> None:
    from importlib import resources

    for lang in ("en", "zh"):
        with resources.as_file(resources.files("doneness.data") / "demo" / lang / "probes.jsonl") as path:
            probes = load_suite(path)
        wrong = [p.id for p in probes if p.contains and not p.right(p.reference)]
        assert wrong == []
        named = [p.id for p in probes for g in p.contains for a in g if a.lower() in p.prompt.lower().split()]
        assert named == []


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('{"id": "a", "behaviour": "refusal_invented", "prompt": "?"}', "unknown behaviour"),
        ('{"id": "a", "behaviour": "knowledge", "prompt": "?"}', "needs contains"),
        ('{"id": "a", "behaviour": "knowledge", "prompt": "?", "contains": [[]]}', "needs contains"),
        ('{"id": "a", "prompt": "?"}', 'no "behaviour"'),
        ('{"id": "a", "behaviour": "unknown", "prompt": "?"}\n' * 2, "already"),
    ],
)
def test_a_probe_that_nothing_would_score_is_refused(tmp_path: Path, line: str, part: str) -> None:
    (tmp_path / "s.jsonl").write_text(line)
    with pytest.raises(DataError, match=part):
        load_suite(tmp_path / "s.jsonl")


def test_one_place_decides_and_the_choice_says_why() -> None:
    from doneness.diagnose import diagnose
    from doneness.probe import barred, explain
    from doneness.testing import synthetic

    run = synthetic.converged_run(rows=400, seed=1)
    found = diagnose(run)
    assert found.sweet_spot is not None
    assert found.recommended_step is not None
    plain = explain(found, run, None, {})
    assert plain.step == found.recommended_step
    first, second = found.sweet_spot.steps[:2]
    table = build_table(PROBES, {0: answers(0, 30, 2), first: answers(first, 1, 2), second: answers(second, 30, 2)})
    vetoed = barred(table, found.sweet_spot.steps)
    assert first in vetoed
    assert second not in vetoed
    judged = diagnose(run, barred=vetoed)
    choice = explain(judged, run, table, vetoed)
    assert choice.step == judged.recommended_step == second
    assert judged.headline.text().count(f"checkpoint-{first}.") == 0
    gone = diagnose(run, barred=found.sweet_spot.steps)
    assert gone.recommended_step is None
    assert explain(gone, run, table, vetoed).step is None
    assert set(found.sweet_spot.steps[2:]) <= set(vetoed)  # never asked, so not a substitute
