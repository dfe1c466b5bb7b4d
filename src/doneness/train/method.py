"""Which weights move: adapters of several kinds, all weights, or those of some layers."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from doneness.config import MethodSection, unused
from doneness.core import Message, RecipeError, say, tr
from doneness.health import layer_of
from doneness.train.adapter import differences, go_on
from doneness.train.targets import chosen_layers, head_of, linear_layers, patterns, saved_names, target_names


def apply_method(model: Any, method: MethodSection, seed: int) -> Any:
    """The model ready to be trained by `method`; the same seed gives the same adapters.

    Args:
        model: the base model; quantised already where the method wants that.
        method: of the recipe.
        seed: of the adapters' first values.

    Raises:
        RecipeError: the method names modules or layers that the model lacks, or an adapter that does not fit it.
    """
    if method.kind == "full":
        return _whole(model, method)
    import torch
    from peft import get_peft_model

    torch.manual_seed(seed)
    if method.adapter:
        return go_on(model, method)
    config = _adapter_config(model, method)
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        # Named, and of a kind that cannot carry an adapter.
        known = ", ".join(sorted({name.rpartition(".")[2] for name in linear_layers(model)}))
        raise RecipeError([tr("train.no_targets", targets=method.targets, known=known)]) from error


def method_lines(model: Any, method: MethodSection) -> list[Message]:
    """What is to be known of the method before training: settings that are not looked at, and the adapter's own.

    Args:
        model: with the method applied.
        method: of the recipe.
    """
    found = [say("train.unused", setting=setting) for setting in unused(method)]
    return found + (differences(model, method) if method.adapter else [])


def trainable(model: Any) -> tuple[int, int]:
    """Number of parameters that are trained, and of all; packed ones are counted as the weights that they stand for."""
    counts = [(_size(p), p.requires_grad) for p in model.parameters()]
    return sum(n for n, moves in counts if moves), sum(n for n, _ in counts)


def trainable_tensors(model: Any) -> dict[str, int]:
    """The trained tensors by name, numbers of layers and experts as *, and how many there are of each."""
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    short = (re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name.removeprefix("base_model.model.")) for name in names)
    return dict(Counter(short))


def _adapter_config(model: Any, method: MethodSection) -> Any:
    from peft import LoraConfig

    names = target_names(model, method.targets)
    saved = saved_names(model, method.save_modules, names)
    tied = _tied(model, saved)
    # One matrix that serves at both ends stays one, wherever the recipe names it.
    ends = {id(each) for each in (model.get_input_embeddings(), model.get_output_embeddings())} if tied else set()
    modules = dict(model.named_modules())
    kept = [name for name in saved if id(modules[name]) not in ends]
    if tied:
        kept.append(next(name for name, module in modules.items() if module is model.get_input_embeddings()))
    return LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        use_rslora=method.rslora,
        use_dora=method.kind == "dora",
        # GPT-2's layers keep their weights the other way round.
        fan_in_fan_out=all(type(modules[name]).__name__ == "Conv1D" for name in names),
        target_modules=patterns(model, method.targets),
        modules_to_save=kept or None,
        ensure_weight_tying=tied,
        # A model that scores rows keeps its new output layer with the adapters.
        task_type="CAUSAL_LM" if model.get_output_embeddings() is not None else "SEQ_CLS",
    )


def _tied(model: Any, saved: list[str]) -> bool:
    """Whether one matrix is both the embedding and the output layer, and `saved` names an end of it."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is None or head.weight is not embedding.weight:
        return False
    return any(module in (embedding, head) for name, module in model.named_modules() if name in saved)


def _whole(model: Any, method: MethodSection) -> Any:
    if not method.layers:
        model.requires_grad_(True)
        return model
    layers = chosen_layers(model, method.layers)
    also = saved_names(model, method.save_modules)
    if model.get_output_embeddings() is None:
        # The output layer that scores rows is new: frozen, it would score at random.
        also += [name for name, module in model.named_modules() if module is head_of(model)]
    for name, parameter in model.named_parameters():
        moves = layer_of(name) in layers or any(name.startswith(f"{module}.") for module in also)
        parameter.requires_grad_(moves)
    return model


def _size(parameter: Any) -> int:
    """Weights in a parameter: 4-bit ones lie two in a byte."""
    state = getattr(parameter, "quant_state", None)
    return int(state.shape.numel()) if state is not None else int(parameter.numel())
