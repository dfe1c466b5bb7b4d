"""The pre-flight of stages that ask for answers, or a teacher: a step is tried, and nothing is changed by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doneness.config import Recipe, build_recipe
from doneness.core import RecipeError
from doneness.testing.tiny import make_tiny_model
from doneness.train.preflight import preflight
from doneness.workflows.train import ready, train_run
from tests.train.conftest import WORDS, Quiet

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]
# It remembers how often it was asked: whoever asks it once more changes the run.
REWARD = """
asked = []
def early(completions, **columns):
    asked.append(len(completions))
    return [sum(letter < "n" for letter in said[0]["content"]) / 8 + 0.01 * len(asked) for said in completions]
"""
BAD = """
def silent(completions, **columns):
    return [None] * len(completions)
def short(completions, **columns):
    return [1.0]
def broken(completions, **columns):
    return [1 / 0 for said in completions]
def some(completions, id, **columns):
    return [1.0 if name == sorted(id)[0] and len(set(id)) > 1 else None for name in id]
"""
GRPO = {"run": {"stage": "grpo"}, "rewards": {"use": ["early.py:early"]}}
DISTILL = {"run": {"stage": "distill"}}
KINDS: dict[str, dict[str, dict[str, Any]]] = {
    "grpo": GRPO | {"grpo": {"max_new_tokens": 12, "generations": 4}},
    "grpo whole": GRPO
    | {"grpo": {"max_new_tokens": 6, "generations": 4, "beta": 0.1}, "method": {"kind": "full", "dropout": 0.0}},
    "logits": DISTILL | {"distill": {"teacher": "teacher", "on_policy": 0.5, "max_new_tokens": 6}},
    "hidden": DISTILL | {"distill": {"teacher": "teacher", "kind": "hidden"}},
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("teacher"), hidden=48, layers=3, seed=5)


@pytest.fixture
def make(tmp_path: Path, tiny_model: Path, teacher: Path) -> Make:
    rows = [{"id": f"{a} {b}", "question": f"Say {a}, {b}", "answer": a} for a in WORDS for b in WORDS[:2]]
    for name, part in (("train", rows[:8]), ("eval", rows[8:12])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    (tmp_path / "early.py").write_text(REWARD, encoding="utf-8")
    (tmp_path / "teacher").symlink_to(teacher)

    def make(name: str, kind: str, *overrides: str) -> Recipe:
        raw: dict[str, Any] = {
            "run": {"folder": str(tmp_path / name), "threads": 1},
            "model": {"path": str(tiny_model), "device": "cpu"},
            "method": {"rank": 4, "alpha": 8, "dropout": 0.1},
            "data": {"train": "train.jsonl", "eval": "eval.jsonl", "max_length": 128},
            "optimizer": {"learning_rate": 5e-3, "batch_size": 8, "micro_batch": 4},
            "schedule": {"max_steps": 3},
            "evaluation": {"early": False, "every": 3},
            "stopping": {"on_stop": "note"},
        }
        for section, values in KINDS[kind].items():
            raw[section] = raw.get(section, {}) | values
        return build_recipe(raw, overrides, base=tmp_path)

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_the_same_with_and_without(make: Make, tmp_path: Path, kind: str) -> None:
    found = {}
    for asked in ("true", "false"):
        told: list[Any] = []
        recipe = make(f"with-{asked}", kind, f"run.preflight={asked}")
        run = train_run(recipe, Quiet(), told.append).run
        assert run.train is not None and run.evals is not None
        last = Path(recipe.run.folder) / "checkpoint-3"
        weights = "model.safetensors" if recipe.method.kind == "full" else "adapter_model.safetensors"
        files = [(last / name).read_bytes() for name in (weights, "rng_state.pth")]
        found[asked] = (run.train.value.tolist(), run.evals.value.tolist(), files)
        assert [line.key for line in told if line.key.startswith("preflight")] == ["preflight.done"] * (asked == "true")
    assert found["true"] == found["false"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_left_as_it_was(make: Make, kind: str) -> None:
    import torch

    recipe = make("left", kind)
    rows, loaded = ready(recipe, lambda line: None)
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    numbers, modes = torch.get_rng_state(), [module.training for module in loaded.model.modules()]
    told: list[Any] = []
    preflight(recipe, rows, loaded, told.append)
    (line,) = told
    assert "trained tensors" in line.text("en")
    answers = f"2 answers of {min(8, recipe.grpo.max_new_tokens)} tokens"
    assert (answers in line.text("en")) == kind.startswith("grpo")
    after = loaded.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(numbers, torch.get_rng_state())
    assert [module.training for module in loaded.model.modules()] == modes
    assert all(p.grad is None for p in loaded.model.parameters())


def test_answers_that_are_always_alike_are_said(make: Make) -> None:
    recipe = make("alike", "grpo", "grpo.temperature=0.0001")
    told: list[Any] = []
    preflight(recipe, *ready(recipe, lambda line: None), told.append)
    assert "preflight.doubt.same_answers" in [line.key for line in told]


@pytest.mark.parametrize("kind", ["grpo", "logits"])
def test_what_no_gradient_reaches_is_named(make: Make, kind: str) -> None:
    recipe = make("cut", kind)
    rows, loaded = ready(recipe, lambda line: None)
    layer = loaded.model.get_base_model().model.layers[0].mlp.down_proj
    layer.register_forward_hook(lambda module, given, out: out.detach())
    with pytest.raises(RecipeError, match="no gradient reaches 6 of 28 trained tensors"):
        preflight(recipe, rows, loaded, lambda line: None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("silent", "silent gave no number for any of 2 answers"),
        ("short", r"short failed on 2 answers \(ValueError: 1 numbers\)"),
        ("broken", r"broken failed on 2 answers \(ZeroDivisionError"),
    ],
)
def test_a_reward_that_cannot_reward_is_found(make: Make, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    recipe = make(name, "grpo", f"rewards.use={tmp_path}/bad.py:{name}")
    rows, loaded = ready(recipe, lambda line: None)
    with pytest.raises(RecipeError, match=said) as error:
        preflight(recipe, rows, loaded, lambda line: None)
    assert "\n" not in str(error.value)


def test_a_reward_of_some_questions_alone_is_none(make: Make, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    recipe = make("some", "grpo", f"rewards.use={tmp_path}/bad.py:some")
    told: list[Any] = []
    preflight(recipe, *ready(recipe, lambda line: None), told.append)
    assert told[-1].key == "preflight.done"


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_teacher_that_is_the_student_is_said_to_be(make: Make, tiny_model: Path, method: str) -> None:
    settings = (f"distill.teacher={tiny_model}", f"method.kind={method}", "method.dropout=0")
    recipe = make(f"same-{method}", "logits", *settings)
    with pytest.raises(RecipeError, match="the teacher is the student itself") as error:
        preflight(recipe, *ready(recipe, lambda line: None), lambda line: None)
    assert "carry loss" not in str(error.value)
    # With a weight on the rows' own answers there is something to learn.
    weighed = make(f"weighed-{method}", "logits", *settings, "distill.answer_weight=0.5")
    preflight(weighed, *ready(weighed, lambda line: None), lambda line: None)
