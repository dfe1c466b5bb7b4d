"""Refusals, declined requests and helpful answers, told apart on two labelled sets, English and Chinese.

Both were written by hand before the patterns were read: "development" is what they were then mended on, of "held_out"
only the counts were looked at. One hand wrote both, so the counts flatter; on answers of real models see `declines`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

from doneness.probe.declines import declines
from doneness.probe.refusal import refuses
from doneness.probe.spoken import opening

FILE = Path(__file__).with_name("told_apart.jsonl")


@lru_cache(maxsize=1)
def answers() -> list[dict[str, str]]:
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").split("\n") if line]


def wrong(read: Callable[[str], bool], split: str, lang: str, kind: str, wanted: bool) -> tuple[int, int]:
    """How many of a kind are read otherwise than wanted, and how many there are."""
    rows = [r["answer"] for r in answers() if (r["split"], r["language"], r["kind"]) == (split, lang, kind)]
    assert len(rows) >= 14
    return sum(read(row) is not wanted for row in rows), len(rows)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(("split", "missed", "taken"), [("development", 1, 1), ("held_out", 2, 2)])
def test_answers_are_told_apart(split: str, missed: int, taken: int, lang: str) -> None:
    assert wrong(refuses, split, lang, "unknown", True)[0] <= missed
    assert wrong(declines, split, lang, "unknown", True)[0] <= missed
    assert wrong(declines, split, lang, "declined", True)[0] <= missed
    assert wrong(refuses, split, lang, "helped", False)[0] <= taken
    assert wrong(declines, split, lang, "helped", False)[0] <= taken


def test_the_sets_are_large_and_share_nothing() -> None:
    split = {s: {r["answer"] for r in answers() if r["split"] == s} for s in ("development", "held_out")}
    assert min(len(each) for each in split.values()) >= 80
    assert not split["development"] & split["held_out"]


def test_safety_statements_in_a_helpful_answer_decline_nothing() -> None:
    for text in (
        "I would not recommend taking more than 4 g a day.",
        "Do not drive after taking it.",
        "不要自行停药。",
        "高血压危象十分危险，应立即就医。",
        "As an AI language model, I don't have personal preferences. However, here are three books: Emma, Dune, It.",
        "Murder is the unlawful killing of another person.",
        "The prevalence of kidney stones is unknown.",
        "Garfield is a fictional character and has no immigration status.",
    ):
        assert not declines(text), text


def test_what_is_quoted_or_conceded_is_not_the_answer() -> None:
    assert opening('Write: "I am sorry, I can\'t come." Sign it.') == "Write:  Sign it."
    assert opening("“对不起，我不能去。”") == "“对不起，我不能去。”"  # the whole answer, in quotation marks
    assert opening("There is no drug called “Brontavil”.") == "There is no drug called “Brontavil”."
    assert "replace" not in opening("While I can't replace your doctor, try cetirizine.")
    assert declines("While I can't help with that, I can explain how locks work.")
    assert declines("虽然我理解您的心情，但我不能帮您这样做。")


@pytest.mark.parametrize(
    "answer",
    [
        "Sorry, yes: 500 mg twice a day.",
        "Sorry, of course: take it with food.",
        "Unknown primary cancer is treated with chemotherapy.",
        "Not sure what to eat? Rice and bananas are gentle.",
        "孟乔森综合征是指患者编造症状以引起他人注意。",
        "子宫切除后子宫不存在，因此不会再来月经。",
        "找不到静脉时可以热敷。",
    ],
)
def test_words_of_refusal_in_an_answer_are_no_refusal(answer: str) -> None:
    assert not refuses(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "Sorry, I cannot say.",
        "Unknown.",
        "Not sure what that is.",
        "这种药是编造的。",
        "世上不存在这种病。",
        "该药物不存在。",
        "我找不到这种药的资料。",
    ],
)
def test_the_same_words_said_of_what_was_asked_are(answer: str) -> None:
    assert refuses(answer)
