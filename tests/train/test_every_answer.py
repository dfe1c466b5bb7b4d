"""Training on every answer of a conversation, from the file to the journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from doneness.config import Recipe
from doneness.runs import read_records
from doneness.workflows.train import train_run
from tests.train.conftest import WORDS, Quiet

pytestmark = pytest.mark.model


@pytest.mark.parametrize("answers", ["all", "last"])
def test_the_trainer_sees_the_tokens_that_are_to_be_learnt(
    make_recipe: Callable[..., Recipe], tmp_path: Path, answers: str
) -> None:
    for name, words in (("train", WORDS[:8]), ("eval", WORDS[8:])):
        rows = [
            {"messages": [{"role": "user", "content": f"{word}?"}, {"role": "assistant", "content": "Yes."},
                          {"role": "user", "content": "Sure?"}, {"role": "assistant", "content": f"{word}."}]}
            for word in words
        ]  # fmt: skip
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = make_recipe("run", "schedule.max_steps=1", f"data.answers={answers}")
    train_run(recipe, Quiet())
    records = read_records(tmp_path / "run" / "journal.jsonl")[0]
    # An end of turn each; the first answer is "Yes.".
    each = [len(word) + 2 + (5 if answers == "all" else 0) for word in WORDS]
    start = next(record for record in records if record["kind"] == "start")
    step = next(record for record in records if record["kind"] == "train")
    assert start["meta"]["train_targets"] == step["targets"] == sum(each[:8])
    scored = next(record for record in records if record["kind"] == "eval")
    assert scored["target_tokens"] == sum(each[8:])
    assert scored["spans"]["end"]["tokens"] == scored["spans"]["first"]["tokens"] == (4 if answers == "all" else 2)
