"""Pairs of answers, and answers with a verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doneness.core import DataError
from doneness.data import Reading, Turn, hold_out, read_kto, read_preferences

SHARED = Path(__file__).parents[3] / "shared"
Q, A, B = "Gout?", "It hurts.", "No."
USER, GOOD, BAD = (
    {"role": "user", "content": Q},
    {"role": "assistant", "content": A},
    {"role": "assistant", "content": B},
)
SYSTEM = {"role": "system", "content": "Be kind."}


def write(folder: Path, *items: Any) -> Path:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "item",
    [
        {"prompt": Q, "chosen": A, "rejected": B},
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": json.dumps([USER]), "chosen": json.dumps([GOOD]), "rejected": json.dumps([BAD])},
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": [USER], "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"chosen": f"\n\nHuman: {Q}\n\nAssistant: {A}", "rejected": f"\n\nHuman: {Q}\n\nAssistant: {B}"},
        {"instruction": Q, "input": "", "chosen": A, "rejected": B},
        {"conversations": [{"from": "human", "value": Q}], "chosen": {"from": "gpt", "value": A},
         "rejected": {"from": "gpt", "value": B}},
        {"messages": [USER], "chosen": GOOD, "rejected": BAD},
        {"question": Q, "response_chosen": A, "response_rejected": B, "system": "", "history": []},
        {"chosen_messages": [USER, GOOD], "rejected_messages": [USER, BAD]},
    ],
)  # fmt: skip
def test_pairs(tmp_path: Path, item: Any) -> None:
    row = read_preferences(write(tmp_path, item)).rows[0]
    assert (row.turns, row.chosen, row.rejected) == (
        (Turn("user", Q),),
        (Turn("assistant", A),),
        (Turn("assistant", B),),
    )
    assert (row.id, row.line) == ("1", 1)
    assert [side.answer for side in row.sides] == [A, B]


def test_what_stands_before(tmp_path: Path) -> None:
    items = [
        {"system": "Be kind.", "history": [["Hi", "Hello"]], "question": Q,
         "response_chosen": A, "response_rejected": B},
        {"chosen": [SYSTEM, {**USER, "content": "Hi"}, {**GOOD, "content": "Hello"}, USER, GOOD],
         "rejected": [SYSTEM, {**USER, "content": "Hi"}, {**GOOD, "content": "Hello"}, USER, BAD]},
        {"prompt": Q, "chosen": A, "rejected": B, "system": "Be kind."},
    ]  # fmt: skip
    rows = read_preferences(write(tmp_path, *items)).rows
    assert [turn.content for turn in rows[0].turns] == [turn.content for turn in rows[1].turns]
    assert [turn.content for turn in rows[0].turns] == ["Be kind.", "Hi", "Hello", Q]
    assert [turn.content for turn in rows[2].turns] == ["Be kind.", Q]
    # Conversations may go different ways for more than one turn.
    longer = [USER, BAD, {**USER, "content": "Sure?"}, BAD]
    row = read_preferences(write(tmp_path, {"chosen": [USER, GOOD], "rejected": longer})).rows[0]
    assert ([t.content for t in row.chosen], [t.content for t in row.rejected]) == ([A], [B, "Sure?", B])


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"prompt": Q, "chosen": A, "rejected": f" {A}"}, "row 1: chosen and rejected are the same"),
        ({"prompt": Q, "chosen": "", "rejected": B}, 'no answer ("chosen" is empty'),
        ({"prompt": Q, "chosen": A, "rejected": None}, 'no answer ("rejected" is empty'),
        ({"prompt": Q, "chosen": [], "rejected": B}, 'no answer ("chosen" is empty'),
        ({"prompt": " ", "chosen": A, "rejected": B}, "no question"),
        ({"chosen": A, "rejected": B}, "no question"),
        ({"chosen": [USER, GOOD], "rejected": [{**USER, "content": "Else?"}, BAD]}, "no question"),
        ({"prompt": Q, "chosen": A}, "no rejected (keys: prompt, chosen)"),
        ({"prompt": Q, "completion": A}, "no chosen, rejected"),
        ({"prompt": Q, "chosen": {"role": "critic", "content": A}, "rejected": B}, 'role "critic"'),
        ({"prompt": Q, "chosen": A, "rejected": B, "images": ["a.png"]}, "only text"),
    ],
)
def test_what_is_no_pair_is_one_line(tmp_path: Path, item: Any, said: str) -> None:
    with pytest.raises(DataError) as fault:
        read_preferences(write(tmp_path, item))
    assert said in str(fault.value)
    assert "\n" not in str(fault.value)


def test_rows_that_teach_nothing_can_be_skipped(tmp_path: Path) -> None:
    good = {"prompt": Q, "chosen": A, "rejected": B}
    found = read_preferences(write(tmp_path, good, {**good, "chosen": B}, good), Reading("skip"))
    assert ([row.line for row in found.rows], set(found.skipped)) == ([1, 3], {2})


@pytest.mark.parametrize(
    ("key", "yes", "no"),
    [("label", True, False), ("kto_tag", True, False), ("label", "True", "false"), ("label", 1, 0)],
)
def test_verdicts(tmp_path: Path, key: str, yes: Any, no: Any) -> None:
    rows = read_kto(write(tmp_path, {"prompt": Q, "completion": A, key: yes}, {"messages": [USER, BAD], key: no})).rows
    assert [(row.row.answer, row.desirable, row.row.label) for row in rows] == [(A, True, None), (B, False, None)]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([{"prompt": Q, "completion": A}], "no verdict: label (or kto_tag) has to be true or false, not None"),
        ([{"prompt": Q, "completion": A, "label": "good"}], "not 'good'"),
        ([{"prompt": Q, "completion": A, "label": True}] * 3, "all 3 answers have the verdict true"),
        ([{"prompt": Q, "completion": "", "label": True}], "no answer"),
        ([{"prompt": Q, "chosen": A, "rejected": B, "label": True}], "a preference pair"),
    ],
)
def test_what_has_no_verdict_is_one_line(tmp_path: Path, items: list[Any], said: str) -> None:
    with pytest.raises(DataError) as fault:
        read_kto(write(tmp_path, *items))
    assert said in str(fault.value)


def test_pairs_are_held_out_by_question(tmp_path: Path) -> None:
    things = ["gout", "mumps", "tetanus", "scurvy", "malaria", "rabies", "asthma", "anthrax", "cholera", "measles"]
    items = [
        {"prompt": f"How does one treat {a} after {b}?", "chosen": f"Yes {k}.", "rejected": "No."}
        for a in things for b in things if a != b for k in range(2)
    ]  # fmt: skip
    rows = [row.sides[0] for row in read_preferences(write(tmp_path, *items)).rows]
    split = hold_out(rows, 20, 17)
    assert split is not None
    assert not {row.prompt for row in split.train} & {row.prompt for row in split.eval}
    half = hold_out(rows, 0, 17, share=0.5)
    assert half is not None
    assert len(half.eval) / len(rows) == pytest.approx(0.5, abs=0.12)


@pytest.mark.skipif(not (SHARED / "data" / "preference").is_dir(), reason="the collected pairs are not on this machine")
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("preference/llamafactory_dpo_en_demo.json", 300),
        ("preference/medicalgpt_dpo_zh_500.jsonl", 500),
        ("preference/medicalgpt_toolcall_dpo_zh.jsonl", 11),
        ("preference/liveqa_med_pairs.jsonl", 200),
        ("formats/llamafactory_v1_dpo_demo.jsonl", 10),
    ],
)
def test_real_pairs(name: str, count: int) -> None:
    rows = read_preferences(SHARED / "data" / name).rows
    assert len(rows) == count
    assert all(row.context.strip() and row.chosen[-1].content != row.rejected[-1].content for row in rows)


@pytest.mark.parametrize("side", ["chosen", "rejected", "prompt"])
def test_nan_is_nothing_and_not_the_word(tmp_path: Path, side: str) -> None:
    row = {"prompt": Q, "chosen": A, "rejected": B, side: float("nan")}
    with pytest.raises(DataError, match="row 1"):
        read_preferences(write(tmp_path, row))
