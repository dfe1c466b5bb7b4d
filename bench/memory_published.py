"""Measurements that others published, beside our formula and simulation, canifinetune, accelerate and DeepSpeed.

LLaMA-Factory's wiki ("Performance comparison"): LLaMA2-7B, rank 8 on all linear layers, one A100-40, bf16,
checkpointing, gigabytes as told. The loss is transformers' of that time; QLoRA there has no double quantisation, and
keeps what is not quantised in half precision. With and without FlashAttention-2 one step is simulated: with
checkpointing they keep the same.

peft's README, 2023: bloomz-7b1 by LoRA takes 32 GB of an A100-80, and full training does not fit. Its script
(examples/causal_language_modeling/peft_lora_clm_accelerate_ds_zero3_offload.py) has what the README leaves out: rank 8,
peft's own targets, 8 rows of 64 tokens, weights in single precision as from_pretrained then loaded them, no
checkpointing; and it asks torch for the most that was allocated, in units of 2^20, so without the driver's context and
without fragmentation.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doneness.plan import Memory, Setup, estimate_memory
from doneness.plan.folk import accelerate_estimate, deepspeed_estimate
from doneness.plan.shapes import config_by_name, named_shape
from doneness.plan.simulated import memory_of

_BETTER, _SHARE = 1.0, 0.10  # a result holds within 1 GB or 10 %, whichever is larger


@dataclass(frozen=True)
class Published:
    """One measurement, gigabytes. `allocated`: of tensors alone; `targets`: as a recipe names them."""

    name: str
    gb: float
    method: str
    rows: int
    seq: int
    model: str = "llama-2-7b"
    dtype: str = "bf16"
    checkpointing: bool = True
    targets: str = "all"
    allocated: bool = False


MEASURED = (
    Published("LLaMA2-7B LoRA, 4 × 1024, FlashAttention-2", 17, "lora", 4, 1024),
    Published("LLaMA2-7B LoRA, 4 × 1024", 18, "lora", 4, 1024),
    Published("LLaMA2-7B QLoRA, 4 × 1024", 9, "qlora", 4, 1024),
    *(Published(f"LLaMA2-7B QLoRA, 1 × {seq}", gb, "qlora", 1, seq)
      for seq, gb in ((1024, 6), (4096, 9), (16384, 19), (32768, 32))),
    Published("bloomz-7b1 LoRA, 8 × 64, single precision, without checkpointing", 34.4, "lora", 8, 64, "bloomz-7b1",
              "fp32", checkpointing=False, targets="query_key_value", allocated=True),
)  # fmt: skip
_FULL = 80 * 2**30 / 1e9  # what bloomz-7b1 trained whole does not fit in


def setup_of(case: Published) -> Setup:
    """What the plan is told of it."""
    kinds: dict[str, Any] = {"method": case.method, "dtype": case.dtype}
    # Of bloom the three projections are one layer; the formula knows it by its parts.
    targets = ("q_proj", "k_proj", "v_proj") if case.targets == "query_key_value" else ("all",)
    return Setup(
        **kinds, micro_batch=case.rows, seq=case.seq, rank=8, targets=targets, checkpointing=case.checkpointing,
        loss="copied", accumulates=not case.allocated, half_rest=True,
    )  # fmt: skip


def compared(canifinetune: str | None, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every measurement with all answers, gigabytes of 10^9 bytes; what was simulated before is `known`."""
    steps: dict[Setup, Any] = {}
    before = {row["name"]: row for row in known}
    rows = []
    for case in MEASURED:
        old = before.get(case.name, {"simulated": None, "canifinetune": None})
        row = old if old["simulated"] is not None else _one(case, canifinetune, steps)
        rows.append({**row, "canifinetune": row["canifinetune"] or old["canifinetune"]})
    return rows


def _one(case: Published, canifinetune: str | None, steps: dict[Setup, Any]) -> dict[str, Any]:
    from doneness.config import MethodSection
    from doneness.plan.simulate import simulate
    from doneness.train.method import apply_method

    name, shape = named_shape(case.model)
    found = config_by_name(name)
    assert found is not None
    setup, method = setup_of(case), MethodSection(kind=case.method, rank=8, alpha=16, targets=case.targets)
    if setup not in steps:
        steps[setup] = simulate(found[1], setup, lambda model: apply_method(model, method, 0))
    counted = steps[setup]
    simulated, formula = (
        each.peak_gb - (_apart(each) if case.allocated else 0.0)
        for each in (memory_of(counted, shape, setup), estimate_memory(shape, setup))
    )
    return {
        "name": case.name, "published": case.gb, "formula": formula, "simulated": simulated,
        "live": counted.peak / 1e9, "formula_holds": holds(formula, case.gb),
        "simulated_holds": holds(simulated, case.gb),
        "canifinetune": asked(canifinetune, case) if canifinetune else None,
        "accelerate": accelerate_estimate(shape, 2.0) / 1e9, "zero2": deepspeed_estimate(shape, 1, 2) / 1e9,
        "zero3": deepspeed_estimate(shape, 1, 3) / 1e9,
    }  # fmt: skip


def _apart(memory: Memory) -> float:
    """What torch does not count among what it allocated, gigabytes."""
    return sum(memory.items.get(name, 0.0) for name in ("context", "fragmentation")) / 1e9


def too_large() -> dict[str, float]:
    """What bloomz-7b1 would take trained whole, gigabytes, and the card that was too small for it."""
    shape = named_shape("bloomz-7b1")[1]
    setup = Setup("full", 8, 64, dtype="fp32", loss="copied", accumulates=False, checkpointing=False)
    return {"formula": estimate_memory(shape, setup).peak_gb, "card": _FULL}


def holds(ours: float, told: float) -> bool:
    """Within 10 % or 1 GB, whichever is larger."""
    return abs(ours - told) <= max(_BETTER, _SHARE * told)


def asked(program: str, case: Published) -> float:
    """canifinetune's answer, gigabytes of 10^9 bytes."""
    shape = named_shape(case.model)[1]
    sizes = {
        "architecture": case.model.partition("-")[0], "num_parameters": shape.parameters, "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
        "intermediate_size": shape.intermediate, "vocab_size": shape.vocab,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        own = Path(place) / "sizes.json"
        own.write_text(json.dumps(sizes), encoding="utf-8")
        out = subprocess.run(
            [program, "estimate", "--model", "meta-llama/Llama-2-7b-hf", "--gpu-vram-gb", "40", "--method", case.method,
             "--seq-len", str(case.seq), "--micro-batch-size", str(case.rows), "--lora-rank", "8", "--target-scope",
             "all_linear", "--quantization", "nf4" if case.method == "qlora" else "none", "--optimizer", "adamw",
             "--override-json", str(own), "--offline", "--json"],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
    return total_of(json.loads(out)) * 2**30 / 1e9


def total_of(told: dict[str, Any]) -> float:
    """The total in its answer, GiB."""
    return float(told["memory"]["total_estimated_gb"])
