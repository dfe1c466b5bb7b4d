"""Rows longer than the limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doneness.core import DataError
from doneness.data import Row, Turn, parse_spans
from doneness.models import Encoded, encode, encode_rows
from doneness.models.cutting import balanced
from doneness.testing.tiny import make_tiny_tokenizer

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tiny_tokenizer()


def talk(*said: str, system: str = "") -> Row:
    turns = [Turn("user" if k % 2 == 0 else "assistant", text) for k, text in enumerate(said)]
    return Row("a", tuple([Turn("system", system)] * bool(system) + turns), 1)


LONG = talk("q" * 40, "a" * 40, "r" * 40, "b" * 40, "s" * 40, "c" * 40, system="S.")


def learnt(tokenizer: Any, encoded: Encoded) -> list[str]:
    return [tokenizer.decode(encoded.ids[a.begin : a.end]) for a in encoded.answers]


def theirs(source_len: int, target_len: int, cutoff_len: int) -> tuple[int, int]:
    """LLaMA-Factory's infer_seqlen (Apache-2.0), as it stands in its processor_utils.py."""
    if target_len * 2 < cutoff_len:
        max_target_len = cutoff_len
    elif source_len * 2 < cutoff_len:
        max_target_len = cutoff_len - source_len
    else:
        max_target_len = int(cutoff_len * (target_len / (source_len + target_len)))
    new_target_len = min(max_target_len, target_len)
    max_source_len = max(cutoff_len - new_target_len, 0)
    return min(max_source_len, source_len), new_target_len


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 400))
def test_balanced_is_their_rule(source: int, target: int, limit: int) -> None:
    assert balanced(source, target, limit) == theirs(source, target, limit)


@pytest.mark.parametrize("cut", ["answer", "balanced", "prompt"])
@pytest.mark.parametrize("answers", ["all", "last"])
def test_a_row_that_fits_is_left_alone(tokenizer: Any, cut: str, answers: str) -> None:
    whole = encode(tokenizer, LONG, 1024, answers=answers)
    assert encode(tokenizer, LONG, len(whole.ids), answers=answers, cut=cut) == whole


@pytest.mark.parametrize("cut", ["answer", "balanced", "prompt"])
@pytest.mark.parametrize("answers", ["all", "last"])
@pytest.mark.parametrize("limit", [60, 90, 120, 171, 200, 260, 300])
def test_what_is_cut_is_counted(tokenizer: Any, cut: str, answers: str, limit: int) -> None:
    whole = encode(tokenizer, LONG, 1024, answers=answers)
    try:
        found = encode(tokenizer, LONG, limit, answers=answers, cut=cut)
    except DataError:
        # What stands before the first answer that is to be learnt alone is longer.
        assert cut == "answer"
        assert limit < (whole.start if answers == "last" else 72)
        return
    assert len(found.ids) <= limit
    assert found.cut == len(whole.ids) - len(found.ids) > 0
    assert found.lost == whole.targets - found.targets
    assert found.targets > 0


def test_the_end_is_cut_and_the_first_answers_stay(tokenizer: Any) -> None:
    first = encode(tokenizer, talk("q" * 40, "a" * 40, system="S."), 1024)
    found = encode(tokenizer, LONG, len(first.ids) + 30)
    # No token stays that comes after the last one with loss.
    assert found.ids == first.ids
    assert learnt(tokenizer, found) == ["a" * 40 + "<|im_end|>"]
    shorter = encode(tokenizer, LONG, len(first.ids) - 11)
    assert learnt(tokenizer, shorter) == ["a" * 30]
    assert shorter.parts["end"] == ()


def test_the_oldest_turns_are_cut_and_the_system_turn_stays(tokenizer: Any) -> None:
    last = encode(tokenizer, talk("s" * 40, "c" * 40, system="S."), 1024)
    two = encode(tokenizer, talk("r" * 40, "b" * 40, "s" * 40, "c" * 40, system="S."), 1024)
    assert encode(tokenizer, LONG, len(two.ids) + 5, cut="prompt").ids == two.ids
    found = encode(tokenizer, LONG, len(last.ids) + 5, cut="prompt")
    assert found.ids == last.ids
    assert (found.lost, len(found.answers)) == (82, 1)
    assert found.parts["end"] == (40,)
    # Then the question's beginning goes, under its own header.
    less = encode(tokenizer, LONG, len(last.ids) - 10, cut="prompt")
    assert tokenizer.decode(less.ids) == tokenizer.decode(last.ids).replace("s" * 40, "s" * 30)
    assert (less.targets, less.lost) == (41, 82)


def test_a_question_keeps_a_part_and_then_the_answers_end_goes(tokenizer: Any) -> None:
    found = encode(tokenizer, talk("q" * 100, "a" * 200), 120, cut="prompt")
    text = tokenizer.decode(found.ids)
    assert text.count("q") == 30
    assert len(found.ids) == 120
    assert text.endswith("aaa")
    assert found.parts["end"] == ()


def test_turn_by_turn_as_llama_factory_does(tokenizer: Any) -> None:
    whole = encode(tokenizer, LONG, 1024)
    contexts, at = [], 0
    for answer in whole.answers:
        contexts.append(answer.begin - at)
        at = answer.end
    targets = [answer.end - answer.begin for answer in whole.answers]
    for limit in (70, 100, 150, 200, 250):
        left, expected = limit, []
        for source, target in zip(contexts, targets, strict=True):
            if left <= 0:
                break
            source, target = theirs(source, target, left)
            left -= source + target
            expected.append(target)
        found = encode(tokenizer, LONG, limit, cut="balanced")
        assert [answer.end - answer.begin for answer in found.answers] == [n for n in expected if n]
    # Where the last answer alone is learnt, the newest turns come first.
    newest = encode(tokenizer, LONG, 150, answers="last", cut="balanced")
    assert learnt(tokenizer, newest) == ["c" * 40 + "<|im_end|>"]
    assert "q" not in tokenizer.decode(newest.ids).replace("<|im_start|>", "")


def test_counts_of_all_rows(tokenizer: Any) -> None:
    found = encode_rows(tokenizer, [LONG, talk("q", "a")], 200)
    assert (found.truncated, found.cut, found.lost) == (1, found.rows[0].cut, found.rows[0].lost)
    assert encode_rows(tokenizer, [LONG, talk("q", "a")], 200, on_long="skip").skipped == 1


def test_a_span_of_an_answer_that_was_cut_away_has_no_tokens(tokenizer: Any) -> None:
    row = talk("q" * 40, "Decision: no", "r" * 40, "Decision: yes")
    whole = encode(tokenizer, row, 1024, spans=parse_spans(["label"]))
    targets = [i for i in whole.labels if i != -100]
    assert tokenizer.decode([targets[k] for k in whole.spans["label"]]) == "yes"
    cut = encode(tokenizer, row, whole.answers[1].begin - 1, spans=parse_spans(["label"]))
    assert cut.spans["label"] == ()
    assert len(cut.answers) == 1
