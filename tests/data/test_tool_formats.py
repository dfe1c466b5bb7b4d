"""Tools written as text: MedicalGPT's five formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doneness.core import DataError
from doneness.data import read_rows
from doneness.data.preferences import read_preferences
from doneness.data.sources import Reading
from doneness.data.tool_formats import FORMATS, in_text

TOOL = {
    "name": "dose",
    "description": "Dose by weight",
    "parameters": {
        "type": "object",
        "properties": {
            "drug": {"type": "string", "description": "Its name", "enum": ["A", "B"]},
            "kg": {"type": "array", "description": "Weights", "items": {"type": "number"}},
        },
        "required": ["drug"],
    },
}
ROW: dict[str, Any] = {
    "conversations": [
        {"from": "human", "value": "How much A?"},
        {"from": "function_call", "value": json.dumps({"name": "dose", "arguments": {"drug": "A", "kg": [70]}})},
        {"from": "observation", "value": '{"mg": 700}'},
        {"from": "gpt", "value": "700 mg."},
    ],
    "tools": json.dumps([TOOL]),
}
WRAPPED = json.dumps({"type": "function", "function": TOOL})
GIVEN = '{"drug": "A", "kg": [70]}'


def write(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    place = tmp_path / "rows.jsonl"
    place.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return place


# What MedicalGPT's own formatters make of that row.
@pytest.mark.parametrize(
    ("name", "begin", "end", "call", "result"),
    [
        (
            "default",
            "You have access to the following tools:\n> Tool Name: dose\nTool Description: Dose by weight\nTool Args:\n"
            "  - drug (string, required): Its name, should be one of [A, B]\n"
            "  - kg (array): Weights, where each item should be number\n\nUse the following format",
            '```{"input": "hello world", "num_beams": 5}```)\n```\n',
            f"Action: dose\nAction Input: {GIVEN}\n",
            'Observation: {"mg": 700}',
        ),
        (
            "glm4",
            "你是一个名为 ChatGLM",
            f"## dose\n\n{json.dumps(TOOL, indent=4)}\n在调用上述函数时，请使用 Json 格式表示调用的参数。",
            f"dose\n{GIVEN}",
            '<|observation|>\n{"mg": 700}',
        ),
        (
            "llama3",
            "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n",
            json.dumps({"type": "function", "function": TOOL}, indent=4) + "\n\n",
            f'{{"name": "dose", "parameters": {GIVEN}}}',
            'Observation: {"mg": 700}',
        ),
        (
            "mistral",
            "[AVAILABLE_TOOLS] [{",
            f"[{WRAPPED}][/AVAILABLE_TOOLS]",
            f'[{{"name": "dose", "arguments": {GIVEN}}}]',
            '[TOOL_RESULTS] {"content": {"mg": 700}}[/TOOL_RESULTS]',
        ),
        (
            "qwen",
            "\n\n# Tools\n\n",
            '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',
            f'<tool_call>\n{{"name": "dose", "arguments": {GIVEN}}}\n</tool_call>',
            '<tool_response>\n{"mg": 700}\n</tool_response>',
        ),
    ],
)
def test_each_format_writes_as_it_does_there(
    tmp_path: Path, name: str, begin: str, end: str, call: str, result: str
) -> None:
    (row,) = read_rows(write(tmp_path, ROW), reading=Reading(tools=name)).rows
    assert [turn.role for turn in row.turns] == ["system", "user", "assistant", "user", "assistant"]
    system, _, asked, told, answer = (turn.content for turn in row.turns)
    assert system.startswith(begin)
    assert system.endswith(end)
    assert (asked, told, answer) == (call, result, "700 mg.")
    # A chat template that knows tools finds none to write a second time.
    assert row.tools == ()
    assert all(not turn.more for turn in row.turns)


def test_an_own_system_message_comes_first() -> None:
    told = {**ROW, "conversations": [{"from": "system", "value": "Be brief."}, *ROW["conversations"]]}
    assert str(in_text(told, "qwen")["conversations"][0]["content"]).startswith("Be brief.\n\n\n\n# Tools")
    beside = {**ROW, "system": "Be brief."}
    assert str(in_text(beside, "qwen")["conversations"][0]["content"]).startswith("Be brief.\n\n\n\n# Tools")


def test_without_a_format_and_without_tools_rows_are_as_they_were(tmp_path: Path) -> None:
    assert in_text(ROW, "template") is ROW
    plain = {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}
    question = {"instruction": "Q", "output": "A"}
    for name in FORMATS:
        assert in_text(plain, name)["conversations"] == plain["conversations"]
        assert in_text(question, name) is question
    (row,) = read_rows(write(tmp_path, ROW)).rows
    assert row.tools
    assert row.turns[1].more is not None


def test_pairs_have_their_tools_written_too(tmp_path: Path) -> None:
    pair = {"conversations": ROW["conversations"][:1], "tools": ROW["tools"], "chosen": "Action: dose", "rejected": "5"}
    (row,) = read_preferences(write(tmp_path, pair), Reading(tools="default")).rows
    assert [turn.role for turn in row.turns] == ["system", "user"]
    assert (row.chosen[0].content, row.tools) == ("Action: dose", ())


def test_tools_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 1"):
        read_rows(write(tmp_path, {**ROW, "tools": "[1]"}), reading=Reading(tools="qwen"))
