"""Every method trains what it says, and a run that was cut off ends where an uninterrupted one does."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doneness.config import MethodSection, Recipe, build_recipe
from doneness.core import RecipeError
from doneness.models import Quantization, load_model
from doneness.runs import read, read_records
from doneness.runs.journal import FILE
from doneness.train.method import apply_method, trainable, trainable_tensors
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]
# What is trained, the trained tensors' names, and whether LoRA's size is measured.
METHODS: dict[str, tuple[tuple[str, ...], set[str], bool]] = {
    "dora": (("kind=dora", "targets=q_proj", "dropout=0.1"), {"lora_A", "lora_B", "lora_magnitude_vector"}, True),
    "rslora": (("rslora=true", "targets=attention"), {"lora_A", "lora_B"}, True),
    "saved": (("save_modules=lm_head", "targets=mlp"), {"lora_A", "lora_B", "modules_to_save"}, True),
    "layers": (("kind=full", "layers=1"), {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}, False),
    "qlora": (("kind=qlora", "targets=all-linear"), {"lora_A", "lora_B"}, True),
    "qlora-8": (("kind=qlora", "bits=8", "targets=v_proj"), {"lora_A", "lora_B"}, True),
    "qdora": (("kind=dora", "bits=4", "quant_type=fp4"), {"lora_A", "lora_B", "lora_magnitude_vector"}, True),
}


def test_eight_bit_states_train_and_resume_to_the_same_bits(make_recipe: Make) -> None:
    pytest.importorskip("bitsandbytes")
    changes = ["method.kind=full", "optimizer.name=adamw_8bit", "schedule.max_steps=4", "evaluation.every=4"]
    changes += ["evaluation.early=false", "checkpoints.every=2", "optimizer.learning_rate=1e-3"]
    whole, broken = make_recipe("whole", *changes), make_recipe("broken", *changes)
    train_run(whole, Quiet())
    with pytest.raises(RuntimeError, match="power cut"):
        train_run(broken, Crash())
    train_run(broken, Quiet())
    assert _curves(whole) == _curves(broken)
    losses = _curves(whole)[1]
    assert losses[-1] < losses[0]
    # By bitsandbytes' names; its states of less than 4,096 numbers, as all of these, stay in single precision.
    assert {"state1", "state2"} <= state_names(Path(whole.run.folder) / "checkpoint-4" / "optimizer.pt")


def state_names(path: Path) -> set[str]:
    """The names in an optimizer's state, however deep."""
    import torch

    found: set[str] = set()
    waiting = [torch.load(path, map_location="cpu", weights_only=True)["state"]]
    while waiting:
        told = waiting.pop()
        if isinstance(told, dict):
            found |= {str(name) for name in told}
            waiting += told.values()
    return found


class Crash(Quiet):
    """Loses everything that is not on disk, between two checkpoints."""

    def trained(self, record: dict[str, Any]) -> None:
        if record["step"] == 3:
            raise RuntimeError("power cut")


def _curves(recipe: Recipe) -> tuple[list[float], list[float]]:
    run = read(recipe.run.folder)[0]
    assert run.train is not None and run.evals is not None
    return run.train.value.tolist(), run.evals.value.tolist()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_learns_and_resumes_to_the_same_bits(make_recipe: Make, name: str) -> None:
    if name.startswith("q"):
        pytest.importorskip("bitsandbytes")
    settings, parts, measured = METHODS[name]
    changes = [f"method.{each}" for each in settings] + ["schedule.max_steps=4", "health.every=2"]
    changes += ["evaluation.every=4", "evaluation.early=false", "checkpoints.every=2"]
    whole, broken = make_recipe("whole", *changes), make_recipe("broken", *changes)
    train_run(whole, Quiet())
    with pytest.raises(RuntimeError, match="power cut"):
        train_run(broken, Crash())
    train_run(broken, Quiet())
    train, held_out = _curves(whole)
    assert _curves(broken) == (train, held_out)
    assert held_out[-1] < held_out[0]
    records = read_records(Path(whole.run.folder) / FILE)[0]
    tensors = next(r for r in records if r["kind"] == "start")["meta"]["trainable_tensors"]
    assert parts == {part for part in parts if any(part in tensor.split(".") for tensor in tensors)}
    assert all(parts & set(tensor.split(".")) for tensor in tensors)
    health = [r for r in records if r["kind"] == "health"]
    assert [r["step"] for r in health] == [1, 2, 4]
    assert all(("lora" in r) == measured and math.isfinite(r["update"]["all"]) for r in health)
    if measured:
        assert health[-1]["lora_kinds"]["all"] > health[0]["lora_kinds"]["all"] > 0


@pytest.mark.parametrize("settings", [("kind=qlora",), ("kind=full", "layers=1")])
def test_checkpointing_changes_no_loss_where_the_first_weights_are_frozen(
    make_recipe: Make, settings: tuple[str, ...]
) -> None:
    changes = [f"method.{each}" for each in settings] + ["schedule.max_steps=2"]
    if "kind=qlora" in settings:
        pytest.importorskip("bitsandbytes")
    plain, saving = (
        make_recipe(name, *changes, f"optimizer.gradient_checkpointing={name}") for name in ("false", "true")
    )
    for recipe in (plain, saving):
        train_run(recipe, Quiet())
    assert _curves(saving)[0] == pytest.approx(_curves(plain)[0], abs=1e-6)
    assert _curves(saving)[1] == pytest.approx(_curves(plain)[1], abs=1e-6)


@pytest.mark.parametrize("bits", [4, 8])
def test_adapters_over_a_quantised_model_keep_single_precision(make_recipe: Make, bits: int) -> None:
    pytest.importorskip("bitsandbytes")
    from safetensors.torch import load_file

    recipe = make_recipe("q", "method.kind=qlora", f"method.bits={bits}", "schedule.max_steps=1")
    train_run(recipe, Quiet())
    saved = load_file(Path(recipe.run.folder) / "checkpoint-1" / "adapter_model.safetensors")
    assert {str(tensor.dtype) for tensor in saved.values()} == {"torch.float32"}
    rounded = [name for name, tensor in saved.items() if (tensor == tensor.bfloat16().float()).all()]
    assert rounded == []
    start = next(r for r in read_records(Path(recipe.run.folder) / FILE)[0] if r["kind"] == "start")["meta"]
    assert "bitsandbytes" in start["versions"]


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_a_quantised_model_is_packed_frozen_and_in_single_precision_else(tiny_model: Path, kind: str) -> None:
    pytest.importorskip("bitsandbytes")
    plain = load_model(str(tiny_model), "bfloat16", "cpu").model
    model = load_model(str(tiny_model), "bfloat16", "cpu", Quantization(4, kind)).model
    packed = {name: p for name, p in model.named_parameters() if not p.is_floating_point()}
    assert len(packed) == 2 * 7
    assert {str(p.dtype) for p in model.parameters() if p.is_floating_point()} == {"torch.float32"}
    assert not any(p.requires_grad for p in model.parameters())
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert trainable(model) == (0, trainable(plain)[1])
    layer = model.model.layers[0].mlp.up_proj
    assert layer.compute_dtype is __import__("torch").bfloat16
    assert layer.weight.quant_state.quant_type == kind


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("attention", {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ("mlp", {"gate_proj", "up_proj", "down_proj"}),
        ("mlp, q_proj", {"gate_proj", "up_proj", "down_proj", "q_proj"}),
        ("all-linear", {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
    ],
)
def test_targets_by_kind_of_layer(tiny_model: Path, targets: str, expected: set[str]) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    tensors = trainable_tensors(apply_method(model, MethodSection(targets=targets), 0))
    assert {name.split(".")[-4] for name in tensors} == expected
    assert set(tensors.values()) == {2}


def test_layers_of_one_name_are_told_apart_by_where_they_lie() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=64, bos_token_id=1, eos_token_id=1))
    adapted = apply_method(model, MethodSection(targets="attention"), 0)
    assert set(adapted.peft_config["default"].target_modules) == {"c_attn", "attn.c_proj"}
    assert {".".join(name.split(".")[-5:-3]) for name in trainable_tensors(adapted)} == {"attn.c_attn", "attn.c_proj"}


@pytest.mark.parametrize(
    ("method", "part"),
    [
        ({"targets": "c_attn"}, 'method.targets = "c_attn" names no module'),
        ({"targets": "q_proj,v_prj"}, 'method.targets = "v_prj" names no module'),
        ({"targets": ","}, "known: all-linear, attention, mlp, down_proj, gate_proj"),
        ({"targets": "lm_head"}, "lm_head is the output layer"),
        ({"targets": "embed_tokens"}, "embed_tokens shares its matrix with the output layer"),
        ({"targets": "input_layernorm"}, 'method.targets = "input_layernorm" names no module'),
        ({"save_modules": ("lm_haed",)}, "method.save_modules: lm_haed names no module"),
        ({"save_modules": ("mlp",)}, "mlp gets adapters by method.targets"),
        ({"kind": "full", "layers": 3}, "more decoder layers than this model has, 2"),
        ({"kind": "full", "layers": -3}, "more decoder layers than this model has, 2"),
    ],
)
def test_what_the_model_lacks_is_refused_in_one_line(tiny_model: Path, method: dict[str, Any], part: str) -> None:
    with pytest.raises(RecipeError) as caught:
        apply_method(load_model(str(tiny_model), device="cpu").model, MethodSection(**method), 0)
    assert len(caught.value.faults) == 1
    assert part in caught.value.faults[0]


def test_a_quantised_layer_cannot_be_trained_whole(tiny_model: Path) -> None:
    pytest.importorskip("bitsandbytes")
    model = load_model(str(tiny_model), device="cpu", quantization=Quantization(4)).model
    with pytest.raises(RecipeError, match="up_proj is quantised"):
        apply_method(model, MethodSection(kind="qlora", targets="q_proj", save_modules=("up_proj",)), 0)


@pytest.mark.parametrize(("layers", "trained"), [(1, {1}), (-1, {0}), (2, {0, 1})])
def test_the_last_or_the_first_layers_are_trained(tiny_model: Path, layers: int, trained: set[int]) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    apply_method(model, MethodSection(kind="full", layers=layers), 0)
    moving = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {int(name.split(".")[2]) for name in moving if ".layers." in name} == trained
    assert all(".layers." in name for name in moving)
    assert len(moving) == 9 * len(trained)
    apply_method(model, MethodSection(kind="full", layers=layers, save_modules=("norm",)), 0)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == moving | {"model.norm.weight"}


def test_one_matrix_at_both_ends_stays_one(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    adapted = apply_method(model, MethodSection(save_modules=("lm_head",), targets="q_proj"), 0)
    base = adapted.get_base_model()
    assert base.get_output_embeddings().weight is base.get_input_embeddings().weight
    assert base.get_input_embeddings().weight.requires_grad


def test_rank_stabilised_adapters_are_scaled_by_the_root(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu").model
    adapted = apply_method(model, MethodSection(rank=16, alpha=16, rslora=True), 0)
    layer = adapted.get_base_model().model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == 4.0


def test_a_run_goes_on_with_an_adapter(make_recipe: Make) -> None:
    first = make_recipe("first", "method.targets=q_proj,v_proj", "schedule.max_steps=4")
    train_run(first, Quiet())
    adapter = str(Path(first.run.folder) / "checkpoint-4")
    told: list[str] = []
    second = make_recipe("second", f"method.adapter={adapter}", "method.rank=16", "schedule.max_steps=2")
    train_run(second, Quiet(), lambda line: told.append(line.text()))
    assert _curves(second)[1][0] == pytest.approx(_curves(first)[1][-1], abs=1e-6)
    line = next(line for line in told if adapter in line)
    assert line.endswith(": rank 4 (not 16), targets q_proj, v_proj (not all-linear).")
    told.clear()
    same = make_recipe("same", f"method.adapter={adapter}", "method.targets=v_proj,q_proj", "schedule.max_steps=1")
    train_run(same, Quiet(), lambda line: told.append(line.text()))
    assert not any(adapter in line for line in told)


def test_an_adapter_that_does_not_fit_is_refused(make_recipe: Make, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"holds no adapter_config.json"):
        train_run(make_recipe("none", f"method.adapter={tmp_path}"), Quiet())
    first = make_recipe("first", "schedule.max_steps=1")
    train_run(first, Quiet())
    adapter = Path(first.run.folder) / "checkpoint-1"
    with pytest.raises(RecipeError, match=r"is no DoRA"):
        train_run(make_recipe("dora", f"method.adapter={adapter}", "method.kind=dora"), Quiet())
    from doneness.testing.tiny import make_tiny_model

    wide = make_tiny_model(tmp_path / "other", hidden=64)
    with pytest.raises(RecipeError, match=r"cannot be laid over this model"):
        train_run(make_recipe("wide", f"method.adapter={adapter}", f"model.path={wide}"), Quiet())
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(RecipeError, match=r"cannot be laid over this model"):
        train_run(make_recipe("torn", f"method.adapter={adapter}"), Quiet())
    assert not any((tmp_path / name).exists() for name in ("none", "dora", "torn"))


def test_settings_that_full_training_never_looks_at_are_told(make_recipe: Make) -> None:
    told: list[str] = []
    recipe = make_recipe("full", "method.kind=full", "schedule.max_steps=1", "method.rank=64")
    train_run(recipe, Quiet(), lambda line: told.append(line.text()))
    assert 'method.rank = 64 is not looked at: method.kind = "full" trains no adapters.' in told


def test_a_recipe_of_a_run_is_the_same_when_read_back(make_recipe: Make) -> None:
    recipe = make_recipe("same", "method.save_modules=lm_head", "schedule.max_steps=1")
    train_run(recipe, Quiet())
    assert train_run(recipe, Quiet()).already
    assert build_recipe({}).method == MethodSection()
