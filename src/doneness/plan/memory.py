"""Peak memory of a training step, item by item.

Peak = weights + trainable · (gradient + optimizer) + activations + logits + context. Per token of
a micro-batch, in bytes at two bytes a number (h hidden, f intermediate, L layers, V vocabulary):

- with gradient checkpointing 2hL for the saved layer inputs and 24h + 8f for the one live layer;
  without it (24h + 8f)·L;
- 12V for the logits: half precision, single precision and gradient.

Held against measurements of Llama-2 7B (LoRA and QLoRA, rank 8 on all linear maps, 1k to 32k tokens;
LLaMA-Factory wiki, "Performance comparison") the estimate is within 10 % or 1 GB. Without
checkpointing it has not been held against any, so its upper bound is wider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from doneness.core import DataError, tr
from doneness.plan.shape import ModelShape

# Bytes a number. Under "amp" the weights are kept in single precision and cast for each step.
_WEIGHT = {"fp32": 4.0, "amp": 6.0, "bf16": 2.0, "fp16": 2.0}
_GRADIENT = {"fp32": 4.0, "amp": 4.0, "bf16": 2.0, "fp16": 2.0}
_ACTIVATION = {"fp32": 4.0, "amp": 2.0, "bf16": 2.0, "fp16": 2.0}
# Optimizer states a parameter, in numbers of its own precision, or in bytes where they have one.
_STATES = {"adamw": 2.0, "sgd": 0.0, "momentum": 1.0, "adafactor": 0.05}
_STATE_BYTES = {"adamw_8bit": 2.0}

# NF4: 4 bits and one single-precision scale for 64 weights; scales quantised again: 0.127 bits a weight.
_NF4, _NF4_DOUBLE = 0.5 + 4 / 64, 0.5 + 0.127 / 8
_CONTEXT = {"cuda": 0.9e9, "cpu": 0.4e9}
_MARGIN, _FRAGMENTATION, _UNTESTED = 1.10, 1.08, 1.25


@dataclass(frozen=True, slots=True)
class Setup:
    """What the memory of a step depends on, besides the model.

    Attributes:
        method: full, lora or qlora.
        micro_batch: rows in one forward pass; DPO counts chosen and rejected.
        seq: tokens a row, padding included.
        rank: of the adapters; unused for full.
        targets: see `ModelShape.lora_parameters`.
        dtype: of the weights: fp32, amp (single-precision master, half-precision compute), bf16, fp16.
        checkpointing: gradient checkpointing of whole layers.
        optimizer: adamw, adamw_8bit, adafactor, sgd or momentum.
        double_quant: quantise the scales of NF4 too.
        bits: of qlora's linear maps, 4 or 8.
        layers: full only: how many layers are trained; 0 trains everything.
        whole: parameters that are trained whole beside the adapters or layers, such as an embedding.
        device: cuda adds the driver's context, cpu that of Python with its libraries.
    """

    method: Literal["full", "lora", "qlora"]
    micro_batch: int
    seq: int
    rank: int = 16
    targets: tuple[str, ...] = ("all",)
    dtype: Literal["fp32", "amp", "bf16", "fp16"] = "bf16"
    checkpointing: bool = True
    optimizer: str = "adamw"
    double_quant: bool = False
    device: Literal["cuda", "cpu"] = "cuda"
    bits: int = 4
    layers: int = 0
    whole: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """An estimate in bytes.

    Attributes:
        items: weights, adapters, gradients, optimizer, activations, logits, context.
        total: their sum.
        low, high: the range to reckon with; `high` holds 10 % of error and 8 % of fragmentation.
        trainable: parameters that are trained.
    """

    items: Mapping[str, float] = field(default_factory=dict)
    total: float = 0.0
    low: float = 0.0
    high: float = 0.0
    trainable: int = 0


def estimate_memory(shape: ModelShape, setup: Setup) -> Memory:
    """Estimate the peak memory of training `shape` as `setup` says.

    Raises:
        DataError: a method, dtype, optimizer, device or target is not known.
        ValueError: a size is not positive.
    """
    _validate(setup)
    full = setup.method == "full"
    trainable = _of_layers(shape, setup.layers) if full else shape.lora_parameters(setup.rank, setup.targets)
    # Adapters are trained in single precision, whatever the base is kept in.
    precision = setup.dtype if full else "fp32"
    tokens = float(setup.micro_batch * setup.seq)
    items = {
        # What adapters are saved with is a copy beside the frozen original.
        "weights": _weights(shape, setup) + (0.0 if full else _WEIGHT[setup.dtype] * setup.whole),
        "adapters": 0.0 if full else 4.0 * trainable,
        "gradients": _GRADIENT[precision] * trainable + _GRADIENT[setup.dtype] * setup.whole,
        "optimizer": _optimizer(setup.optimizer, precision) * trainable
        + _optimizer(setup.optimizer, setup.dtype) * setup.whole,
        "activations": tokens * _activations(shape, setup),
        "logits": tokens * 12.0 * shape.vocab,
        "context": _CONTEXT[setup.device],
    }
    total = sum(items.values())
    # The smallest of the common implementations keeps ten bytes a logit instead of twelve.
    low = total - tokens * 2.0 * shape.vocab
    high = total if setup.checkpointing else total + (_UNTESTED - 1) * items["activations"]
    return Memory(items, total, low, high * _MARGIN * _FRAGMENTATION, trainable + setup.whole)


def _of_layers(shape: ModelShape, layers: int) -> int:
    """Parameters of so many layers; of the whole model for 0."""
    if not layers:
        return shape.parameters
    each = (shape.linear_parameters + shape.small_parameters - shape.hidden) // shape.layers
    return each * min(layers, shape.layers)


def _weights(shape: ModelShape, setup: Setup) -> float:
    if setup.method == "qlora":
        # Preparation for k-bit training keeps everything but the linear maps in single precision.
        kept = shape.embedding_parameters + shape.small_parameters
        return _linear_bytes(setup) * shape.linear_parameters + 4.0 * kept
    if setup.method == "lora" and setup.dtype == "amp":
        # Frozen weights need no master copy; the cast copies live for one layer at a time.
        return 4.0 * shape.parameters
    return _WEIGHT[setup.dtype] * shape.parameters


def _linear_bytes(setup: Setup) -> float:
    """Bytes of one quantised weight."""
    if setup.bits == 8:
        return 1.0
    return _NF4_DOUBLE if setup.double_quant else _NF4


def _optimizer(name: str, precision: str) -> float:
    if name in _STATE_BYTES:
        return _STATE_BYTES[name]
    return _STATES[name] * (2.0 if precision in ("bf16", "fp16") else 4.0)


def _activations(shape: ModelShape, setup: Setup) -> float:
    """Bytes a token."""
    live = 24.0 * shape.hidden + 8.0 * shape.intermediate
    saved = 2.0 * shape.hidden * shape.layers
    scale = _ACTIVATION[setup.dtype] / 2.0
    return scale * (saved + live if setup.checkpointing else live * shape.layers)


def _validate(setup: Setup) -> None:
    known: dict[str, tuple[object, tuple[str, ...]]] = {
        "method": (setup.method, ("full", "lora", "qlora")),
        "dtype": (setup.dtype, tuple(_WEIGHT)),
        "optimizer": (setup.optimizer, (*_STATES, *_STATE_BYTES)),
        "device": (setup.device, tuple(_CONTEXT)),
    }
    for name, (value, values) in known.items():
        if value not in values:
            raise DataError(tr("plan.unknown_value", name=name, value=str(value), known=", ".join(values)))
    for size, count in (("micro_batch", setup.micro_batch), ("seq", setup.seq), ("rank", setup.rank)):
        if count < 1:
            raise ValueError(f"{size} must be at least 1, got {count}")
