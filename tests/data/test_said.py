"""Tool calls and reasoning are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doneness.core import DataError
from doneness.data import Row, read_rows

TOOL = {"name": "weather", "parameters": {"type": "object"}}
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Bern"}}}
WRITTEN = '{"name": "weather", "arguments": {"city": "Bern"}}'


def read(folder: Path, item: Any) -> Row:
    path = folder / "a.jsonl"
    path.write_text(json.dumps(item) + "\n", encoding="utf-8")
    return read_rows(path).rows[0]


def openai(**answer: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Rain?"}, {"role": "assistant", **answer}]}


@pytest.mark.parametrize(
    "item",
    [
        openai(content=None, tool_calls=[{**CALL, "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}]),
        openai(content=[{"type": "tool_call", "value": WRITTEN}]),
        {"conversations": [{"from": "human", "value": "Rain?"}, {"from": "function_call", "value": WRITTEN}]},
    ],
)
def test_calls_of_every_spelling(tmp_path: Path, item: Any) -> None:
    answer = read(tmp_path, item).turns[-1]
    assert answer.more == {"tool_calls": (CALL,), "said": ""}
    assert answer.content == WRITTEN


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_of_every_spelling(tmp_path: Path, key: str) -> None:
    parts = [{"type": "reasoning", "value": "Clouds."}, {"type": "text", "value": "Yes."}]
    for item in (openai(content="Yes.", **{key: "Clouds."}), openai(content=parts)):
        answer = read(tmp_path, item).turns[-1]
        assert answer.more == {"reasoning": "Clouds.", "said": "Yes."}
        assert answer.content == "<think>\nClouds.\n</think>\n\nYes."


def test_results_say_that_they_are_a_tools(tmp_path: Path) -> None:
    result = {"role": "tool", "content": "sun", "tool_call_id": "7", "name": "weather"}
    row = read(tmp_path, {"messages": [
        {"role": "user", "content": "Rain?"}, {"role": "assistant", "tool_calls": [{**CALL, "id": "7"}]}, result,
        {"role": "assistant", "content": "No."}]})  # fmt: skip
    assert row.turns[2].role == "user"
    assert row.turns[2].more == {"role": "tool", "tool_call_id": "7", "name": "weather"}
    assert row.turns[1].more is not None
    assert row.turns[1].more["tool_calls"] == ({**CALL, "id": "7"},)


@pytest.mark.parametrize("tools", [[TOOL], json.dumps([TOOL]), [{"type": "function", "function": TOOL}], TOOL])
def test_tools_of_every_spelling(tmp_path: Path, tools: Any) -> None:
    assert read(tmp_path, {**openai(content="No."), "tools": tools}).tools == ({"type": "function", "function": TOOL},)


def test_what_is_no_tool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'"tools" has to be a list of tools'):
        read(tmp_path, {**openai(content="No."), "tools": "weather"})
    assert read(tmp_path, {**openai(content="No."), "tools": ""}).tools == ()


def test_a_call_that_is_no_json_stays_text(tmp_path: Path) -> None:
    row = read(
        tmp_path, {"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "f(1)"}]}
    )
    assert (row.answer, row.turns[-1].more) == ("f(1)", None)


def test_an_answer_without_weight_says_so(tmp_path: Path) -> None:
    assert read(tmp_path, openai(content="No.", weight=0)).turns[-1].more == {"weight": 0}
    assert read(tmp_path, openai(content="No.", weight=1)).turns[-1].more is None
    assert read(tmp_path, openai(content="No.", loss_weight=1.0)).turns[-1].more is None
