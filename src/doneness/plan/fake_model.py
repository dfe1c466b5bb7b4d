"""A model of the right class and shape without its numbers: on the meta device, and then as fake tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from doneness.core import DataError, tr
from doneness.plan.families import family_of
from doneness.plan.setup import Setup

_DTYPES = {"fp32": "float32", "amp": "float32", "bf16": "bfloat16", "fp16": "float16"}


def config_of(config: Mapping[str, Any]) -> Any:
    """The transformers configuration that a config.json's text part means.

    A family whose code is not in transformers is taken for a Llama of the same sizes.
    """
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    text = config.get("text_config")
    values = {**config, **text} if isinstance(text, Mapping) else dict(config)
    family = str(values.pop("model_type", "llama")).lower()
    for key in ("text_config", "vision_config", "audio_config", "architectures", "auto_map", "quantization_config",
                "torch_dtype", "dtype", "transformers_version"):  # fmt: skip
        values.pop(key, None)
    return AutoConfig.for_model(family if family in CONFIG_MAPPING else "llama", **values)


def meta_model(config: Mapping[str, Any], dtype: str = "bf16", attention: str = "sdpa", scores: bool = False) -> Any:
    """The model on the meta device: every shape, no numbers.

    Args:
        config: a config.json.
        dtype: of the weights, as `Setup` has it.
        attention: likewise.
        scores: with an output layer that gives a row one number.

    Raises:
        DataError: transformers cannot make such a model.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    kind = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    # Kernels of FlashAttention are not needed to know what they keep: as much as torch's own.
    how = "sdpa" if attention == "flash_attention_2" else attention
    if how == "sdpa" and family_of(str(config.get("model_type")).lower()).eager:
        how = "eager"
    try:
        wanted = config_of(config)
        if scores:
            wanted.num_labels, wanted.get_text_config().pad_token_id = 1, 0
        with torch.device("meta"):
            return kind.from_config(wanted, dtype=getattr(torch, _DTYPES[dtype]), attn_implementation=how)
    except (ValueError, TypeError, KeyError, ImportError, AttributeError, ArithmeticError) as error:
        reason = (" ".join(str(error).split()) or type(error).__name__)[:160]
        raise DataError(tr("plan.no_class", family=str(config.get("model_type")), reason=reason)) from error


def shaped(config: Mapping[str, Any], setup: Setup, adapt: Callable[[Any], Any]) -> Any:
    """The model as it is trained: quantised and prepared where that is asked for, and its method applied."""
    import torch

    from doneness.models.quantize import prepared

    model = meta_model(config, setup.dtype, setup.attention, setup.stage == "reward")
    if setup.method == "qlora":
        from doneness.plan.packed_linear import pack

        compute = torch.float32 if setup.dtype == "fp32" else torch.bfloat16
        pack(model, setup.bits, setup.double_quant, compute)
        model.requires_grad_(False)
        if not setup.half_rest:
            model.is_loaded_in_4bit = setup.bits == 4
            model = prepared(model)
            model.is_loaded_in_4bit = False  # for peft its layers are linear ones
    model = adapt(model)
    if setup.checkpointing:
        _checkpoint(model)
    model.train()
    return model


def _checkpoint(model: Any) -> None:
    how = {"use_reentrant": False}
    new = getattr(model, "activation_checkpointing_enable", None)  # transformers 5.23 renamed it
    new(activation_checkpointing_kwargs=how) if new else model.gradient_checkpointing_enable(how)
    if hasattr(model, "enable_input_require_grads"):
        model.enable_input_require_grads()


def materialise(model: Any) -> Any:
    """Give every tensor of a meta model a storage of its own; called where fake tensors are made. Ties are kept."""
    import torch

    made: dict[int, Any] = {}
    for module in model.modules():
        for name, old in list(module._parameters.items()):
            if old is not None:
                if id(old) not in made:
                    empty = torch.empty(old.shape, dtype=old.dtype, device="cpu")
                    made[id(old)] = torch.nn.Parameter(empty, requires_grad=old.requires_grad)
                module._parameters[name] = made[id(old)]
        for name, old in list(module._buffers.items()):
            if old is not None:
                if id(old) not in made:
                    made[id(old)] = torch.empty(old.shape, dtype=old.dtype, device="cpu")
                module._buffers[name] = made[id(old)]
    return model


def frozen_copy(model: Any) -> Any:
    """A reference beside a model that is trained whole; on the meta device."""
    return copy.deepcopy(model).requires_grad_(False)
