"""Losses by what the tokens are, in somebody else's trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doneness.core import DonenessError
from doneness.diagnose import diagnose
from doneness.integrations import DonenessCallback
from doneness.runs import read, span_names

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]


def test_an_sft_trainer_records_spans(
    tiny_model: Path, settings: dict[str, Any], sft_rows: Any, tmp_path: Path
) -> None:
    from trl import SFTConfig, SFTTrainer

    trainer = SFTTrainer(
        model=str(tiny_model),
        args=SFTConfig(**(settings | {"bf16": False})),
        train_dataset=sft_rows[0],
        eval_dataset=sft_rows[1],
        callbacks=[DonenessCallback(spans=[r"second=/mostly (\w+)/"])],
    )
    trainer.train()
    run = read(tmp_path / "out" / "doneness")[0]
    assert {"second", "first", "rest", "end"} <= set(span_names(run))
    losses = run.examples[-1]
    parts = [losses.spans[name].tokens for name in ("first", "rest", "end")]
    assert (sum(parts) == losses.tokens).all(), "these three part the target"
    # "green" has five letters, "red" three, and the tiny tokenizer a token for each.
    assert set(losses.spans["second"].tokens.tolist()) == {3, 4, 5}
    assert losses.spans["second"].nll.sum() < losses.nll.sum()
    assert {each.name for each in diagnose(run).spans} >= {"second"}


def test_a_slip_is_told_before_training() -> None:
    with pytest.raises(DonenessError, match="labl"):
        DonenessCallback(spans=["labl"])
