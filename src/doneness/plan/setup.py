"""What the memory of a step depends on, besides the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from doneness.core import DataError, tr

METHODS = ("full", "lora", "qlora")
DTYPES = ("fp32", "amp", "bf16", "fp16")
OPTIMIZERS = ("adamw", "adamw_8bit", "adafactor", "sgd", "momentum")
ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
LOSSES = ("tiled", "targets", "whole", "copied")
STAGES = ("pretrain", "sft", "dpo", "orpo", "kto", "reward", "grpo", "distill")
SPREADS = ("ddp", "fsdp", "zero1", "zero2", "zero3")
OFFLOADS = ("none", "optimizer", "all")
DEVICES = ("cuda", "cpu")

PAIRED = ("dpo", "orpo", "reward")  # a row is two rows for the model
SUPERVISED = ("pretrain", "sft", "distill")  # stages with our own loss on a CPU
REFERRED = ("dpo", "kto", "grpo")  # the model as it stood before is asked beside it


@dataclass(frozen=True, slots=True)
class Spread:
    """How a run lies on several devices.

    Attributes:
        kind: ddp (everything on each), fsdp or zero3 (everything in parts), zero1 (the optimizer's states in parts),
            zero2 (gradients too).
        devices: how many.
        offload: none; optimizer (states, master copy and gradients lie in the host's memory); all (weights, too).
    """

    kind: Literal["ddp", "fsdp", "zero1", "zero2", "zero3"] = "ddp"
    devices: int = 1
    offload: Literal["none", "optimizer", "all"] = "none"


@dataclass(frozen=True, slots=True)
class Setup:
    """What the memory of a step depends on, besides the model.

    Attributes:
        method: full, lora or qlora.
        micro_batch: rows in one forward pass; a pair counts once.
        seq: tokens a row, padding included.
        rank: of the adapters; unused for full.
        targets: see `ModelShape.lora_parameters`.
        dtype: of the weights: fp32, amp (single-precision master, half-precision compute), bf16, fp16.
        checkpointing: gradient checkpointing of whole layers.
        optimizer: adamw, adamw_8bit, adafactor, sgd or momentum.
        double_quant: quantise the scales of NF4 too.
        device: cuda adds the driver's context, cpu that of Python with its libraries.
        bits: of qlora's linear maps, 4 or 8.
        layers: full only: how many layers are trained; 0 trains everything.
        whole: parameters that are trained whole beside the adapters or layers, such as an embedding.
        attention: sdpa and flash_attention_2 never hold the scores of all pairs of tokens; eager does.
        packed: rows of a forward pass lie end to end, without padding.
        loss: tiled (the logits are never whole: what this trainer does on a GPU), targets (whole, of the tokens that
            carry loss: this trainer on a CPU), whole (of all tokens: a model's own loss, and most other trainers),
            copied (likewise, shifted by a copy: transformers' loss until 2025).
        target_share: of the tokens, those that carry loss.
        accumulates: gradients of earlier micro-batches lie there during a forward pass.
        stage: of the recipe.
        new_tokens: grpo: the longest answer, on top of seq.
        teacher: distill: parameters of the teacher, in bytes as they are kept.
        half_rest: qlora: what is not quantised stays in half precision, as LLaMA-Factory has it; else in single, as
            peft's preparation and this trainer do.
        spread: over how many devices, and how.
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
    attention: str = "sdpa"
    packed: bool = False
    loss: str = "tiled"
    target_share: float = 1.0
    accumulates: bool = True
    stage: str = "sft"
    new_tokens: int = 0
    teacher: float = 0.0
    half_rest: bool = False
    spread: Spread = field(default_factory=Spread)

    def __post_init__(self) -> None:
        """Refuse what is not known.

        Raises:
            DataError: a word that is none of those above.
            ValueError: a size is not positive.
        """
        known = {
            "method": (self.method, METHODS),
            "dtype": (self.dtype, DTYPES),
            "optimizer": (self.optimizer, OPTIMIZERS),
            "device": (self.device, DEVICES),
            "attention": (self.attention, ATTENTIONS),
            "loss": (self.loss, LOSSES),
            "stage": (self.stage, STAGES),
            "spread": (self.spread.kind, SPREADS),
            "offload": (self.spread.offload, OFFLOADS),
        }
        for name, (value, values) in known.items():
            if value not in values:
                raise DataError(tr("plan.unknown_value", name=name, value=str(value), known=", ".join(values)))
        sizes = {"micro_batch": self.micro_batch, "seq": self.seq, "rank": self.rank, "devices": self.spread.devices}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")

    @property
    def rows(self) -> int:
        """Rows that the model sees at once: a pair is two."""
        return self.micro_batch * (2 if self.stage in PAIRED else 1)

    @property
    def tokens(self) -> int:
        """Tokens of one forward pass."""
        return self.rows * (self.seq + (self.new_tokens if self.stage == "grpo" else 0))
