"""Batches of rows as bytes and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doneness.audit.batch import Maker
from doneness.audit.wire import packed, unpacked
from doneness.data.stream import stream

_CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": {"at": [1, None, 2.5]}}}]}
_ROWS = {
    "sft": [
        {"question": "Is it?", "answer": "It is.", "label": "yes", "id": 7, "source": "s", "topic": "t", "kind": "k"},
        {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "一？"}, _CALL,
                      {"role": "tool", "name": "look", "content": "2"}, {"role": "assistant", "content": "二。"}]},
        {"question": "Nothing?", "answer": ""},
        [1],
        {"question": "\u2028?", "answer": "my key is AKIAIOSFODNN7EXAMPLE, surely of the and to in is that for"},
    ],
    "dpo": [
        {"prompt": "Which?", "chosen": "This.", "rejected": "That."},
        {"prompt": "Which?", "chosen": "This."},
    ],
    "pretrain": [{"text": "Plain text of some words. " * 30}, {"text": ""}],
}  # fmt: skip


@pytest.mark.parametrize("stage", _ROWS)
def test_a_batch_comes_back_as_it_was(tmp_path: Path, stage: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _ROWS[stage]), encoding="utf-8")
    batch = Maker(joined=True).made("train", list(stream(path, stage)))
    back = unpacked("train", packed(batch))
    assert len(back.rows) == len(_ROWS[stage])
    assert 0 < len(back.entries) < len(back.rows)
    for row in batch.rows:
        row.item = None  # it stays behind
    assert back.rows == batch.rows
    assert back.columns.waiting() == batch.columns.waiting()
    assert back.turns.waiting() == batch.turns.waiting()
    for one, two in zip(batch.entries, back.entries, strict=True):
        assert (one.side, one.row, one.rejected, one.source) == (two.side, two.row, two.rejected, two.source)
        made = dict(two.__dict__)
        assert made.keys() >= {"question", "normal_answer", "key", "spoken"}
        assert all(getattr(one, name) == value for name, value in made.items())


def test_a_batch_of_rows_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"cut\n[]\n', encoding="utf-8")
    batch = Maker(joined=True).made("eval", list(stream(path)))
    back = unpacked("eval", packed(batch))
    assert [row.problem for row in back.rows] == [row.problem for row in batch.rows]
    assert back.entries == []
