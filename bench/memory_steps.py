"""A real training step on a CPU, and the same one simulated: bytes of live tensors at the peak.

The real one is the trainer's own: its model loading, method, collator, loss and optimizer, random weights of the given
sizes. Both are counted by the same dispatch mode; the counter itself is held against the process's own high-water mark.
"""

from __future__ import annotations

import gc
import json
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from doneness.config import Recipe, build_recipe
from doneness.plan import ModelShape, Setup, estimate_memory

_WORDS = ("model_type", "num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
          "num_key_value_heads", "head_dim", "vocab_size", "tie_word_embeddings")  # fmt: skip


def config(*sizes: Any) -> dict[str, Any]:
    return dict(zip(_WORDS, sizes, strict=True)) | {"max_position_embeddings": 4096}


TINY = config("llama", 4, 256, 704, 8, 4, 32, 4096, False)
QWEN = config("qwen3", 3, 256, 768, 4, 2, 64, 16384, True)
SMOL = config("llama", 30, 576, 1536, 9, 3, 64, 49152, True)
HALF = config("qwen2", 24, 896, 4864, 14, 2, 64, 151936, True)
ONE = config("llama", 16, 2048, 8192, 32, 8, 64, 128256, True)


@dataclass(frozen=True)
class Case:
    """One configuration. `share` of the tokens carry loss; `keys` are further settings of the recipe."""

    name: str
    config: Mapping[str, Any]
    method: str = "lora"
    micro: int = 4
    seq: int = 192
    checkpointing: bool = False
    packed: bool = False
    share: float = 0.5
    keys: tuple[str, ...] = ()


CASES = (
    *(Case(f"tiny, {m}{', checkpointing' * c}{', packed' * p}", TINY, m, checkpointing=c, packed=p)
      for m in ("full", "lora") for c in (False, True) for p in (False, True)),
    Case("tiny, qlora", TINY, "qlora"),
    Case("tiny, qlora, checkpointing, packed", TINY, "qlora", checkpointing=True, packed=True),
    Case("tiny, full, adafactor", TINY, "full", keys=("optimizer.name=adafactor",)),
    Case("tiny, lora, every token carries loss", TINY, "lora", share=1.0, seq=256),
    Case("tiny, dpo, lora", TINY, "lora", micro=2, keys=("run.stage=dpo",)),
    Case("tiny, reward, lora, checkpointing", TINY, "lora", micro=2, checkpointing=True, keys=("run.stage=reward",)),
    Case("Qwen3's kind, lora on attention", QWEN, "lora", keys=("method.targets=attention",)),
    Case("135M, lora", SMOL, "lora", micro=2, seq=128),
    Case("135M, lora, checkpointing, packed", SMOL, "lora", micro=2, seq=128, checkpointing=True, packed=True),
    Case("135M, full, checkpointing", SMOL, "full", micro=2, seq=96, checkpointing=True),
    Case("135M, full, packed", SMOL, "full", micro=2, seq=96, packed=True),
    Case("135M, qlora, checkpointing", SMOL, "qlora", micro=2, seq=96, checkpointing=True),
    Case("0.5B, lora, checkpointing", HALF, "lora", micro=2, seq=256, checkpointing=True),
    Case("1.2B, lora, checkpointing, packed", ONE, "lora", micro=2, seq=256, checkpointing=True, packed=True),
)  # fmt: skip


def recipe_of(case: Case, model: str) -> Recipe:
    """The recipe of a case; rows are made, none is read."""
    own = ["run.folder=unused", f"model.path={model}", f"method.kind={case.method}", "method.rank=8",
           "data.train=unused", "model.device=cpu", f"optimizer.micro_batch={case.micro}",
           f"optimizer.batch_size={case.micro}", f"optimizer.gradient_checkpointing={str(case.checkpointing).lower()}",
           f"data.packing={str(case.packed).lower()}"]  # fmt: skip
    return build_recipe({}, [*own, *case.keys])


def setup_of(case: Case, recipe: Recipe) -> Setup:
    """What the plan is told of it."""
    optimizer = {"adamw_torch": "adamw"}.get(recipe.optimizer.name, recipe.optimizer.name)
    targets = ("attention",) if recipe.method.targets == "attention" else ("all",)
    kinds: dict[str, Any] = {"method": case.method, "dtype": "fp32", "device": "cpu"}
    return Setup(
        **kinds, micro_batch=case.micro, seq=case.seq, rank=8, targets=targets,
        checkpointing=case.checkpointing, optimizer=optimizer, double_quant=True, packed=case.packed, loss="targets",
        target_share=case.share, accumulates=False, stage=recipe.run.stage,
    )  # fmt: skip


def simulated(case: Case) -> Any:
    """The count without the numbers."""
    from doneness.plan.simulate import simulate
    from doneness.train.method import apply_method

    recipe = recipe_of(case, "unused")
    return simulate(case.config, setup_of(case, recipe), lambda model: apply_method(model, recipe.method, 0))


def reckoned(case: Case) -> float:
    """The formula's live tensors: without the libraries' own memory."""
    found = estimate_memory(ModelShape.from_config(case.config), setup_of(case, recipe_of(case, "unused")))
    return found.total - found.items.get("context", 0.0)


def real(case: Case) -> dict[str, float]:
    """Peak of live tensors in the second real step, what of it is frozen, and how much the process grew meanwhile."""
    from doneness.plan.live import LiveBytes
    from doneness.train.preflight.memory import peak_of

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as place:
        before = _resident()
        trainer, inputs, model = _ready(case, Path(place))
        live = LiveBytes()
        scales = _scales(model)
        live.count([*model.parameters(), *model.buffers(), *scales])
        frozen = held([*(p for p in model.parameters() if not p.requires_grad), *scales])
        gc.collect()
        with live:
            for step in range(2):
                if step == 1:
                    live.forget_peak()
                with peak_of(next(model.parameters()).device) as peak:
                    _step(trainer, model, inputs)
    return {"peak": float(live.peak), "frozen": float(frozen), "process": float((peak.used or 0) - before)}


def held(tensors: Iterable[Any]) -> int:
    """Bytes of their storages, each once."""
    found = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors}
    return sum(found.values())


def _ready(case: Case, place: Path) -> tuple[Any, Any, Any]:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    from doneness.models import EncodedRows, load_model
    from doneness.models.quantize import Quantization
    from doneness.plan.fake_model import config_of
    from doneness.testing.tiny import make_tiny_tokenizer
    from doneness.train.arguments import common_arguments
    from doneness.train.loop import TrainingRows
    from doneness.train.method import apply_method
    from doneness.train.packing import lies_end_to_end
    from doneness.train.precision import unrounded
    from doneness.train.preflight.step import _encoded
    from doneness.train.stages import stage_of

    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config_of(case.config), dtype=torch.float32).save_pretrained(place / "model")
    tokenizer = make_tiny_tokenizer()
    tokenizer.save_pretrained(place / "model")
    gc.collect()
    recipe = recipe_of(case, str(place / "model"))
    scores = 0 if recipe.run.stage == "reward" else None
    loaded = load_model(str(place / "model"), "auto", "cpu", Quantization.of(recipe.method), scores)
    loaded = replace(loaded, model=apply_method(loaded.model, recipe.method, 0))
    lengths = [case.seq] * case.micro if case.packed else [max(8, case.seq - 4 * i) for i in range(case.micro)]
    rows = [_row(i, length, case) for i, length in enumerate(lengths)]
    if recipe.run.stage in ("dpo", "reward"):
        from doneness.models.pairs import EncodedPair

        rows = [
            EncodedPair(row, _row(i, length, case)) for (i, length), row in zip(enumerate(lengths), rows, strict=True)
        ]
    packed = lies_end_to_end(recipe, loaded.model, rows)
    assert packed == case.packed, case.name
    encoded = TrainingRows(EncodedRows(tuple(rows), 0, 0), None, packed=packed)
    stage = stage_of(recipe, encoded, tokenizer.pad_token_id)
    items = stage.dataset()
    common = common_arguments(recipe, place, 9, "cpu")
    with unrounded(loaded.model):
        trainer = _encoded(stage.trainer())(
            model=loaded.model, args=stage.arguments(common), train_dataset=Dataset.from_list(items),
            data_collator=stage.collator(), processing_class=tokenizer, **stage.more(loaded.model),
        )  # fmt: skip
        stage.built(trainer)
    inputs = trainer._prepare_inputs(stage.collator()(items))
    model = trainer.model
    if case.checkpointing:
        how = {"use_reentrant": False}
        new = getattr(model, "activation_checkpointing_enable", None)
        new(activation_checkpointing_kwargs=how) if new else model.gradient_checkpointing_enable(how)
    model.train()
    trainer.create_optimizer()
    return trainer, inputs, model


def _row(number: int, length: int, case: Case) -> Any:
    from doneness.models import Encoded

    start = max(1, round(case.seq * (1 - case.share)))
    return Encoded(str(number), tuple(3 + (7 * i + number) % 200 for i in range(length)), min(start, length - 2))


def _step(trainer: Any, model: Any, inputs: Any) -> None:
    import torch

    given = dict(inputs)
    items = int((given["labels"][:, 1:] != -100).sum()) if "labels" in given else None
    loss = trainer.compute_loss(model, given, num_items_in_batch=torch.tensor(items) if items else None)
    loss.backward()
    del loss
    trainer.optimizer.step()
    trainer.optimizer.zero_grad(set_to_none=True)


def _scales(model: Any) -> list[Any]:
    """What 4-bit weights keep beside themselves."""
    found = []
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        if state is not None:
            nested = state.state2
            found += [state.absmax, state.code, *([nested.absmax, nested.code, state.offset] if nested else [])]
    return [each for each in found if each is not None]


def _resident() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def measured(name: str) -> dict[str, Any]:
    """One case, whole."""
    case = next(each for each in CASES if each.name == name)
    there = real(case)
    gc.collect()
    found = simulated(case)
    return {
        "name": case.name, "tokens": case.micro * case.seq, "real": there["peak"], "frozen": there["frozen"],
        "process": there["process"], "simulated": float(found.peak), "formula": reckoned(case),
        "error": found.peak / there["peak"] - 1,
        "parameters": found.parameters, "weights": found.weights, "optimizer": found.optimizer,
        "gradients": found.gradients, "activations": found.activations,
    }  # fmt: skip


if __name__ == "__main__":
    import sys

    for each in sys.argv[1:] or [case.name for case in CASES]:
        print(json.dumps(measured(each)), flush=True)
