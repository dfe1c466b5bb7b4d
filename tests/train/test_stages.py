"""Every stage trains, is judged by the loss of held-out rows that TRL's own trainer would find, and resumes."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.config import Recipe
from doneness.core import DataError, RecipeError
from doneness.runs import read
from doneness.workflows.base import load_base
from doneness.workflows.stage_rows import encode_stage_rows, read_stage_rows
from doneness.workflows.train import train_run
from tests.train.conftest import WORDS, Quiet

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]
QUESTIONS = [(a, b, c) for a, b in itertools.pairwise(WORDS) for c in WORDS[:4] if c not in (a, b)]


def written(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pairs() -> list[dict[str, Any]]:
    asked = [(f"Say {a} and then {b} with {c}.", f"{a} {b}", f"{c}, or rather {b}") for a, b, c in QUESTIONS]
    return [{"id": f"p{i}", "prompt": q, "chosen": good, "rejected": bad} for i, (q, good, bad) in enumerate(asked)]


def marked() -> list[dict[str, Any]]:
    keys = ("chosen", "rejected")
    return [
        {"id": f"k{i}", "prompt": row["prompt"], "completion": row[keys[i % 2]], "label": i % 2 == 0}
        for i, row in enumerate(pairs())
    ]


def texts() -> list[dict[str, Any]]:
    return [{"id": f"t{i}", "text": " ".join([a, b, c] * (i % 5 + 1))} for i, (a, b, c) in enumerate(QUESTIONS)]


ROWS = {"dpo": pairs, "orpo": pairs, "reward": pairs, "kto": marked, "pretrain": texts}


@pytest.fixture
def make_stage(tmp_path: Path, make_recipe: Make) -> Make:
    def make(stage: str, *overrides: str) -> Recipe:
        rows = ROWS[stage]()
        # An even number on each side, so that marked answers are of both kinds.
        train, held_out = (written(tmp_path / f"{n}.jsonl", part) for n, part in (("a", rows[:20]), ("b", rows[20:])))
        own = (f"run.stage={stage}", f"data.train={train}", f"data.eval={held_out}", "schedule.max_steps=9")
        return make_recipe(stage, *own, *overrides)

    return make


@pytest.mark.parametrize("stage", ROWS)
def test_each_stage_trains_and_is_judged(make_stage: Make, stage: str) -> None:
    # A head that begins at random has further to go.
    steps = 40 if stage == "reward" else 9
    recipe = make_stage(stage, "optimizer.learning_rate=0.02", f"schedule.max_steps={steps}")
    run = train_run(recipe, Quiet()).run
    assert run.train is not None and run.evals is not None
    assert run.train.step.tolist() == list(range(1, steps + 1))
    assert run.evals.value[-1] < run.evals.value[0]
    assert run.train.value[-3:].mean() < run.train.value[:3].mean()
    assert run.train.targets[-1] > 0
    assert run.meta["stage"] == stage
    assert [c.step for c in run.checkpoints if c.exists][-1] == steps
    if stage in ("dpo", "orpo", "kto"):
        assert {"eval/rewards/margins", "train/rewards/margins"} <= set(run.series)
        assert run.series["eval/rewards/margins"].value[-1] > run.series["eval/rewards/margins"].value[0]


def test_preferences_begin_at_even_odds(make_stage: Make) -> None:
    for stage, even in (("dpo", math.log(2.0)), ("kto", 0.5)):
        run = train_run(make_stage(stage, "schedule.max_steps=2"), Quiet()).run
        assert run.evals is not None
        assert run.evals.value[0] == pytest.approx(even)
        assert run.series["eval/rewards/margins"].value[0] == 0.0


def trained_at(recipe: Recipe, step: int) -> tuple[Any, Any]:
    """The model of a checkpoint, and its tokenizer."""
    from peft import PeftModel

    loaded = load_base(recipe)
    return PeftModel.from_pretrained(loaded.model, f"{recipe.run.folder}/checkpoint-{step}"), loaded.tokenizer


@pytest.mark.parametrize("stage", ["dpo", "reward"])
def test_held_out_pairs_score_as_trl_scores_them(make_stage: Make, tmp_path: Path, stage: str) -> None:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

    recipe = make_stage(stage, "optimizer.learning_rate=0.02")
    run = train_run(recipe, Quiet()).run
    model, tokenizer = trained_at(recipe, 9)
    held_out = encode_stage_rows(tokenizer, read_stage_rows(recipe), recipe).eval.rows
    common = {"output_dir": str(tmp_path / "trl"), "per_device_eval_batch_size": len(held_out), "max_length": None}
    common |= {"report_to": "none", "use_cpu": True, "bf16": False, "remove_unused_columns": False}

    def as_they_are(self: Any, dataset: Any, *args: Any) -> Any:
        return dataset

    if stage == "dpo":
        asked = [
            {
                "prompt_ids": list(p.chosen.ids[: p.chosen.start]),
                "chosen_ids": list(p.chosen.ids[p.chosen.start :]),
                "rejected_ids": list(p.rejected.ids[p.rejected.start :]),
            }
            for p in held_out
        ]
        kind: Any = type("AsTheyAre", (DPOTrainer,), {"_prepare_dataset": as_they_are})
        config: Any = DPOConfig(**common)
        model.peft_config["default"].inference_mode = True
        reference = load_base(recipe).model
        more: dict[str, Any] = {"ref_model": reference}
    else:
        asked = [{"chosen_ids": list(p.chosen.ids), "rejected_ids": list(p.rejected.ids)} for p in held_out]
        kind = type("AsTheyAre", (RewardTrainer,), {"_prepare_dataset": as_they_are})
        config, more = RewardConfig(**common), {}
    rows = Dataset.from_list(asked)
    told = kind(
        model=model, args=config, train_dataset=rows, eval_dataset=rows, processing_class=tokenizer, **more
    ).evaluate()
    assert run.evals is not None
    assert run.evals.value[-1] == pytest.approx(told["eval_loss"], rel=1e-4)
    ours = "eval/rewards/accuracies" if stage == "dpo" else "eval/accuracy"
    theirs = ours.replace("eval/", "eval_")
    assert run.series[ours].value[-1] == pytest.approx(told[theirs], abs=1e-6)
    margin = "rewards/margins" if stage == "dpo" else "margin"
    assert run.series[f"eval/{margin}"].value[-1] == pytest.approx(told[f"eval_{margin}"], rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("stage", ["dpo", "kto", "reward"])
def test_a_run_broken_off_goes_on_as_if_it_never_was(make_stage: Make, stage: str) -> None:
    whole = make_stage(stage)
    train_run(whole, Quiet())
    broken = replace(whole, run=replace(whole.run, folder=whole.run.folder + "-broken"))

    class Impatient(Quiet):
        def trained(self, record: dict[str, Any]) -> None:
            if record["step"] == 5 and not self.told.count(("trained", 5)):
                super().trained(record)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(broken, Impatient())
    train_run(broken, Quiet())
    one, other = (read(each.run.folder)[0] for each in (whole, broken))
    assert one.train is not None and other.train is not None and one.evals is not None and other.evals is not None
    np.testing.assert_array_equal(one.train.value, other.train.value)
    np.testing.assert_array_equal(one.evals.value, other.evals.value)


def test_full_preference_training_has_a_reference_of_its_own(make_stage: Make) -> None:
    recipe = make_stage("dpo", "method.kind=full", "optimizer.learning_rate=0.002")
    run = train_run(recipe, Quiet()).run
    assert run.evals is not None
    assert run.evals.value[0] == pytest.approx(math.log(2.0))
    assert run.series["train/rewards/margins"].value[0] == pytest.approx(0.0, abs=1e-5)
    assert run.series["eval/rewards/margins"].value[-1] > 0.0


def test_no_second_adapter_is_left_in_a_checkpoint(make_stage: Make) -> None:
    recipe = make_stage("dpo", "schedule.max_steps=2")
    train_run(recipe, Quiet())
    assert not (Path(recipe.run.folder) / "checkpoint-2" / "ref").exists()


def test_a_changed_verdict_is_another_data_set(make_stage: Make, tmp_path: Path) -> None:
    from doneness.train.resume import data_hash

    recipe = make_stage("kto")
    tokenizer = load_base(recipe).tokenizer

    def hashed() -> str:
        encoded = encode_stage_rows(tokenizer, read_stage_rows(recipe), recipe)
        return data_hash(encoded.train.rows, encoded.eval.rows)

    before = hashed()
    rows = marked()[:20]
    rows[0]["label"] = not rows[0]["label"]
    written(tmp_path / "a.jsonl", rows)
    assert hashed() != before


def test_long_texts_are_parted_and_lose_nothing(make_stage: Make) -> None:
    recipe = make_stage("pretrain", "data.max_length=8")
    tokenizer = load_base(recipe).tokenizer
    rows = read_stage_rows(recipe)
    encoded = encode_stage_rows(tokenizer, rows, recipe).train.rows
    whole = [token for row in rows.train.rows for token in [*tokenizer(row.text)["input_ids"], tokenizer.eos_token_id]]
    parts = [token for row in encoded for token in row.ids]
    # A last part of one token has nothing to predict.
    assert len(whole) - len(rows.train.rows) <= len(parts) <= len(whole)
    assert max(len(row.ids) for row in encoded) == 8
    assert all(row.targets == len(row.ids) - 1 for row in encoded)
    assert {row.cluster for row in encoded} == {row.id for row in rows.train.rows}


@pytest.mark.parametrize(
    ("stage", "override", "said"),
    [
        ("pretrain", "preference.beta=0.2", "leave the section out"),
        ("orpo", "preference.loss=ipo", "dpo alone"),
        ("dpo", "evaluation.spans=label", "leave it out"),
        ("dpo", "run.mode=explore", "is for sft"),
    ],
)
def test_what_makes_no_sense_together_is_refused(make_stage: Make, stage: str, override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        make_stage(stage, override)


def test_rows_of_another_stage_are_refused_in_one_line(make_stage: Make) -> None:
    recipe = make_stage("dpo")
    other = replace(recipe, data=replace(recipe.data, train=make_stage("pretrain").data.train, eval=""))
    with pytest.raises(DataError, match="chosen"):
        read_stage_rows(other)
