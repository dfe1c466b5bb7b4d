"""Probing asks the model that was trained: quantised where it was, and with what was saved beside the adapters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.train.conftest import Quiet
from tests.train.conftest import make_recipe as make_recipe

from doneness.config import Recipe
from doneness.models import Quantization, answer_all, load_model, prompt_ids
from doneness.runs.probes import load_answers
from doneness.workflows.probe import probe_run
from doneness.workflows.train import recipe_of, train_run

pytestmark = pytest.mark.model
WORDS = ("red", "blue", "green")


@pytest.mark.parametrize("settings", [("kind=qlora",), ("kind=qlora", "bits=8"), ("save_modules=lm_head",)])
def test_answers_are_those_of_the_model_as_trained(
    make_recipe: Callable[..., Recipe], tmp_path: Path, settings: tuple[str, ...]
) -> None:
    from peft import PeftModel

    if "kind=qlora" in settings:
        pytest.importorskip("bitsandbytes")
    suite = tmp_path / "probes.jsonl"
    asked = [{"id": w, "behaviour": "invented", "prompt": f"What is {w}ium?", "reference": "-"} for w in WORDS]
    suite.write_text("\n".join(json.dumps(each) for each in asked) + "\n")
    changes = [f"method.{each}" for each in settings] + ["schedule.max_steps=2", f"probes.suite={suite}"]
    recipe = make_recipe("run", *changes, "probes.max_new_tokens=6", "optimizer.learning_rate=0.02")
    train_run(recipe, Quiet())
    folder = Path(recipe.run.folder)
    judged = probe_run(folder)
    assert judged.table is not None and judged.table.steps == (0, 1, 2)
    again = recipe_of(folder)
    assert again is not None
    found = {}
    for step in (0, 1, 2):
        loaded = load_model(again.model.path, device="cpu", quantization=Quantization.of(again.method))
        model = PeftModel.from_pretrained(loaded.model, str(folder / f"checkpoint-{step}")) if step else loaded.model
        prompts = [prompt_ids(loaded.tokenizer, [{"role": "user", "content": each["prompt"]}]) for each in asked]
        alone = [(a.text, round(a.confidence, 4)) for a in answer_all(model, loaded.tokenizer, prompts, 6)]
        stored = load_answers(folder, step)
        assert stored is not None
        found[step] = [(a.text, round(a.confidence, 4)) for a in stored[1]]
        assert found[step] == alone
    assert found[0] != found[1] != found[2]
