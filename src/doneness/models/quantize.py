"""A base model whose linear layers are kept in 4 or 8 bits, ready for adapters over it (bitsandbytes).

Everything that is not quantised (embeddings, norms, output layer) is kept in single precision and frozen, as QLoRA
has it. Training and probing load the base through the same function: the model that is asked is the one that learnt.
"""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass
from typing import Any

from doneness.config import MethodSection, bits_of
from doneness.models.imports import require


@dataclass(frozen=True)
class Quantization:
    """How the linear layers are kept.

    Attributes:
        bits: 4 or 8.
        kind: of 4 bits: nf4 or fp4.
        double: whether the scales of 4 bits are quantised too.
    """

    bits: int
    kind: str = "nf4"
    double: bool = True

    @classmethod
    def of(cls, method: MethodSection) -> Quantization | None:
        """What a recipe's method asks for; None where it keeps the base model as it is."""
        bits = bits_of(method)
        return cls(bits, method.quant_type, method.double_quant) if bits else None


def quantized_arguments(how: Quantization, compute: str, device: str) -> dict[str, Any]:
    """What `from_pretrained` takes to load a model quantised, straight to its device.

    Args:
        how: the bits.
        compute: dtype that 4-bit weights are unpacked to for each product.
        device: as `pick_device` has it.

    Raises:
        MissingExtraError: bitsandbytes is not installed.
    """
    torch, transformers = require("torch"), require("transformers")
    require("bitsandbytes", "qlora")
    if how.bits == 8:
        # At every product it would warn that its inputs are rounded, which is how it works.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        config = transformers.BitsAndBytesConfig(load_in_8bit=True)
    else:
        config = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=how.kind,
            bnb_4bit_use_double_quant=how.double,
            bnb_4bit_compute_dtype=getattr(torch, compute),
        )
    # Packed weights cannot be moved afterwards; of several processes each has a card of its own.
    place = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device
    return {"quantization_config": config, "device_map": {"": place}}


def prepared(model: Any) -> Any:
    """The model frozen, with all that is not quantised in single precision."""
    for module in model.modules():
        if hasattr(module, "init_8bit_state"):
            module.init_8bit_state = functools.partial(_take_scales, module)
    # Checkpointing is the trainer's to switch on, and gives the inputs their gradients there.
    return require("peft").prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


def _take_scales(layer: Any) -> None:
    """What bitsandbytes does at an 8-bit layer's first pass, except that the weight keeps its scales.

    They are lost otherwise when the model is moved after it was used (bitsandbytes 0.50), even to where it is: a
    trainer does that after the base model's evaluation.
    """
    layer.state.CB, layer.state.SCB = layer.weight.CB, layer.weight.SCB
    layer.weight.CB = None
