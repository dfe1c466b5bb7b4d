"""Questions that a model answers itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doneness.core import DataError
from doneness.data import Reading, Turn, read_prompts

SHARED = Path(__file__).parents[3] / "shared"
Q, A = "What is 6 × 7?", "42"
USER, ANSWER = {"role": "user", "content": Q}, {"role": "assistant", "content": A}


def write(folder: Path, *items: Any) -> Path:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "item",
    [
        {"question": Q, "answer": A},
        {"question": Q, "answer": 42},
        {"problem": Q, "solution": A},
        {"problem": Q, "solution": "a long way", "answer": A},
        {"prompt": Q, "completion": A},
        {"prompt": [USER], "solution": A},
        {"prompt": json.dumps([USER]), "completion": [ANSWER]},
        {"messages": [USER, ANSWER]},
        {"messages": [USER], "answer": A},
        {"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}]},
        {"instruction": Q, "input": "", "output": A},
    ],
)
def test_questions_with_their_answers(tmp_path: Path, item: Any) -> None:
    row = read_prompts(write(tmp_path, item), None, True).rows[0]
    assert (row.turns, row.reference) == ((Turn("user", Q),), A)
    assert row.columns.keys() == item.keys()
    assert row.face.answer == A


def test_what_stands_before_and_rows_without_a_reference(tmp_path: Path) -> None:
    items = [
        {"system": "Be brief.", "prompt": Q},
        {"messages": [USER, ANSWER, {"role": "user", "content": "Sure?"}], "answer": ""},
    ]
    rows = read_prompts(write(tmp_path, *items)).rows
    assert [turn.role for turn in rows[0].turns] == ["system", "user"]
    assert [turn.content for turn in rows[1].turns] == [Q, A, "Sure?"]
    assert [row.reference for row in rows] == [None, None]


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"prompt": Q}, "no answer to hold the model's against"),
        ({"prompt": Q, "answer": " "}, "no answer to hold the model's against"),
        ({"prompt": "", "answer": A}, "no question"),
        ({"messages": [], "answer": A}, "no question"),
        ({"text": Q}, "no question: none of prompt"),
        ({"prompt": Q, "answer": True}, "answer"),
        ({"prompt": Q, "answer": A, "images": ["a.png"]}, "only text"),
        ({"prompt": [{"role": "critic", "content": Q}], "answer": A}, 'role "critic"'),
    ],
)
def test_what_is_no_question_is_one_line(tmp_path: Path, item: Any, said: str) -> None:
    with pytest.raises(DataError) as fault:
        read_prompts(write(tmp_path, item), None, True)
    assert said in str(fault.value)
    assert "\n" not in str(fault.value)


def test_rows_without_a_reference_can_be_skipped_and_columns_renamed(tmp_path: Path) -> None:
    path = write(tmp_path, {"q": Q, "gold": A}, {"q": Q, "gold": ""})
    found = read_prompts(path, Reading("skip", ("question=q", "solution=gold")), True)
    assert ([row.reference for row in found.rows], set(found.skipped)) == ([A], {2})


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the collected rows are not on this machine")
def test_real_questions() -> None:
    found = read_prompts(SHARED / "data" / "formats" / "medicalgpt_grpo_sample.jsonl", None, True)
    assert (len(found.rows), not found.skipped) == (32, True)
