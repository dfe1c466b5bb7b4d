"""What an answer is worth, also of answers that nobody would write."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path

import numpy as np
import pytest

from doneness.config import RewardsSection
from doneness.config.rewards import beside, parse_rewards
from doneness.core import DonenessError
from doneness.data import PromptRow, Turn
from doneness.models.prompts import EncodedPrompt
from doneness.train.stages.matcher import Matcher
from doneness.train.stages.rewards import Answers, Formatted, Scorer, exact, rewards_of, scorers_of, summed

HOSTILE = ["", " ", "<think>", "</answer><answer>", "<answer>", "\\boxed{", "####", "\x00", "\ud800", "a" * 20_000]


def answers(*texts: str, reference: str | None = "42", **columns: object) -> Answers:
    row = PromptRow("1", (Turn("user", "?"),), reference, 1, columns=columns)
    asked = EncodedPrompt(row, (1, 2), ({"role": "user", "content": "?"},))
    return Answers([asked] * len(texts), texts, [tuple(range(len(text.split()))) for text in texts])


def worth(section: RewardsSection, told: Answers) -> list[float]:
    scorers = scorers_of(section)
    return [float(each) for each in summed(scorers, rewards_of(scorers, told))]


@pytest.mark.parametrize(
    ("said", "reference", "right"),
    [
        ("<think>40?</think><answer> 42. </answer>", "#### 42", True),
        ("so \\boxed{\\text{Paris}}", "paris", True),
        ("6 × 7 = 42\n#### 42\nDone.", "42", True),
        ("1,000", "$1000", True),
        ("0.5", "1/2", True),
        ("４２", "42", True),
        ("巴黎。", "巴黎", True),
        ("It is 42", "42", False),
        ("<think>42</think>", "42", False),
        ("<think>42", "42", False),
        ("<answer>42</answer><answer>41</answer>", "42", False),
        ("420", "42", False),
        ("1/0", "0/0", False),
        ("9" * 10_000, "9" * 9_999, False),
    ],
)
def test_an_answer_is_right_where_its_result_is(said: str, reference: str, right: bool) -> None:
    assert worth(RewardsSection(), answers(said, reference=reference)) == [float(right)]


def test_answers_that_nobody_would_write_are_worth_nothing() -> None:
    assert worth(RewardsSection(), answers(*HOSTILE)) == [0.0] * len(HOSTILE)
    assert worth(RewardsSection(("format",)), answers(*HOSTILE)) == [0.0] * len(HOSTILE)
    long = "<think>" + "</think><answer>" * 2_000 + "x"
    assert worth(RewardsSection(("format",)), answers(long)) == [0.0]
    # Of a row without a right answer nothing is said, and the other rewards count alone.
    assert math.isnan(worth(RewardsSection(), answers("42", reference=None))[0])
    assert worth(RewardsSection(("exact", "format=0.5")), answers("42", reference=None)) == [0.0]


def test_the_form_is_reasoning_and_then_an_answer() -> None:
    told = answers(
        "<think>a\nb</think>\n<answer>c</answer>\n", "<answer>c</answer>", "x<think>a</think><answer>c</answer>"
    )
    assert worth(RewardsSection(("format=2",)), told) == [2.0, 0.0, 0.0]


def test_a_pattern_of_ones_own_has_to_match_the_whole_answer() -> None:
    section = RewardsSection(("format",), pattern=r"Answer: \d+\s*")
    assert worth(section, answers("Answer: 42\n", "Answer: x", "My Answer: 42", *HOSTILE)) == [1.0] + [0.0] * 12


def test_a_pattern_that_takes_too_long_is_no_match_and_the_next_answer_is_met() -> None:
    matcher = Matcher("x*x*x*x*x*x*x*y", limit=0.5)
    try:
        assert not matcher.matches("x" * 3_000)
        assert matcher.overtime == 1
    finally:
        matcher.close()
    again = Matcher("x*y")
    try:
        assert [again.matches(text) for text in ("xxy", "xx", "line\nbreak")] == [True, False, False]
        # What tells the training to finish its step does not spoil the answers of that step.
        child = again._child
        assert child is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            child.send_signal(number)
        assert [again.matches(text) for text in ("y", "xy", "x")] == [True, True, False]
        assert again._child is child
        assert again.overtime == 0
    finally:
        again.close()


def test_answers_that_a_pattern_takes_too_long_for_are_counted() -> None:
    form = Formatted("x*x*x*x*x*x*x*y")
    assert form._matcher is not None
    form._matcher._limit = 0.5
    try:
        assert form(answers("x" * 3_000, "xy")) == [0.0, 1.0]
        assert Scorer("format", 1.0, form).overtime == 1
        assert Scorer("exact", 1.0, exact).overtime == 0
    finally:
        form._matcher.close()


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (RewardsSection(("length",), length_target=4), [0.0, 0.25, 1.0, 0.5, 0.0]),
        (RewardsSection(("length",), length_cap=10), [1.0, 1.0, 1.0, 1.0, 0.0]),
    ],
)
def test_length_is_counted_in_tokens(section: RewardsSection, expected: list[float]) -> None:
    counts = (0, 1, 4, 6, 12)
    assert worth(section, answers(*("a " * n for n in counts))) == expected
    soft = RewardsSection(("length",), length_cap=10)
    assert worth(soft, answers(*("a " * n for n in (8, 9, 10)))) == [1.0, 0.5, 0.0]


def test_a_function_of_ones_own_is_called_as_trl_calls_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def mine(prompts, completions, level, completion_ids=None):\n"
        "    assert prompts[0][-1] == {'role': 'user', 'content': '?'}\n"
        "    said = zip(completions, level, completion_ids)\n"
        "    return [k * len(ids) if one[0]['content'] else None for one, k, ids in said]\n",
        encoding="utf-8",
    )
    section = RewardsSection((f"{file}:mine=0.5",))
    found = worth(section, answers("a b", "", level=3))
    assert found[0] == 3.0
    assert math.isnan(found[1])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def mine(completions): return [1, 2, 3]", "3 numbers"),
        ("def mine(completions): return ['a']", "ValueError"),
        ("def mine(completions): return 1", "TypeError"),
        ("def mine(completions): raise KeyError('gold')", "KeyError: 'gold'"),
        ("mine = 3", "no function mine"),
        ("async def mine(completions): return [1]", "async"),
        ("def mine(", "cannot be loaded"),
        ("import nothing_of_that_name", "cannot be loaded"),
    ],
)
def test_faults_of_a_function_of_ones_own_are_one_line(tmp_path: Path, code: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    with pytest.raises(DonenessError, match=said) as fault:
        worth(RewardsSection((f"{tmp_path / 'mine.py'}:mine",)), answers("a"))
    assert "\n" not in str(fault.value)
    with pytest.raises(DonenessError, match="cannot be loaded"):
        scorers_of(RewardsSection((f"{tmp_path / 'absent.py'}:mine",)))


def test_an_infinite_reward_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def mine(completions): return [float('inf'), 1.0]", encoding="utf-8")
    found = worth(RewardsSection((f"{tmp_path / 'mine.py'}:mine",)), answers("a", "b"))
    np.testing.assert_array_equal(found, [math.nan, 1.0])


def test_rewards_in_a_recipe() -> None:
    read = parse_rewards(("exact", "format=0.5", "a/b.py:mine=-1e-1", "package.module:theirs"))
    assert json.loads(json.dumps(read)) == [
        ["exact", 1.0, ""], ["format", 0.5, ""], ["mine", -0.1, "a/b.py"], ["theirs", 1.0, "package.module"],
    ]  # fmt: skip
    for text in ("exact=", "exact=nan", "exact=0", "=1", "other", "a.py:exact", "a.py:", ":f", "a.py:not a name"):
        with pytest.raises(ValueError) as fault:
            parse_rewards((text,))
        assert str(fault.value) == text


def test_the_file_of_a_function_counts_from_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    assert beside("mine.py:mine=2", tmp_path) == f"{tmp_path / 'mine.py'}:mine=2"
    assert [beside(text, tmp_path) for text in ("exact=2", "other.py:f", "package:f")] == [
        "exact=2",
        "other.py:f",
        "package:f",
    ]
